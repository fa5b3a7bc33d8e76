"""Virtual time: an event loop that jumps to the next timer when nothing is ready.

Work that would be done in a thread is done at once, on the loop: a run depends on its seed alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import random
import selectors
import uuid
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
MAX_ITERATIONS_AT_ONE_MOMENT = 200_000


class StandsStill(Exception):
    """Nothing is ready and no timer is set, or the loop turns without time passing."""


class Owned(asyncio.Task[Any]):
    """A task that knows which machine it runs on; None for the world around."""

    machine: Any = None


class _Jumping(selectors.SelectSelector):
    """Never waits: the wanted time is over at once."""

    def __init__(self) -> None:
        super().__init__()
        self.loop: VirtualLoop | None = None
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert self.loop is not None
        if timeout is None:
            raise StandsStill("nothing is ready and no timer is set")
        if timeout > 0:
            self._turns = 0
            self.loop.passed += timeout
        else:
            self._turns += 1
            if self._turns > MAX_ITERATIONS_AT_ONE_MOMENT:
                raise StandsStill("the loop turns without time passing")
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """`passed` is what `time` tells: virtual seconds since the loop was made."""

    def __init__(self) -> None:
        self.passed = 0.0
        selector = _Jumping()
        super().__init__(selector)
        selector.loop = self
        self._outside = False
        self.set_task_factory(self._make_task)
        self.set_exception_handler(lambda loop, context: None)

    def time(self) -> float:
        return self.passed

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Does the work now; its result is there in the loop's next turn."""
        future: asyncio.Future[T] = self.create_future()
        try:
            result = func(*args)
        except Exception as error:
            self.call_soon(_fail, future, error)
        else:
            self.call_soon(_end, future, result)
        return future

    @contextlib.contextmanager
    def outside(self) -> Iterator[None]:
        """Tasks that are made inside belong to no machine."""
        before, self._outside = self._outside, True
        try:
            yield
        finally:
            self._outside = before

    @staticmethod
    def _make_task(
        loop: asyncio.AbstractEventLoop,
        work: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
        context: Any = None,
    ) -> asyncio.Task[Any]:
        assert isinstance(loop, VirtualLoop)
        task = Owned(work, loop=loop, context=context)
        if not loop._outside:
            machine = machine_now()
            if machine is not None:
                task.machine = machine
                machine.tasks.add(task)
                task.add_done_callback(machine.tasks.discard)
        return task


def machine_now() -> Any:
    """The machine whose task runs now."""
    try:
        return getattr(asyncio.current_task(), "machine", None)
    except RuntimeError:
        return None


def _end(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


class WorldTime:
    """Wall time of the whole world; quiet hours are skipped by moving all wall clocks on."""

    def __init__(self, loop: VirtualLoop, began: dt.datetime) -> None:
        self.loop = loop
        self._began = began

    def now(self) -> dt.datetime:
        return self._began + dt.timedelta(seconds=self.loop.passed)

    def skip(self, seconds: float) -> None:
        """Wall time goes on while no monotonic counter does: nobody's timers run out."""
        self._began += dt.timedelta(seconds=seconds)


class SimClock:
    """A machine's clock; its wall time may be wrong by `skew_s`."""

    def __init__(self, world: WorldTime) -> None:
        self._world = world
        self.skew_s = 0.0

    def now(self) -> dt.datetime:
        return self._world.now() + dt.timedelta(seconds=self.skew_s)

    def monotonic(self) -> float:
        return self._world.loop.passed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SeededRandom:
    """`core.clock.Random` from a seed."""

    def __init__(self, seed: object) -> None:
        self._random = random.Random(repr(seed))

    def token_bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)

    def token_urlsafe(self, count: int) -> str:
        return self._random.randbytes(count).hex()

    def below(self, limit: int) -> int:
        return self._random.randrange(limit)

    def uuid4(self) -> uuid.UUID:
        return uuid.UUID(bytes=self._random.randbytes(16), version=4)


def run(work: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Runs work on a virtual loop of its own to its end and closes what it left behind."""
    loop = VirtualLoop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(work(loop))
    finally:
        finish(loop)


def finish(loop: VirtualLoop) -> None:
    """Ends whatever still waits on a loop, and closes it."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        with contextlib.suppress(StandsStill):
            loop.run_until_complete(asyncio.wait(left, timeout=30))
    asyncio.set_event_loop(None)
    loop.close()
