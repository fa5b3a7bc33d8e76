"""How often the indexer may be asked, shared fairly among the accounts that ask."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from enum import IntEnum

from core.clock import Clock

RESERVE = 0.1
"""The part of the window that bulk requests leave free for those who cannot wait."""
LOWER_EVERY = 10
"""Every tenth turn goes to a lower class, so that none waits for ever."""
FEWEST = 10
EASE_S = 1.0


class Urgency(IntEnum):
    """Classes of requests; a lower number is served first."""

    URGENT = 0
    """An order whose fate is unknown, the network's height, its markets."""
    NORMAL = 1
    """What a person waits for."""
    BULK = 2
    """Back-fills and scheduled checks: evenly spread, and never the whole window."""


class _Class:
    """The waiting requests of one class: a queue per account, served in turn."""

    def __init__(self) -> None:
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self.waiting = 0

    def add(self, account: str) -> asyncio.Future[None]:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(account, deque()).append(turn)
        self.waiting += 1
        return turn

    def serve(self) -> bool:
        """Lets the next request go; False when none waits (any more)."""
        while self._queues:
            account, queue = self._queues.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._queues[account] = queue
            self.waiting -= 1
            if not turn.done():
                turn.set_result(None)
                return True
        return False

    def drop(self) -> None:
        """Nobody is served any more."""
        for queue in self._queues.values():
            for turn in queue:
                turn.cancel()
        self._queues.clear()
        self.waiting = 0


class Budget:
    """At most `limit` requests in any `window_s` seconds; those beyond wait their turn.

    Urgent requests go first. Within a class the accounts are served in turn, one request each, so
    the back-fill of one cannot starve another. Bulk requests are spread over the window and leave
    a tenth of it free. A refusal for too many requests slows everybody down.
    """

    def __init__(self, clock: Clock, limit: int, window_s: float) -> None:
        self._clock = clock
        self._full = limit
        self._limit = limit
        self._window_s = window_s
        self._taken: deque[float] = deque()
        self._bulk: deque[float] = deque()
        self._classes = {urgency: _Class() for urgency in Urgency}
        self._grants = 0
        self._paused_until = float("-inf")
        self._slowed_at = float("-inf")
        self._bell = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    @property
    def limit(self) -> int:
        """Requests per window at present; fewer than the full number after a refusal."""
        return self._limit

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return sum(each.waiting for each in self._classes.values())

    async def take(self, account: str = "", urgency: Urgency = Urgency.NORMAL) -> None:
        """Returns when one more request for `account` may go out."""
        turn = self._classes[urgency].add(account)
        self._serve(self._clock.monotonic())
        if turn.done():
            return
        self._bell.set()
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._keep_serving())
        try:
            await turn
        finally:
            turn.cancel()

    def slow_down(self, pause_s: float) -> None:
        """The indexer refused for too many requests: nobody asks for `pause_s` seconds, and all ask
        half as often until windows without another refusal have brought the limit back.
        """
        now = self._clock.monotonic()
        self._paused_until = max(self._paused_until, now + pause_s)
        if now - self._slowed_at >= EASE_S:
            self._limit = max(min(FEWEST, self._full), self._limit // 2)
        self._slowed_at = now

    async def close(self) -> None:
        """Ends the serving; who still waits is cancelled."""
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
        for each in self._classes.values():
            each.drop()

    async def _keep_serving(self) -> None:
        """Runs only while somebody waits."""
        while self.waiting:
            self._bell.clear()
            wait_s = self._serve(self._clock.monotonic())
            if self.waiting:
                await self._sleep(wait_s)

    async def _sleep(self, seconds: float) -> None:
        """Until the next turn is due, or somebody new asks, who may be served earlier."""
        ends = [
            asyncio.ensure_future(self._clock.sleep(seconds)),
            asyncio.ensure_future(self._bell.wait()),
        ]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    def _serve(self, now: float) -> float:
        """Lets go all who may go now; seconds until the next one may, 0 when nobody waits."""
        self._age(now)
        while order := self._order():
            waits = {urgency: self._wait_s(urgency, now) for urgency in order}
            urgency = next((each for each in order if waits[each] <= 0), None)
            if urgency is None:
                return min(waits.values()) + 0.001
            if not self._classes[urgency].serve():
                continue
            self._grants += 1
            self._taken.append(now)
            if urgency is Urgency.BULK:
                self._bulk.append(now)
        return 0.0

    def _age(self, now: float) -> None:
        while self._taken and self._taken[0] <= now - self._window_s:
            self._taken.popleft()
        while self._bulk and self._bulk[0] <= now - self._window_s / 10:
            self._bulk.popleft()
        if self._limit < self._full and now - self._slowed_at >= self._window_s:
            self._limit = min(self._full, self._limit + max(1, self._full // 4))
            self._slowed_at = now

    def _order(self) -> list[Urgency]:
        """The classes that wait, in the order in which they may be served now."""
        waiting = [urgency for urgency in Urgency if self._classes[urgency].waiting]
        if self._grants % LOWER_EVERY == LOWER_EVERY - 1:
            waiting.reverse()
        return waiting

    def _wait_s(self, urgency: Urgency, now: float) -> float:
        """How long the next request of a class has to wait."""
        wait_s = self._paused_until - now
        limit = self._limit
        if urgency is Urgency.BULK:
            limit = max(1, limit - round(limit * RESERVE))
            if len(self._bulk) >= max(1, self._limit // 10):
                wait_s = max(wait_s, self._bulk[0] + self._window_s / 10 - now)
        if len(self._taken) >= limit:
            wait_s = max(wait_s, self._taken[len(self._taken) - limit] + self._window_s - now)
        return wait_s
