"""Orders in the three forms in which the exchange needs them: the wire's message, the room's own
value, and their keys.
"""

from __future__ import annotations

import hashlib
from typing import Final

from v4_proto.dydxprotocol.clob.order_pb2 import (
    BuilderCodeParameters,
    Order,
    OrderId,
    TwapParameters,
)
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

from core.dydx.protocol import OrderFlags, TimeInForce
from core.paper.happenings import OrderKey, PaperOrder, SubaccountKey, TwapTerms

TWAP_PART: Final = 256
"""Flags of the parts into which the chain cuts a TWAP order; it takes them from traders too."""
STATEFUL_FLAGS: Final = frozenset(
    {OrderFlags.CONDITIONAL, OrderFlags.LONG_TERM, OrderFlags.TWAP, TWAP_PART}
)


def order_key(wire: OrderId) -> OrderKey:
    """The key of an order id."""
    subaccount = SubaccountKey(wire.subaccount_id.owner, wire.subaccount_id.number)
    return OrderKey(subaccount, wire.client_id, wire.order_flags, wire.clob_pair_id)


def wire_id(key: OrderKey) -> OrderId:
    """The order id of a key."""
    return OrderId(
        subaccount_id=SubaccountId(owner=key.subaccount.owner, number=key.subaccount.number),
        client_id=key.client_id,
        order_flags=key.order_flags,
        clob_pair_id=key.clob_pair_id,
    )


def order_hash(wire: Order) -> bytes:
    """What decides between two orders with the same id and good-til-block."""
    return hashlib.sha256(wire.SerializeToString()).digest()


def never_rests(order: PaperOrder) -> bool:
    """Whether an order leaves the book at once."""
    return order.time_in_force == TimeInForce.IOC


def is_post_only(order: PaperOrder) -> bool:
    """Whether an order may only make."""
    return order.time_in_force == TimeInForce.POST_ONLY


def is_stateful(key: OrderKey) -> bool:
    """Whether an order of this id lives in the chain's state."""
    return key.order_flags != OrderFlags.SHORT_TERM


def paper_order(wire: Order, authenticators: tuple[int, ...] = ()) -> PaperOrder:
    """An order as the room keeps it and as the indexer half is told of it."""
    stateful = bool(wire.order_id.order_flags)
    builder = wire.builder_code_parameters if wire.HasField("builder_code_parameters") else None
    return PaperOrder(
        key=order_key(wire.order_id),
        side="BUY" if wire.side == Order.SIDE_BUY else "SELL",
        quantums=wire.quantums,
        subticks=wire.subticks,
        time_in_force=wire.time_in_force,
        reduce_only=wire.reduce_only,
        good_til_block=None if stateful else wire.good_til_block,
        good_til_block_time=wire.good_til_block_time if stateful else None,
        client_metadata=wire.client_metadata,
        condition_type=wire.condition_type,
        trigger_subticks=wire.conditional_order_trigger_subticks,
        twap=_twap_terms(wire),
        builder_address=builder.builder_address if builder else None,
        builder_fee_ppm=builder.fee_ppm if builder else None,
        order_router_address=wire.order_router_address or None,
        authenticators=authenticators,
    )


def wire_order(order: PaperOrder) -> Order:
    """The wire's message of an order; `paper_order` backwards."""
    wire = Order(
        order_id=wire_id(order.key),
        side=Order.SIDE_BUY if order.side == "BUY" else Order.SIDE_SELL,
        quantums=order.quantums,
        subticks=order.subticks,
        time_in_force=Order.TimeInForce.ValueType(order.time_in_force),
        reduce_only=order.reduce_only,
        client_metadata=order.client_metadata,
        condition_type=Order.ConditionType.ValueType(order.condition_type),
        conditional_order_trigger_subticks=order.trigger_subticks,
        order_router_address=order.order_router_address or "",
    )
    if order.good_til_block is not None:
        wire.good_til_block = order.good_til_block
    if order.good_til_block_time is not None:
        wire.good_til_block_time = order.good_til_block_time
    if order.twap is not None:
        wire.twap_parameters.CopyFrom(
            TwapParameters(
                duration=order.twap.duration_s,
                interval=order.twap.interval_s,
                price_tolerance=order.twap.price_tolerance_ppm,
            )
        )
    if order.builder_address is not None:
        wire.builder_code_parameters.CopyFrom(
            BuilderCodeParameters(
                builder_address=order.builder_address, fee_ppm=order.builder_fee_ppm or 0
            )
        )
    return wire


def _twap_terms(wire: Order) -> TwapTerms | None:
    if not wire.HasField("twap_parameters"):
        return None
    twap = wire.twap_parameters
    return TwapTerms(twap.duration, twap.interval, twap.price_tolerance)
