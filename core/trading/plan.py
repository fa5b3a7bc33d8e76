"""The protection plan: which prices close a position, and when one is met. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any, Final

from core.signals.alert import BreakEven, Level, TakeProfit, Trailing

_KINDS: Final = ("price", "percent", "offset")


def level_json(level: Level | None) -> dict[str, str] | None:
    """A level as the ledger keeps it."""
    if level is None:
        return None
    for name in _KINDS:
        value = getattr(level, name)
        if value is not None:
            return {name: format(value, "f")}
    raise ValueError("a level was empty")


def level_from_json(value: dict[str, Any] | None) -> Level | None:
    """A level as it was before the ledger kept it."""
    if not value:
        return None
    for name in _KINDS:
        if value.get(name) is not None:
            return Level(**{name: Decimal(value[name])})
    raise ValueError("a level was empty")


def targets_json(targets: Sequence[TakeProfit]) -> list[dict[str, str | None]]:
    """Take profits as the ledger keeps them."""
    return [
        {
            **(level_json(target.level) or {}),
            "fraction": None if target.fraction is None else format(target.fraction, "f"),
        }
        for target in targets
    ]


def targets_from_json(value: Any) -> tuple[TakeProfit, ...]:
    """Take profits as they were before the ledger kept them; a single level is one of the whole."""
    if not value:
        return ()
    rows = [value] if isinstance(value, dict) else value
    found = []
    for row in rows:
        level = level_from_json(row)
        assert level is not None
        fraction = row.get("fraction")
        found.append(TakeProfit(level, None if fraction is None else Decimal(fraction)))
    return tuple(found)


def trailing_json(trailing: Trailing | None) -> dict[str, Any] | None:
    """A trailing stop as the ledger keeps it."""
    if trailing is None:
        return None
    return {
        "distance": level_json(trailing.distance),
        "activation": level_json(trailing.activation),
    }


def trailing_from_json(value: dict[str, Any] | None) -> Trailing | None:
    """A trailing stop as it was before the ledger kept it."""
    if not value:
        return None
    distance = level_from_json(value["distance"])
    assert distance is not None
    return Trailing(distance, level_from_json(value.get("activation")))


def break_even_json(rule: BreakEven | None) -> dict[str, Any] | None:
    """A break-even rule as the ledger keeps it."""
    return None if rule is None else {"at": level_json(rule.at), "beyond": level_json(rule.beyond)}


def break_even_from_json(value: dict[str, Any] | None) -> BreakEven | None:
    """A break-even rule as it was before the ledger kept it."""
    if value is None:
        return None
    return BreakEven(level_from_json(value.get("at")), level_from_json(value.get("beyond")))


def level_price(
    level: Level | None, *, long: bool, above: bool, entry: Decimal, tick: Decimal
) -> Decimal | None:
    """The price of a level: given, or entry ± its distance, rounded to the nearest tick.

    `above` says on which side of a long's entry it lies; for a short it is mirrored.
    """
    if level is None:
        return None
    with localcontext() as context:
        context.prec = 50
        if level.price is not None:
            price = level.price
        else:
            away = level.offset
            if away is None:
                assert level.percent is not None
                away = entry * level.percent / 100
            price = entry + away if above is long else entry - away
        ticks = (price / tick).to_integral_value(ROUND_HALF_EVEN)
        return max(ticks, Decimal(1)) * tick


def side_fault(
    *, long: bool, price: Decimal, take_profit: Decimal | None, stop_loss: Decimal | None
) -> str | None:
    """Why a plan would close the position at once, as a sentence; None when it would not."""
    if take_profit is not None and (take_profit <= price if long else take_profit >= price):
        where = "above" if long else "below"
        return f"A take profit of a {'long' if long else 'short'} lies {where} the price {price}."
    if stop_loss is not None and (stop_loss >= price if long else stop_loss <= price):
        where = "below" if long else "above"
        return f"A stop loss of a {'long' if long else 'short'} lies {where} the price {price}."
    return None
