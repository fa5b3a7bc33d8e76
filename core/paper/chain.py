"""Blocks on a clock: every block is made, stored, and only then shown."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from collections.abc import Callable

from core.clock import Clock
from core.paper.exchange import Exchange
from core.paper.happenings import BlockCommitted, Happening
from core.paper.journal import Journal


class Chain:
    """Makes a block every `block_s` seconds, give or take `jitter` of it (0 … 1). `paused` halts
    it; `skew` is how much the validators' clocks are ahead of this machine's.
    """

    def __init__(
        self,
        exchange: Exchange,
        journal: Journal,
        clock: Clock,
        *,
        block_s: float = 1.0,
        jitter: float = 0.0,
        seed: int = 1,
    ) -> None:
        self.exchange = exchange
        self._journal = journal
        self._clock = clock
        self._block_s = block_s
        self._jitter = jitter
        self._random = random.Random(seed)  # noqa: S311
        self._making = asyncio.Lock()
        self._waiting: list[asyncio.Future[BlockCommitted]] = []
        self.paused = False
        self.skew = dt.timedelta()

    def subscribe(self, listener: Callable[[Happening], None]) -> None:
        """Have a listener called with every happening, in order, on the event loop."""
        self.exchange.subscribe(listener)

    async def run(self) -> None:
        """Make blocks until cancelled. Raises what the journal raises: a block that cannot be
        stored is never shown.
        """
        due = self._clock.monotonic()
        while True:
            due = max(due + self._interval(), self._clock.monotonic())
            await self._clock.sleep(max(due - self._clock.monotonic(), 0))
            if not self.paused:
                await self.make_block()

    async def make_block(self) -> BlockCommitted:
        """Make one block now."""
        async with self._making:
            commit = self.exchange.commit(self._clock.now() + self.skew)
            await self._journal.write(commit)
            self.exchange.publish(commit)
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(commit.block)
        return commit.block

    async def next_block(self, timeout_s: float = 10.0) -> BlockCommitted:
        """The next block that is shown. Raises TimeoutError when the chain stands still."""
        future: asyncio.Future[BlockCommitted] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        async with asyncio.timeout(timeout_s):
            return await future

    async def included(self, tx_hash: str, timeout_s: float = 10.0) -> int:
        """Height of the block that holds a transaction, once it is shown. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while (found := self.exchange.transaction(tx_hash)) is None:
                await self.next_block(timeout_s)
        return found.height

    def _interval(self) -> float:
        return self._block_s * (1 + self._jitter * self._random.uniform(-1, 1))
