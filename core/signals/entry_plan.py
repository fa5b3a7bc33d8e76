"""An alert's levels at an entry: distances in dollars as prices, sides, and shares. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext

from core.signals.alert import Level, TakeProfit


class PlanSide(Exception):
    """A level would close the position as soon as it is open."""


def priced(level: Level, entry: Decimal | None, *, up: bool) -> Level:
    """The level with a distance in dollars as a price, where the entry is known. `up`: it lies
    above the entry.
    """
    if level.offset is None or entry is None:
        return level
    with localcontext() as context:
        context.prec = 100
        return Level(price=entry + level.offset if up else entry - level.offset)


def check_sides(
    targets: Sequence[Level], stop: Level | None, entry: Decimal | None, *, long: bool
) -> None:
    """Raises PlanSide where a target lies on the losing side, or the stop on the winning one."""
    sign, way = (1, "long") if long else (-1, "short")
    low = stop.price if stop is not None else None
    if entry is not None and low is not None and (entry - low) * sign <= 0:
        where = "below" if long else "above"
        raise PlanSide(f"The stop loss of a {way} must lie {where} its entry of {entry:f}.")
    for target in targets:
        if target.price is None:
            continue
        if target.price <= 0:
            raise PlanSide("A take profit lies at a price that is not above zero.")
        for bound, what in ((entry, "entry"), (low, "stop loss")):
            if bound is not None and (target.price - bound) * sign <= 0:
                where = "above" if long else "below"
                raise PlanSide(
                    f"A take profit of a {way} must lie {where} its {what} of {bound:f}."
                )


def fractions(targets: Sequence[TakeProfit]) -> list[Decimal]:
    """The share of each target; those that name none take what is left in equal parts."""
    named = [target.fraction for target in targets if target.fraction is not None]
    unnamed = len(targets) - len(named)
    with localcontext() as context:
        context.prec = 100
        part = (1 - sum(named, Decimal(0))) / unnamed if unnamed else Decimal(0)
    return [part if target.fraction is None else target.fraction for target in targets]
