"""Small accounts with more levels than places: three positions of four targets each."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.trading.slots import StopRoom
from tests.acceptance.until import until
from tests.core.trading.guard_house import GuardHouse, guard_house

MARKETS = (("BTC-USD", "0.0004"), ("ETH-USD", "0.004"), ("SOL-USD", "0.4"))
PLAN: dict[str, Any] = {
    "stop_loss": {"percent": "3"},
    "take_profit": [{"percent": str(2 * n), "fraction": "0.25"} for n in (1, 2, 3, 4)],
}


async def opened(house: GuardHouse) -> None:
    for ticker, size in MARKETS:
        await house.buy(ticker, size, PLAN)


@pytest.mark.parametrize(
    ("funds", "stops", "targets"),
    [
        pytest.param(15, 0, 0, id="15 USD: the bot watches all"),
        pytest.param(25, 3, 7, id="25 USD: three stops and the seven nearest targets"),
        pytest.param(120, 3, 12, id="120 USD: everything rests"),
    ],
)
async def test_stops_rest_first_and_the_bot_watches_what_has_no_place(
    tmp_path: Path, sqlite_ledger_url: str, funds: int, stops: int, targets: int
) -> None:
    async with guard_house(tmp_path, sqlite_ledger_url, funds) as house:
        await opened(house)
        rows = await house.settled(stops + targets, within_s=90)
        assert [row[0] for row in rows].count("STOP_LIMIT") == stops
        guard = house.lane.guard

        async def known() -> bool:
            marks = [mark for row in guard.book.rows() for mark in guard.book.marks(row)]
            kinds = [mark.kind for mark in marks]
            watched = (kinds.count("stop"), kinds.count("target")) == (3, 12)
            return watched and sum(mark.on_chain for mark in marks) == stops + targets

        await until(known)
        assert guard.unprotected() == set()
        room = guard.reserve("AVAX-USD")
        assert room.room is (StopRoom.NONE if funds == 15 else StopRoom.FREE)
        assert house.lane.plan_fits() is (funds != 15)
        room.release()
        assert await house.told("protection_missing") == []


async def test_a_watched_target_closes_only_its_part_and_a_watched_stop_all(
    tmp_path: Path, sqlite_ledger_url: str
) -> None:
    async with guard_house(tmp_path, sqlite_ledger_url, 15) as house:
        held = await house.buy("BTC-USD", "0.0004", PLAN)
        assert await house.resting() == []
        await house.price("BTC-USD", "1.025")
        await house.holds("BTC-USD", "0.0003")
        await house.blocks(4)
        assert await house.chain_size("BTC-USD") == Decimal("0.0003")
        assert [state for state, _ in await house.plan_of(held)] == ["done", *["waiting"] * 3]
        await house.price("BTC-USD", "0.94")
        await house.holds("BTC-USD", "0")


async def test_what_reserves_the_last_place_takes_it_from_a_target(
    tmp_path: Path, sqlite_ledger_url: str
) -> None:
    async with guard_house(tmp_path, sqlite_ledger_url, 25) as house:
        await opened(house)
        await house.settled(10, within_s=90)
        kept = [house.lane.guard.reserve("AVAX-USD") for _ in range(2)]
        assert {one.room for one in kept} == {StopRoom.FREE}

        async def gave_way() -> bool:
            rows = [row[0] for row in await house.resting()]
            return (rows.count("STOP_LIMIT"), rows.count("TAKE_PROFIT")) == (3, 5)

        await until(gave_way, 40)
        for one in kept:
            one.release()


async def test_targets_are_placed_while_stops_of_entries_on_their_way_are_waited_for(
    tmp_path: Path, sqlite_ledger_url: str
) -> None:
    async with guard_house(tmp_path, sqlite_ledger_url, 120) as house:
        await house.buy("BTC-USD", "0.0004", PLAN)
        await house.settled(5)
        kept = [house.lane.guard.reserve("AVAX-USD") for _ in range(3)]
        await house.buy("ETH-USD", "0.004", PLAN)
        await house.settled(10)
        for one in kept:
            one.release()


async def test_targets_that_give_way_slowly_cost_no_others_their_places(
    tmp_path: Path, sqlite_ledger_url: str
) -> None:
    async with guard_house(tmp_path, sqlite_ledger_url, 25) as house:
        for ticker, size in MARKETS[:2]:
            await house.buy(ticker, size, PLAN)
        await house.settled(10, within_s=90)
        before = await house.resting_ids()
        await house.faults(indexer_latency_ms=4_000)
        kept = [house.lane.guard.reserve("AVAX-USD") for _ in range(2)]

        async def gave_way() -> bool:
            leaving = [row for row in house.lane.resting.living() if row.cancel_asked_at]
            return not leaving and len(await house.resting()) == 8

        await until(gave_way, 40)
        assert await house.resting_ids() < before
        for one in kept:
            one.release()
