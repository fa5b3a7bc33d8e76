"""The plan in an alert: take profit, stop loss, trailing and break-even."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from core.signals.alert import BreakEven, Level, TakeProfit, Trailing
from core.signals.fields import BELOW_STOP, BELOW_TARGET, FLAGS, MAX_TARGETS
from core.signals.fields_reader import Fields, number_in

LEVEL_KEYS: Final = ("price", "percent", "offset")
TRAILING_KEYS: Final = ("distance", "activation")
BREAK_EVEN_KEYS: Final = ("at", "beyond")
SHARE_KEY: Final = "fraction"


def take_profit(fields: Fields) -> tuple[TakeProfit, ...]:
    """The targets: one level, or a list of levels, each with its share of the position."""
    name = "take_profit"
    value = fields.get(name)
    if value is None:
        return ()
    given = value if isinstance(value, list) else [value]
    if not 1 <= len(given) <= MAX_TARGETS:
        raise fields.fault(
            name,
            f"{name}_invalid",
            f"{name} is a list of {len(given)} targets.",
            f"Write one to {MAX_TARGETS} targets.",
        )
    targets = tuple(_target(fields, name, item) for item in given)
    shares = [target.fraction for target in targets]
    named = sum((share for share in shares if share is not None), Decimal(0))
    if named > 1 or (named == 1 and None in shares):
        raise fields.fault(
            name,
            f"{name}_invalid",
            f"The targets of {name} close more than the whole position.",
            "Let the fractions sum up to at most 1; a target without one closes what is left.",
        )
    return targets


def stop_loss(fields: Fields) -> Level | None:
    """The stop: a price, or a distance from the entry."""
    value = fields.get("stop_loss")
    return None if value is None else _level(fields, "stop_loss", value, BELOW_STOP)


def trailing(fields: Fields) -> Trailing | None:
    """A distance alone ("1%"), or an object with distance and activation."""
    name = "trailing"
    value = fields.get(name)
    if value is None:
        return None
    parts = _parts(value)
    if parts is None or not set(parts) & set(TRAILING_KEYS):
        return Trailing(_distance(fields, name, value))
    if not set(parts) <= set(TRAILING_KEYS) or "distance" not in parts:
        raise fields.fault(
            name,
            f"{name}_invalid",
            f"{name} needs a distance, may have an activation, and nothing else.",
            'Write {"activation": "2%", "distance": "1%"}.',
        )
    activation = parts.get("activation")
    return Trailing(
        _distance(fields, name, parts["distance"]),
        None if activation is None else _level(fields, name, activation, BELOW_TARGET),
    )


def break_even(fields: Fields) -> BreakEven | None:
    """true, a level, or an object with at and beyond."""
    name = "break_even"
    value = fields.get(name)
    if isinstance(value, str):
        value = FLAGS.get(value.strip().lower(), value)
    if value is None or isinstance(value, bool):
        return BreakEven() if value else None
    parts = _parts(value)
    if parts is None or not set(parts) & set(BREAK_EVEN_KEYS):
        return BreakEven(_level(fields, name, value, BELOW_TARGET))
    if not set(parts) <= set(BREAK_EVEN_KEYS):
        raise fields.fault(
            name,
            f"{name}_invalid",
            f"{name} has at and beyond, and nothing else.",
            'Write true, or {"at": "1%", "beyond": "0.1%"}.',
        )
    at, beyond = parts.get("at"), parts.get("beyond")
    return BreakEven(
        None if at is None or at is True else _level(fields, name, at, BELOW_TARGET),
        None if beyond is None else _distance(fields, name, beyond),
    )


def _target(fields: Fields, name: str, value: Any) -> TakeProfit:
    parts = _parts(value)
    if parts is None or SHARE_KEY not in parts:
        return TakeProfit(_level(fields, name, value, BELOW_TARGET))
    share = parts.pop(SHARE_KEY)
    fraction = number_in(share)
    if isinstance(share, str) and share.strip().endswith("%"):
        percent = number_in(share.strip()[:-1])
        fraction = None if percent is None else percent / 100
    if fraction is None or not 0 < fraction <= 1:
        raise fields.fault(
            name,
            f"{name}_invalid",
            f"A fraction of {name} is not above 0 and at most 1.",
            'Write half of the position as 0.5 or "50%".',
        )
    return TakeProfit(_level(fields, name, parts, BELOW_TARGET), fraction)


def _level(fields: Fields, name: str, value: Any, below: Decimal) -> Level:
    """A price, a distance like "2%", or an object with exactly one of price, percent, offset."""
    parts = _parts(value)
    if parts is None:
        if isinstance(value, str) and value.strip().endswith("%"):
            return _percent(fields, name, value, below)
        return Level(price=_above_zero(fields, name, value))
    if set(parts) == {"price"}:
        return Level(price=_above_zero(fields, name, parts["price"]))
    if set(parts) == {"offset"}:
        return Level(offset=_above_zero(fields, name, parts["offset"]))
    if set(parts) == {"percent"}:
        return _percent(fields, name, parts["percent"], below)
    raise fields.fault(
        name,
        f"{name}_invalid",
        f"{name} needs exactly one of {', '.join(LEVEL_KEYS)}, and nothing else.",
        'Write {"price": 100}, {"percent": 2} or {"offset": 50}.',
    )


def _distance(fields: Fields, name: str, value: Any) -> Level:
    """A distance in percent or dollars. A bare number could be either, so it is neither."""
    if _parts(value) is not None or (isinstance(value, str) and value.strip().endswith("%")):
        level = _level(fields, name, value, BELOW_STOP)
        if level.price is None:
            return level
    raise fields.fault(
        name,
        f"{name}_invalid",
        f"A distance of {name} is given neither in percent nor in dollars.",
        'Write "1%", or {"offset": 50} for 50 dollars.',
    )


def _percent(fields: Fields, name: str, value: Any, below: Decimal) -> Level:
    plain = value.strip().removesuffix("%") if isinstance(value, str) else value
    percent = number_in(plain)
    if percent is None or not 0 < percent < below:
        raise fields.fault(
            name,
            f"{name}_invalid",
            f"{name} is not a distance above 0 % and below {below} %.",
            'Write it without a sign, like "2%"; the side follows from the position.',
        )
    return Level(percent=percent)


def _above_zero(fields: Fields, name: str, value: Any) -> Decimal:
    number = number_in(value)
    if number is None or number <= 0:
        raise fields.fault(
            name,
            f"{name}_invalid",
            f"{name} is neither a price above zero nor a distance.",
            'Write a price like 95000, or a distance like "2%".',
        )
    return number


def _parts(value: Any) -> dict[str, Any] | None:
    """An object's fields that are there; None for what is no object."""
    if not isinstance(value, Mapping):
        return None
    return {key: item for key, item in value.items() if item is not None}
