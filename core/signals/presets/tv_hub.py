"""TV-Hub (TradingView Hub): trade commands with isBuy, isSell, isClose."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from core.signals.alert import (
    Action,
    Against,
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
    Trailing,
)
from core.signals.fields import BELOW_STOP, BELOW_TARGET
from core.signals.grammar import time_in
from core.signals.presets.common import (
    LONG,
    SHORT,
    Content,
    Moment,
    Preset,
    check_exit_price,
    checked_targets,
    checked_time,
    distance,
    hint_of,
    plain,
    position_share,
    several_orders,
    share,
)
from core.signals.presets.markets import unit_of
from core.signals.presets.reader import Fields, given_secret
from core.signals.presets.strategy import BUY_OR_SELL, entry, message, order, target_of

_DIRECTIONS: Final = ("isbuy", "issell", "isclose")
_UNITS: Final = {
    "absolute": SizeUnit.BASE,
    **dict.fromkeys(("percent", "percentbalance", "percentwallet"), SizeUnit.EQUITY_PERCENT),
    "percentposition": SizeUnit.POSITION_PERCENT,
    "risk": SizeUnit.RISK_PERCENT,
}
_LEVELS: Final = {
    **dict.fromkeys(("percent", "percentage"), "percent"),
    **dict.fromkeys(("absolute", "price", "fixed"), "price"),
    **dict.fromkeys(("offset", "points", "distance"), "offset"),
}
_ALL: Final = Decimal(100)
_PLAINLY_PERCENT: Final = Decimal(50)
_TIME_AT_END = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:?\d\d)?$", re.ASCII
)


def _knows(content: Content) -> bool:
    if not isinstance(content, Mapping):
        return False
    names = {plain(name) for name in content}
    return bool(names & set(_DIRECTIONS)) or {"exchange", "pair", "token"} <= names


def _secret(content: Content) -> str | None:
    assert isinstance(content, Mapping)
    return given_secret(Fields(content), "token")


def _alert(content: Content, moment: Moment) -> Alert:
    assert isinstance(content, Mapping)
    fields = Fields(content)
    time = _time(fields, moment)
    wish = Alert(
        action=Action.CANCEL,
        symbol=fields.symbol("pair"),
        time=time,
        id=fields.id("alertTimestamp"),
        hint=hint_of(time, moment),
    )
    cancels = bool(fields.flag("cancelAllOrders"))
    way = _direction(fields)
    if fields.flag("isClose"):
        if fields.flag("isLimit"):
            check_exit_price(fields.amount("price"), wish.symbol, moment, "price")
        return _close(fields, replace(wish, cancels=cancels))
    if way is None:
        if cancels or fields.flag("cancelAllDcaOrders"):
            return wish
        raise fields.fault(
            "isBuy",
            "action_missing",
            "The alert says neither isBuy nor isSell nor isClose.",
            "Set one of them to true.",
        )
    if fields.flag("useDca"):
        raise several_orders("further entries (useDca)")
    wish = _ordered(fields, way, replace(wish, cancels=cancels))
    if wish.target is not None and wish.target.position is not way:
        return wish
    price = None if moment.price_of is None else moment.price_of(wish.symbol)
    return _with_plan(fields, replace(wish, terms=_terms(fields, price)), price)


def _direction(fields: Fields) -> MarketPosition | None:
    """isBuy or isSell, or orderType from a strategy's placeholder."""
    marks = {
        "isBuy": bool(fields.flag("isBuy")),
        "isSell": bool(fields.flag("isSell")),
        "isClose": bool(fields.flag("isClose")),
    }
    said = [name for name, on in marks.items() if on]
    if len(said) > 1:
        raise fields.fault(
            said[1],
            "contradiction",
            f"The alert says both {said[0]} and {said[1]}.",
            "Set one of them to true.",
        )
    if said:
        return {"isBuy": LONG, "isSell": SHORT, "isClose": None}[said[0]]
    return BUY_OR_SELL.get(plain(fields.text("orderType") or ""))


def _close(fields: Fields, wish: Alert) -> Alert:
    long, short = bool(fields.flag("closeLong")), bool(fields.flag("closeShort"))
    only = None if long is short else LONG if long else SHORT
    size = _size(fields)
    if size is not None and size.unit in (SizeUnit.POSITION_PERCENT, SizeUnit.EQUITY_PERCENT):
        size = position_share(size.value)
    if size is not None and size.unit is SizeUnit.RISK_PERCENT:
        size = None
    return replace(
        wish, action=Action.CLOSE if size is None else Action.REDUCE, size=size, only=only
    )


def _ordered(fields: Fields, way: MarketPosition, wish: Alert) -> Alert:
    """A plain order of the exchange: what goes past flat opens the other side. marketPosition is
    ours: TradingView's position after the order.
    """
    size = _size(fields)
    unless = way if fields.flag("preventPyramiding") else None
    wish = replace(wish, action=order(way), size=size, unless=unless)
    target = target_of(
        fields,
        "marketPosition",
        size="marketPositionSize",
        previous="prevMarketPosition",
        previous_size="prevMarketPositionSize",
    )
    if target is not None:
        if size is not None and size.unit is SizeUnit.BASE:
            size = Size(size.value, SizeUnit.CONTRACTS)
        return replace(wish, size=size, target=target)
    if fields.flag("closeCurrentPosition", "closeOpposite", "reverse"):
        return replace(wish, action=entry(way))
    return wish if size is None else replace(wish, against=Against.NET)


