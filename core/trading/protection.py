"""What is to be placed and cancelled so that a position's plan rests on chain. Pure.

A plan's price becomes a conditional order that is reduce-only and IOC: the chain triggers it by the
oracle price, and a fill never exceeds the position. An order that covers too much stays until its
successor is proved; one that outlives its position is cancelled, as it would act on the next.
Source: docs/protocol.md, conditional orders.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

Purpose = Literal["stop_loss", "take_profit"]

PURPOSES: Final[tuple[Purpose, ...]] = ("stop_loss", "take_profit")
RENEW_BEFORE: Final = dt.timedelta(days=3)
_COVERING: Final = frozenset({"broadcasting", "accepted", "unknown", "untriggered"})


@dataclass(frozen=True)
class HeldPosition:
    """An open position and the prices of its plan; `size` is unsigned base units."""

    id: int
    ticker: str
    long: bool
    size: Decimal
    stop_loss: Decimal | None
    take_profit: Decimal | None

    def level(self, purpose: Purpose) -> Decimal | None:
        """The plan's price for a purpose."""
        return self.stop_loss if purpose == "stop_loss" else self.take_profit


@dataclass(frozen=True)
class GuardOrder:
    """A conditional order of a plan that may live. `left` is what it has not filled."""

    id: int
    position_id: int | None
    purpose: str
    state: str
    left: Decimal
    trigger: Decimal
    expires_at: dt.datetime
    cancel_asked: bool

    @property
    def committed(self) -> bool:
        """Whether the chain's state holds it, waiting for its trigger."""
        return self.state == "untriggered"


@dataclass(frozen=True)
class Place:
    """Place an order for a level, and cancel the one it replaces in the same transaction."""

    position_id: int
    purpose: Purpose
    trigger: Decimal
    size: Decimal
    replaces: int | None


@dataclass(frozen=True)
class Cancel:
    """Cancel an order that covers nothing any more."""

    order_id: int


Step = Place | Cancel


def steps(
    positions: Sequence[HeldPosition], orders: Sequence[GuardOrder], now: dt.datetime
) -> list[Step]:
    """What brings the orders in line with the plans: stops first, then targets, then cancels."""
    places: list[Place] = []
    kept: set[int] = set()
    for purpose in PURPOSES:
        for position in positions:
            trigger = position.level(purpose)
            mine = [
                row for row in orders if row.position_id == position.id and row.purpose == purpose
            ]
            if trigger is None:
                continue
            place, keep = _for_level(position, purpose, trigger, mine, now)
            kept |= keep
            if place is not None:
                places.append(place)
    cancels = [Cancel(row.id) for row in orders if row.id not in kept and not row.cancel_asked]
    return [*places, *cancels]


def _for_level(
    position: HeldPosition,
    purpose: Purpose,
    trigger: Decimal,
    mine: Sequence[GuardOrder],
    now: dt.datetime,
) -> tuple[Place | None, set[int]]:
    """The order to place for a level, if any, and the orders that stay meanwhile."""
    living = [row for row in mine if row.state in _COVERING and not row.cancel_asked]
    exact = [
        row
        for row in living
        if row.trigger == trigger
        and row.left == position.size
        and row.expires_at - now > RENEW_BEFORE
    ]
    if exact:
        newest = exact[-1]
        if newest.committed:
            return None, {newest.id}
        return None, {row.id for row in living}
    if any(not row.committed for row in living):
        # its fate comes first: two successors at once would cost two placements
        return None, {row.id for row in living}
    replaced = living[-1] if living else None
    place = Place(position.id, purpose, trigger, position.size, replaced.id if replaced else None)
    return place, {row.id for row in living}


def in_hand(orders: Sequence[GuardOrder]) -> set[tuple[int, Purpose]]:
    """The levels, by position, that the chain carries out or has begun to: a triggered order gets
    two blocks before anybody else closes.
    """
    return {
        (row.position_id, purpose)
        for row in orders
        for purpose in PURPOSES
        if row.purpose == purpose
        and row.position_id is not None
        and not row.cancel_asked
        and row.state in ("untriggered", "triggered", "partially_filled")
    }


def covered(position: HeldPosition, orders: Sequence[GuardOrder], purpose: Purpose) -> bool:
    """Whether an order that closes all of a position at a level of its plan is proved to rest in
    the chain's state.
    """
    trigger = position.level(purpose)
    return trigger is not None and any(
        row.position_id == position.id
        and row.purpose == purpose
        and row.committed
        and not row.cancel_asked
        and row.trigger == trigger
        and row.left >= position.size
        for row in orders
    )
