"""The standing check of all accounts against the chain, within a part of the request budget."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from core.clock import Clock
from core.events import OperatorNotice
from core.ledger import reconciliation
from core.ledger.reconciliation import UnknownOrder
from core.ledger.tasks import spawn
from core.trading.decision import Refusal
from core.trading.lanes import Lanes, Seat
from core.trading.news import tell_operator
from core.trading.parts import Parts
from core.trading.quotes import FRESH_S
from core.trading.rota import Due, Look, Pace, Rank, Standing, due
from core.trading.venue import Venue

log = structlog.get_logger(__name__)

STAKES_EVERY_S: Final = 5.0
AT_ONCE: Final = 10
PRESSING_AT_ONCE: Final = 20
CONFIRM_AFTER_S: Final = 5.0
UNKNOWN_ALARM_AFTER: Final = dt.timedelta(seconds=60)


@dataclass
class Times:
    """When an account was looked at last, in seconds of the monotonic counter. `seen`: tried;
    `done`: answered; `took`: between the last two answers.
    """

    seen: dict[Look, float]
    done: dict[Look, float]
    took: dict[Look, float] = field(default_factory=dict)


@dataclass
class Stakes:
    """Which accounts have something at stake, as the ledger says."""

    holding: frozenset[int] = frozenset()
    unknown: frozenset[int] = frozenset()
    at: float = float("-inf")


class Rounds:
    """Looks at each account in its turn; `step` is called every second."""

    def __init__(
        self,
        lanes: Lanes,
        parts_of: Callable[[Venue], Parts],
        clock: Clock,
        pace: Pace,
    ) -> None:
        self._lanes = lanes
        self._parts_of = parts_of
        self._clock = clock
        self._pace = pace
        self._times: dict[int, Times] = {}
        self._ranks: dict[int, Rank] = {}
        self._stakes = Stakes()
        self._running: dict[int, asyncio.Task[None]] = {}
        self._alarmed: set[int] = set()

    async def step(self) -> None:
        """Starts the looks that are due; each runs beside this."""
        if self._clock.monotonic() - self._stakes.at >= STAKES_EVERY_S:
            await self._read_stakes()
        seats = {seat.account.id: seat for seat in self._lanes.seats()}
        self._times = {
            account_id: self._times.get(account_id) or self._begun() for account_id in seats
        }
        self._ranks = {account_id: self._rank(seat) for account_id, seat in seats.items()}
        for venue in self._lanes.venues.values():
            self._start_due(venue, [s for s in seats.values() if self._is_of(venue, s)])

    async def close(self) -> None:
        """Ends the looks that are under way."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def settled(self) -> None:
        """Waits until no look is under way."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    def interval(self, look: Look) -> float:
        """The longest time, in seconds, that now lies or last lay between two answered looks at an
        account with something at stake; 0 where there is none.
        """
        now = self._clock.monotonic()
        found = [
            max(now - times.done[look], times.took.get(look, 0.0))
            for account_id, times in self._times.items()
            if self._ranks.get(account_id, Rank.IDLE) is not Rank.IDLE
        ]
        return max(found, default=0.0)

    # who comes first

    def _rank(self, seat: Seat) -> Rank:
        account_id, stakes, lane = seat.account.id, self._stakes, seat.lane
        if account_id in stakes.unknown or lane.guard.unprotected() or lane.reconciler.suspects:
            return Rank.PRESSING
        if not (lane.busy or account_id in stakes.holding):
            return Rank.IDLE
        return Rank.PRESSING if self._news_missing(seat) else Rank.LIVE

    def _news_missing(self, seat: Seat) -> bool:
        account, venue = seat.account, self._lanes.venues[seat.account.network]  # type: ignore[index]
        return not venue.stream.account_fresh(account.address, account.subaccount_number, FRESH_S)

    def _begun(self) -> Times:
        """A lane is opened only after its account was compared with the chain."""
        now = self._clock.monotonic()
        return Times(dict.fromkeys(Look, now), dict.fromkeys(Look, now))

    async def _read_stakes(self) -> None:
        seats = {seat.account.id: seat for seat in self._lanes.seats()}
        unknown = await reconciliation.unknown_orders(list(seats))
        holding = await reconciliation.holding(list(seats))
        self._stakes = Stakes(
            frozenset(holding),
            frozenset(row.account_id for row in unknown),
            self._clock.monotonic(),
        )
        for venue in self._lanes.venues.values():
            await self._alarm(
                venue, [row for row in unknown if self._is_of(venue, seats[row.account_id])]
            )

    async def _alarm(self, venue: Venue, unknown: list[UnknownOrder]) -> None:
        """The operator hears of orders whose fate is unknown for too long, once for the oldest."""
        old = [row for row in unknown if self._clock.now() - row.since > UNKNOWN_ALARM_AFTER]
        if not old or old[0].order_id in self._alarmed:
            return
        self._alarmed.add(old[0].order_id)
        notice = OperatorNotice(
            venue.network.name,
            "orders_unknown",
            len({row.account_id for row in old}),
            old[0].since.isoformat(),
        )
        key = f"operator:unknown:{venue.network.name}:{old[0].order_id}"
        await tell_operator(self._parts_of(venue), notice, key)

    @staticmethod
    def _is_of(venue: Venue, seat: Seat) -> bool:
        return bool(seat.account.network == venue.network.name)

    # looking

    def _start_due(self, venue: Venue, seats: list[Seat]) -> None:
        by_id = {seat.account.id: seat for seat in seats}
        standings = [
            Standing(
                account_id,
                self._ranks[account_id],
                self._times[account_id].seen[Look.ORDERS],
                self._times[account_id].seen[Look.POSITIONS],
            )
            for account_id in by_id
        ]
        now = self._clock.monotonic()
        found, _ = due(standings, self._pace, now, venue.indexer.requests_per_s)
        running = sum(1 for account_id in self._running if account_id in by_id)
        looks: dict[int, list[Due]] = {}
        for one in found:
            looks.setdefault(one.account_id, []).append(one)
        for account_id, ordered in looks.items():
            pressing = ordered[0].rank is Rank.PRESSING
            if running >= (PRESSING_AT_ONCE if pressing else AT_ONCE):
                return
            if account_id not in self._running:
                self._start(by_id[account_id], [one.look for one in ordered])
                running += 1

    def _start(self, seat: Seat, looks: list[Look]) -> None:
        account_id = seat.account.id
        for look in looks:
            self._times[account_id].seen[look] = self._clock.monotonic()
        task = spawn(self._look_at(seat, looks))
        self._running[account_id] = task
        task.add_done_callback(lambda _: self._running.pop(account_id, None))

    async def _look_at(self, seat: Seat, looks: list[Look]) -> None:
        for look in looks:
            await self._look(seat, look)

    async def _look(self, seat: Seat, look: Look) -> None:
        account_id = seat.account.id
        try:
            if look is Look.ORDERS:
                answered = await seat.check_orders()
            else:
                answered = await seat.check_positions(money=True)
                self._lanes.reconciled[account_id] = answered
        except Refusal as refusal:
            log.warning("an account cannot be checked yet", account=account_id, code=refusal.code)
            return
        except Exception:
            log.exception("check of an account failed", account=account_id)
            return
        times = self._times.get(account_id)
        if times is None:
            return
        now = self._clock.monotonic()
        if answered:
            times.took[look], times.done[look] = now - times.done[look], now
        if look is Look.POSITIONS and seat.lane.reconciler.suspects:
            # the next look, soon, confirms or clears what this one saw
            interval_s = self._pace.interval(Rank.PRESSING, look)
            times.seen[Look.POSITIONS] = now - interval_s + CONFIRM_AFTER_S
