"""Carries on all work on keys, also what an earlier process began."""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path
from typing import Protocol

import structlog

from core.dydx.indexer import IndexerError
from core.dydx.node import NodeUnreachable
from core.ledger import key_work
from core.ledger.models import KeyWork
from core.trading.key_leaving import AccountLeaver
from core.trading.key_making import KeyMaker
from core.trading.key_removing import KeyRemover
from core.trading.key_states import LEAVE, MAKE, WORKING
from core.trading.key_steps import LATER_S, Wait
from core.trading.office import Office
from core.trading.venue import Venue

log = structlog.get_logger(__name__)


class Worker(Protocol):
    """Makes one step of a piece of work, or raises Wait."""

    work: KeyWork

    async def step(self) -> None: ...


class KeyKeeper:
    """One task per piece of work that is under way."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def resume(self) -> None:
        """Takes up what is not over; called once the ledger and the networks are there."""
        for work in await key_work.in_states(WORKING):
            self.take(work)

    def take(self, work: KeyWork) -> None:
        """Works a stored piece of work until it is over or waits for its trader."""
        before = self._tasks.get(work.id)
        if before is not None and not before.done():
            return
        task = asyncio.create_task(self._run(work))
        self._tasks[work.id] = task
        task.add_done_callback(lambda done: self._forget(work.id, done))

    def _forget(self, work_id: int, done: asyncio.Task[None]) -> None:
        if self._tasks.get(work_id) is done:
            del self._tasks[work_id]

    async def drop(self, work_id: int) -> None:
        """Stops working at something; it can be taken up again."""
        task = self._tasks.pop(work_id, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, work: KeyWork) -> None:
        venue = self._office.venues.get(work.network)  # type: ignore[call-overload]
        if venue is None:
            log.warning("work on a key waits for its network", work=work.id, network=work.network)
            return
        worker = self._worker(venue, work)
        while work.state in WORKING:
            pause = await self._step(worker)
            if pause:
                await self._office.clock.sleep(pause)

    async def _step(self, worker: Worker) -> float:
        """One step; the seconds to wait after it."""
        try:
            await worker.step()
        except Wait as wait:
            return wait.seconds
        except (NodeUnreachable, IndexerError) as error:
            log.info("work on a key waits", work=worker.work.id, reason=type(error).__name__)
            return LATER_S
        except Exception as error:  # never with its text: it may quote what was signed
            log.error(
                "work on a key failed",
                work=worker.work.id,
                error=type(error).__name__,
                at=_place(error),
            )
            return LATER_S
        return 0.0

    def _worker(self, venue: Venue, work: KeyWork) -> Worker:
        if work.kind == MAKE:
            return KeyMaker(self._office, venue, work)
        if work.kind == LEAVE:
            return AccountLeaver(self._office, venue, work)
        return KeyRemover(self._office, venue, work)


def _place(error: BaseException) -> str:
    """Where an error arose: file and line, without any value."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown"
