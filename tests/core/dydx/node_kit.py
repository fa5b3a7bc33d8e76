"""A small real gRPC node whose answers a test chooses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import grpc
from v4_proto.cosmos.auth.v1beta1 import query_pb2 as auth
from v4_proto.cosmos.auth.v1beta1 import query_pb2_grpc as auth_grpc
from v4_proto.cosmos.auth.v1beta1.auth_pb2 import BaseAccount
from v4_proto.cosmos.bank.v1beta1 import query_pb2 as bank
from v4_proto.cosmos.bank.v1beta1 import query_pb2_grpc as bank_grpc
from v4_proto.cosmos.base.node.v1beta1 import query_pb2 as status
from v4_proto.cosmos.base.node.v1beta1 import query_pb2_grpc as status_grpc
from v4_proto.cosmos.base.tendermint.v1beta1 import query_pb2 as tendermint
from v4_proto.cosmos.base.tendermint.v1beta1 import query_pb2_grpc as tendermint_grpc
from v4_proto.cosmos.base.v1beta1.coin_pb2 import Coin
from v4_proto.cosmos.tx.v1beta1 import service_pb2 as tx
from v4_proto.dydxprotocol.clob import query_pb2 as clob
from v4_proto.dydxprotocol.clob import query_pb2_grpc as clob_grpc
from v4_proto.dydxprotocol.clob.block_rate_limit_config_pb2 import MaxPerNBlocksRateLimit
from v4_proto.dydxprotocol.clob.clob_pair_pb2 import ClobPair, PerpetualClobMetadata
from v4_proto.dydxprotocol.clob.equity_tier_limit_config_pb2 import EquityTierLimit
from v4_proto.dydxprotocol.feetiers import query_pb2 as fee
from v4_proto.dydxprotocol.feetiers import query_pb2_grpc as fee_grpc
from v4_proto.dydxprotocol.feetiers.params_pb2 import PerpetualFeeTier
from v4_proto.dydxprotocol.subaccounts import query_pb2 as subaccounts
from v4_proto.dydxprotocol.subaccounts import query_pb2_grpc as subaccounts_grpc
from v4_proto.dydxprotocol.subaccounts.asset_position_pb2 import AssetPosition
from v4_proto.dydxprotocol.subaccounts.perpetual_position_pb2 import PerpetualPosition

from core.dydx.network import Network, paper_network

CHAIN = "localdydxprotocol"
BROADCAST = "/cosmos.tx.v1beta1.Service/BroadcastTx"


def varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def field(number: int, value: bytes | int) -> bytes:
    """One protobuf field, so that answers can hold what no proper message could."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def check_tx(code: int, codespace: str = "", raw_log: bytes = b"[]") -> bytes:
    """The bytes of a BroadcastTxResponse."""
    inner = field(2, b"AB" * 32)
    if codespace:
        inner += field(3, codespace.encode())
    if code:
        inner += field(4, code)
    return field(1, inner + field(6, raw_log))


