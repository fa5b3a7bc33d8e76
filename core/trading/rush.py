"""Alerts that are being stored go before orders that are being made.

TradingView hangs up after three seconds and a stored alert is safe, so in a burst everything is
stored first; a single alert waits for nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

PRESSED_BEYOND: Final = 32


class Rush:
    """Counts the alerts that are at the desk and those that are being stored at this moment."""

    def __init__(self) -> None:
        self._storing = 0
        self._at_desk = 0
        self._calm = asyncio.Event()
        self._calm.set()

    @contextlib.contextmanager
    def storing(self) -> Iterator[None]:
        """While one alert is being stored."""
        self._storing += 1
        self._calm.clear()
        try:
            yield
        finally:
            self._storing -= 1
            if not self._storing:
                self._calm.set()

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
        return self._storing + self._at_desk > PRESSED_BEYOND

    async def calm(self, within_s: float) -> None:
        """Returns when nothing is being stored, or after `within_s` seconds: orders have a clock of
        their own.
        """
        if self._calm.is_set():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._calm.wait()
