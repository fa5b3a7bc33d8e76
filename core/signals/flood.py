"""Keeps a stranger with a webhook's address from flooding its trader: faults are grouped.

The first fault of a strategy is told at once. What follows is counted and told as one message when
its window ends; windows of an unbroken flood grow from 15 minutes to 4 hours.
"""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from dataclasses import dataclass

from core.clock import Clock
from core.signals.faults import AlertFault

WINDOW = dt.timedelta(minutes=15)
LONGEST_WINDOW = dt.timedelta(hours=4)
PROVED_AT_ONCE = 10
MAX_GROUPS = 10_000


@dataclass(frozen=True)
class Told:
    """A fault to tell now; `count` bodies are meant."""

    fault: AlertFault
    count: int


@dataclass
class _Group:
    until: dt.datetime
    window: dt.timedelta
    held: int = 0
    proved: int = 0
    fault: AlertFault | None = None


class FaultGroups:
    """The open groups, by strategy; at most `max_groups`, the oldest is dropped first."""

    def __init__(self, clock: Clock, *, max_groups: int = MAX_GROUPS) -> None:
        self._clock = clock
        self._max_groups = max_groups
        self._groups: OrderedDict[int, _Group] = OrderedDict()

    def add(self, strategy_id: int, fault: AlertFault, *, proved: bool = False) -> Told | None:
        """What to tell now, if anything. With `proved` (the body had the secret, so no stranger
        sent it) up to ten a window are told at once: somebody is correcting his message.
        """
        now = self._clock.now()
        group = self._groups.get(strategy_id)
        if group is None or (now >= group.until and not group.held):
            self._open(strategy_id, now)
            return Told(fault, 1)
        if proved and group.proved < PROVED_AT_ONCE:
            group.proved += 1
            return Told(fault, 1)
        group.held += 1
        group.fault = fault
        return None

    def flush(self, now: dt.datetime) -> list[tuple[int, AlertFault, int]]:
        """The groups whose window has ended: strategy, latest fault, number of bodies."""
        due = []
        for strategy_id, group in list(self._groups.items()):
            if now < group.until:
                continue
            if group.fault is None or not group.held:
                del self._groups[strategy_id]
                continue
            due.append((strategy_id, group.fault, group.held))
            window = min(group.window * 2, LONGEST_WINDOW)
            self._groups[strategy_id] = _Group(until=now + window, window=window)
        return due

    def _open(self, strategy_id: int, now: dt.datetime) -> None:
        self._groups.pop(strategy_id, None)
        self._groups[strategy_id] = _Group(until=now + WINDOW, window=WINDOW)
        while len(self._groups) > self._max_groups:
            self._groups.popitem(last=False)
