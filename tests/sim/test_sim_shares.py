"""Two strategies in one market, and a trader who wants to be flat at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest

from core.paper.book import BookShape
from tests.sim import virtual
from tests.sim.people import CASTS, Person, Strategy
from tests.sim.world import World

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
SHARING = [cast for cast in CASTS if cast.shares]
BTC = "BTC-USD"


def _live(shop: Path, folder: Path, act: Callable[[World, Person], Awaitable[None]]) -> list[str]:
    """What the judge says of a trader whose two strategies share the markets."""

    async def work(loop: virtual.VirtualLoop) -> list[str]:
        world = World(loop, 1, folder, shop / "template.db", casts=tuple(SHARING[:1]))
        await world.open()
        try:
            await act(world, world.people[0])
            return world.judge.violations
        finally:
            await world.close()

    return virtual.run(work)


async def _against_each_other(world: World, ben: Person) -> Strategy:
    """Has one strategy buy what the other sold; the one that holds a long share."""
    fast, slow = ben.strategies
    for strategy, action in ((slow, "buy"), (fast, "short")):
        world.post(strategy, BTC, action, {"size": "0.01"})
        await world.come_right(60)
    return slow


def test_each_strategy_closes_its_own_share_and_a_panic_leaves_nothing(
    shop: Path, tmp_path: Path
) -> None:
    async def act(world: World, ben: Person) -> None:
        fast, slow = ben.strategies
        seen = []
        for strategy, action, fields in (
            (fast, "buy", {"size": "0.03"}),
            (slow, "short", {"size": "0.01"}),
            (fast, "close", {}),
        ):
            world.post(strategy, BTC, action, fields)
            await world.come_right(60)
            seen.append(world.chain.positions(ben.key).get(BTC))
        assert seen == [Decimal("0.03"), Decimal("0.02"), Decimal("-0.01")]

        world.post(slow, "ETH-USD", "buy", {"size": "0.5"})
        await asyncio.sleep(2)
        world.panic(ben, "p1")
        await world.come_right(120)
        assert world.chain.positions(ben.key) == {}
        assert world.chain.resting(ben.key) == []
        await world.resume()
        world.post(fast, BTC, "buy", {"size": "0.01"})
        await world.come_right(60)
        assert world.chain.positions(ben.key) == {BTC: Decimal("0.01")}

    assert _live(shop, tmp_path, act) == []


def test_a_close_that_comes_behind_a_reversal_of_the_same_share_closes_nothing_twice(
    shop: Path, tmp_path: Path
) -> None:
    async def act(world: World, ben: Person) -> None:
        slow = await _against_each_other(world, ben)
        assert world.chain.positions(ben.key) == {}
        height = world.chain.height
        for _ in range(200):
            await asyncio.sleep(0.02)
            if world.chain.height > height:
                break
        world.post(slow, BTC, "sell", {"size": "0.02"})
        await asyncio.sleep(0.2)
        world.post(slow, BTC, "close", {})
        await world.come_right(90)
        assert world.chain.positions(ben.key) == {BTC: Decimal("-0.01")}

    assert _live(shop, tmp_path, act) == []


@pytest.mark.parametrize("behind_s", [0.3, 1.3])
def test_a_close_beside_a_reversal_in_a_thin_book_closes_nothing_twice(
    shop: Path, tmp_path: Path, behind_s: float
) -> None:
    """The reversal takes several closing orders; none goes beside one of the close."""

    async def act(world: World, ben: Person) -> None:
        slow = await _against_each_other(world, ben)
        world.judge.book_is_thin(True)
        world.chain.exchange.shape_book(BookShape(levels=1, level_usd=Decimal(200)))
        world.post(slow, BTC, "sell", {"size": "0.02"})
        await asyncio.sleep(behind_s)
        world.post(slow, BTC, "close", {})
        await asyncio.sleep(20)
        world.chain.exchange.shape_book(BookShape())
        world.judge.book_is_thin(False)
        await world.come_right(90)
        assert world.chain.positions(ben.key) == {BTC: Decimal("-0.01")}

    assert _live(shop, tmp_path, act) == []
