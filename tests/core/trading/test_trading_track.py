"""Intents of one market: in turn, and closes ahead of entries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from core.ledger.models import Intent
from core.trading.track import Job, Track


def intent(number: int, action: str, strategy: int = 1, source: str = "signal") -> Intent:
    wish = {"action": action, "symbol": "BTC-USD"}
    return Intent(
        id=number, source=source, payload={"wish": wish, "strategy_id": strategy}, kind="trade"
    )


class Bench:
    """Records which jobs are at work; each ends when the test says so."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.jobs: dict[int, Job] = {}
        self._ends: dict[int, asyncio.Event] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.track = Track(self._work, self.spawn)

    async def _work(self, job: Job) -> None:
        self.begun.append(job.intent.id)
        self.jobs[job.intent.id] = job
        await self._ends.setdefault(job.intent.id, asyncio.Event()).wait()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)

    async def end(self, number: int) -> None:
        self._ends.setdefault(number, asyncio.Event()).set()
        await settle()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    found = Bench()
    found.spawn(found.track.run())
    try:
        yield found
    finally:
        for task in found.tasks:
            task.cancel()
        await asyncio.gather(*found.tasks, return_exceptions=True)


async def test_entries_wait_for_one_another() -> None:
    async with bench() as b:
        for number in (1, 2):
            b.track.put(intent(number, "buy"))
        await settle()
        assert b.begun == [1]
        await b.end(1)
        assert b.begun == [1, 2]


async def test_a_close_does_not_wait_for_an_entry_and_cuts_it_short() -> None:
    async with bench() as b:
        b.track.put(intent(1, "buy"))
        b.track.put(intent(2, "add"))
        await settle()
        b.track.put(intent(3, "close"))
        await settle()
        assert b.begun == [1, 3], "the entry that waited has gone ahead of the close"
        assert b.jobs[1].cut.is_set()
        await b.end(3)
        assert b.begun == [1, 3, 2]
        assert b.jobs[2].cut.is_set(), "an entry from before the close opens after it"


async def test_what_comes_after_a_close_waits_for_it_and_is_not_cut() -> None:
    async with bench() as b:
        b.track.put(intent(1, "close"))
        b.track.put(intent(2, "buy"))
        await settle()
        assert b.begun == [1]
        await b.end(1)
        assert b.begun == [1, 2]
        assert not b.jobs[2].cut.is_set()


async def test_closes_are_worked_in_turn() -> None:
    async with bench() as b:
        b.track.put(intent(1, "close"))
        await settle()
        b.track.put(intent(2, "close"))
        b.track.put(intent(3, "close"))
        await settle()
        assert b.begun == [1]
        await b.end(1)
        await b.end(2)
        assert b.begun == [1, 2, 3]


async def test_the_close_of_one_strategy_does_not_cut_the_entry_of_another() -> None:
    async with bench() as b:
        b.track.put(intent(1, "buy", strategy=1))
        await settle()
        b.track.put(intent(2, "close", strategy=2))
        await settle()
        assert b.begun == [1, 2]
        assert not b.jobs[1].cut.is_set()


async def test_a_person_closes_for_all_strategies() -> None:
    async with bench() as b:
        b.track.put(intent(1, "buy", strategy=1))
        await settle()
        b.track.put(intent(2, "close", strategy=2, source="button"))
        await settle()
        assert b.jobs[1].cut.is_set()
