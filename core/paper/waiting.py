"""Stateful orders that wait for a price or a time, sorted so that a look at the first one says
whether any is due.

Entries of orders that are gone meanwhile stay until they would be due, or until they outnumber the
living; whoever asks decides what is still alive.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from core.paper.happenings import OrderKey

_SMALL: Final = 64


@dataclass
class Waiting:
    """Keys by the number at which they are due, lowest first."""

    alive: Callable[[OrderKey, int], bool]
    _entries: list[tuple[int, int, OrderKey]] = field(default_factory=list)
    _pushed: int = 0
    _limit: int = _SMALL

    def push(self, due: int, key: OrderKey) -> None:
        """Let a key wait."""
        if len(self._entries) >= self._limit:
            self._tidy()
        self._pushed += 1
        heapq.heappush(self._entries, (due, self._pushed, key))

    def take(self, now: int) -> list[OrderKey]:
        """The living keys that are due at this number or lower; they wait no longer."""
        taken: dict[OrderKey, None] = {}
        while self._entries and self._entries[0][0] <= now:
            due, _, key = heapq.heappop(self._entries)
            if self.alive(key, due):
                taken[key] = None
        return list(taken)

    def __len__(self) -> int:
        return len(self._entries)

    def _tidy(self) -> None:
        kept: dict[tuple[int, OrderKey], int] = {}
        for due, pushed, key in sorted(self._entries):
            if self.alive(key, due):
                kept.setdefault((due, key), pushed)
        self._entries = [(due, pushed, key) for (due, key), pushed in kept.items()]
        heapq.heapify(self._entries)
        self._limit = max(_SMALL, 2 * len(self._entries))
