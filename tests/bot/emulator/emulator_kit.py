"""An emulator on a free port, a clock that can be moved, and a bot that speaks raw HTTP."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from bot.emulator import Dashboard, Emulator
from core.clock import SystemRandom

TOKEN = "4242:emulated-token"
ALICE = 1001


class MovableClock:
    """A clock that stands still until it is moved; sleepers wake when it passes their time."""

    def __init__(self) -> None:
        self._now = dt.datetime(2026, 5, 4, 9, 41, tzinfo=dt.UTC)
        self._seconds = 0.0
        self._moved = asyncio.Event()
        self.slept: list[float] = []

    def now(self) -> dt.datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    def move(self, seconds: float) -> None:
        self._now += dt.timedelta(seconds=seconds)
        self._seconds += seconds
        self._moved.set()
        self._moved = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        until = self._seconds + seconds
        while self._seconds < until:
            await self._moved.wait()


class RawBot:
    """Calls methods as JSON and returns the whole answer."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self.session = session
        self.base_url = base_url

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        url = f"{self.base_url}/bot{TOKEN}/{method}"
        async with self.session.post(url, json=parameters) as answer:
            body: dict[str, Any] = await answer.json()
            assert answer.status == body.get("error_code", 200)
            return body

    async def do(self, method: str, **parameters: Any) -> Any:
        answer = await self.ask(method, **parameters)
        assert answer["ok"], answer
        return answer["result"]

    async def refused(self, method: str, **parameters: Any) -> str:
        answer = await self.ask(method, **parameters)
        assert not answer["ok"], answer
        return str(answer["description"])

    async def get(self, path: str) -> Any:
        async with self.session.get(f"{self.base_url}{path}") as answer:
            return await answer.json()

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        async with self.session.post(f"{self.base_url}{path}", json=body) as answer:
            return answer.status, await answer.json()


class Stage:
    """What a test plays on."""

    def __init__(self, emulator: Emulator, clock: MovableClock, bot: RawBot) -> None:
        self.emulator = emulator
        self.clock = clock
        self.bot = bot
        self.alice = emulator.user(ALICE, "Alice")

    async def polling(self) -> None:
        """Wait until a long poll hangs."""
        await self._until(lambda: self.emulator.is_polled)

    async def slept(self, times: int) -> None:
        """Wait until the emulator has gone to sleep this often."""
        await self._until(lambda: len(self.clock.slept) >= times)

    async def _until(self, condition: Callable[[], bool]) -> None:
        for _ in range(1000):
            if condition():
                return
            await asyncio.sleep(0.005)
        raise AssertionError("the condition did not come true within 5 s")


@asynccontextmanager
async def stage(dashboard: Dashboard | None = None) -> AsyncIterator[Stage]:
    """A running emulator with one user who has not written yet."""
    clock = MovableClock()
    emulator = Emulator(TOKEN, clock=clock, random=SystemRandom(), dashboard=dashboard)
    await emulator.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Stage(emulator, clock, RawBot(session, emulator.base_url))
    finally:
        await emulator.close()
