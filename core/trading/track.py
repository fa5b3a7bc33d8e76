"""The intents of one market, in turn; what wants a position gone goes ahead of entries."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from core.ledger.models import Intent
from core.trading.wishes import overtakes


@dataclass(eq=False)
class Job:
    """An intent at work. `cut`: it opens nothing any more, as a close came after it."""

    intent: Intent
    overtakes: bool
    cut: asyncio.Event = field(default_factory=asyncio.Event)
    passed: asyncio.Event = field(default_factory=asyncio.Event)


class Track:
    """One market of one account. `work` carries a job to its end and raises nothing; `spawn` runs
    it beside the lane.
    """

    def __init__(
        self,
        work: Callable[[Job], Coroutine[Any, Any, None]],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._work = work
        self._spawn = spawn
        self._waiting: deque[Job] = deque()
        self._current: list[Job] = []
        self._bell = asyncio.Event()

    def put(self, intent: Intent) -> None:
        """Takes an intent; it waits for those before it unless it overtakes them."""
        job = Job(intent, overtakes(intent))
        if job.overtakes:
            self._overtake(job)
        else:
            self._waiting.append(job)
        self._bell.set()

    def _overtake(self, job: Job) -> None:
        """Goes behind the closes that wait, ahead of the rest; the entries before it of the same
        strategy are cut short.
        """
        ahead = [row for row in self._waiting if row.overtakes]
        behind = [row for row in self._waiting if not row.overtakes]
        for row in (*behind, *self._current):
            if not row.overtakes and _same_strategy(row.intent, job.intent):
                row.cut.set()
        for row in self._current:
            if not row.overtakes:
                row.passed.set()
        self._waiting = deque([*ahead, job, *behind])

    async def run(self) -> None:
        """Works for ever."""
        while True:
            while not self._waiting:
                self._bell.clear()
                await self._bell.wait()
            job = self._waiting.popleft()
            over = asyncio.Event()
            self._current.append(job)
            self._spawn(self._finish(job, over))
            await _either(over.wait, job.passed.wait)

    async def _finish(self, job: Job, over: asyncio.Event) -> None:
        try:
            await self._work(job)
        finally:
            self._current.remove(job)
            over.set()


def _same_strategy(one: Intent, other: Intent) -> bool:
    """Whether the second speaks for the first: the same strategy, or a person for all of them."""
    if other.source != "signal":
        return True
    return bool(one.payload.get("strategy_id") == other.payload.get("strategy_id"))


async def _either(*waits: Callable[[], Awaitable[Any]]) -> None:
    tasks = [asyncio.ensure_future(wait()) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
