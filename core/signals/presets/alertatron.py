"""Alertatron: scripts of one market, and the objects of its Signals Lite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Final

from core.signals.alert import (
    Action,
    Against,
    Alert,
    Force,
    MarketPosition,
    OrderKind,
    Size,
    SizeUnit,
    Target,
    Terms,
)
from core.signals.presets.alertatron_lite import knows_lite, lite_alert
from core.signals.presets.alertatron_plan import Plan, plan_of
from core.signals.presets.alertatron_script import Command, Value, block_of, is_script
from core.signals.presets.common import (
    LONG,
    OPPOSITE,
    SHORT,
    Content,
    Moment,
    Preset,
    checked_symbol,
    fault,
    position_share,
    several_orders,
    unsupported,
)
from core.signals.presets.markets import unit_of
from core.signals.presets.reader import Fields, given_secret
from core.signals.presets.strategy import BUY_OR_SELL, order
from core.signals.presets.texts import filled, text_secret, without_secret

_ENTRIES: Final = ("market", "limit")
_PROTECTIONS: Final = ("stop_loss", "take_profit", "stoportakeprofit", "trailingstop")
_SILENT: Final = ("balance", "notify", "exchangesettings", "onecancelsother", "waitforlimit")
_LONGEST_PAUSE_S: Final = 10
_PAUSES: Final = {"s": 1, "m": 60, "h": 3600}


def _knows(content: Content) -> bool:
    return knows_lite(content) if isinstance(content, Mapping) else is_script(content)


def _secret(content: Content) -> str | None:
    if isinstance(content, Mapping):
        return given_secret(Fields(content))
    return text_secret(content)


def _alert(content: Content, moment: Moment) -> Alert:
    if isinstance(content, Mapping):
        return lite_alert(Fields(content), moment)
    block = block_of(without_secret(content))
    symbol = checked_symbol(filled(block.symbol, "symbol"), "symbol")
    orders, cancels = _sorted(block.commands)
    if not orders:
        if not cancels:
            raise fault(
                "action_missing", "The script holds no order.", "Add market(side=buy, amount=0.1);"
            )
        return Alert(action=Action.CANCEL, symbol=symbol)
    first, rest = orders[0], orders[1:]
    if first.name not in _ENTRIES:
        raise unsupported(
            "The script changes only stops and targets of a position.",
            "Change them in the chat, or send them with the entry.",
        )
    price = None if moment.price_of is None else moment.price_of(symbol)
    wish = Alert(action=None, symbol=symbol, cancels=cancels)
    flat_first = rest and _flattens(first) and rest[0].name in _ENTRIES
    main = rest.pop(0) if flat_first else first
    wish = _ordered(main, replace(wish, terms=_terms(main, price)), block.keys)
    if flat_first:
        wish = _from_flat(wish)
    way = _way(wish)
    if way is None:
        if rest:
            raise several_orders("orders after an exit")
        return wish
    return _planned(wish, plan_of(rest, way, _amount(main)))


def _sorted(commands: list[Command]) -> tuple[list[Command], bool]:
    """The commands that are orders, and whether resting orders are cancelled before or after."""
    orders: list[Command] = []
    cancels = False
    for command in commands:
        if command.name == "cancel":
            # Orders of this very script that are cancelled by a tag were placed by an earlier one.
            cancels = True
        elif command.name in _ENTRIES or command.name in _PROTECTIONS:
            orders.append(command)
        elif command.name == "wait":
            _check_pause(command)
        elif command.name not in _SILENT:
            raise unsupported(
                f"The command {command.name} of the script cannot be had.",
                "Use market, limit, stopOrTakeProfit, stopOrder, trailingStop and cancel.",
                field=command.name,
            )
    return orders, cancels


def _check_pause(command: Command) -> None:
    text = command.text("#0", "duration") or "60s"
    unit = _PAUSES.get(text[-1:], 1)
    digits = text.rstrip("smh")
    seconds = int(digits) * unit if digits.isdecimal() and len(digits) < 7 else None
    if seconds is None or seconds > _LONGEST_PAUSE_S:
        raise unsupported(
            "The script waits; by then its alert would be old.",
            f"Wait at most {_LONGEST_PAUSE_S} seconds, or send a second alert.",
            field="wait",
        )


def _flattens(command: Command) -> bool:
    position = command.value("position")
    return position is not None and position.number == 0


def _ordered(command: Command, wish: Alert, keys: str) -> Alert:
    """What an order makes of the position: `position` is where to be, `amount` a plain order."""
    position = command.value("position")
    if position is not None:
        return _positioned(command, position, wish, keys)
    way = BUY_OR_SELL.get(command.text("side") or "buy")
    amount = command.value("amount")
    if way is None or amount is None or amount.number <= 0:
        raise fault(
            "size_missing",
            "An order has neither a position nor a side with an amount.",
            "Write market(side=buy, amount=0.1) or market(position=0.1).",
            field=command.name,
        )
    size = _size(amount, wish.symbol, keys)
    of_position = size.unit is SizeUnit.POSITION_PERCENT
    if command.flag("reduceonly") or of_position:
        part = position_share(size.value) if of_position else size
        action = Action.CLOSE if part is None else Action.REDUCE
        return replace(wish, action=action, size=part, only=OPPOSITE[way])
    return replace(wish, action=order(way), size=size, against=Against.NET)


def _positioned(command: Command, position: Value, wish: Alert, keys: str) -> Alert:
    if position.number == 0:
        return replace(wish, action=Action.CLOSE)
    if position.unit == "%p":
        left = abs(position.number)
        if left >= 100:
            raise unsupported(
                "A position in percent of itself can only become smaller.",
                "Write position=50%p, or amount=.",
                field="position",
            )
        way = LONG if position.number > 0 else SHORT
        size = Size(100 - left, SizeUnit.POSITION_PERCENT)
        return replace(wish, action=Action.REDUCE, size=size, only=way)
    way = LONG if position.number > 0 else SHORT
    size = _size(replace(position, number=abs(position.number)), wish.symbol, keys)
    if command.flag("reduceonly"):
        raise unsupported(
            "A target of the position that may only reduce cannot be had.",
            "Use amount= with reduceOnly.",
            field="position",
        )
    if size.unit is SizeUnit.BASE:
        return replace(wish, target=Target(way, size.value), sync=True)
    return replace(wish, size=size, target=Target(way), sync=True)


def _from_flat(wish: Alert) -> Alert:
    """The same order where all was closed before it: in the end there is what it opens."""
    if wish.sync:
        return wish
    way = {Action.BUY: LONG, Action.SELL: SHORT}.get(wish.action or Action.CLOSE)
    if way is None or wish.size is None:
        raise several_orders("a close and an order that only reduces")
    return replace(wish, action=None, target=Target(way), sync=True, against=None)


def _way(wish: Alert) -> MarketPosition | None:
    """Which way the position lies that the order enters; None where it only exits."""
    if wish.sync and wish.target is not None:
        return wish.target.position
    return {Action.BUY: LONG, Action.SELL: SHORT}.get(wish.action or Action.CLOSE)


def _amount(command: Command) -> Value | None:
    return command.value("amount") or command.value("position")


def _size(value: Value, symbol: str, keys: str) -> Size:
    if value.absolute or value.entry:
        raise fault("argument_invalid", "An amount is not a price.", field="amount")
    if value.unit == "%":
        return Size(value.number, SizeUnit.EQUITY_PERCENT)
    if value.unit == "%p":
        return Size(value.number, SizeUnit.POSITION_PERCENT)
    return Size(value.number, unit_of(symbol, value.number, keys))


def _terms(command: Command, price: Decimal | None) -> Terms:
    if command.name == "market":
        return Terms()
    offset = command.value("offset", "price")
    if offset is None:
        raise fault(
            "price_missing",
            "A limit has no offset.",
            "Add offset=1% or offset=@42000.",
            field="offset",
        )
    at = offset.number
    if not offset.absolute:
        at = _away(command, offset, price)
    if at <= 0:
        raise fault("price_not_positive", "The limit's price is not above zero.", field="offset")
    return Terms(OrderKind.LIMIT, at, Force.POST_ONLY if command.flag("postonly") else Force.GTT)


def _away(command: Command, offset: Value, price: Decimal | None) -> Decimal:
    """A price at a distance from the market's: below it to buy, above it to sell."""
    if offset.entry or price is None:
        raise fault(
            "price_unknown",
            "The limit's price is relative, and what it is relative to is not known.",
            "Write an absolute price, like offset=@42000.",
            field="offset",
        )
    position = command.value("position")
    sells = command.text("side") == "sell" if position is None else position.number < 0
    sign = 1 if sells else -1
    with localcontext() as context:
        context.prec = 50
        far = price * offset.number / 100 if offset.unit == "%" else offset.number
        return price + sign * far


def _planned(wish: Alert, plan: Plan) -> Alert:
    return replace(
        wish,
        take_profit=plan.take_profit,
        stop_loss=plan.stop_loss,
        trailing=plan.trailing,
    )


def _template(secret: str) -> str:
    return (
        "perpgram({{ticker}}) {\n"
        " cancel(which=all);\n"
        " market(position={{strategy.position_size}});\n"
        "}\n"
        f"#bot secret={secret}"
    )


PRESET: Final = Preset(
    name="alertatron",
    title="Alertatron",
    line="Scripts like Keys(SYMBOL) { market(side=buy, amount=0.1); } #bot.",
    place='behind the script: secret=… (in Signals Lite a field "secret")',
    knows=_knows,
    secret_of=_secret,
    alert_of=_alert,
    template=_template,
    text=True,
)
