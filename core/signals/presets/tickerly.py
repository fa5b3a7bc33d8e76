"""Tickerly: TradingView's order, with the position before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from core.signals.alert import (
    Action,
    Against,
    Alert,
    Force,
    OrderKind,
    Size,
    SizeUnit,
    Target,
    Terms,
)
from core.signals.presets.common import (
    FLAT,
    OPPOSITE,
    POSITIONS,
    Content,
    Moment,
    Preset,
    hint_of,
    plain,
)
from core.signals.presets.reader import Fields, given_secret
from core.signals.presets.strategy import BUY_OR_SELL, message, order


def _knows(content: Content) -> bool:
    if not isinstance(content, Mapping):
        return False
    names = {plain(name) for name in content}
    if {"ticker", "closeall", "pointer"} <= names:
        return True
    return {"ticker", "action"} <= names and bool(names & {"pointer", "prevposition"})


def _secret(content: Content) -> str | None:
    assert isinstance(content, Mapping)
    return given_secret(Fields(content), "pointer")


def _alert(content: Content, moment: Moment) -> Alert:
    """An order against the position before it closes what it can, and what is left of it opens the
    other side, as it did on the chart. Where no such position is held it is passed over: whether it
    was an exit or a reversal is not in the message.
    """
    assert isinstance(content, Mapping)
    fields = Fields(content)
    symbol = fields.symbol("ticker")
    time = fields.time(moment, "time", "timenow", "timestamp")
    if fields.flag("closeall"):
        return Alert(action=Action.CLOSE, symbol=symbol, time=time, hint=hint_of(time, moment))
    way = fields.choice(BUY_OR_SELL, "action")
    previous = fields.choice(POSITIONS, "prev_position")
    quantity = fields.amount("quantity")
    for name, value in (("action", way), ("prev_position", previous), ("quantity", quantity)):
        if value is None:
            raise fields.fault(
                name,
                f"{plain(name)}_missing",
                f"The alert has no {name}.",
                "ticker, action, prev_position and quantity all have to be there.",
            )
    assert way is not None
    assert quantity is not None
    against = previous is OPPOSITE[way] and previous is not FLAT
    return Alert(
        action=Action.REDUCE if against else order(way),
        symbol=symbol,
        size=Size(quantity, SizeUnit.BASE),
        target=None if against else Target(way, previous=previous),
        only=previous if against else None,
        against=Against.NET if against else None,
        terms=_terms(fields),
        time=time,
        id=fields.id("id", "order_id"),
        hint=hint_of(time, moment),
    )


def _terms(fields: Fields) -> Terms:
    if plain(fields.text("type", "order_type") or "market") != OrderKind.LIMIT.value:
        return Terms()
    price = fields.amount("price", "limit_price")
    if price is None:
        raise fields.fault(
            "price", "price_missing", "A limit order needs a price.", 'Add "price": 95000.'
        )
    return Terms(OrderKind.LIMIT, price, Force.GTT)


def _template(secret: str) -> str:
    return message(
        {
            "ticker": "{{ticker}}",
            "action": "{{strategy.order.action}}",
            "prev_position": "{{strategy.prev_market_position}}",
            "quantity": "{{strategy.order.contracts}}",
            "time": "{{timenow}}",
            "pointer": secret,
        }
    )


PRESET: Final = Preset(
    name="tickerly",
    title="Tickerly",
    line="ticker, action, prev_position and quantity of TradingView's order.",
    place='the field "pointer"',
    knows=_knows,
    secret_of=_secret,
    alert_of=_alert,
    template=_template,
)
