"""The node over gRPC, read with the published stubs and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from v4_proto.cosmos.auth.v1beta1.auth_pb2 import BaseAccount
from v4_proto.cosmos.auth.v1beta1.query_pb2 import QueryAccountRequest
from v4_proto.cosmos.auth.v1beta1.query_pb2_grpc import QueryStub as AuthStub
from v4_proto.cosmos.bank.v1beta1.query_pb2 import QueryAllBalancesRequest
from v4_proto.cosmos.bank.v1beta1.query_pb2_grpc import QueryStub as BankStub
from v4_proto.cosmos.base.tendermint.v1beta1.query_pb2 import GetLatestBlockRequest
from v4_proto.cosmos.base.tendermint.v1beta1.query_pb2_grpc import ServiceStub as BlockStub
from v4_proto.cosmos.tx.v1beta1.service_pb2 import (
    BROADCAST_MODE_SYNC,
    BroadcastTxRequest,
    GetTxRequest,
    SimulateRequest,
)
from v4_proto.cosmos.tx.v1beta1.service_pb2_grpc import ServiceStub as TxStub
from v4_proto.dydxprotocol.accountplus.query_pb2 import GetAuthenticatorsRequest
from v4_proto.dydxprotocol.accountplus.query_pb2_grpc import QueryStub as AccountPlusStub
from v4_proto.dydxprotocol.clob.query_pb2 import QueryStatefulOrderRequest
from v4_proto.dydxprotocol.clob.query_pb2_grpc import QueryStub as ClobStub
from v4_proto.dydxprotocol.subaccounts.query_pb2 import QueryGetSubaccountRequest
from v4_proto.dydxprotocol.subaccounts.query_pb2_grpc import QueryStub as SubaccountsStub

from tests.conformance.checks import Mismatch, until

CALL_S = 10.0
FOLLOW_S = 0.3


@dataclass(frozen=True)
class Answer:
    """What a node or a block said to a transaction; equal when code and codespace are."""

    codespace: str
    code: int
    log: str = ""

    def __eq__(self, other: object) -> bool:
        if isinstance(other, tuple):
            return (self.codespace, self.code) == other
        return isinstance(other, Answer) and self.pair == other.pair

    def __hash__(self) -> int:
        return hash(self.pair)

    @property
    def pair(self) -> tuple[str, int]:
        return self.codespace, self.code

    def __repr__(self) -> str:
        return f"({self.codespace!r}, {self.code}) {self.log[:120]!r}"


GOOD = ("", 0)


def hash_of(tx: bytes) -> str:
    return hashlib.sha256(tx).hexdigest().upper()


def integer(raw: bytes) -> int:
    """The chain's big integers: a sign byte, then the magnitude."""
    if not raw:
        return 0
    value = int.from_bytes(raw[1:], "big")
    return -value if raw[0] == 3 else value


