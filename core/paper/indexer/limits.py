"""The REST service's request limits: fixed windows of ten seconds per address and kind of route.

Source: docs/protocol.md, indexer limits and refusals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

WINDOW_MS: Final = 10_000
_OWN_WINDOWS: Final = ("orders", "fills", "historical-pnl", "pnl", "fundingPayments")


@dataclass(frozen=True)
class Verdict:
    """What a request has left of its window; `reset_ms` is unix time, `wait_ms` until then."""

    allowed: bool
    limit: int
    remaining: int
    reset_ms: int
    wait_ms: int

    @property
    def headers(self) -> dict[str, str]:
        """The headers that tell it; Retry-After is in milliseconds, as the real service has it."""
        told = {
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_ms),
            "RateLimit-Limit": str(self.limit),
        }
        return told if self.allowed else told | {"Retry-After": str(self.wait_ms)}


class Limiter:
    """Counts requests. Candles have a window of their own, ten times as wide."""

    def __init__(self, limit: int | None, now_ms: Callable[[], int]) -> None:
        self._limit = limit
        self._now_ms = now_ms
        self._windows: dict[tuple[str, str], tuple[int, int]] = {}

    def count(self, address: str, first_segment: str) -> Verdict | None:
        """Count a request in; None when there is no limit."""
        if self._limit is None:
            return None
        bucket = first_segment if first_segment in _OWN_WINDOWS else "all"
        limit = self._limit
        if first_segment == "candles":
            bucket, limit = "candles", self._limit * 10
        now = self._now_ms()
        reset, used = self._windows.get((address, bucket), (0, 0))
        if now >= reset:
            self._forget(now)
            reset, used = now + WINDOW_MS, 0
        used += 1
        self._windows[address, bucket] = (reset, used)
        return Verdict(used <= limit, limit, max(limit - used, 0), reset, reset - now)

    def _forget(self, now: int) -> None:
        self._windows = {key: each for key, each in self._windows.items() if each[0] > now}
