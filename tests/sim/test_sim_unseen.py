"""Fills of which the stream tells nothing: known from whoever answers, or told in time."""

from __future__ import annotations

import asyncio
from decimal import Decimal
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
ENTRY: dict[str, Any] = {"size": "0.2", "stop_loss": "2%"}


def _filled_unseen(shop: Path, folder: Path, *, rest: bool, nodes: bool) -> dict[str, int]:
    """What was told, and rests, 15 s after an entry filled while the stream was mute and these were
    cut off.
    """

    async def work(loop: virtual.VirtualLoop) -> dict[str, int]:
        world = World(loop, 1, folder, shop / "template.db", casts=CASTS[:1])
        await world.open()
        try:
            person = world.people[0]
            world.chain.exchange.faults.fill_withheld = True
            sent = world.post(person.strategies[0], "ETH-USD", "buy", ENTRY)
            while not sent.accepted:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.1)
            world.chain.stream.mute_all()
            world.chain.rest.cut = rest
            for wire in world.chain.nodes:
                wire.cut = nodes
            world.chain.exchange.faults.fill_withheld = False
            while not world.chain.fills:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.1)
            await asyncio.sleep(15)
            assert world.chain.positions(person.key) == {"ETH-USD": Decimal("0.2")}
            return {**world.judge.alarms(), "orders": len(world.chain.resting(person.key))}
        finally:
            await world.close()

    return virtual.run(work)


def test_a_position_whose_fill_nobody_tells_is_found_on_a_node_and_told_within_fifteen_seconds(
    shop: Path, tmp_path: Path
) -> None:
    assert _filled_unseen(shop, tmp_path, rest=True, nodes=False) == {
        "mismatch_found": 1,
        "orders": 0,
    }


def test_a_fill_that_may_be_there_and_that_nobody_tells_of_is_told_within_fifteen_seconds(
    shop: Path, tmp_path: Path
) -> None:
    assert _filled_unseen(shop, tmp_path, rest=True, nodes=True) == {
        "account_unseen": 1,
        "orders": 0,
    }


def test_a_fill_that_the_indexer_tells_on_request_is_protected_and_is_no_alarm(
    shop: Path, tmp_path: Path
) -> None:
    assert _filled_unseen(shop, tmp_path, rest=False, nodes=False) == {"orders": 2}
