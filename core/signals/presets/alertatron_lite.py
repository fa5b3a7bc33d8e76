"""Alertatron's Signals Lite: objects with side long, short or close."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from core.signals.alert import (
    Action,
    Alert,
    Force,
    Level,
    OrderKind,
    Size,
    SizeUnit,
    TakeProfit,
    Terms,
)
from core.signals.fields import BELOW_STOP, BELOW_TARGET
from core.signals.presets.common import (
    LONG,
    SHORT,
    Content,
    Moment,
    distance,
    hint_of,
    plain,
    position_share,
)
from core.signals.presets.markets import unit_of
from core.signals.presets.reader import Fields
from core.signals.presets.strategy import entry, order

_SIDES: Final = {
    **dict.fromkeys(("long", "buy"), LONG),
    **dict.fromkeys(("short", "sell"), SHORT),
    "close": None,
}
_MARKS: Final = ("takeprofitoffset", "stoplossoffset", "closeexisting", "usehedgemode")
_KINDS: Final = {"market": OrderKind.MARKET, "limit": OrderKind.LIMIT}


def knows_lite(content: Content) -> bool:
    """Whether an object is unmistakably one of Signals Lite."""
    names = {plain(name) for name in content} if isinstance(content, Mapping) else set()
    return "side" in names and bool(names & set(_MARKS))


def lite_alert(fields: Fields, moment: Moment) -> Alert:
    """The alert in an object of Signals Lite."""
    if "side" not in fields:
        raise fields.fault(
            "side", "side_missing", "The alert has no side.", 'Add "side": "long" or "close".'
        )
    way = fields.choice(_SIDES, "side")
    time = fields.time(moment, "time", "timestamp")
    symbol = fields.symbol("symbol", "ticker", "pair")
    wish = Alert(action=Action.CLOSE, symbol=symbol, time=time, hint=hint_of(time, moment))
    size = _size(fields, symbol)
    if way is None:
        part = size if size is None or size.unit is SizeUnit.BASE else position_share(size.value)
        return wish if part is None else replace(wish, action=Action.REDUCE, size=part)
    turns = fields.flag("closeExisting") is not False
    return replace(
        wish,
        action=entry(way) if turns else order(way),
        size=size,
        terms=_terms(fields),
        take_profit=_targets(fields),
        stop_loss=_level(fields, "stopLoss", BELOW_STOP),
    )


def _size(fields: Fields, symbol: str) -> Size | None:
    text = fields.text("amount")
    if text is None:
        return None
    if "%" in text:
        percent = fields.percent("amount")
        return None if percent is None else Size(percent, SizeUnit.EQUITY_PERCENT)
    amount = fields.amount("amount")
    return None if amount is None else Size(amount, unit_of(symbol, amount))


def _terms(fields: Fields) -> Terms:
    if fields.choice(_KINDS, "entry") is not OrderKind.LIMIT:
        return Terms()
    price = fields.amount("price")
    if price is None:
        raise fields.fault(
            "price", "price_missing", "A limit needs a price.", 'Add "price": 95000.'
        )
    return Terms(OrderKind.LIMIT, price, Force.GTT)


def _targets(fields: Fields) -> tuple[TakeProfit, ...]:
    level = _level(fields, "takeProfit", BELOW_TARGET)
    return () if level is None else (TakeProfit(level),)


def _level(fields: Fields, name: str, below: Decimal) -> Level | None:
    """takeProfit and stopLoss switch on what …Offset and …Price say."""
    if plain(fields.text(name) or "") in ("false", "0"):
        return None
    text = fields.text(f"{name}Offset")
    if text is not None and text.endswith("%"):
        percent = fields.percent(f"{name}Offset")
        return None if percent is None else distance(percent, below, f"{name}Offset")
    offset, price = fields.amount(f"{name}Offset"), fields.amount(f"{name}Price")
    if offset is not None:
        return Level(offset=offset)
    return None if price is None else Level(price=price)
