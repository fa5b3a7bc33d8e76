"""Who gets the chain's places for orders of plans. Pure, apart from the reservations in memory.

An account may hold as many orders in the chain's state as its equity allows. First each position
gets one for its stop, then the targets nearest to the price; the bot watches the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

KEEPS: Final = Decimal("0.7")
"""A target that rests gives its place only to one that is nearer than this part of its distance, so
that two markets that move do not swap theirs with every price.
"""

Key = tuple[int, int]
"""A level: the position's id and the target's id, 0 for the stop."""


@dataclass(frozen=True)
class Claim:
    """A level that would rest on chain. `distance`: of its price to the market's, as a fraction;
    `resting`: an order for it is there or on its way.
    """

    position_id: int
    target_id: int
    distance: Decimal
    resting: bool = False

    @property
    def key(self) -> Key:
        return (self.position_id, self.target_id)

    @property
    def is_stop(self) -> bool:
        return self.target_id == 0

    @property
    def rank(self) -> tuple[Decimal, int, int]:
        """Nearest first; what rests counts as nearer than it is."""
        near = self.distance * KEEPS if self.resting else self.distance
        return (near, self.position_id, self.target_id)


def allotted(
    claims: Iterable[Claim], slots: int | None, taken: int = 0, reserved: int = 0
) -> set[Key]:
    """The levels that get a place. `slots` None: nobody knows how many there are; the chain
    decides. `taken`: places that others hold (orders that wait, leftovers); `reserved`: places kept
    for stops that are to come, which a stop may take and a target may not.
    """
    rows = list(claims)
    if slots is None:
        return {claim.key for claim in rows}
    room = max(slots - taken, 0)
    stops = sorted(
        (claim for claim in rows if claim.is_stop), key=lambda c: (not c.resting, *c.rank)
    )[:room]
    targets = sorted((claim for claim in rows if not claim.is_stop), key=lambda c: c.rank)
    left = max(room - len(stops) - reserved, 0)
    return {claim.key for claim in [*stops, *targets[:left]]}


class StopRoom(StrEnum):
    """Whether the chain has a place and a placement for another stop of an account."""

    FREE = "free"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Figures:
    """What is known of an account's room, from memory. `slots`: what its equity allows, None where
    nobody knows; `held`: orders in the chain's state; `owed`: stops of open positions that are not
    there yet; `reserved`: places kept for others; `placements`: how many may still be sent in these
    blocks beyond those that are waited for, None where nobody knows.
    """

    slots: int | None
    held: int
    owed: int
    reserved: int
    placements: int | None

    @property
    def full(self) -> bool:
        """Whether no place is left, as far as anybody knows."""
        return self.slots is not None and self.held + self.owed + self.reserved >= self.slots


def room_for_stop(figures: Figures, *, needs_slot: bool) -> StopRoom:
    """Whether one more stop fits. One that takes the place of another needs only a placement."""
    if figures.placements is not None and figures.placements < 1:
        return StopRoom.NONE
    if needs_slot and figures.full:
        return StopRoom.NONE
    if (needs_slot and figures.slots is None) or figures.placements is None:
        return StopRoom.UNKNOWN
    return StopRoom.FREE


class Reservation:
    """A place and a placement kept for the stop of a position that is about to be opened, until
    `release`. Where there is none, nothing is kept. Releasing twice changes nothing.
    """

    def __init__(self, room: StopRoom, release: Callable[[], None] | None) -> None:
        self.room = room
        self._release = release

    def release(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            release()


class Reservations:
    """What is reserved in one account. `foresee` and `expect_no_more` tell those who share the
    placements.
    """

    def __init__(
        self, foresee: Callable[[str, int], None], expect_no_more: Callable[[str], None]
    ) -> None:
        self._foresee = foresee
        self._expect_no_more = expect_no_more
        self._held: dict[str, bool] = {}
        self._next = 0

    @property
    def slots(self) -> int:
        """How many of them keep a place, and not only a placement."""
        return sum(self._held.values())

    def make(self, name: str, room: StopRoom, *, needs_slot: bool) -> Reservation:
        """Keeps what `room` says there is; an unknown room is kept too, so that it is counted."""
        if room is StopRoom.NONE:
            return Reservation(room, None)
        self._next += 1
        key = f"{name}:{self._next}"
        self._held[key] = needs_slot
        self._foresee(key, 1)
        return Reservation(room, lambda: self._give_back(key))

    def close(self) -> None:
        """Gives back whatever is still reserved."""
        for key in tuple(self._held):
            self._give_back(key)

    def _give_back(self, key: str) -> None:
        if self._held.pop(key, None) is not None:
            self._expect_no_more(key)
