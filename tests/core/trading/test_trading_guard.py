"""The task that tends an account's plans outlives whatever goes wrong in one round."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from core.clock import SystemClock
from core.dydx.node import NodeUnreachable
from core.trading.guard import Guard
from core.trading.sending import NoRoom
from core.trading.watch import PriceWatch


class LeapClock(SystemClock):
    """Sleeping takes no time."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "trouble",
    [ValueError("odd"), NodeUnreachable("down"), NoRoom("full"), RuntimeError("the ledger")],
)
async def test_a_round_that_fails_is_tried_again(
    trouble: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks: list[asyncio.Task[None]] = []
    bench: Any = SimpleNamespace(
        account=SimpleNamespace(id=1),
        parts=SimpleNamespace(clock=LeapClock(), venue=SimpleNamespace(watch=PriceWatch())),
        spawn=lambda work: tasks.append(asyncio.create_task(work)),
    )
    nobody: Any = None
    guard = Guard(bench, nobody, Mock(), nobody)
    rounds = 0
    tended = asyncio.Event()

    async def tend(*, changed: bool) -> bool:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise trouble
        tended.set()
        return True

    monkeypatch.setattr(guard, "_tend", tend)
    running = asyncio.create_task(guard.run())
    guard.wake()
    async with asyncio.timeout(5):
        await tended.wait()
    running.cancel()
    await asyncio.gather(running, *tasks, return_exceptions=True)
    assert rounds == 2
