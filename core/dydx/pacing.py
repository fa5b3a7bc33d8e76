"""How fast subscriptions may be asked for."""

from __future__ import annotations

from collections import deque

from core.clock import Clock

Key = tuple[str, str | None]

PER_SECOND = 20
SLOWEST = 2
SLOW_FOR_S = 300.0
SAME_KEY_S = 1.05


class Pace:
    """At most `per_second` requests, and two per second for the same channel and id.

    More than that and the indexer closes the connection (code 1008). After such a close the pace
    is halved, and doubled again with every five minutes without another.
    """

    def __init__(self, clock: Clock, per_second: int = PER_SECOND) -> None:
        self._clock = clock
        self._full = per_second
        self._per_second = per_second
        self._slowed_at = 0.0
        self._last = float("-inf")
        self._recent: dict[Key, deque[float]] = {}

    @property
    def per_second(self) -> int:
        """Requests per second at present."""
        return self._per_second

    def slow_down(self) -> None:
        """The indexer closed with 1008: half as fast from now on."""
        self._per_second = max(SLOWEST, self._per_second // 2)
        self._slowed_at = self._clock.monotonic()

    def begin(self) -> None:
        """A new connection: the indexer counts channels and ids per connection."""
        self._recent.clear()

    async def wait(self, key: Key) -> None:
        """Returns when a request for `key` may go out."""
        now = self._clock.monotonic()
        self._recover(now)
        recent = self._recent.setdefault(key, deque(maxlen=2))
        due = self._last + 1 / self._per_second
        if len(recent) == 2:
            due = max(due, recent[0] + SAME_KEY_S)
        if due > now:
            await self._clock.sleep(due - now)
        self._last = self._clock.monotonic()
        recent.append(self._last)

    def _recover(self, now: float) -> None:
        if self._per_second < self._full and now - self._slowed_at >= SLOW_FOR_S:
            self._per_second = min(self._full, self._per_second * 2)
            self._slowed_at = now
