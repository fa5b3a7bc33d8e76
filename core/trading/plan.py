"""The protection plan: which prices close a position, and when one is met. Pure."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any, Literal

from core.signals.alert import Level

Breach = Literal["take_profit", "stop_loss"]


def level_json(level: Level | None) -> dict[str, str] | None:
    """A level as the ledger keeps it."""
    if level is None:
        return None
    if level.price is not None:
        return {"price": format(level.price, "f")}
    assert level.percent is not None
    return {"percent": format(level.percent, "f")}


def level_from_json(value: dict[str, Any] | None) -> Level | None:
    """A level as it was before the ledger kept it."""
    if not value:
        return None
    if "price" in value:
        return Level(price=Decimal(value["price"]), percent=None)
    return Level(price=None, percent=Decimal(value["percent"]))


def level_price(
    level: Level | None, *, long: bool, above: bool, entry: Decimal, tick: Decimal
) -> Decimal | None:
    """The price of a level: given, or entry ± percent, rounded to the nearest tick.

    `above` says on which side of a long's entry it lies; for a short it is mirrored.
    """
    if level is None:
        return None
    with localcontext() as context:
        context.prec = 50
        if level.price is not None:
            price = level.price
        else:
            assert level.percent is not None
            up = above if long else not above
            price = entry * (100 + (level.percent if up else -level.percent)) / 100
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


def breach(
    *, long: bool, price: Decimal, take_profit: Decimal | None, stop_loss: Decimal | None
) -> Breach | None:
    """Which price of the plan the oracle has met. The stop wins where both are."""
    if stop_loss is not None and (price <= stop_loss if long else price >= stop_loss):
        return "stop_loss"
    if take_profit is not None and (price >= take_profit if long else price <= take_profit):
        return "take_profit"
    return None