class Chain:
    """One node. `follow` keeps height and time of the last block."""

    def __init__(self, address: str, tls: bool) -> None:
        options = [("grpc.max_receive_message_length", 32 * 1024 * 1024)]
        if tls:
            self.channel = grpc.aio.secure_channel(
                address, grpc.ssl_channel_credentials(), options=options
            )
        else:
            options.append(("grpc.enable_http_proxy", 0))
            self.channel = grpc.aio.insecure_channel(address, options=options)
        self.tx = TxStub(self.channel)
        self._raw_broadcast = self.channel.unary_unary(
            "/cosmos.tx.v1beta1.Service/BroadcastTx",
            request_serializer=BroadcastTxRequest.SerializeToString,
            response_deserializer=bytes,
        )
        self.height = 0
        self.time = dt.datetime.fromtimestamp(0, dt.UTC)
        self.chain_id = ""
        self._grew = asyncio.Condition()
        self._follower: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._look()
        self._follower = asyncio.create_task(self._follow(), name="conformance-blocks")

    async def close(self) -> None:
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
        await self.channel.close(None)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(FOLLOW_S)
            with contextlib.suppress(grpc.aio.AioRpcError):
                await self._look()

    async def _look(self) -> None:
        answer = await BlockStub(self.channel).GetLatestBlock(
            GetLatestBlockRequest(), timeout=CALL_S
        )
        header = answer.sdk_block.header
        async with self._grew:
            if header.height > self.height:
                self.height = header.height
                self.time = header.time.ToDatetime(tzinfo=dt.UTC)
                self.chain_id = header.chain_id
                self._grew.notify_all()

    async def reached(self, height: int, within_s: float = 40.0) -> None:
        """Returns once this block is committed."""
        try:
            async with asyncio.timeout(within_s), self._grew:
                await self._grew.wait_for(lambda: self.height >= height)
        except TimeoutError:
            raise Mismatch(f"block {height} was not reached, the last is {self.height}") from None

    async def blocks(self, count: int) -> None:
        await self.reached(self.height + count)

    async def fresh(self) -> int:
        """The height of the last block, asked now."""
        await self._look()
        return self.height

    # transactions

    async def broadcast(self, tx: bytes, mode: int = BROADCAST_MODE_SYNC) -> Answer:
        """The node's answer; a gRPC error becomes ("grpc", code) with its name as log."""
        try:
            raw = await self._raw_broadcast(
                BroadcastTxRequest(tx_bytes=tx, mode=mode), timeout=CALL_S
            )
        except grpc.aio.AioRpcError as error:
            return Answer("grpc", error.code().value[0], f"{error.code().name} {error.details()}")
        return _answer(raw)

    async def simulate(self, tx: bytes) -> Any:
        return await self.tx.Simulate(SimulateRequest(tx_bytes=tx), timeout=CALL_S)

    async def found(self, tx_hash: str) -> Any | None:
        """The transaction's row in a block, or None."""
        try:
            return (await self.tx.GetTx(GetTxRequest(hash=tx_hash), timeout=CALL_S)).tx_response
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise

    async def delivered(self, tx_hash: str, within_s: float = 20.0) -> Answer:
        """What the block said to a transaction. Raises Mismatch when it comes into none."""
        row = await until("the transaction in a block", lambda: self.found(tx_hash), within_s, 0.3)
        return Answer(row.codespace, row.code, row.raw_log)

    # state

    async def account(self, address: str) -> tuple[int, int] | None:
        """Account number and committed sequence; None for an unknown one."""
        try:
            answer = await AuthStub(self.channel).Account(
                QueryAccountRequest(address=address), timeout=CALL_S
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise
        base = BaseAccount()
        answer.account.Unpack(base)
        return base.account_number, base.sequence

    async def balances(self, address: str) -> dict[str, int]:
        answer = await BankStub(self.channel).AllBalances(
            QueryAllBalancesRequest(address=address), timeout=CALL_S
        )
        return {coin.denom: int(coin.amount) for coin in answer.balances}

    async def subaccount(self, address: str, number: int = 0) -> tuple[int, dict[int, int]]:
        """Quote quantums and signed base quantums by perpetual."""
        answer = await SubaccountsStub(self.channel).Subaccount(
            QueryGetSubaccountRequest(owner=address, number=number), timeout=CALL_S
        )
        row = answer.subaccount
        usdc = sum(integer(p.quantums) for p in row.asset_positions if p.asset_id == 0)
        return usdc, {p.perpetual_id: integer(p.quantums) for p in row.perpetual_positions}

    async def stateful(self, order_id: Any) -> tuple[str, int]:
        """(open, triggered, untriggered or gone; filled quantums)."""
        try:
            answer = await ClobStub(self.channel).StatefulOrder(
                QueryStatefulOrderRequest(order_id=order_id), timeout=CALL_S
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return "gone", 0
            raise
        state = "open"
        if order_id.order_flags == 32:
            state = "triggered" if answer.triggered else "untriggered"
        return state, answer.fill_amount

    async def authenticators(self, address: str) -> list[Any]:
        answer = await AccountPlusStub(self.channel).GetAuthenticators(
            GetAuthenticatorsRequest(account=address), timeout=CALL_S
        )
        return list(answer.account_authenticators)


def _answer(raw: bytes) -> Answer:
    """Reads the answer's fields one by one: the log may hold bytes that are no text."""
    try:
        inner = _fields(_fields(raw)[1])
    except (DecodeError, KeyError):
        raise Mismatch("the answer to a broadcast could not be read") from None
    return Answer(
        inner.get(3, b"").decode(),
        int(inner.get(4, 0)),
        inner.get(6, b"").decode("utf-8", "backslashreplace"),
    )


def _fields(raw: bytes) -> dict[int, Any]:
    """The values of a message's fields by number."""
    found: Any = UnknownFieldSet(Empty.FromString(raw))
    return {field.field_number: field.data for field in found}
