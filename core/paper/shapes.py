"""Markets and subaccounts as the node's protobuf messages."""

from __future__ import annotations

from v4_proto.dydxprotocol.clob.clob_pair_pb2 import ClobPair, PerpetualClobMetadata
from v4_proto.dydxprotocol.perpetuals.perpetual_pb2 import (
    PERPETUAL_MARKET_TYPE_CROSS,
    PERPETUAL_MARKET_TYPE_ISOLATED,
    Perpetual,
    PerpetualParams,
)
from v4_proto.dydxprotocol.prices.market_param_pb2 import MarketParam
from v4_proto.dydxprotocol.prices.market_price_pb2 import MarketPrice
from v4_proto.dydxprotocol.subaccounts import subaccount_pb2
from v4_proto.dydxprotocol.subaccounts.asset_position_pb2 import AssetPosition
from v4_proto.dydxprotocol.subaccounts.perpetual_position_pb2 import PerpetualPosition

from core.paper.governance import Market
from core.paper.happenings import SubaccountKey
from core.paper.state import Subaccount


def serialized_integer(value: int) -> bytes:
    """The chain's SerializableInt: 02 plus or 03 minus, then the magnitude, big-endian."""
    magnitude = abs(value)
    sign = b"\x03" if value < 0 else b"\x02"
    return sign + magnitude.to_bytes((magnitude.bit_length() + 7) // 8, "big")


def clob_pair(market: Market) -> ClobPair:
    """A market's order book."""
    return ClobPair(
        id=market.id,
        perpetual_clob_metadata=PerpetualClobMetadata(perpetual_id=market.id),
        step_base_quantums=market.scale.step_base_quantums,
        subticks_per_tick=market.scale.subticks_per_tick,
        quantum_conversion_exponent=market.scale.quantum_conversion_exponent,
        status=ClobPair.STATUS_ACTIVE,
    )


def perpetual(market: Market, open_interest: int, funding_index: int) -> Perpetual:
    """A market's contract; open interest in quantums."""
    isolated = market.market_type == "ISOLATED"
    return Perpetual(
        params=PerpetualParams(
            id=market.id,
            ticker=market.ticker,
            market_id=market.market_id,
            atomic_resolution=market.scale.atomic_resolution,
            default_funding_ppm=market.default_funding_ppm,
            liquidity_tier=market.tier.id,
            market_type=(
                PERPETUAL_MARKET_TYPE_ISOLATED if isolated else PERPETUAL_MARKET_TYPE_CROSS
            ),
        ),
        funding_index=serialized_integer(funding_index),
        open_interest=serialized_integer(open_interest),
    )


def market_price(market: Market, price: int) -> MarketPrice:
    """A market's oracle price."""
    return MarketPrice(id=market.market_id, exponent=market.price_exponent, price=price)


def market_param(market: Market) -> MarketParam:
    """A market's oracle parameters."""
    return MarketParam(
        id=market.market_id,
        pair=market.ticker,
        exponent=market.price_exponent,
        min_price_change_ppm=market.min_price_change_ppm,
    )


def subaccount(key: SubaccountKey, held: Subaccount) -> subaccount_pb2.Subaccount:
    """A subaccount; without money it has no asset position."""
    answer = subaccount_pb2.Subaccount(
        id=subaccount_pb2.SubaccountId(owner=key.owner, number=key.number)
    )
    if held.usdc:
        answer.asset_positions.append(
            AssetPosition(asset_id=0, quantums=serialized_integer(held.usdc))
        )
    for perpetual_id, quantums in held.positions:
        answer.perpetual_positions.append(
            PerpetualPosition(
                perpetual_id=perpetual_id,
                quantums=serialized_integer(quantums),
                funding_index=serialized_integer(held.index(perpetual_id)),
                quote_balance=serialized_integer(0),
            )
        )
    return answer
