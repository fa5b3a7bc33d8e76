"""Alerts that are being stored go before orders that are being made.

TradingView hangs up after three seconds and a stored alert is safe, so in a burst everything is
stored first; a single alert waits for nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from typing import Final

PRESSED_BEYOND: Final = 32
BURST: Final = 10
BURST_WITHIN_S: Final = 0.2


class Rush:
    """Counts the alerts that are at the desk and those that are being stored at this moment, and
    sees when they come in a burst.
    """

    def __init__(self) -> None:
        self._storing = 0
        self._at_desk = 0
        self._came: deque[float] = deque(maxlen=BURST)
        self._stored = asyncio.Event()
        self._stored.set()

    @contextlib.contextmanager
    def storing(self) -> Iterator[None]:
        """While one alert is being stored."""
        self._came.append(asyncio.get_running_loop().time())
        self._storing += 1
        self._stored.clear()
        try:
            yield
        finally:
            self._storing -= 1
            if not self._storing:
                self._stored.set()

    @contextlib.contextmanager
    def at_desk(self) -> Iterator[None]:
        """While one alert is at the desk, stored or not."""
        self._at_desk += 1
        try:
            yield
        finally:
            self._at_desk -= 1

    @property
    def pressed(self) -> bool:
        """Whether so many alerts are at the desk that none may cost more than it must."""
        return self._storing + self._at_desk > PRESSED_BEYOND or self._burst_for_s() > 0

    def _burst_for_s(self) -> float:
        """How long alerts that came so quickly one after the other still count as a burst."""
        if len(self._came) < BURST:
            return 0.0
        over = self._came[0] + BURST_WITHIN_S - asyncio.get_running_loop().time()
        return max(over, 0.0)

    async def calm(self, within_s: float) -> None:
        """Returns when nothing is being stored and no burst goes on, or after `within_s` seconds:
        orders have a clock of their own.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not self._stored.is_set() or self._burst_for_s():
                    await self._stored.wait()
                    await asyncio.sleep(self._burst_for_s())
