"""What is to be placed and cancelled so that a position's plan rests on chain. Pure.

A plan's level becomes a conditional order that is reduce-only and IOC: the chain triggers it by the
oracle price, and a fill never exceeds the position. An order that covers too much stays until its
successor is proved; one that outlives its position is cancelled, as it would act on the next.
Source: docs/protocol.md, conditional orders.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal

from core.trading.slots import Key

Purpose = Literal["stop_loss", "take_profit"]

PURPOSES: Final[tuple[Purpose, ...]] = ("stop_loss", "take_profit")
STOP: Final = 0
"""Stands for the stop where levels are told apart by the id of their target."""
RENEW_BEFORE: Final = dt.timedelta(days=3)
PROVED_WITHIN: Final = dt.timedelta(seconds=8)
"""A stop whose transaction is undecided for longer, while none rests, gets another beside it: what
is lost can come until its nonce is over. Both only reduce; once proved the newer one stays.
"""
_COVERING: Final = frozenset({"broadcasting", "accepted", "unknown", "untriggered"})


@dataclass(frozen=True)
class HeldTarget:
    """A target that is still to be carried out: what it closes from now on, in base units."""

    id: int
    price: Decimal
    size: Decimal


@dataclass(frozen=True)
class HeldPosition:
    """An open position and the levels of its plan; `size` is unsigned base units. `stop_loss` is
    where its stop is to rest; `busy` a stop or target that the bot is carrying out itself.

    `filling` is what a resting entry that has begun to fill may still add. The stop covers it from
    the start, as its fill is capped at the position: a stop for each part would use up the
    placements.
    """

    id: int
    ticker: str
    long: bool
    size: Decimal
    stop_loss: Decimal | None
    targets: tuple[HeldTarget, ...] = ()
    busy: frozenset[int] = field(default=frozenset())
    filling: Decimal = Decimal(0)

    def levels(self) -> list[Wanted]:
        """What would rest on chain if there were places enough, the stop first."""
        found = []
        if self.stop_loss is not None:
            size = self.size + self.filling
            found.append(Wanted(self.id, STOP, "stop_loss", self.stop_loss, size))
        for target in self.targets:
            found.append(Wanted(self.id, target.id, "take_profit", target.price, target.size))
        return found


@dataclass(frozen=True)
class Wanted:
    """A level of a plan as an order."""

    position_id: int
    target_id: int
    purpose: Purpose
    trigger: Decimal
    size: Decimal

    @property
    def key(self) -> Key:
        return (self.position_id, self.target_id)


@dataclass(frozen=True)
class GuardOrder:
    """A conditional order of a plan that may live. `left` is what it has not filled; `target_id` is
    `STOP` for a stop.
    """

    id: int
    position_id: int | None
    target_id: int
    purpose: str
    state: str
    left: Decimal
    trigger: Decimal
    expires_at: dt.datetime
    cancel_asked: bool
    created_at: dt.datetime | None = None

    @property
    def committed(self) -> bool:
        """Whether the chain's state holds it, waiting for its trigger."""
        return self.state == "untriggered"

    @property
    def living(self) -> bool:
        """Whether it waits for its trigger, or is on its way there, and shall stay."""
        return self.state in _COVERING and not self.cancel_asked

    def serves(self, wanted: Wanted) -> bool:
        """Whether it is of this level."""
        return (
            self.position_id == wanted.position_id
            and self.purpose == wanted.purpose
            and self.target_id == wanted.target_id
        )


@dataclass(frozen=True)
class Place:
    """Place an order for a level, and cancel the one it replaces in the same transaction."""

    position_id: int
    purpose: Purpose
    trigger: Decimal
    size: Decimal
    replaces: int | None
    target_id: int = STOP

    @property
    def is_stop(self) -> bool:
        return self.purpose == "stop_loss"


@dataclass(frozen=True)
class Cancel:
    """Cancel an order that covers nothing any more, or that must make room for its successor."""

    order_id: int


Step = Place | Cancel


