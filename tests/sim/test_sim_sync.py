"""A sync leads to where the chart stands, also where a fill came unknown; never twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.sim import virtual
from tests.sim.people import CASTS, Sent
from tests.sim.world import World

pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
BTC = "BTC-USD"
TO_SHORT = {"sync": True, "market_position": "short", "market_position_size": "0.01"}


async def _nothing(world: World, sync: Sent) -> None:
    """Nobody does anything meanwhile."""


def _synced(
    shop: Path,
    folder: Path,
    waits: str,
    meanwhile: Callable[[World, Sent], Awaitable[None]] = _nothing,
) -> tuple[Decimal, int]:
    """What is held, and in how many fills, after a sync to 0.01 short that came when an entry for
    `waits` coins had filled of which the bot did not know yet.
    """

    async def work(loop: virtual.VirtualLoop) -> tuple[Decimal, int]:
        restless = meanwhile is not _nothing
        world = World(loop, 1, folder, shop / "template.db", casts=CASTS[:1], restless=restless)
        await world.open()
        try:
            person = world.people[0]
            price = str(int(world.chain.price(BTC) * 1001 / 1000))
            entry = {"size": waits, "type": "stop", "price": price, "expires": "2h"}
            world.post(person.strategies[0], BTC, "buy", entry)
            await asyncio.sleep(5)
            world.chain.move(BTC, Decimal("1.003"))
            while not world.chain.fills:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.005)
            sync = world.post(person.strategies[0], BTC, "sell", TO_SHORT)
            await meanwhile(world, sync)
            await world.come_right(60)
            assert world.judge.violations == []
            held = world.chain.positions(person.key).get(BTC, Decimal(0))
            return held, len(world.chain.fills)
        finally:
            await world.close()

    return virtual.run(work)


def test_a_sync_that_met_an_unknown_fill_goes_on_to_its_target(shop: Path, tmp_path: Path) -> None:
    assert _synced(shop, tmp_path, "0.01") == (Decimal("-0.01"), 3)


def test_a_sync_that_left_a_part_of_an_unknown_fill_reverses_it(shop: Path, tmp_path: Path) -> None:
    assert _synced(shop, tmp_path, "0.03") == (Decimal("-0.01"), 4)


def test_a_sync_that_met_an_unknown_fill_is_not_carried_on_after_a_close(
    shop: Path, tmp_path: Path
) -> None:
    async def close(world: World, sync: Sent) -> None:
        while not sync.accepted:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)
        world.post(sync.strategy, BTC, "close", {})

    assert _synced(shop, tmp_path, "0.01", close) == (Decimal(0), 2)


def test_a_sync_resumes_its_way_to_the_target_after_a_crash(shop: Path, tmp_path: Path) -> None:
    async def crash(world: World, sync: Sent) -> None:
        while len(world.chain.fills) < 2:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)
        await world.crash()

    assert _synced(shop, tmp_path, "0.01", crash) == (Decimal("-0.01"), 3)
