"""Queries of a node's committed state, on one endpoint."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from v4_proto.cosmos.auth.v1beta1.auth_pb2 import BaseAccount, ModuleAccount
from v4_proto.cosmos.auth.v1beta1.query_pb2 import QueryAccountRequest
from v4_proto.cosmos.auth.v1beta1.query_pb2_grpc import QueryStub as AuthStub
from v4_proto.cosmos.bank.v1beta1.query_pb2 import QueryAllBalancesRequest
from v4_proto.cosmos.bank.v1beta1.query_pb2_grpc import QueryStub as BankStub
from v4_proto.cosmos.base.node.v1beta1.query_pb2 import StatusRequest
from v4_proto.cosmos.base.node.v1beta1.query_pb2_grpc import ServiceStub as StatusStub
from v4_proto.cosmos.base.query.v1beta1.pagination_pb2 import PageRequest
from v4_proto.cosmos.base.tendermint.v1beta1.query_pb2 import (
    GetLatestBlockRequest,
    GetSyncingRequest,
)
from v4_proto.cosmos.base.tendermint.v1beta1.query_pb2_grpc import ServiceStub as BlockStub
from v4_proto.cosmos.tx.v1beta1.service_pb2 import GetTxRequest, SimulateRequest
from v4_proto.cosmos.tx.v1beta1.service_pb2_grpc import ServiceStub as TxStub
from v4_proto.cosmos.vesting.v1beta1.vesting_pb2 import ContinuousVestingAccount
from v4_proto.dydxprotocol.accountplus.query_pb2 import GetAuthenticatorsRequest
from v4_proto.dydxprotocol.accountplus.query_pb2_grpc import QueryStub as AccountPlusStub
from v4_proto.dydxprotocol.clob.clob_pair_pb2 import ClobPair as ClobPairMessage
from v4_proto.dydxprotocol.clob.query_pb2 import (
    QueryAllClobPairRequest,
    QueryBlockRateLimitConfigurationRequest,
    QueryEquityTierLimitConfigurationRequest,
    QueryStatefulOrderRequest,
)
from v4_proto.dydxprotocol.clob.query_pb2_grpc import QueryStub as ClobStub
from v4_proto.dydxprotocol.feetiers.query_pb2 import QueryUserFeeTierRequest
from v4_proto.dydxprotocol.feetiers.query_pb2_grpc import QueryStub as FeeStub
from v4_proto.dydxprotocol.prices.query_pb2 import (
    QueryAllMarketParamsRequest,
    QueryMarketPriceRequest,
)
from v4_proto.dydxprotocol.prices.query_pb2_grpc import QueryStub as PricesStub
from v4_proto.dydxprotocol.subaccounts.query_pb2 import QueryGetSubaccountRequest
from v4_proto.dydxprotocol.subaccounts.query_pb2_grpc import QueryStub as SubaccountsStub

from core.dydx.authenticators import Authenticator
from core.dydx.drafts import OrderRef
from core.dydx.endpoint import CallFailed, Endpoint
from core.dydx.limits import BlockRateLimits, EquityTier
from core.dydx.node_types import (
    Block,
    ChainAccount,
    ClobPair,
    CommittedOrder,
    CommittedSubaccount,
    FeeTier,
    OrderSighting,
    Tip,
    TransactionResult,
)
from core.dydx.protocol import QUOTE_RESOLUTION, ConditionType, Side, TimeInForce
from core.dydx.signing import order_id

__all__ = [
    "Block",
    "ChainAccount",
    "ClobPair",
    "CommittedSubaccount",
    "Queries",
    "TransactionResult",
    "serialized_int",
]

PAGE = 1000


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

    async def _call_at(self, method: Any, request: Any) -> tuple[Any, int | None]:
        return await self._endpoint.call_at(method, request, self._timeout_s)

    async def tip(self) -> Tip:
        """The last block in a few bytes; from the whole block where the node knows no other way."""
        stub = StatusStub(self._endpoint.channel)
        try:
            answer = await self._call(stub.Status, StatusRequest())
        except CallFailed as error:
            if error.status != "UNIMPLEMENTED":
                raise
            block = await self.latest_block()
            return Tip(block.height, block.time)
        if answer.height <= 0:
            raise CallFailed("OK", "the node named no block", silent=True)
        return Tip(answer.height, answer.timestamp.ToDatetime(tzinfo=dt.UTC))

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
        answer, height = await self._call_at(stub.Subaccount, request)
        state = answer.subaccount
        try:
            usdc = sum(
                serialized_int(row.quantums) for row in state.asset_positions if row.asset_id == 0
            )
            positions = {
                row.perpetual_id: serialized_int(row.quantums) for row in state.perpetual_positions
            }
        except ValueError as error:
            raise CallFailed("OK", str(error), silent=True) from None
        # An unknown subaccount is answered like a known one, with nothing in it.
        return CommittedSubaccount(
            usdc=Decimal(usdc).scaleb(QUOTE_RESOLUTION),
            positions=positions,
            exists=bool(state.asset_positions or state.perpetual_positions),
            height=height,
        )

    async def stateful_order(self, ref: OrderRef) -> OrderSighting:
        stub = ClobStub(self._endpoint.channel)
        request = QueryStatefulOrderRequest(order_id=order_id(ref))
        try:
            answer, height = await self._call_at(stub.StatefulOrder, request)
        except CallFailed as error:
            if error.status == "NOT_FOUND":
                return OrderSighting(error.height, None)
            raise
        order = answer.order_placement.order
        try:
            return OrderSighting(height, _committed_order(ref, answer, order))
        except ValueError as error:
            raise CallFailed("OK", str(error), silent=True) from None

    async def oracle_price(self, market_id: int) -> Decimal:
        stub = PricesStub(self._endpoint.channel)
        answer = await self._call(stub.MarketPrice, QueryMarketPriceRequest(id=market_id))
        price = answer.market_price
        return Decimal(price.price).scaleb(price.exponent)

    async def oracle_ids(self) -> dict[str, int]:
        stub = PricesStub(self._endpoint.channel)
        found: dict[str, int] = {}
        key = b""
        while True:
            page = PageRequest(key=key, limit=PAGE)
            request = QueryAllMarketParamsRequest(pagination=page)
            answer = await self._call(stub.AllMarketParams, request)
            found |= {row.pair: row.id for row in answer.market_params}
            key = answer.pagination.next_key
            if not key or not answer.market_params:
                return found

    async def fee_tier(self, address: str) -> FeeTier:
        stub = FeeStub(self._endpoint.channel)
        answer = await self._call(stub.UserFeeTier, QueryUserFeeTierRequest(user=address))
        return FeeTier(answer.tier.name, answer.tier.maker_fee_ppm, answer.tier.taker_fee_ppm)

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

    async def authenticators(self, address: str) -> tuple[Authenticator, ...]:
        stub = AccountPlusStub(self._endpoint.channel)
        request = GetAuthenticatorsRequest(account=address)
        answer = await self._call(stub.GetAuthenticators, request)
        return tuple(
            Authenticator(row.id, row.type, bytes(row.config))
            for row in answer.account_authenticators
        )

    async def transaction(self, tx_hash: str) -> TransactionResult | None:
        stub = TxStub(self._endpoint.channel)
        try:
            answer = await self._call(stub.GetTx, GetTxRequest(hash=tx_hash))
        except CallFailed as error:
            if error.status == "NOT_FOUND":
                return None
            raise
        result = answer.tx_response
        return TransactionResult(
            tx_hash=result.txhash,
            height=result.height,
            code=result.code,
            codespace=result.codespace,
            raw_log=result.raw_log,
            gas_used=result.gas_used,
        )

    async def simulate(self, tx: bytes) -> int:
        stub = TxStub(self._endpoint.channel)
        answer = await self._call(stub.Simulate, SimulateRequest(tx_bytes=tx))
        return int(answer.gas_info.gas_used)


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


def _committed_order(ref: OrderRef, answer: Any, order: Any) -> CommittedOrder:
    return CommittedOrder(
        ref=ref,
        side=Side.BUY if order.side == Side.BUY.wire else Side.SELL,
        quantums=order.quantums,
        subticks=order.subticks,
        good_til_block_time=order.good_til_block_time,
        time_in_force=TimeInForce(order.time_in_force),
        reduce_only=order.reduce_only,
        condition_type=ConditionType(order.condition_type),
        trigger_subticks=order.conditional_order_trigger_subticks,
        filled_quantums=answer.fill_amount,
        triggered=answer.triggered,
    )


def _limits(rows: Any) -> tuple[tuple[int, int], ...]:
    return tuple((row.num_blocks, row.limit) for row in rows)
