"""Finandy: messages to a hook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from core.signals.alert import (
    Action,
    Against,
    Alert,
    Force,
    Level,
    MarketPosition,
    OrderKind,
    Size,
    SizeUnit,
    TakeProfit,
    Target,
    Terms,
)
from core.signals.fields import BELOW_STOP, BELOW_TARGET
from core.signals.presets.common import (
    FLAT,
    OPPOSITE,
    POSITIONS,
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
)
from core.signals.presets.reader import Fields, given_secret
from core.signals.presets.strategy import BUY_OR_SELL, entry, message, order

_POSITIONS: Final = {**POSITIONS, "both": None}
_UNITS: Final = {
    **dict.fromkeys(("sumusd", "usd", "sum", "quote", "sumquote"), SizeUnit.USD),
    **dict.fromkeys(("amount", "qty", "quantity", "coins", "base"), SizeUnit.BASE),
    **dict.fromkeys(("posamountpct", "pospct", "positionpct"), SizeUnit.POSITION_PERCENT),
    **dict.fromkeys(
        ("balancepct", "walletpct", "depopct", "depositpct", "freepct", "pct"),
        SizeUnit.EQUITY_PERCENT,
    ),
}
_GROUPS: Final = ("open", "close", "dca", "sl", "slx", "tp")
_FOREIGN: Final = frozenset(
    (
        *("action", "price", "type", "qty", "quantity", "size", "amount", "contracts"),
        *("marketposition", "position", "positionsize", "ordertype", "direction", "signal"),
    )
)


def _knows(content: Content) -> bool:
    if not isinstance(content, Mapping):
        return False
    names = {plain(name) for name in content}
    grouped = any(isinstance(content.get(name), Mapping) for name in _GROUPS)
    named = names & {"name", "positionside"} and not names & _FOREIGN
    return {"side", "symbol"} <= names and bool(named or grouped)


def _secret(content: Content) -> str | None:
    assert isinstance(content, Mapping)
    return given_secret(Fields(content))


def _alert(content: Content, moment: Moment) -> Alert:
    assert isinstance(content, Mapping)
    fields = Fields(content)
    way = fields.choice(BUY_OR_SELL, "side")
    if way is None:
        raise fields.fault(
            "side", "side_missing", "The alert has no side.", 'Add "side": "buy" or "sell".'
        )
    time = fields.time(moment, "time", "timestamp")
    wish = Alert(
        action=order(way),
        symbol=fields.symbol("symbol"),
        time=time,
        hint=hint_of(time, moment),
    )
    wish = _wish(fields, way, wish)
    if wish.action in (Action.CLOSE, Action.REDUCE):
        close = fields.child("close")
        price = None if close is None else close.amount("price")
        check_exit_price(price, wish.symbol, moment, "close.price")
        return wish
    return replace(
        wish,
        terms=_terms(fields),
        take_profit=_targets(fields),
        stop_loss=_stop(fields.child("sl")),
    )


def _wish(fields: Fields, way: MarketPosition, wish: Alert) -> Alert:
    """What is to become of the position. positionSide is TradingView's position after the order
    (long, short, flat), or says which positions the hook may have (both: any).
    """
    position = fields.choice(_POSITIONS, "positionSide")
    opened, close = fields.child("open"), fields.child("close")
    may_open = opened is None or opened.flag("enabled") is not False
    if opened is not None and may_open and opened.child("scaled") is not None:
        raise several_orders("a scaled entry")
    if position is FLAT:
        return replace(wish, action=Action.CLOSE, only=OPPOSITE[way], target=Target(FLAT))
    if position is OPPOSITE[way] or not may_open:
        return _exit(close, replace(wish, only=OPPOSITE[way]))
    added = fields.child("dca")
    size, addition = _size(opened), _size(added)
    never_adds = added is not None and added.flag("enabled") is False
    wish = replace(
        wish,
        size=size,
        # Where an addition is not as large as an opening there is one size too few for both.
        unless=way if never_adds or (addition is not None and addition != size) else None,
    )
    if position is way:
        return replace(wish, action=entry(way), target=Target(way))
    return _turned(close, way, wish)


def _turned(close: Fields | None, way: MarketPosition, wish: Alert) -> Alert:
    """What the order does with a position of the other way. Without a word about it the hook turns
    the position, as in one-way mode.
    """
    if close is None:
        return replace(wish, action=entry(way))
    if close.flag("enabled") is False:
        return replace(wish, only=way)
    action = plain(close.text("action") or "")
    inner = close.child("decrease")
    if "reverse" in action or "flip" in action or (not action and inner is None):
        return replace(wish, action=entry(way))
    part = _size(inner)
    if action == "decrease" and part is not None and part != wish.size and not _is_all(part):
        # It would reduce by another size than it opens with.
        return replace(wish, only=way)
    whole = action != "decrease" or part is None or _is_all(part)
    return replace(wish, against=Against.CLOSE if whole else None)


def _exit(close: Fields | None, wish: Alert) -> Alert:
    inner = None if close is None else close.child("decrease")
    part = _size(inner)
    if part is not None and part.unit is SizeUnit.POSITION_PERCENT:
        part = position_share(part.value)
    return replace(wish, action=Action.CLOSE if part is None else Action.REDUCE, size=part)


def _is_all(size: Size) -> bool:
    return size.unit is SizeUnit.POSITION_PERCENT and size.value >= 100


def _size(inner: Fields | None) -> Size | None:
    if inner is None:
        return None
    unit = inner.choice(_UNITS, "amountType", "type") or SizeUnit.USD
    percents = (SizeUnit.POSITION_PERCENT, SizeUnit.EQUITY_PERCENT)
    amount = inner.part("amount") if unit in percents else inner.quantity("amount")
    return None if amount is None else Size(amount, unit)


def _terms(fields: Fields) -> Terms:
    inner = fields.child("open")
    price = None if inner is None else inner.amount("price")
    return Terms() if price is None else Terms(OrderKind.LIMIT, price, Force.GTT)


def _stop(inner: Fields | None) -> Level | None:
    if inner is None or inner.flag("enabled") is False:
        return None
    return inner.level(BELOW_STOP, price="price", percent="ofs")


def _targets(fields: Fields) -> tuple[TakeProfit, ...]:
    inner = fields.child("tp")
    if inner is None or inner.flag("enabled") is False:
        return ()
    targets = []
    for item in inner.children("orders"):
        level = item.level(BELOW_TARGET, price="price", percent="ofs")
        if level is not None:
            targets.append(TakeProfit(level, share(item.percent("piece"), "tp.piece")))
    return checked_targets(targets, "tp")


def _template(secret: str) -> str:
    return message(
        {
            "name": "perpgram",
            "secret": secret,
            "side": "{{strategy.order.action}}",
            "positionSide": "{{strategy.market_position}}",
            "symbol": "{{ticker}}",
            "time": "{{timenow}}",
        }
    )


PRESET: Final = Preset(
    name="finandy",
    title="Finandy",
    line="side and positionSide, with open, close, sl and tp inside.",
    place='the field "secret"',
    knows=_knows,
    secret_of=_secret,
    alert_of=_alert,
    template=_template,
)
