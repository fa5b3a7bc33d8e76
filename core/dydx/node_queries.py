"""Queries of a node's committed state, on one endpoint."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from v4_proto.cosmos.auth.v1beta1.auth_pb2 import BaseAccount, ModuleAccount
from v4_proto.cosmos.auth.v1beta1.query_pb2 import QueryAccountRequest
from v4_proto.cosmos.auth.v1beta1.query_pb2_grpc import QueryStub as AuthStub
from v4_proto.cosmos.bank.v1beta1.query_pb2 import QueryAllBalancesRequest
from v4_proto.cosmos.bank.v1beta1.query_pb2_grpc import QueryStub as BankStub
from v4_proto.cosmos.base.query.v1beta1.pagination_pb2 import PageRequest
from v4_proto.cosmos.base.tendermint.v1beta1.query_pb2 import (
    GetLatestBlockRequest,
    GetSyncingRequest,
)
from v4_proto.cosmos.base.tendermint.v1beta1.query_pb2_grpc import ServiceStub as BlockStub
from v4_proto.cosmos.vesting.v1beta1.vesting_pb2 import ContinuousVestingAccount
from v4_proto.dydxprotocol.clob.clob_pair_pb2 import ClobPair as ClobPairMessage
from v4_proto.dydxprotocol.clob.query_pb2 import (
    QueryAllClobPairRequest,
    QueryBlockRateLimitConfigurationRequest,
    QueryEquityTierLimitConfigurationRequest,
)
from v4_proto.dydxprotocol.clob.query_pb2_grpc import QueryStub as ClobStub
from v4_proto.dydxprotocol.subaccounts.query_pb2 import QueryGetSubaccountRequest
from v4_proto.dydxprotocol.subaccounts.query_pb2_grpc import QueryStub as SubaccountsStub

from core.dydx.endpoint import CallFailed, Endpoint
from core.dydx.protocol import QUOTE_RESOLUTION

PAGE = 1000


@dataclass(frozen=True)
class Block:
    """A committed block; `time` is in its header, about one block older than the commit."""

    height: int
    time: dt.datetime
    chain_id: str


@dataclass(frozen=True)
class ChainAccount:
    """An account of the chain and its committed sequence."""

    address: str
    number: int
    sequence: int


@dataclass(frozen=True)
class CommittedSubaccount:
    """USDC (negative when owed) and signed quantums by perpetual id, as committed."""

    usdc: Decimal
    positions: dict[int, int]


@dataclass(frozen=True)
class ClobPair:
    """An order book's parameters; `status` is the chain's name without prefix."""

    id: int
    perpetual_id: int
    step_base_quantums: int
    subticks_per_tick: int
    quantum_conversion_exponent: int
    status: str


@dataclass(frozen=True)
class EquityTier:
    """From this equity in USD on an account may have `limit` stateful orders."""

    equity: Decimal
    limit: int


@dataclass(frozen=True)
class BlockRateLimits:
    """Limits as (blocks, orders) per account owner; refused attempts count too."""

    short_term: tuple[tuple[int, int], ...]
    stateful: tuple[tuple[int, int], ...]


def serialized_int(raw: bytes) -> int:
    """The chain's big integers: a sign byte (2 plus, 3 minus), then the magnitude, big-endian.

    Raises ValueError for another sign byte.
    """
    if not raw:
        return 0
    if raw[0] not in (2, 3):
        raise ValueError("an integer had an unknown sign byte")
    magnitude = int.from_bytes(raw[1:], "big")
    return -magnitude if raw[0] == 3 else magnitude


class Queries:
    """Each method raises CallFailed when this endpoint brings no usable answer."""

    def __init__(self, endpoint: Endpoint, timeout_s: float) -> None:
        self._endpoint = endpoint
        self._timeout_s = timeout_s

    async def _call(self, method: Any, request: Any) -> Any:
        return await self._endpoint.call(method, request, self._timeout_s)

    async def latest_block(self) -> Block:
        stub = BlockStub(self._endpoint.channel)
        answer = await self._call(stub.GetLatestBlock, GetLatestBlockRequest())
        header = answer.sdk_block.header if answer.HasField("sdk_block") else answer.block.header
        if header.height <= 0:
            raise CallFailed("OK", "the node named no block", silent=True)
        time = header.time.ToDatetime(tzinfo=dt.UTC)
        return Block(header.height, time, header.chain_id)

    async def ready(self) -> bool:
        """Whether the node follows the chain; False while it catches up. Costs a few bytes."""
        stub = BlockStub(self._endpoint.channel)
        try:
            answer = await self._call(stub.GetSyncing, GetSyncingRequest())
        except CallFailed as error:
            if error.status == "UNIMPLEMENTED":
                return True
            raise
        return not answer.syncing

    async def account(self, address: str) -> ChainAccount | None:
        stub = AuthStub(self._endpoint.channel)
        try:
            answer = await self._call(stub.Account, QueryAccountRequest(address=address))
        except CallFailed as error:
            if error.status == "NOT_FOUND":
                return None
            raise
        base = _base_account(answer.account)
        return ChainAccount(base.address, base.account_number, base.sequence)

    async def subaccount(self, address: str, number: int) -> CommittedSubaccount:
        stub = SubaccountsStub(self._endpoint.channel)
        request = QueryGetSubaccountRequest(owner=address, number=number)
        state = (await self._call(stub.Subaccount, request)).subaccount
        try:
            usdc = sum(
                serialized_int(row.quantums) for row in state.asset_positions if row.asset_id == 0
            )
            positions = {
                row.perpetual_id: serialized_int(row.quantums) for row in state.perpetual_positions
            }
        except ValueError as error:
            raise CallFailed("OK", str(error), silent=True) from None
        return CommittedSubaccount(Decimal(usdc).scaleb(QUOTE_RESOLUTION), positions)

    async def clob_pairs(self) -> tuple[ClobPair, ...]:
        stub = ClobStub(self._endpoint.channel)
        pairs: list[ClobPair] = []
        key = b""
        while True:
            request = QueryAllClobPairRequest(pagination=PageRequest(key=key, limit=PAGE))
            answer = await self._call(stub.ClobPairAll, request)
            pairs += [_clob_pair(row) for row in answer.clob_pair]
            key = answer.pagination.next_key
            if not key or not answer.clob_pair:
                return tuple(pairs)

    async def equity_tiers(self) -> tuple[EquityTier, ...]:
        stub = ClobStub(self._endpoint.channel)
        request = QueryEquityTierLimitConfigurationRequest()
        answer = await self._call(stub.EquityTierLimitConfiguration, request)
        tiers = answer.equity_tier_limit_config.stateful_order_equity_tiers
        return tuple(
            EquityTier(
                Decimal(serialized_int(tier.usd_tnc_required)).scaleb(QUOTE_RESOLUTION), tier.limit
            )
            for tier in tiers
        )

    async def block_rate_limits(self) -> BlockRateLimits:
        stub = ClobStub(self._endpoint.channel)
        request = QueryBlockRateLimitConfigurationRequest()
        answer = await self._call(stub.BlockRateLimitConfiguration, request)
        config = answer.block_rate_limit_config
        return BlockRateLimits(
            short_term=_limits(config.max_short_term_orders_and_cancels_per_n_blocks),
            stateful=_limits(config.max_stateful_orders_per_n_blocks),
        )

    async def balances(self, address: str) -> dict[str, int]:
        stub = BankStub(self._endpoint.channel)
        coins: dict[str, int] = {}
        key = b""
        while True:
            page = PageRequest(key=key, limit=PAGE)
            request = QueryAllBalancesRequest(address=address, pagination=page)
            answer = await self._call(stub.AllBalances, request)
            coins |= {coin.denom: int(coin.amount) for coin in answer.balances}
            key = answer.pagination.next_key
            if not key or not answer.balances:
                return coins


def _base_account(packed: Any) -> Any:
    """The base of any kind of account."""
    base = BaseAccount()
    if packed.Unpack(base):
        return base
    kind = packed.type_url.rpartition(".")[2]
    if kind == "ModuleAccount":
        return ModuleAccount.FromString(packed.value).base_account
    if kind.endswith(("VestingAccount", "LockedAccount")):
        # All kinds of vesting account begin with the same field.
        return ContinuousVestingAccount.FromString(packed.value).base_vesting_account.base_account
    raise CallFailed("OK", "the account is of an unknown kind", silent=False)


def _clob_pair(row: Any) -> ClobPair:
    return ClobPair(
        id=row.id,
        perpetual_id=row.perpetual_clob_metadata.perpetual_id,
        step_base_quantums=row.step_base_quantums,
        subticks_per_tick=row.subticks_per_tick,
        quantum_conversion_exponent=row.quantum_conversion_exponent,
        status=ClobPairMessage.Status.Name(row.status).removeprefix("STATUS_"),
    )


def _limits(rows: Any) -> tuple[tuple[int, int], ...]:
    return tuple((row.num_blocks, row.limit) for row in rows)
