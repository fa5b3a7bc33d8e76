"""Take profits of several levels: how much each of them closes. Pure.

Every level closes whole steps. What rounding leaves goes to the last level; a level whose share is
below one step is merged into the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from typing import Final

_FINEST: Final = Decimal("0.000000000001")
ONE: Final = Decimal(1)


@dataclass(frozen=True)
class Rung:
    """A level that is still to be carried out: the share of the whole position that it was meant to
    close, what it is to close (base units) and what of that is closed already.
    """

    fraction: Decimal
    size: Decimal = Decimal(0)
    filled: Decimal = Decimal(0)

    @property
    def share(self) -> Fraction:
        """What is left of its fraction. A merged level (size 0) keeps all of it."""
        if self.size <= 0:
            return Fraction(self.fraction)
        left = max(self.size - self.filled, Decimal(0))
        return Fraction(self.fraction) * Fraction(left) / Fraction(self.size)


def fractions(given: Sequence[Decimal | None]) -> list[Decimal]:
    """The fraction of each level: those without one share equally what the others leave.

    Never more than the whole in sum: what a later level asks beyond it is cut.
    """
    open_count = sum(1 for one in given if one is None)
    left = max(ONE - sum((one for one in given if one is not None), Decimal(0)), Decimal(0))
    equal = (left / open_count).quantize(_FINEST, ROUND_DOWN) if open_count else Decimal(0)
    found: list[Decimal] = []
    total = Decimal(0)
    for one in given:
        if one is None:
            open_count -= 1
            wanted = equal if open_count else left
            left -= wanted
        else:
            wanted = one
        wanted = min(wanted, ONE - total)
        total += wanted
        found.append(wanted)
    return found


def apportion(size: Decimal, shares: Sequence[Fraction], step: Decimal) -> list[Decimal]:
    """What each level closes of a position of `size`; 0 for one that was merged.

    `shares` are of this position, at most 1 in sum; where they are less, the rest of the position
    has no target. The last level takes what rounding left over; one below a step passes its share
    on to the next, and the last of all to the one before it.
    """
    steps = Fraction(size) / Fraction(step)
    wanted = min(sum(shares, Fraction(0)), Fraction(1))
    total = int(steps * wanted)
    found: list[int] = []
    carried = Fraction(0)
    for place, share in enumerate(shares):
        carried += share
        if place == len(shares) - 1:
            found.append(total - sum(found))
            break
        whole = min(int(steps * carried), total - sum(found))
        found.append(whole)
        if whole:
            carried = Fraction(0)
    return [count * step for count in found]


def spread(size: Decimal, rungs: Sequence[Rung], done: Decimal, step: Decimal) -> list[Decimal]:
    """What each level is to close from now on of a position that is `size` now.

    `done`: the fraction that levels which are over were meant to close. Each level keeps its part
    of what the position was meant to be by now, so that a position enlarged or reduced by others
    is split as the whole was.
    """
    consumed = Fraction(done) + sum((Fraction(r.fraction) - r.share for r in rungs), Fraction(0))
    rest = Fraction(1) - consumed
    if rest <= 0:
        return [Decimal(0) for _ in rungs]
    return apportion(size, [rung.share / rest for rung in rungs], step)