def _size(fields: Fields) -> Size | None:
    if fields.flag("useFixedSize"):
        dollars = fields.quantity("fixedQuoteSize")
        return None if dollars is None else Size(dollars, SizeUnit.USD)
    unit = fields.choice(_UNITS, "unitsType")
    percent = fields.percent("unitsPercent")
    if percent is not None and unit in (None, SizeUnit.EQUITY_PERCENT):
        return Size(percent, SizeUnit.EQUITY_PERCENT)
    if percent is not None and unit is SizeUnit.POSITION_PERCENT:
        return Size(percent, SizeUnit.POSITION_PERCENT)
    unit = unit or SizeUnit.BASE
    units = fields.quantity("units") if unit is SizeUnit.BASE else fields.part("units")
    if units is None:
        return None
    if unit is SizeUnit.BASE:
        unit = unit_of(fields.symbol("pair"), units, fields.text("exchange") or "")
    return Size(units, unit)


def _terms(fields: Fields, market: Decimal | None) -> Terms:
    """Without a price of its own the limit at the best price is the market's."""
    if fields.flag("isMarket") or not fields.flag("isLimit"):
        return Terms()
    price = fields.amount("price")
    if price is None and plain(fields.text("limitPriceType") or "") == "bestprice":
        return Terms(OrderKind.LIMIT, market, Force.GTT) if market is not None else Terms()
    if price is None:
        raise fields.fault(
            "price", "price_missing", "A limit order needs a price.", 'Add "price": 95000.'
        )
    # TV-Hub's limits are post-only unless told otherwise.
    force = Force.GTT if fields.flag("postOnly") is False else Force.POST_ONLY
    return Terms(OrderKind.LIMIT, price, force)


def _with_plan(fields: Fields, wish: Alert, price: Decimal | None) -> Alert:
    stop = _level(fields, "stopLoss", BELOW_STOP, fields.choice(_LEVELS, "stopLossType"), price)
    percent = fields.percent("stopLossPercent")
    if stop is None and percent is not None:
        stop = distance(percent, BELOW_STOP, "stopLossPercent")
    wish = replace(wish, stop_loss=stop, take_profit=_targets(fields, price))
    if not fields.flag("useTrailingStopLoss"):
        return wish
    percent = fields.percent("trailingStopLossPercent")
    if percent:
        follows = distance(percent, BELOW_STOP, "trailingStopLossPercent")
        if fields.flag("stopLossToBreakEven"):
            return replace(wish, break_even=BreakEven(follows))
        return replace(wish, trailing=Trailing(follows))
    if stop is not None and stop.price is None:
        return replace(wish, stop_loss=None, trailing=Trailing(stop))
    return wish


def _targets(fields: Fields, price: Decimal | None) -> tuple[TakeProfit, ...]:
    kind = fields.choice(_LEVELS, "targetType", "takeProfitType")
    if "targets" not in fields:
        level = _level(fields, "takeProfit", BELOW_TARGET, kind, price)
        return () if level is None else (TakeProfit(level),)
    targets = []
    for inner in fields.children("targets"):
        name = inner.first("takeProfit", "takeProfitPercent", "price", "percent", "target")
        if name is None:
            continue
        named = (
            "percent" if name.lower().endswith("percent") else "price" if name == "price" else kind
        )
        level = _level(inner, name, BELOW_TARGET, named, price)
        if level is not None:
            part = share(inner.percent("amount", "quantity"), "targets.amount")
            targets.append(TakeProfit(level, part))
    return checked_targets(targets, "targets")


def _level(
    fields: Fields, name: str, below: Decimal, kind: str | None, price: Decimal | None
) -> Level | None:
    """A price or percent, as its type says. Without a type only a number is taken that cannot be
    the other: one near the market's price, or one so small that no level lies there.
    """
    text, number = fields.text(name), fields.percent(name)
    if text is None or number is None:
        return None
    kind = "percent" if text.endswith("%") else kind or _kind_of(number, price)
    if kind is None:
        raise fields.fault(
            name,
            "level_ambiguous",
            f"{name} may be a price or percent.",
            'Add "stopLossType" and "targetType": "percent" or "absolute".',
        )
    if kind == "percent":
        return distance(number, below, name)
    return Level(price=number) if kind == "price" else Level(offset=number)


def _kind_of(number: Decimal, price: Decimal | None) -> str | None:
    if price is None:
        return None
    if number <= _PLAINLY_PERCENT and number * 10 < price:
        return "percent"
    return "price" if number > _ALL and price / 2 <= number <= price * 2 else None


def _time(fields: Fields, moment: Moment) -> dt.datetime | None:
    """alertTimestamp holds the time at its end, behind the ticker."""
    text = fields.text("alertTimestamp")
    match = None if text is None else _TIME_AT_END.search(text)
    time = None if match is None else time_in(match.group())
    return None if time is None else checked_time(time, moment, "alertTimestamp")


def _template(secret: str) -> str:
    return message(
        {
            "exchange": "dydx",
            "pair": "{{ticker}}",
            "orderType": "{{strategy.order.action}}",
            "marketPosition": "{{strategy.market_position}}",
            "isMarket": True,
            "units": "{{strategy.order.contracts}}",
            "unitsType": "absolute",
            "alertTimestamp": "{{ticker}}-{{timenow}}",
            "apiKey": "perpgram",
            "token": secret,
        }
    )


PRESET: Final = Preset(
    name="tv-hub",
    title="TV-Hub",
    line="pair with isBuy, isSell or isClose; units, targets and stopLoss.",
    place='the field "token"',
    knows=_knows,
    secret_of=_secret,
    alert_of=_alert,
    template=_template,
)
