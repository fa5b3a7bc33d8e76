"""Orders as the chain prints them in its logs: three notations of the same message."""

from __future__ import annotations

from typing import Final

from v4_proto.dydxprotocol.clob.order_pb2 import Order, OrderId

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
        "TwapParameters:<nil> BuilderCodeParameters:<nil> OrderRouterAddress:}"
    )


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
