"""The lock of the SQLite connection: turns in order, one ahead of all, none lost."""

from __future__ import annotations

import asyncio

import pytest

from core.ledger.engines.turns import Turns


async def queue(turns: Turns, told: list[str], name: str, *, ahead: bool = False) -> None:
    await turns.acquire(next_turn=ahead)
    told.append(name)
    turns.release()


async def waiting(turns: Turns, told: list[str], *names: str) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(queue(turns, told, name)) for name in names]
    await asyncio.sleep(0)
    return tasks


async def test_who_asks_for_the_next_turn_goes_before_all_that_wait() -> None:
    turns, told = Turns(), list[str]()
    await turns.acquire()
    tasks = await waiting(turns, told, "first", "second")
    tasks.append(asyncio.create_task(queue(turns, told, "ahead", ahead=True)))
    await asyncio.sleep(0)
    assert turns.locked()
    turns.release()
    await asyncio.gather(*tasks)
    assert told == ["ahead", "first", "second"]
    assert not turns.locked()


async def test_one_that_gives_up_waiting_holds_up_nobody() -> None:
    turns, told = Turns(), list[str]()
    async with turns:
        first, second = await waiting(turns, told, "first", "second")
        first.cancel()
    await second
    assert told == ["second"]
    assert not turns.locked()


async def test_one_that_is_cancelled_as_its_turn_comes_passes_it_on() -> None:
    turns, told = Turns(), list[str]()
    await turns.acquire()
    first, second = await waiting(turns, told, "first", "second")
    turns.release()
    first.cancel()  # its turn was given, it has not run since
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    assert told == ["second"]
    assert not turns.locked()
