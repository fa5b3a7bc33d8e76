"""Entries that may fill unseen: while the stream does not tell of an account's fills a node is
asked what the account holds, so that nothing is held for long of which nobody knows.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final

import structlog

from core.clock import Clock
from core.ledger.tasks import spawn
from core.trading.lanes import Lanes, Seat

log = structlog.get_logger(__name__)

EVERY_S: Final = 2.0
PER_STEP: Final = 3
"""So many questions leave the nodes' budgets to others, however many accounts are unseen."""
UNSEEN_ALARM_S: Final = 10.0


@dataclass(eq=False)
class Sight:
    """An account of which the stream tells nothing, in seconds of the monotonic counter. `seen`:
    since when neither node nor indexer answered for it; `began`: the same for its trader;
    `failed`: a node was asked since then and did not answer.
    """

    seen: float
    began: dt.datetime
    asked: float = float("-inf")
    failed: bool = False
    asking: bool = False
    reading: bool = False
    told: bool = False


class Glances:
    """Looks after such accounts of all networks; `step` is called every second."""

    def __init__(self, lanes: Lanes, clock: Clock) -> None:
        self._lanes = lanes
        self._clock = clock
        self._sights: dict[int, Sight] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def step(self) -> None:
        """Starts the questions that are due, each beside this; alarms where none is answered."""
        now = self._clock.monotonic()
        seats = {seat.account.id: seat for seat in self._lanes.seats() if seat.lane.may_fill_unseen}
        self._sights = {
            account_id: self._sights.get(account_id) or Sight(now, self._clock.now())
            for account_id in seats
        }
        self._ask_due(seats, now)
        for account_id, sight in self._sights.items():
            if sight.failed and not sight.told and now - sight.seen >= UNSEEN_ALARM_S:
                sight.told = True
                await seats[account_id].lane.reconciler.tell_unseen(sight.began.isoformat())

    async def close(self) -> None:
        """Ends the questions that are under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def settled(self) -> None:
        """Waits until no question is under way."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    def _ask_due(self, seats: dict[int, Seat], now: float) -> None:
        due = [
            (sight.asked, account_id)
            for account_id, sight in self._sights.items()
            if not sight.asking and now - sight.asked >= EVERY_S
        ]
        for _, account_id in sorted(due)[:PER_STEP]:
            sight = self._sights[account_id]
            sight.asked, sight.asking = now, True
            self._spawn(self._ask(seats[account_id], sight))

    async def _ask(self, seat: Seat, sight: Sight) -> None:
        """A node first, which tells what is held; where that is news, or where no node answers, the
        indexer, which may tell why.
        """
        reconciler = seat.lane.reconciler
        try:
            answered = await reconciler.glance()
        finally:
            sight.asking = False
        if answered:
            self._answered(sight)
        else:
            sight.failed = True
        if (reconciler.suspects or not answered) and not sight.reading:
            sight.reading = True
            self._spawn(self._read(seat, sight))

    async def _read(self, seat: Seat, sight: Sight) -> None:
        try:
            if await seat.lane.reconciler.catch_up():
                self._answered(sight)
        finally:
            sight.reading = False

    def _answered(self, sight: Sight) -> None:
        sight.seen, sight.began, sight.told = self._clock.monotonic(), self._clock.now(), False
        sight.failed = False

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = spawn(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # one that ended before it began

    @staticmethod
    async def _guarded(work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("a look at an unseen account failed")
