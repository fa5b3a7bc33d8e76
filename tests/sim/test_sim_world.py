"""The simulation's own parts: virtual time, and machines that die for good."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.sim import virtual
from tests.sim.machine import Died
from tests.sim.people import CASTS
from tests.sim.world import World


def test_a_day_of_sleep_passes_at_once() -> None:
    async def work(loop: virtual.VirtualLoop) -> float:
        await asyncio.sleep(86_400)
        return loop.time()

    began = time.monotonic()

    assert virtual.run(work) == pytest.approx(86_400)
    assert time.monotonic() - began < 60


def test_timers_go_off_in_their_order_and_at_their_time() -> None:
    async def work(loop: virtual.VirtualLoop) -> list[tuple[str, float]]:
        heard: list[tuple[str, float]] = []

        async def after(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            heard.append((name, round(loop.time(), 6)))

        await asyncio.gather(after("late", 9), after("soon", 1), after("then", 2.5))
        return heard

    assert virtual.run(work) == [("soon", 1.0), ("then", 2.5), ("late", 9.0)]


def test_a_loop_on_which_nothing_can_happen_any_more_ends() -> None:
    async def work(loop: virtual.VirtualLoop) -> None:
        await loop.create_future()

    with pytest.raises(virtual.StandsStill):
        virtual.run(work)


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_a_machine_did_not_commit_before_it_died_is_gone(shop: Path, tmp_path: Path) -> None:
    async def work(loop: virtual.VirtualLoop) -> tuple[int, int]:
        world = World(loop, 1, tmp_path, shop / "template.db", casts=CASTS[:1])
        await world.open()
        try:
            machine = world.machine
            assert machine is not None
            machine.die_after(1)
            with pytest.raises(Died):
                await world.ask(lambda desk: desk.trader_of(99, "Eve"))
            died = len(world.judge.rows("SELECT id FROM trader WHERE telegram_id = 99"))
            await asyncio.sleep(60)
            await world.ask(lambda desk: desk.trader_of(99, "Eve"))
            return died, len(world.judge.rows("SELECT id FROM trader WHERE telegram_id = 99"))
        finally:
            await world.close()

    assert virtual.run(work) == (0, 1)
