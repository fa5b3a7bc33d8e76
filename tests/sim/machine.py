"""The bot on a machine that can die: everything of `bot.app` but chat and HTTP, over the wires.

A machine dies at a moment: right before or after a step of its database, a call over a wire, or
behind a write or a send of a function (`core.failpoints`). From then on nothing that it does has
any effect; its tasks are dropped, its database's open transaction is lost, and the next machine
starts from what was committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest import mock

import tortoise.context

import bot.app
import bot.jobs
from bot.settings import load_settings
from core import failpoints
from core.clock import Clock, Random
from core.trading.live import LiveDesk
from tests.sim.virtual import Owned, VirtualLoop, machine_now

T = TypeVar("T")
START_WITHIN_S = 30.0
MASTER_KEY = "11" * 32
LEFT_OUT = frozenset({"refresh", "probe", "purge"})
"""Jobs that only look after figures and old rows."""


class Died(Exception):
    """The machine died before it answered."""


class Killed(BaseException):
    """Ends what a dead machine still does."""


class Machine:
    """One life of the bot."""

    def __init__(
        self,
        loop: VirtualLoop,
        settings: dict[str, str],
        clock: Clock,
        random: Random,
        build_venue: Callable[..., Any],
    ) -> None:
        self.loop = loop
        self.build_venue = build_venue
        self.tasks: set[asyncio.Task[Any]] = set()
        self.connections: list[Any] = []
        self.dead = asyncio.Event()
        self.died_at: str | None = None
        self.failures: list[str] = []
        self.background: list[asyncio.Task[Any]] = []
        self._settings = load_settings(settings, Path("no.env"))
        self._clock = clock
        self._random = random
        self._countdown: int | None = None
        self._failpoint: str | None = None
        self._process: Any = None
        self._stopping = asyncio.Event()
        self._main: asyncio.Task[None] | None = None

    # life

    async def start(self) -> None:
        """Starts it; returns when alerts are taken. Raises Died."""
        ready = asyncio.Event()
        main = self._own(self._run(ready))
        self._main = main
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_WITHIN_S):
                await _first(ready.wait(), self.dead.wait(), asyncio.wait([main]))
        if self.dead.is_set():
            raise Died(self.died_at)
        if main.done():
            main.result()
        if not ready.is_set():
            raise RuntimeError("the machine did not start")

    async def _run(self, ready: asyncio.Event) -> None:
        async with bot.app.started(
            self._settings, clock=self._clock, random=self._random
        ) as process:
            self._process = process
            ready.set()
            await self._stopping.wait()

    @property
    def desk(self) -> LiveDesk:
        desk: LiveDesk = self._process.desk
        return desk

    @property
    def lanes(self) -> Any:
        return self._process.lanes

    @property
    def alive(self) -> bool:
        return self._process is not None and not self.dead.is_set()

    async def call(self, work: Callable[[LiveDesk], Awaitable[T]]) -> T:
        """Has the desk do something, on this machine. Raises Died where it dies meanwhile, and what
        the desk raises.
        """
        if not self.alive:
            raise Died(self.died_at)

        async def on_it() -> T:
            return await work(self.desk)

        task = self._own(on_it())
        await _first(asyncio.wait([task]), self.dead.wait())
        if not task.done() or self.dead.is_set():
            raise Died(self.died_at)
        result: T = task.result()
        return result

    async def stop(self) -> None:
        """Stops it as an operator does."""
        assert self._main is not None
        self._stopping.set()
        await _first(asyncio.wait([self._main]), self.dead.wait())
        await self.bury("stopped")

    # death

    def die_after(self, moments: int) -> None:
        """It dies so many moments from now."""
        self._countdown = max(moments, 1)

    def die_at(self, function: str) -> None:
        """It dies behind the next write or send of a function."""
        self._failpoint = function

    def spare(self) -> None:
        """It is not to die any more."""
        self._countdown = self._failpoint = None

    def kill(self) -> None:
        """It dies now."""
        self._die("killed")

    def _die(self, where: str) -> None:
        self.died_at = where
        self.dead.set()

    async def moment(self, where: str) -> None:
        """Where it may die, called by the wires; a dead machine goes no further."""
        if not self.dead.is_set():
            if self._countdown is None:
                return
            self._countdown -= 1
            if self._countdown > 0:
                return
            self._die(where)
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError
        await self.loop.create_future()

    def done(self, place: str) -> None:
        """A write or a send that `place` asked for is done, called by the code."""
        if self.dead.is_set():
            raise Killed(place)
        if self._failpoint == failpoints.function_of(place):
            self._die(f"failpoint {place}")
            raise Killed(place)

    async def bury(self, where: str = "killed") -> None:
        """Drops whatever is left of it."""
        if not self.dead.is_set():
            self._die(where)
        for _ in range(50):
            left = [task for task in self.tasks if not task.done()]
            if not left:
                break
            for task in left:
                task.cancel()
            for _ in range(5):
                await asyncio.sleep(0)
        for connection in self.connections:
            connection.close()
        tortoise.context._global_context = None
        self._process = None

    def _own(self, work: Any) -> asyncio.Task[Any]:
        task = self.loop.create_task(work)
        assert isinstance(task, Owned)
        task.machine = self
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


async def _first(*waits: Awaitable[Any]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


# what stands in for chat, HTTP and the timer of the jobs


class NoChat:
    """No chat: the outbox's rows are what was told."""

    problem: str | None = None
    enabled = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def routes(self) -> list[Any]:
        return []

    async def start(self) -> None:
        """Nothing to start."""

    async def close(self) -> None:
        """Nothing to close."""


class Scheduler:
    """Runs the jobs in virtual time."""

    def __init__(self, **kwargs: Any) -> None:
        self._jobs: list[tuple[Any, float, list[Any]]] = []
        self._tasks: list[asyncio.Task[None]] = []

    def add_job(
        self,
        work: Any,
        trigger: str,
        *,
        seconds: float,
        args: list[Any],
        name: str,
        **kwargs: Any,
    ) -> None:
        assert trigger == "interval"
        if name not in LEFT_OUT:
            self._jobs.append((work, seconds, args))

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._run(*job)) for job in self._jobs]

    async def _run(self, work: Any, seconds: float, args: list[Any]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work(*args)
            except Exception as error:
                machine_now().failures.append(f"job: {error!r}")

    def shutdown(self, wait: bool = True) -> None:
        for task in self._tasks:
            task.cancel()


async def _listen(*args: Any) -> Any:
    async def close() -> None:
        """Nothing to close."""

    return SimpleNamespace(port=0, close=close, drain=lambda: None)


async def _no_price_source(*args: Any) -> None:
    return None


def _done(place: str) -> None:
    machine = machine_now()
    if machine is not None:
        machine.done(place)


@contextlib.contextmanager
def assembled() -> Iterator[None]:
    """Within it `bot.app` builds machines of this file."""
    with (
        mock.patch.object(bot.app, "ChatSide", NoChat),
        mock.patch.object(bot.app, "build_http", return_value=None),
        mock.patch.object(bot.app, "_listen", _listen),
        mock.patch.object(
            bot.app, "build_venue", lambda *args, **kw: machine_now().build_venue(*args, **kw)
        ),
        mock.patch.object(bot.jobs, "AsyncIOScheduler", Scheduler),
        mock.patch("core.trading.venue.price_source", _no_price_source),
        mock.patch.dict(os.environ, {failpoints.ONE: os.devnull}),
        mock.patch("core.failpoints.done", _done),
    ):
        yield
