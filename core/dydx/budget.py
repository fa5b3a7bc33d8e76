"""How often the indexer may be asked."""

from __future__ import annotations

import asyncio
from collections import deque

from core.clock import Clock


class Budget:
    """At most `limit` requests in any `window_s` seconds; those beyond wait their turn."""

    def __init__(self, clock: Clock, limit: int, window_s: float) -> None:
        self._clock = clock
        self._limit = limit
        self._window_s = window_s
        self._taken: deque[float] = deque()
        self._turn = asyncio.Lock()

    async def take(self) -> None:
        """Returns when one more request may go out."""
        async with self._turn:
            while True:
                now = self._clock.monotonic()
                while self._taken and self._taken[0] <= now - self._window_s:
                    self._taken.popleft()
                if len(self._taken) < self._limit:
                    self._taken.append(now)
                    return
                await self._clock.sleep(self._taken[0] + self._window_s - now + 0.001)
