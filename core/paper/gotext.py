"""Orders as the chain prints them in its logs: three notations of the same message."""

from __future__ import annotations

import datetime as dt
from typing import Final

from v4_proto.dydxprotocol.clob.order_pb2 import Order, OrderId
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgCancelOrder

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# The chain prints an address in memory here; any will do.
_POINTER: Final = "0xc0009a4b18"


def go_id(order_id: OrderId) -> str:
    """An order id in Go's %+v."""
    subaccount = order_id.subaccount_id
    return (
        f"{{SubaccountId:{{Owner:{subaccount.owner} Number:{subaccount.number}}} "
        f"ClientId:{order_id.client_id} OrderFlags:{order_id.order_flags} "
        f"ClobPairId:{order_id.clob_pair_id}}}"
    )


def go_order(order: Order) -> str:
    """An order in Go's %+v."""
    return (
        f"{{OrderId:{go_id(order.order_id)} Side:{_side(order)} Quantums:{order.quantums} "
        f"Subticks:{order.subticks} GoodTilOneof:{_POINTER} TimeInForce:{_time_in_force(order)} "
        f"ReduceOnly:{'true' if order.reduce_only else 'false'} "
        f"ClientMetadata:{order.client_metadata} ConditionType:{_condition(order)} "
        f"ConditionalOrderTriggerSubticks:{order.conditional_order_trigger_subticks} "
        f"TwapParameters:{_twap(order) or '<nil>'} "
        f"BuilderCodeParameters:{_builder(order) or '<nil>'} "
        f"OrderRouterAddress:{order.order_router_address}}}"
    )


def go_cancel(cancel: MsgCancelOrder) -> str:
    """A cancel in Go's %+v."""
    return f"{{OrderId:{go_id(cancel.order_id)} GoodTilOneof:{_POINTER}}}"


def go_time(unix_us: int) -> str:
    """A time as Go prints it: UTC, fractions of a second without trailing zeros."""
    moment = _EPOCH + dt.timedelta(microseconds=unix_us)
    text = moment.strftime("%Y-%m-%d %H:%M:%S")
    fraction = f"{moment.microsecond:06d}".rstrip("0")
    return f"{text}.{fraction} +0000 UTC" if fraction else f"{text} +0000 UTC"


def compact_id(order_id: OrderId) -> str:
    """An order id in the one-line text format of protobuf."""
    owner = f'owner:"{order_id.subaccount_id.owner}" ' if order_id.subaccount_id.owner else ""
    number = _field("number", order_id.subaccount_id.number)
    return (
        f"subaccount_id:<{owner}{number}> "
        + _field("client_id", order_id.client_id)
        + _field("order_flags", order_id.order_flags)
        + _field("clob_pair_id", order_id.clob_pair_id)
    )


def compact_cancel(cancel: MsgCancelOrder) -> str:
    """A cancel in the one-line text format of protobuf."""
    return (
        f"order_id:<{compact_id(cancel.order_id)}> "
        + _field("good_til_block", cancel.good_til_block)
        + _field("good_til_block_time", cancel.good_til_block_time)
    )


def compact_order(order: Order) -> str:
    """An order in the one-line text format of protobuf, defaults left out."""
    twap, builder = _twap(order), _builder(order)
    return "".join(
        (
            f"order_id:<{compact_id(order.order_id)}> ",
            f"side:{_side(order)} " if order.side else "",
            _field("quantums", order.quantums),
            _field("subticks", order.subticks),
            _field("good_til_block", order.good_til_block),
            _field("good_til_block_time", order.good_til_block_time),
            f"time_in_force:{_time_in_force(order)} " if order.time_in_force else "",
            "reduce_only:true " if order.reduce_only else "",
            _field("client_metadata", order.client_metadata),
            f"condition_type:{_condition(order)} " if order.condition_type else "",
            _field("conditional_order_trigger_subticks", order.conditional_order_trigger_subticks),
            f"twap_parameters:<{twap}> " if twap is not None else "",
            f"builder_code_parameters:<{builder}> " if builder is not None else "",
            f'order_router_address:"{order.order_router_address}" '
            if order.order_router_address
            else "",
        )
    )


def block_order(order: Order) -> str:
    """An order in the many-line text format of protobuf, defaults left out."""
    subaccount = order.order_id.subaccount_id
    lines = ["order_id: <", "  subaccount_id: <"]
    if subaccount.owner:
        lines.append(f'    owner: "{subaccount.owner}"')
    if subaccount.number:
        lines.append(f"    number: {subaccount.number}")
    lines.append("  >")
    lines += _lines("  ", order.order_id, ("client_id", "order_flags", "clob_pair_id"))
    lines.append(">")
    if order.side:
        lines.append(f"side: {_side(order)}")
    lines += _lines("", order, ("quantums", "subticks", "good_til_block", "good_til_block_time"))
    if order.time_in_force:
        lines.append(f"time_in_force: {_time_in_force(order)}")
    if order.reduce_only:
        lines.append("reduce_only: true")
    lines += _lines("", order, ("client_metadata",))
    return "".join(f"{line}\n" for line in lines)


def _twap(order: Order) -> str | None:
    if not order.HasField("twap_parameters"):
        return None
    twap = order.twap_parameters
    names = ("duration", "interval", "price_tolerance")
    return "".join(_field(name, getattr(twap, name)) for name in names)


def _builder(order: Order) -> str | None:
    if not order.HasField("builder_code_parameters"):
        return None
    builder = order.builder_code_parameters
    return f'builder_address:"{builder.builder_address}" ' + _field("fee_ppm", builder.fee_ppm)


def _field(name: str, value: int) -> str:
    return f"{name}:{value} " if value else ""


def _lines(indent: str, message: Order | OrderId, names: tuple[str, ...]) -> list[str]:
    return [f"{indent}{name}: {value}" for name in names if (value := getattr(message, name)) != 0]


def _side(order: Order) -> str:
    return str(Order.Side.Name(order.side))


def _time_in_force(order: Order) -> str:
    return str(Order.TimeInForce.Name(order.time_in_force))


def _condition(order: Order) -> str:
    return str(Order.ConditionType.Name(order.condition_type))
