"""In a burst alerts are stored before orders are made; a single alert waits for nobody."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from core.trading import rush as rooms
from core.trading.rush import BURST, Rush

LONG_S = 30.0


async def waits(rush: Rush) -> bool:
    """Whether an order that comes now has to wait."""
    task = asyncio.create_task(rush.calm(LONG_S))
    for _ in range(5):
        await asyncio.sleep(0)
    done = task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return not done


def stored(rush: Rush, count: int) -> None:
    for _ in range(count):
        with rush.storing():
            pass


async def test_a_single_alert_s_order_waits_for_nobody() -> None:
    rush = Rush()
    stored(rush, 1)
    assert not rush.pressed
    assert not await waits(rush)


async def test_an_order_waits_while_an_alert_is_being_stored() -> None:
    rush = Rush()
    with rush.storing():
        assert await waits(rush)
    assert not await waits(rush)


async def test_in_a_burst_orders_wait_although_nothing_is_being_stored_at_the_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rush = Rush()
    stored(rush, BURST)
    pressed_then = rush.pressed
    assert await waits(rush)
    monkeypatch.setattr(rooms, "BURST_WITHIN_S", 0.0)  # the burst is over
    assert (pressed_then, rush.pressed) == (True, False)
    assert not await waits(rush)


async def test_orders_wait_no_longer_than_their_time() -> None:
    rush = Rush()
    with rush.storing():
        await rush.calm(0.01)


async def test_many_alerts_at_the_desk_press() -> None:
    rush = Rush()
    with contextlib.ExitStack() as stack:
        for _ in range(rooms.PRESSED_BEYOND + 1):
            stack.enter_context(rush.at_desk())
        pressed_then = rush.pressed
    assert (pressed_then, rush.pressed) == (True, False)