class Node(
    auth_grpc.QueryServicer,  # type: ignore[misc]
    bank_grpc.QueryServicer,  # type: ignore[misc]
    tendermint_grpc.ServiceServicer,  # type: ignore[misc]
    subaccounts_grpc.QueryServicer,  # type: ignore[misc]
):
    """A node on loopback. `behave` decides what a broadcast is answered."""

    def __init__(
        self, chain_id: str = CHAIN, *, tells_status: bool = True, tells_block: bool = True
    ) -> None:
        self.tells_status = tells_status
        self.tells_block = tells_block
        self.port = 0
        self.chain_id = chain_id
        self.height = 1234
        self.syncing = False
        self.accounts: dict[str, Any] = {}
        self.received: list[bytes] = []
        self.asked: list[str] = []
        self.behave: Callable[[Any], Any] = accept
        self.orders: dict[int, clob.QueryStatefulOrderResponse] = {}
        self.names_height = True
        self.torn = 0  # so many answers about orders show the state before the block they name
        self.query_delay = asyncio.Event()
        self.query_delay.set()
        self._server: grpc.aio.Server | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> Node:
        server = grpc.aio.server()
        node = self

        async def broadcast(raw: bytes, context: Any) -> bytes:
            node.received.append(tx.BroadcastTxRequest.FromString(raw).tx_bytes)
            answer: bytes = await node.behave(context)
            return answer

        handler = grpc.unary_unary_rpc_method_handler(broadcast)

        class Raw(grpc.GenericRpcHandler):  # type: ignore[type-arg]
            def service(self, details: Any) -> Any:
                return handler if details.method == BROADCAST else None

        server.add_generic_rpc_handlers((Raw(),))
        auth_grpc.add_QueryServicer_to_server(self, server)
        bank_grpc.add_QueryServicer_to_server(self, server)
        if self.tells_block:
            tendermint_grpc.add_ServiceServicer_to_server(self, server)
        subaccounts_grpc.add_QueryServicer_to_server(self, server)
        clob_grpc.add_QueryServicer_to_server(Books(self), server)
        fee_grpc.add_QueryServicer_to_server(Fees(), server)
        if self.tells_status:
            status_grpc.add_ServiceServicer_to_server(Framework(self), server)
        self.port = server.add_insecure_port(f"127.0.0.1:{self.port}")
        await server.start()
        self._server = server
        return self

    async def stop(self) -> None:
        """Dies at once, with all its connections."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop(None)

    async def GetLatestBlock(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.asked.append("GetLatestBlock")
        await self.query_delay.wait()
        answer = tendermint.GetLatestBlockResponse()
        answer.sdk_block.header.height = self.height
        answer.sdk_block.header.chain_id = self.chain_id
        answer.sdk_block.header.time.FromJsonString("2026-11-24T12:00:00.123Z")
        return answer

    async def tell_height(self, context: Any) -> None:
        """A node of the chain names the block that an answer belongs to; other servers do not."""
        if self.names_height:
            await context.send_initial_metadata((("x-cosmos-block-height", str(self.height)),))

    async def GetSyncing(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.asked.append("GetSyncing")
        return tendermint.GetSyncingResponse(syncing=self.syncing)

    async def Account(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.asked.append("Account")
        answer = auth.QueryAccountResponse()
        if request.address in self.accounts:
            answer.account.Pack(self.accounts[request.address], type_url_prefix="/")
            return answer
        if request.address != "dydx1known":
            await context.abort(grpc.StatusCode.NOT_FOUND, f"account {request.address} not found")
        answer.account.Pack(
            BaseAccount(address="dydx1known", account_number=0, sequence=5), type_url_prefix="/"
        )
        return answer

    async def AllBalances(self, request: Any, context: Any) -> Any:  # noqa: N802
        answer = bank.QueryAllBalancesResponse()
        if request.pagination.key:
            answer.balances.append(Coin(denom="b", amount="99999999999999999999999"))
        else:
            answer.balances.append(Coin(denom="a", amount="1"))
            answer.pagination.next_key = b"more"
        return answer

    async def Subaccount(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.asked.append("Subaccount")
        await self.tell_height(context)
        answer = subaccounts.QuerySubaccountResponse()
        if request.owner == "dydx1known":
            answer.subaccount.asset_positions.append(
                AssetPosition(asset_id=0, quantums=bytes([3]) + (1_500_000).to_bytes(3, "big"))
            )
            answer.subaccount.perpetual_positions.append(
                PerpetualPosition(perpetual_id=0, quantums=bytes.fromhex("02012a05f200"))
            )
            answer.subaccount.perpetual_positions.append(
                PerpetualPosition(perpetual_id=5, quantums=bytes([3, 7]))
            )
        if request.owner == "dydx1odd":
            answer.subaccount.asset_positions.append(AssetPosition(quantums=b"\x09\x01"))
        return answer


class Books(clob_grpc.QueryServicer):  # type: ignore[misc]
    """The order book queries of a node; two of its names are taken by others."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def ClobPairAll(self, request: Any, context: Any) -> Any:  # noqa: N802
        answer = clob.QueryClobPairAllResponse()
        first = int(request.pagination.key or b"0")
        for number in (first, first + 1):
            answer.clob_pair.append(
                ClobPair(
                    id=number,
                    perpetual_clob_metadata=PerpetualClobMetadata(perpetual_id=number),
                    step_base_quantums=1_000_000,
                    subticks_per_tick=100_000,
                    quantum_conversion_exponent=-9,
                    status=ClobPair.STATUS_ACTIVE,
                )
            )
        if first < 4:
            answer.pagination.next_key = str(first + 2).encode()
        return answer

    async def StatefulOrder(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._node.tell_height(context)
        if self._node.torn:
            self._node.torn -= 1
            await context.abort(grpc.StatusCode.NOT_FOUND, "not found")
        found = self._node.orders.get(request.order_id.client_id)
        if found is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "not found")
        return found

    async def EquityTierLimitConfiguration(self, request: Any, context: Any) -> Any:  # noqa: N802
        answer = clob.QueryEquityTierLimitConfigurationResponse()
        tiers = answer.equity_tier_limit_config.stateful_order_equity_tiers
        tiers.append(EquityTierLimit(usd_tnc_required=b"\x02", limit=0))
        twenty = bytes([2]) + (20_000_000).to_bytes(4, "big")
        tiers.append(EquityTierLimit(usd_tnc_required=twenty, limit=10))
        return answer

    async def BlockRateLimitConfiguration(self, request: Any, context: Any) -> Any:  # noqa: N802
        answer = clob.QueryBlockRateLimitConfigurationResponse()
        config = answer.block_rate_limit_config
        config.max_stateful_orders_per_n_blocks.append(
            MaxPerNBlocksRateLimit(num_blocks=100, limit=20)
        )
        config.max_short_term_orders_and_cancels_per_n_blocks.append(
            MaxPerNBlocksRateLimit(num_blocks=5, limit=4000)
        )
        return answer


class Framework(status_grpc.ServiceServicer):  # type: ignore[misc]
    """What the framework of a node tells of it."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def Status(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._node.asked.append("Status")
        answer = status.StatusResponse(height=self._node.height)
        answer.timestamp.FromJsonString("2026-11-24T12:00:00.123Z")
        return answer


class Fees(fee_grpc.QueryServicer):  # type: ignore[misc]
    """What an account pays."""

    async def UserFeeTier(self, request: Any, context: Any) -> Any:  # noqa: N802
        tier = PerpetualFeeTier(name="1", maker_fee_ppm=-110, taker_fee_ppm=500)
        return fee.QueryUserFeeTierResponse(index=1, tier=tier)


async def accept(context: Any) -> bytes:
    return check_tx(0)


def refuse(code: int, codespace: str, raw_log: bytes = b"") -> Callable[[Any], Any]:
    async def answer(context: Any) -> bytes:
        return check_tx(code, codespace, raw_log)

    return answer


async def hang(context: Any) -> bytes:
    await asyncio.Event().wait()
    return b""


def fail(status: Any) -> Callable[[Any], Any]:
    async def answer(context: Any) -> bytes:
        await context.abort(status, "no")
        return b""

    return answer


def raw(value: bytes) -> Callable[[Any], Any]:
    async def answer(context: Any) -> bytes:
        return value

    return answer


def network_of(*addresses: str, chain_id: str = CHAIN) -> Network:
    return replace(paper_network(), grpc=addresses, chain_id=chain_id)
