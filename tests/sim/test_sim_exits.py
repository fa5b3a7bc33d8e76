"""Exits: one that waits for its price acts once and never on the next position; a stop that finds
no match is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.dydx.protocol import ConditionType
from core.paper.book import BookShape
from core.signals.alert import Level
from core.trading.plan_change import StopTo
from tests.sim import virtual
from tests.sim.people import CASTS
from tests.sim.world import World

pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


async def _held_with_an_exit(world: World) -> None:
    """0.02 BTC, half of which is to go one percent lower."""
    strategy = world.people[0].strategies[0]
    world.post(strategy, "BTC-USD", "buy", {"size": "0.02"})
    await asyncio.sleep(10)
    price = str(int(world.chain.price("BTC-USD") * 99 / 100))
    exit_fields = {"size": "0.01", "type": "stop", "price": price, "expires": "2h"}
    world.post(strategy, "BTC-USD", "sell", exit_fields)
    await asyncio.sleep(10)


def _live(shop: Path, folder: Path, act: Callable[[World], Awaitable[None]]) -> list[str]:
    async def work(loop: virtual.VirtualLoop) -> list[str]:
        world = World(loop, 1, folder, shop / "template.db", casts=CASTS[:1], restless=False)
        await world.open()
        try:
            await _held_with_an_exit(world)
            await act(world)
            await world.come_right(60)
            return world.judge.violations
        finally:
            await world.close()

    return virtual.run(work)


def test_an_exit_that_waits_closes_its_part_once(shop: Path, tmp_path: Path) -> None:
    async def act(world: World) -> None:
        key = world.people[0].key
        assert len(world.chain.resting(key)) == 3
        world.chain.move("BTC-USD", Decimal("0.985"))
        await asyncio.sleep(15)
        assert world.chain.positions(key) == {"BTC-USD": Decimal("0.01")}

    assert _live(shop, tmp_path, act) == []


def test_an_exit_that_waits_ends_with_its_position(shop: Path, tmp_path: Path) -> None:
    async def act(world: World) -> None:
        key, strategy = world.people[0].key, world.people[0].strategies[0]
        world.post(strategy, "BTC-USD", "close", {})
        await asyncio.sleep(15)
        assert world.chain.resting(key) == []
        world.post(strategy, "BTC-USD", "buy", {"size": "0.01"})
        await asyncio.sleep(15)
        assert world.chain.positions(key) == {"BTC-USD": Decimal("0.01")}

    assert _live(shop, tmp_path, act) == []


def test_a_stop_that_was_met_and_is_not_closed_yet_is_told_within_fifteen_seconds(
    shop: Path, tmp_path: Path
) -> None:
    """A thin book let it close piece by piece, and nobody heard of it for most of a minute."""

    async def work(loop: virtual.VirtualLoop) -> list[tuple[bool, int]]:
        world = World(loop, 1, tmp_path, shop / "template.db", casts=CASTS[:1])
        await world.open()
        try:
            world.post(world.people[0].strategies[0], "ETH-USD", "buy", {"size": "1"})
            await asyncio.sleep(10)
            world.chain.exchange.shape_book(BookShape(levels=1, level_usd=Decimal(100)))
            world.chain.move("ETH-USD", Decimal("0.97"))
            seen = []
            for seconds in (10, 8):
                await asyncio.sleep(seconds)
                held = bool(world.chain.positions(world.people[0].key))
                seen.append((held, world.judge.alarms()["protection_failing"]))
            return seen
        finally:
            await world.close()

    assert virtual.run(work) == [(True, 0), (True, 1)]


def test_a_stop_stays_until_the_one_that_replaces_it_is_proved(shop: Path, tmp_path: Path) -> None:
    async def act(world: World) -> None:
        person = world.people[0]
        for wire in world.chain.nodes:
            wire.node.faults.request_lost = 1
        (held,) = await world.ask(lambda desk: desk.positions(person.view))
        price = Decimal(int(world.chain.price("BTC-USD") * 98 / 100))
        change = StopTo(Level(price=price))
        await world.ask(lambda desk: desk.adjust_plan(person.view, held.id, held.version, change))
        for _ in range(60):
            await asyncio.sleep(0.5)
            stops = [row for row in world.chain.resting(person.key) if _is_whole_stop(row.order)]
            assert stops, "the position is bare"
        scale = world.chain.markets["BTC-USD"].scale
        assert [scale.price_of(row.order.trigger_subticks) for row in stops] == [price]

    assert _live(shop, tmp_path, act) == []


@pytest.mark.parametrize("behind_s", [0.3, 0.8, 1.3, 1.8])
def test_a_close_beside_a_stop_that_is_just_closing_ends_when_nothing_is_left(
    shop: Path, tmp_path: Path, behind_s: float
) -> None:
    async def act(world: World) -> None:
        person = world.people[0]
        world.chain.move("BTC-USD", Decimal("0.9"))
        await asyncio.sleep(behind_s)
        world.post(person.strategies[0], "BTC-USD", "close", {})
        await asyncio.sleep(15)
        assert world.chain.positions(person.key) == {}

    assert _live(shop, tmp_path, act) == []


def test_an_entry_that_fills_in_many_parts_is_covered_from_the_first_to_the_last(
    shop: Path, tmp_path: Path
) -> None:
    """A stop for each part would use up what the chain lets an account place."""

    async def act(world: World) -> None:
        person = world.people[0]
        world.chain.exchange.shape_book(BookShape(levels=1, level_usd=Decimal(150)))
        price = str(int(world.chain.price("ETH-USD") * 101 / 100))
        fields = {"size": "1.5", "type": "limit", "price": price, "stop_loss": "2%"}
        world.post(person.strategies[0], "ETH-USD", "buy", fields)
        parts = set()
        for _ in range(60):
            await asyncio.sleep(1)
            parts.add(world.chain.positions(person.key).get("ETH-USD"))
        assert len(parts) > 20
        world.chain.exchange.shape_book(BookShape())
        await asyncio.sleep(5)

    assert _live(shop, tmp_path, act) == []


def _is_whole_stop(order: Any) -> bool:
    return bool(order.condition_type == ConditionType.STOP_LOSS and order.quantums == 200_000_000)
