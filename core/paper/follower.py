"""A node that lags behind the others, or that nobody listens to: a copy of the chain of its own."""

from __future__ import annotations

from collections import deque
from typing import Any

from core.paper.exchange import Exchange
from core.paper.state import Changes


class Follower:
    """The committed state as one node knows it. It starts where the chain is and takes over its
    blocks so many late; what is sent to it meets a memory and a mempool of its own, with the
    synthetic maker's book and nobody else's orders.
    """

    def __init__(self, source: Exchange) -> None:
        self._source = source
        self._tables: dict[str, dict[Any, Any]] = {
            name: dict(table.committed) for name, table in source.state.tables()
        }
        self._late: deque[Changes] = deque()
        self.exchange = source.copy_at(self._tables)

    def take(self, changes: Changes, behind: int) -> None:
        """Note a block, and take over those that are older than the last `behind`."""
        self._late.append(changes)
        moved = False
        while len(self._late) > behind:
            for name, rows in self._late.popleft().items():
                _apply(self._tables.setdefault(name, {}), rows)
            moved = True
        if moved:
            self.exchange = self._source.copy_at(self._tables)


def _apply(table: dict[Any, Any], rows: dict[object, object]) -> None:
    for key, value in rows.items():
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value
