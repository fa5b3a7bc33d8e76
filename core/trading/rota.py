"""Which account is looked at next, and how often the requests allow it. Pure.

Accounts with something at stake are looked at every few seconds, those at rest now and then. Where
that would take more than its part of the request budget the intervals of all grow by one factor;
accounts where something is not known or not protected keep theirs as long as any can.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

# What those that are not pressing are left with, however many are.
LEAST_FOR_OTHERS: Final = 0.2


class Look(StrEnum):
    """What is compared with the chain: the orders that are not over, or fills and positions."""

    ORDERS = "orders"
    POSITIONS = "positions"


class Rank(IntEnum):
    """Who comes first. Pressing: the fate of an order is unknown, a position lacks its protection,
    chain and ledger seemed to differ, or something is held or waits of which the stream brings no
    news. Live: something is held or waits. Idle: nothing is.
    """

    PRESSING = 0
    LIVE = 1
    IDLE = 2


@dataclass(frozen=True)
class Pace:
    """Seconds between two looks, and the part of the request budget (0 to 1) that they may take."""

    orders_s: float = 10.0
    positions_s: float = 30.0
    idle_s: float = 600.0
    share: float = 0.7

    def interval(self, rank: Rank, look: Look) -> float:
        """The interval that is wanted. Where it presses positions are looked at as often as orders
        are.
        """
        if rank is Rank.IDLE:
            return self.idle_s
        if rank is Rank.PRESSING:
            return min(self.orders_s, self.positions_s)
        return self.orders_s if look is Look.ORDERS else self.positions_s


@dataclass(frozen=True)
class Standing:
    """An account as the rota sees it; `seen` are the times of its last looks, in seconds."""

    account_id: int
    rank: Rank
    orders_seen: float
    positions_seen: float

    def seen(self, look: Look) -> float:
        return self.orders_seen if look is Look.ORDERS else self.positions_seen


@dataclass(frozen=True)
class Due:
    """A look that is due; `late_by` counts intervals: 1.0 is on time."""

    account_id: int
    rank: Rank
    look: Look
    late_by: float


@dataclass(frozen=True)
class Stretch:
    """By how much the intervals are longer than wanted: 1.0 while the budget allows them all."""

    pressing: float = 1.0
    others: float = 1.0

    def of(self, rank: Rank) -> float:
        return self.pressing if rank is Rank.PRESSING else self.others


def stretch_of(ranks: Iterable[Rank], pace: Pace, requests_per_s: float) -> Stretch:
    """The factors for these accounts; `requests_per_s` is the whole budget. One look costs one
    request.
    """
    needed = dict.fromkeys(Rank, 0.0)
    for rank in ranks:
        needed[rank] += sum(1 / pace.interval(rank, look) for look in Look)
    allowed = max(requests_per_s * pace.share, 1e-9)
    left = max(allowed - needed[Rank.PRESSING], allowed * LEAST_FOR_OTHERS)
    others = needed[Rank.LIVE] + needed[Rank.IDLE]
    for_pressing = allowed - min(others, allowed * LEAST_FOR_OTHERS)
    return Stretch(
        pressing=max(1.0, needed[Rank.PRESSING] / for_pressing),
        others=max(1.0, others / left),
    )


def due(
    standings: Sequence[Standing], pace: Pace, now: float, requests_per_s: float
) -> tuple[list[Due], Stretch]:
    """The looks that are due, in the order in which they are to be made: pressing accounts first,
    then whoever waits longest for his turn.
    """
    stretch = stretch_of((row.rank for row in standings), pace, requests_per_s)
    found = []
    for row in standings:
        for look in Look:
            interval = pace.interval(row.rank, look) * stretch.of(row.rank)
            late_by = (now - row.seen(look)) / interval
            if late_by >= 1:
                found.append(Due(row.account_id, row.rank, look, late_by))
    found.sort(key=lambda one: (one.rank is not Rank.PRESSING, -one.late_by, one.look))
    return found, stretch
