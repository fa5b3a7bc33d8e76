"""Where the stop stands: as given, at break-even, or trailing the best price. Pure.

The stop in force is the one of the three that limits the loss most; it never moves away from the
price again. The chain holds it at its last level; the bot watches the exact one.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from typing import Final

from core.signals.alert import Level

FINE_STEPS: Final = 50
"""Into how many parts of its distance a trailing stop that the bot watches moves."""
CHAIN_STEPS: Final = 10
"""The same for one on chain while there are placements enough."""
PLENTY: Final = 18


@dataclass(frozen=True)
class Stop:
    """Everything that decides where a position's stop stands. `fixed` is the plan's own price;
    `best` the best price since the trailing stop began, None before; `even` its break-even price
    once that was reached. `distance` is in USD at the best price.
    """

    long: bool
    fixed: Decimal | None = None
    best: Decimal | None = None
    distance: Level | None = None
    even: Decimal | None = None


def ahead(price: Decimal, other: Decimal, *, long: bool) -> bool:
    """Whether a price is better for the position than another."""
    return price > other if long else price < other


def distance_at(price: Decimal, distance: Level) -> Decimal:
    """A distance in USD at a price. Raises ValueError for an absolute level."""
    with localcontext() as context:
        context.prec = 50
        if distance.offset is not None:
            return distance.offset
        if distance.percent is not None:
            return price * distance.percent / 100
    raise ValueError("a distance was given as a price")


def beyond(entry: Decimal, level: Level | None, *, long: bool, tick: Decimal) -> Decimal:
    """The break-even price: the entry, or as far past it on the winning side as `level` says,
    rounded to the tick that wins more.
    """
    with localcontext() as context:
        context.prec = 50
        if level is None:
            price = entry
        elif level.price is not None:
            price = level.price
        else:
            away = distance_at(entry, level)
            price = entry + away if long else entry - away
        ticks = (price / tick).to_integral_value(ROUND_CEILING if long else ROUND_FLOOR)
        return max(ticks, Decimal(1)) * tick


def trailing_price(best: Decimal, distance: Level, *, long: bool, tick: Decimal) -> Decimal | None:
    """Where a trailing stop stands at the best price, rounded away from it to a whole tick; None
    where that is no price.
    """
    with localcontext() as context:
        context.prec = 50
        away = distance_at(best, distance)
        price = best - away if long else best + away
        ticks = (price / tick).to_integral_value(ROUND_FLOOR if long else ROUND_CEILING)
        return ticks * tick if ticks > 0 else None


def in_force(stop: Stop, tick: Decimal) -> Decimal | None:
    """The price of the stop that limits the loss most; None where there is none."""
    found = [price for price in (stop.fixed, stop.even) if price is not None]
    if stop.best is not None and stop.distance is not None:
        trails = trailing_price(stop.best, stop.distance, long=stop.long, tick=tick)
        if trails is not None:
            found.append(trails)
    if not found:
        return None
    return max(found) if stop.long else min(found)


def next_best(best: Decimal, distance: Level, *, long: bool, tick: Decimal) -> Decimal:
    """The price at which a trailing stop that the bot watches moves on."""
    with localcontext() as context:
        context.prec = 50
        step = max(distance_at(best, distance) / FINE_STEPS, tick)
        return best + step if long else max(best - step, tick)


def chain_step(distance: Decimal, room: int, tick: Decimal) -> Decimal | None:
    """How far a trailing stop must have moved before its order on chain is replaced; None where no
    placement is left for it. `room`: placements left in these blocks beyond those kept for stops.

    With fewer placements left the steps grow, so that the rest of the window can be paid.
    """
    if room <= 0:
        return None
    with localcontext() as context:
        context.prec = 50
        scarce = max(Decimal(PLENTY) / room, Decimal(1))
        return max(distance / CHAIN_STEPS * scarce, tick)


def worth_moving(resting: Decimal, wanted: Decimal, step: Decimal | None, *, long: bool) -> bool:
    """Whether an order on chain is to follow the stop in force now."""
    if not ahead(wanted, resting, long=long):
        return False
    return step is not None and abs(wanted - resting) >= step