def steps(
    positions: Sequence[HeldPosition],
    orders: Sequence[GuardOrder],
    now: dt.datetime,
    allowed: Collection[Key] | None = None,
    free: int | None = None,
) -> list[Step]:
    """What brings the orders in line with the plans: stops first, then targets, then cancels.

    `allowed` are the levels that have a place on chain, None for all. `free`: places that are empty
    now, None where nobody knows. The chain takes a successor together with its predecessor's cancel
    only while a place is empty; else the predecessor goes first, but for a stop: that one stays
    while a target gives up its place, however long its cancel takes.
    """
    levels = [level for position in positions for level in position.levels()]
    wanted = [level for purpose in PURPOSES for level in levels if level.purpose == purpose]
    places: list[Place] = []
    making_room: list[Cancel] = []
    kept: set[int] = set()
    yielding = any(_gives_way(row, allowed) for row in orders)
    for level in wanted:
        if allowed is not None and level.key not in allowed:
            continue
        mine = [row for row in orders if row.serves(level)]
        place, keep = _for_level(level, mine, now)
        kept |= keep
        if place is None:
            continue
        if free is None or free > 0:
            places.append(place)
            free = None if free is None else free - 1
        elif place.replaces is not None and not (yielding and _is_stop_at_rest(level, mine, now)):
            making_room.append(Cancel(place.replaces))
    for position in positions:
        kept |= {
            row.id
            for row in orders
            if row.position_id == position.id and row.target_id in position.busy
        }
    cancels = [Cancel(row.id) for row in orders if row.id not in kept and not row.cancel_asked]
    return [*places, *making_room, *cancels]


def _for_level(
    level: Wanted, mine: Sequence[GuardOrder], now: dt.datetime
) -> tuple[Place | None, set[int]]:
    """The order to place for a level, if any, and the orders that stay meanwhile."""
    living = [row for row in mine if row.living]
    exact = [
        row
        for row in living
        if row.trigger == level.trigger
        and row.left == level.size
        and row.expires_at - now > RENEW_BEFORE
    ]
    if exact:
        newest = next((row for row in reversed(exact) if row.committed), exact[-1])
        if newest.committed:
            return None, {newest.id}
        if not _is_overdue(level, living, now):
            return None, {row.id for row in living}
    undecided = [row for row in living if not row.committed]
    if undecided and not _is_overdue(level, living, now):
        # its fate comes first: two successors at once would cost two placements
        return None, {row.id for row in living}
    replaced = living[-1].id if living and not undecided else None
    place = Place(
        level.position_id, level.purpose, level.trigger, level.size, replaced, level.target_id
    )
    return place, {row.id for row in living}


def _is_overdue(level: Wanted, living: Sequence[GuardOrder], now: dt.datetime) -> bool:
    """Whether all that there is of a stop is one order that was to be proved long ago."""
    if level.target_id != STOP or len(living) != 1:
        return False
    created_at, state = living[0].created_at, living[0].state
    late = created_at is not None and now - created_at > PROVED_WITHIN
    return late and state in ("unknown", "accepted")


def _gives_way(row: GuardOrder, allowed: Collection[Key] | None) -> bool:
    """Whether an order is a target's whose place becomes free."""
    if row.purpose != "take_profit":
        return False
    lost = allowed is not None and (row.position_id, row.target_id) not in allowed
    return row.cancel_asked or lost


def _is_stop_at_rest(level: Wanted, mine: Sequence[GuardOrder], now: dt.datetime) -> bool:
    """Whether a stop rests, at whatever level, until there is a place for its successor."""
    return level.target_id == STOP and any(
        row.committed and row.living and row.expires_at > now for row in mine
    )


def short_of_place(
    positions: Sequence[HeldPosition], orders: Sequence[GuardOrder], now: dt.datetime
) -> bool:
    """Whether a stop that rests would have a successor if only a place were empty."""
    return any(
        position.stop_loss is not None
        and (place := _for_level(*_stop_of(position, orders), now)[0]) is not None
        and place.replaces is not None
        for position in positions
    )


def _stop_of(
    position: HeldPosition, orders: Sequence[GuardOrder]
) -> tuple[Wanted, list[GuardOrder]]:
    level = position.levels()[0]
    return level, [row for row in orders if row.serves(level)]


def in_hand(orders: Sequence[GuardOrder]) -> dict[Key, list[Decimal]]:
    """The triggers, by level, that the chain carries out or has begun to: a triggered order gets
    two blocks before anybody else closes.
    """
    found: dict[Key, list[Decimal]] = {}
    for row in orders:
        if row.position_id is None or row.cancel_asked or row.purpose not in PURPOSES:
            continue
        if row.state in ("untriggered", "triggered", "partially_filled"):
            found.setdefault((row.position_id, row.target_id), []).append(row.trigger)
    return found


def rests_for(
    position_id: int,
    size: Decimal,
    orders: Sequence[GuardOrder],
    trigger: Decimal,
    *,
    target_id: int = STOP,
    trails: object = None,
) -> bool:
    """Whether an order that closes so much at a level is proved to rest in the chain's state. A
    stop that `trails` may rest a step behind the one in force.
    """
    return any(
        row.position_id == position_id
        and row.target_id == target_id
        and row.purpose == ("stop_loss" if target_id == STOP else "take_profit")
        and row.committed
        and not row.cancel_asked
        and (row.trigger == trigger or bool(trails))
        and row.left >= size
        for row in orders
    )
