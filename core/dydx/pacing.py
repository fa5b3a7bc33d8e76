"""How fast subscriptions may be asked for."""

from __future__ import annotations

from collections import deque

from core.clock import Clock

Key = tuple[str, str | None]


class Pace:
    """At most `per_second` requests, and two per second for the same channel and id.

    More than that and the indexer closes the connection (code 1008).
    """

    def __init__(self, clock: Clock, per_second: int = 20) -> None:
        self._clock = clock
        self._gap_s = 1 / per_second
        self._last = float("-inf")
        self._recent: dict[Key, deque[float]] = {}

    async def wait(self, key: Key) -> None:
        """Returns when a request for `key` may go out."""
        recent = self._recent.setdefault(key, deque(maxlen=2))
        due = self._last + self._gap_s
        if len(recent) == 2:
            due = max(due, recent[0] + 1.05)
        now = self._clock.monotonic()
        if due > now:
            await self._clock.sleep(due - now)
        self._last = self._clock.monotonic()
        recent.append(self._last)
