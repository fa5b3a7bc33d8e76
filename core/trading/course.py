"""From a decision to the orders that carry it out, one after the other. Pure.

A close is repeated with new orders until it is done, each after its predecessor is proved over; a
reversal opens once, after nothing of the old position is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

from core.dydx.protocol import Side
from core.signals.meaning import Effect

Kind = Literal["open", "add", "reduce", "close"]

UNFILLED_ATTEMPTS: Final = 5


@dataclass(frozen=True)
class Course:
    """What an intent does, decided once: `side` of its orders, how much of the old position they
    close and how much they open (base units, unsigned, before rounding). Ids of the
    ledger: `booked`, the last fill that the decision of a sync knew of; `after`, the last order of
    the course before this one, which did not lead to the target.
    """

    effect: Effect
    side: Side
    closing: Decimal = Decimal(0)
    opening: Decimal = Decimal(0)
    booked: int = 0
    after: int = 0

    @property
    def closes_all(self) -> bool:
        """Whether nothing of the old position is to be left."""
        return self.effect in (Effect.CLOSE, Effect.REVERSE)

    @property
    def reduces_only(self) -> bool:
        """Whether no order of it opens anything."""
        return not self.opening

    def to_json(self) -> dict[str, str]:
        """As the ledger keeps it."""
        return {
            "effect": self.effect.value,
            "side": self.side.value,
            "closing": format(self.closing, "f"),
            "opening": format(self.opening, "f"),
            "booked": str(self.booked),
            "after": str(self.after),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Course:
        """As it was before the ledger kept it."""
        return cls(
            effect=Effect(value["effect"]),
            side=Side(value["side"]),
            closing=Decimal(value["closing"]),
            opening=Decimal(value["opening"]),
            booked=int(value.get("booked", 0)),
            after=int(value.get("after", 0)),
        )


@dataclass(frozen=True)
class Made:
    """An order that was made for an intent and is over, or `rests` in the chain's state: unsigned
    base units. `opens`: it was to open or enlarge something, not to close.
    """

    opens: bool
    filled: Decimal
    rests: bool = False


@dataclass(frozen=True)
class Leg:
    """The next order to make; `size` in base units, unsigned, before rounding. `against_others`: it
    closes a strategy's share against the shares of others, so that it enlarges what the chain
    holds.
    """

    kind: Kind
    side: Side
    size: Decimal
    against_others: bool = False

    @property
    def opens(self) -> bool:
        """Whether it is an entry: what the limits are for."""
        return self.kind in ("open", "add")

    @property
    def reduce_only(self) -> bool:
        """Whether the chain is to let it only reduce."""
        return not self.opens and not self.against_others


def next_leg(
    course: Course,
    made: Sequence[Made],
    held: Decimal,
    step: Decimal,
    reducible: Decimal | None = None,
) -> Leg | None:
    """The order that comes after those in `made`, with `held` (signed) left of the position; None
    when nothing more is to be done. What is left below one `step` cannot be closed. `reducible`:
    how much of a share the chain's own position holds too; None where it holds all. An order that
    rests is the last one: it does what is left when its price comes.
    """
    if made and made[-1].rests:
        return None
    left = _left(course, made, held)
    if left >= step or (left > 0 and not made):
        return None if _gave_up(made) else _closing(course, left, held, step, reducible)
    if course.opening and not any(row.opens for row in made):
        if course.closing and held and _opposes(held, course.side):
            return None
        kind: Kind = "add" if course.effect is Effect.ADD else "open"
        return Leg(kind, course.side, course.opening)
    return None


def given_up(course: Course, made: Sequence[Made], held: Decimal, step: Decimal) -> bool:
    """Whether a close ended with something left of what it was to close."""
    return _left(course, made, held) >= step


def _left(course: Course, made: Sequence[Made], held: Decimal) -> Decimal:
    """What of the old position is still to be closed."""
    if not course.closing or not held or not _opposes(held, course.side):
        return Decimal(0)
    if course.closes_all:
        return abs(held)
    done = sum((row.filled for row in made if not row.opens), Decimal(0))
    return min(abs(held), course.closing - done)


def _closing(
    course: Course, left: Decimal, held: Decimal, step: Decimal, reducible: Decimal | None
) -> Leg:
    kind: Kind = "close" if course.closes_all or left == abs(held) else "reduce"
    if reducible is None or reducible >= left:
        return Leg(kind, course.side, left)
    if reducible >= step:
        return Leg(kind, course.side, reducible)
    return Leg(kind, course.side, left, against_others=True)


def _gave_up(made: Sequence[Made]) -> bool:
    """Whether the last orders all ended without a fill."""
    last = [row for row in made if not row.opens][-UNFILLED_ATTEMPTS:]
    return len(last) == UNFILLED_ATTEMPTS and not any(row.filled for row in last)


def _opposes(held: Decimal, side: Side) -> bool:
    return (held > 0) != (side is Side.BUY)
