"""Altrady: webhook signals of a signal bot."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from core.signals.alert import (
    Action,
    Alert,
    BreakEven,
    Force,
    Level,
    MarketPosition,
    OrderKind,
    Size,
    SizeUnit,
    TakeProfit,
    Terms,
)
from core.signals.fields import BELOW_STOP, BELOW_TARGET, MAX_EXPIRES, MIN_EXPIRES
from core.signals.presets.common import (
    FLAT,
    LONG,
    SHORT,
    Content,
    Moment,
    Preset,
    check_exit_price,
    checked_targets,
    hint_of,
    plain,
    position_share,
    several_orders,
    share,
    unsupported,
)
from core.signals.presets.markets import quote_first
from core.signals.presets.reader import Fields, given_secret
from core.signals.presets.strategy import entry, message

_SIDES: Final = {
    **dict.fromkeys(("long", "buy"), LONG),
    **dict.fromkeys(("short", "sell"), SHORT),
    "flat": FLAT,
}
_ACTIONS: Final = {
    "open": "open",
    "startandopen": "open",
    "increase": "increase",
    "reduce": "reduce",
    "close": "close",
    "stopandclose": "close",
    "reverse": "reverse",
    "startbot": "bot",
    "stopbot": "bot",
}
_SHARES: Final = ("position_percentage", "quantity_percentage", "percentage", "amount_percentage")
_KINDS: Final = {"market": OrderKind.MARKET, "limit": OrderKind.LIMIT}


def _knows(content: Content) -> bool:
    return isinstance(content, Mapping) and {"apikey", "apisecret"} <= {
        plain(name) for name in content
    }


def _secret(content: Content) -> str | None:
    assert isinstance(content, Mapping)
    return given_secret(Fields(content), "api_secret")


def _alert(content: Content, moment: Moment) -> Alert:
    assert isinstance(content, Mapping)
    fields = Fields(content)
    action = fields.choice(_ACTIONS, "action") or "open"
    if action == "bot":
        raise unsupported(
            "The signal starts or stops a bot of Altrady and trades nothing.",
            "Pause and resume the strategy in the chat.",
            field="action",
        )
    if fields.flag("test"):
        raise unsupported("The signal is marked as a test.", 'Set "test" to false.', field="test")
    side = fields.choice(_SIDES, "side")
    time = fields.time(moment, "time", "timestamp")
    wish = Alert(
        action=Action.CLOSE,
        symbol=quote_first(fields.symbol("symbol")),
        time=time,
        id=fields.id("signal_id"),
        hint=hint_of(time, moment),
    )
    if side is FLAT:
        # Ours, for the template: where a strategy is flat there is nothing to be open.
        return wish
    terms = _terms(fields)
    if action in ("close", "reduce", "reverse"):
        # These are at market, so that they cannot wait for a price.
        check_exit_price(terms.price, wish.symbol, moment, "signal_price")
        terms = Terms()
    if action == "close":
        return replace(wish, only=side)
    if action == "reduce":
        return _reduce(fields, wish, side)
    size = _size(fields)
    if action == "increase":
        return replace(wish, action=Action.ADD, size=size, only=side, terms=terms)
    if action == "reverse" and side is None:
        return _with_plan(fields, replace(wish, action=Action.REVERSE, size=size))
    if side is None:
        raise fields.fault(
            "side", "side_missing", "The alert has no side.", 'Add "side": "long" or "short".'
        )
    wish = replace(wish, action=entry(side), size=size, unless=side, terms=terms)
    return _with_plan(fields, wish)


def _reduce(fields: Fields, wish: Alert, side: MarketPosition | None) -> Alert:
    percent = fields.percent(*_SHARES)
    size = position_share(percent) if percent is not None else _size(fields)
    if percent is None and size is None:
        raise fields.fault(
            "position_percentage",
            "size_missing",
            "The alert does not say by how much to reduce.",
            'Add "position_percentage": 50.',
        )
    action = Action.CLOSE if size is None else Action.REDUCE
    return replace(wish, action=action, size=size, only=side)


def _size(fields: Fields) -> Size | None:
    for names, unit in (
        (("quote_amount",), SizeUnit.USD),
        (("base_amount", "quantity", "amount"), SizeUnit.BASE),
    ):
        amount = fields.amount(*names)
        if amount is not None:
            return Size(amount, unit)
    return None


def _terms(fields: Fields) -> Terms:
    if fields.choice(_KINDS, "order_type", "entry_order_type") is not OrderKind.LIMIT:
        return Terms()
    price = fields.amount("entry_price", "price", "signal_price")
    if price is None:
        raise fields.fault(
            "signal_price", "price_missing", "A limit order needs a price.", "Add signal_price."
        )
    return Terms(OrderKind.LIMIT, price, Force.GTT, _expires(fields))


def _expires(fields: Fields) -> dt.timedelta | None:
    """How long an entry waits, in minutes."""
    inner = fields.child("entry_expiration")
    minutes = None if inner is None else inner.amount("time")
    if minutes is None:
        return None
    expires = dt.timedelta(minutes=float(min(minutes, Decimal(10**6))))
    return min(max(expires, MIN_EXPIRES), MAX_EXPIRES)


def _with_plan(fields: Fields, wish: Alert) -> Alert:
    if fields.children("dca_orders"):
        raise several_orders("further entries in dca_orders")
    stop = fields.child("stop_loss")
    protection = "" if stop is None else plain(stop.text("protection_type") or "")
    return replace(
        wish,
        take_profit=_targets(fields),
        stop_loss=None if stop is None else _stop(stop),
        break_even=BreakEven() if protection in ("breakeven", "followtakeprofit") else None,
    )


def _stop(stop: Fields) -> Level | None:
    return stop.level(
        BELOW_STOP,
        price=stop.first("stop_price", "price") or "stop_price",
        percent=stop.first("stop_percentage", "price_percentage") or "stop_percentage",
    )


def _targets(fields: Fields) -> tuple[TakeProfit, ...]:
    targets = []
    for inner in fields.children("take_profit", "take_profits"):
        level = inner.level(BELOW_TARGET, price="price", percent="price_percentage")
        if level is None:
            continue
        part = share(inner.percent("position_percentage", "quantity_percentage"), "take_profit")
        targets.append(TakeProfit(level, part))
    return checked_targets(targets, "take_profit")


def _template(secret: str) -> str:
    return message(
        {
            "api_key": "perpgram",
            "api_secret": secret,
            "action": "open",
            "side": "{{strategy.market_position}}",
            "exchange": "{{exchange}}",
            "symbol": "{{ticker}}",
            "signal_id": "{{strategy.order.id}}",
            "time": "{{timenow}}",
        }
    )


PRESET: Final = Preset(
    name="altrady",
    title="Altrady",
    line="open, increase, reduce, close and reverse, with take_profit and stop_loss.",
    place='the field "api_secret"',
    knows=_knows,
    secret_of=_secret,
    alert_of=_alert,
    template=_template,
)
