"""From the exchange to the indexer's rows, as late as a real indexer is.

What the node's memory says arrives first; a block becomes visible after the latency, and not
before the chain is `indexer_lag_blocks` ahead of it when that fault is on. Source:
docs/protocol.md, delays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from core.clock import Clock
from core.paper.happenings import BlockCommitted, Happening

MEMORY_SHARE = 0.4
"""Part of the latency that a word from the node's memory takes; measured 18 of some 50 ms."""


class Feed:
    """Takes happenings at once and hands each to `apply` when its time has come.

    `latency_s` and `lag_blocks` are asked anew for each happening, so that faults act at once.
    `head` is the height of the last block taken.
    """

    def __init__(
        self,
        apply: Callable[[Happening], None],
        clock: Clock,
        latency_s: Callable[[], float],
        lag_blocks: Callable[[], int],
    ) -> None:
        self._apply = apply
        self._clock = clock
        self._latency_s = latency_s
        self._lag_blocks = lag_blocks
        self._memory: asyncio.Queue[tuple[float, Happening]] = asyncio.Queue()
        self._blocks: asyncio.Queue[tuple[float, BlockCommitted]] = asyncio.Queue()
        self._moved = asyncio.Event()
        self.head = 0
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to hand on happenings."""
        self._tasks = [
            asyncio.create_task(self._pump_memory(), name="paper-indexer-memory"),
            asyncio.create_task(self._pump_blocks(), name="paper-indexer-blocks"),
        ]

    def on(self, happening: Happening) -> None:
        """Take one happening; returns at once."""
        now = self._clock.monotonic()
        if isinstance(happening, BlockCommitted):
            self.head = max(self.head, happening.height)
            self._blocks.put_nowait((now, happening))
            self._moved.set()
        else:
            self._memory.put_nowait((now, happening))

    def recheck(self) -> None:
        """Look again at what is held back, after a fault was changed."""
        self._moved.set()

    async def close(self) -> None:
        """Stop; what was not yet due is handed on, so that rows saved afterwards are complete."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        self._tasks = []
        while not self._memory.empty():
            self._apply(self._memory.get_nowait()[1])
        while not self._blocks.empty():
            self._apply(self._blocks.get_nowait()[1])

    async def _pump_memory(self) -> None:
        while True:
            since, happening = await self._memory.get()
            try:
                await self._wait_until(since + self._latency_s() * MEMORY_SHARE)
            finally:
                self._apply(happening)

    async def _pump_blocks(self) -> None:
        while True:
            since, block = await self._blocks.get()
            try:
                await self._wait_until(since + self._latency_s())
                while self.head - self._lag_blocks() < block.height:
                    self._moved.clear()
                    await self._moved.wait()
            finally:
                self._apply(block)

    async def _wait_until(self, due: float) -> None:
        left = due - self._clock.monotonic()
        if left > 0:
            await self._clock.sleep(left)
