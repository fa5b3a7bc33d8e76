"""Buttons of a trader that meet an alert on its way."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.sim import virtual
from tests.sim.people import CASTS
from tests.sim.world import World

pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def _cancelled_at_once(
    shop: Path, folder: Path, *, by_button: bool
) -> tuple[list[str], list[str], list[str]]:
    """An entry that is cancelled before the chain has it in its state: what became of its alert,
    what was told besides its card, and what the judge says. `by_button`: the judge saw the button.
    """

    async def work(loop: virtual.VirtualLoop) -> tuple[list[str], list[str], list[str]]:
        world = World(loop, 1, folder, shop / "template.db", casts=CASTS[:1], restless=False)
        await world.open()
        try:
            person = world.people[0]
            price = str(int(world.chain.price("ETH-USD") * 101 / 100))
            fields = {"size": "0.2", "type": "stop", "price": price, "expires": "2h"}
            sent = world.post(person.strategies[0], "ETH-USD", "buy", fields)
            while not sent.accepted:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
            pressed: set[int] = set()
            world.press("cancel", lambda desk: _cancel(desk, person, pressed))
            await asyncio.sleep(0.1)
            assert len(pressed) == 1
            assert not world.chain.resting(person.key)
            if by_button:
                world.cancelled |= pressed
            await world.come_right(60)
            signals = world.judge.rows("SELECT reason_code FROM signal")
            told = world.judge.rows("SELECT kind FROM outgoing_message WHERE kind <> 'card'")
            return (
                [row["reason_code"] for row in signals],
                [row["kind"] for row in told],
                [line.split("] ", 1)[1] for line in world.judge.violations],
            )
        finally:
            await world.close()

    return virtual.run(work)


async def _cancel(desk: Any, person: Any, pressed: set[int]) -> None:
    (row,) = await desk.open_orders(person.view)
    await desk.cancel_order(person.view, row.order.id)
    pressed.add(row.order.id)


def test_an_entry_that_its_trader_cancels_before_it_rests_is_told_as_cancelled(
    shop: Path, tmp_path: Path
) -> None:
    assert _cancelled_at_once(shop, tmp_path, by_button=True) == (["canceled"], [], [])


def test_an_entry_that_is_gone_and_that_nobody_cancelled_counts_as_lost(
    shop: Path, tmp_path: Path
) -> None:
    *_, found = _cancelled_at_once(shop, tmp_path, by_button=False)
    assert found == ["lost: alert a1 is refused: canceled"]
