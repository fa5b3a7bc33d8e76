"""tradingview-alert-connector of junta, and the fields that AronVersteeg's fork adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from core.signals.alert import (
    Action,
    Against,
    Alert,
    Level,
    MarketPosition,
    Size,
    SizeUnit,
    TakeProfit,
    Target,
)
from core.signals.fields import BELOW_TARGET, MAX_TARGETS
from core.signals.fields_reader import number_in
from core.signals.presets.common import (
    FLAT,
    LONG,
    OPPOSITE,
    POSITIONS,
    SHORT,
    Content,
    Moment,
    Preset,
    checked_targets,
    fault,
    hint_of,
    plain,
)
from core.signals.presets.reader import Fields, given_secret
from core.signals.presets.strategy import BUY_OR_SELL, entry, message, order

_WANTED: Final = {**BUY_OR_SELL, "long": LONG, "short": SHORT, "flat": FLAT}
_TARGETS: Final = ("take_profits", "take_profit_levels", "tp_levels", "tp_prices")
_STOPS: Final = {
    LONG: ("static_sl_long", "static_long_sl", "long_static_sl"),
    SHORT: ("static_sl_short", "static_short_sl", "short_static_sl"),
}
_TRAILS: Final = {
    LONG: ("trailing_sl_long", "trail_sl_long", "long_trailing_sl"),
    SHORT: ("trailing_sl_short", "trail_sl_short", "short_trailing_sl"),
}
_ANY_STOP: Final = ("static_sl", "stop_loss", "stopPrice", "trailing_sl", "trail_sl", "trail_stop")


def _knows(content: Content) -> bool:
    if not isinstance(content, Mapping):
        return False
    names = {plain(name) for name in content}
    return "market" in names and ({"order", "position"} <= names or "desiredposition" in names)


def _secret(content: Content) -> str | None:
    assert isinstance(content, Mapping)
    return given_secret(Fields(content), "passphrase", "token")


def _alert(content: Content, moment: Moment) -> Alert:
    assert isinstance(content, Mapping)
    fields = Fields(content)
    time = fields.time(moment, "time", "timenow")
    wish = Alert(
        action=None,
        symbol=fields.symbol("market"),
        size=_size(fields),
        time=time,
        hint=hint_of(time, moment),
    )
    wanted = fields.choice(_WANTED, "desired_position")
    wish = _ordered(fields, wish) if wanted is None else _desired(wish, wanted)
    way = {Action.LONG: LONG, Action.BUY: LONG, Action.SHORT: SHORT, Action.SELL: SHORT}.get(
        wish.action or Action.CLOSE
    )
    if wish.sync and wish.target is not None:
        way = wish.target.position
    planned = wish.target is not None and wish.target.position is way
    profile = plain(fields.text("profile") or "")
    if way is None or not planned or profile == "signalonly":
        return wish
    targets = () if profile == "notp" else _take_profits(fields)
    return replace(wish, take_profit=targets, stop_loss=_stop(fields, way))


def _ordered(fields: Fields, wish: Alert) -> Alert:
    """An order of a strategy. With reverse it turns the position; without, it is one order of its
    size, so that it may only take away from a position of the other way.
    """
    way = fields.choice(BUY_OR_SELL, "order")
    position = fields.choice(POSITIONS, "position")
    if way is None or position is None:
        name = "order" if way is None else "position"
        raise fields.fault(
            name,
            f"{name}_missing",
            f"The alert has no {name}.",
            'Add "order": "{{strategy.order.action}}" and '
            '"position": "{{strategy.market_position}}".',
        )
    target = Target(position)
    if position is FLAT:
        return replace(wish, action=Action.CLOSE, size=None, target=target, only=OPPOSITE[way])
    if position is not way:
        return replace(wish, action=order(way), target=target)
    if fields.flag("reverse"):
        return replace(wish, action=entry(way), target=target)
    return replace(wish, action=order(way), target=target, against=Against.NET)


def _desired(wish: Alert, wanted: MarketPosition) -> Alert:
    """The position to be in, whatever is held."""
    if wanted is FLAT:
        return replace(wish, action=Action.CLOSE, size=None, target=Target(FLAT))
    return replace(wish, action=None, target=Target(wanted), sync=True)


def _size(fields: Fields) -> Size | None:
    leverage = fields.quantity("sizeByLeverage")
    if leverage is not None:
        return Size(leverage * 100, SizeUnit.EQUITY_PERCENT)
    usd = fields.quantity("sizeUsd")
    if usd is not None:
        return Size(usd, SizeUnit.USD)
    coins = fields.quantity("size")
    return None if coins is None else Size(coins, SizeUnit.BASE)


def _stop(fields: Fields, way: MarketPosition) -> Level | None:
    price = fields.amount(*_STOPS[way])
    for names in (_TRAILS[way], _ANY_STOP):
        price = price if price is not None else fields.amount(*names)
    return None if price is None else Level(price=price)


def _take_profits(fields: Fields) -> tuple[TakeProfit, ...]:
    name = fields.first(*_TARGETS)
    if name is None:
        return ()
    given = fields.raw(name)
    items: list[Any] = given.split(",") if isinstance(given, str) else given
    if not isinstance(items, list) or len(items) > MAX_TARGETS:
        raise fields.fault(
            name, "targets_invalid", f"{name} is not a list of targets.", "Write [95000, 97000]."
        )
    targets = [_target(item, name, _coins(fields)) for item in items if item not in (None, "")]
    return checked_targets(targets, name)


def _coins(fields: Fields) -> Decimal | None:
    size = _size(fields)
    in_coins = size is not None and size.unit is SizeUnit.BASE
    return (size.value or None) if size is not None and in_coins else None


def _target(item: Any, name: str, coins: Decimal | None) -> TakeProfit:
    if not isinstance(item, Mapping):
        price = number_in(item)
        if price is None or price <= 0:
            raise fault("targets_invalid", f"A target of {name} is not a price.", field=name)
        return TakeProfit(Level(price=price))
    inner = Fields(item, f"{name}.")
    level = inner.level(BELOW_TARGET, price=inner.first("price", "trigger_price") or "price")
    if level is None:
        raise inner.fault("price", "price_missing", "A target has no price.", 'Add "price".')
    part = inner.percent("sizeFraction", "size_fraction", "sizePct", "fraction")
    if part is not None:
        # Above one it is percent.
        return TakeProfit(level, part / 100 if part > 1 else part)
    size = inner.amount("size", "quantity", "qty")
    if size is None:
        return TakeProfit(level)
    if coins is None or size > coins:
        raise inner.fault(
            "size",
            "targets_invalid",
            "A target's size does not fit the size of the alert.",
            "Give sizeFraction, or a size within that of the alert.",
        )
    return TakeProfit(level, size / coins)


def _template(secret: str) -> str:
    return message(
        {
            "exchange": "dydxv4",
            "strategy": "perpgram",
            "market": "{{ticker}}",
            "order": "{{strategy.order.action}}",
            "position": "{{strategy.market_position}}",
            "price": "{{strategy.order.price}}",
            "reverse": True,
            "time": "{{timenow}}",
            "passphrase": secret,
        }
    )


PRESET: Final = Preset(
    name="junta",
    title="tradingview-alert-connector",
    line="market, order, position, size and reverse; desired_position of AronVersteeg's fork.",
    place='the field "passphrase"',
    knows=_knows,
    secret_of=_secret,
    alert_of=_alert,
    template=_template,
)
