"""Plans on a paper network that implements equity tiers, placement limits and triggers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.dydx.limits import Priority
from core.ledger import positions
from core.ledger.models import Position
from core.signals.alert import Action
from tests.acceptance.until import until
from tests.core.trading.guard_house import BLOCK_S, GuardHouse, guard_house

BTC, ETH = "BTC-USD", "ETH-USD"
LADDER = [
    {"percent": "1", "fraction": "0.25"},
    {"percent": "2", "fraction": "0.25"},
    {"percent": "3", "fraction": "0.25"},
    {"percent": "4", "fraction": "0.25"},
]


def a_plan(**values: Any) -> dict[str, Any]:
    return {"stop_loss": {"percent": "2"}, "take_profit": [], **values}


@pytest.fixture
async def house(tmp_path: Path, sqlite_ledger_url: str) -> AsyncIterator[GuardHouse]:
    async with guard_house(tmp_path, sqlite_ledger_url, 1_000) as made:
        yield made


async def test_a_ladder_rests_with_sizes_that_sum_to_the_position(house: GuardHouse) -> None:
    await house.buy(BTC, "0.0010", a_plan(take_profit=LADDER))
    await house.rests(
        ("STOP_LIMIT", BTC, "0.001"),
        *[("TAKE_PROFIT", BTC, size) for size in ("0.0002", "0.0002", "0.0002", "0.0004")],
    )


async def test_after_a_target_filled_the_others_keep_their_sizes(house: GuardHouse) -> None:
    held = await house.buy(BTC, "0.0010", a_plan(take_profit=LADDER))
    await house.settled(5)
    await house.price(BTC, "1.012")
    await house.holds(BTC, "0.0008")
    await house.rests(
        ("STOP_LIMIT", BTC, "0.0008"),
        *[("TAKE_PROFIT", BTC, size) for size in ("0.0002", "0.0002", "0.0004")],
    )
    assert await house.plan_of(held) == [
        ("done", Decimal("0.0002")),
        ("waiting", Decimal("0.0002")),
        ("waiting", Decimal("0.0002")),
        ("waiting", Decimal("0.0004")),
    ]


async def test_distances_follow_the_average_entry_and_prices_stay(house: GuardHouse) -> None:
    fixed = house.oracle(ETH) * Decimal("1.1") // 1
    plan = a_plan(take_profit=[{"percent": "5"}, {"price": str(fixed), "fraction": "0.5"}])
    before = await house.buy(ETH, "0.1", plan)
    await house.settled(3)
    await house.price(ETH, "1.02")
    held = await house.buy(ETH, "0.1")
    assert held.entry_price > before.entry_price

    async def stop_follows() -> bool:
        row = house.lane.guard.book.get(held.id)
        stop = house.lane.guard.book.stop_price(row) if row is not None else None
        return stop is not None and abs(stop - held.entry_price * Decimal("0.98")) <= Decimal("0.1")

    await until(stop_follows)
    row = house.lane.guard.book.get(held.id)
    assert row is not None
    prices = [target.price for target in row.plan.open_targets()]
    assert abs(prices[0] - held.entry_price * Decimal("1.05")) <= Decimal("0.1")
    assert prices[1] == fixed
    await house.rests(
        ("STOP_LIMIT", ETH, "0.2"), ("TAKE_PROFIT", ETH, "0.1"), ("TAKE_PROFIT", ETH, "0.1")
    )


async def test_a_trailing_stop_follows_on_chain_and_closes(house: GuardHouse) -> None:
    plan = {"trailing": {"distance": {"percent": "1"}, "activation": None}}
    await house.buy(BTC, "0.001", plan)
    await house.rests(("STOP_LIMIT", BTC, "0.001"))
    first = await house.triggers()
    await house.price(BTC, "1.02")

    async def moved() -> bool:
        now = await house.triggers()
        return bool(now) and now[0] >= first[0] * Decimal("1.018")

    await until(moved)
    await house.price(BTC, "0.985")
    await house.holds(BTC, "0")
    await house.rests()


async def test_a_trailing_stop_begins_once_its_activation_was_met(house: GuardHouse) -> None:
    trailing = {"distance": {"percent": "1"}, "activation": {"percent": "1"}}
    await house.buy(BTC, "0.001", {"stop_loss": {"percent": "5"}, "trailing": trailing})
    await house.rests(("STOP_LIMIT", BTC, "0.001"))
    first = await house.triggers()
    await house.price(BTC, "1.02")

    async def moved() -> bool:
        now = await house.triggers()
        return bool(now) and now[0] >= first[0] * Decimal("1.05")

    await until(moved)
    await house.price(BTC, "0.985")
    await house.holds(BTC, "0")
    await house.rests()


async def test_a_trailing_stop_of_a_position_that_grew_waits_for_no_placement_that_others_leave(
    house: GuardHouse,
) -> None:
    """One that only moves can wait; one that covers too little cannot."""
    plan = a_plan(trailing={"distance": {"percent": "2"}, "activation": None})
    await house.buy(BTC, "0.001", plan)
    await house.rests(("STOP_LIMIT", BTC, "0.001"))
    budget, height = house.lane._sender.budget, house.venue.stream.height
    assert budget is not None
    assert height is not None
    budget.configure(((100, 20),))  # what others take in a hundred blocks is taken at once
    assert budget.take(height, budget.room(height, Priority.ENTRY), Priority.ENTRY)
    assert (budget.room(height, Priority.ENTRY), budget.room(height)) == (0, 2)

    await house.buy(BTC, "0.001", plan)
    await house.rests(("STOP_LIMIT", BTC, "0.002"), within_s=10)


async def test_a_stop_that_an_addition_puts_beyond_the_price_closes_without_another_price(
    house: GuardHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.buy(BTC, "0.001", a_plan())
    await house.rests(("STOP_LIMIT", BTC, "0.001"))
    await house.price(BTC, "0.985")
    monkeypatch.setattr(house.lanes, "_on_prices", lambda venue: None)
    await house.trade(Action.BUY, BTC, "0.001", a_plan(stop_loss={"percent": "0.5"}))
    await house.holds(BTC, "0")


async def test_no_placement_is_kept_for_a_stop_whose_position_is_gone(house: GuardHouse) -> None:
    await house.buy(BTC, "0.001", a_plan())
    await house.rests(("STOP_LIMIT", BTC, "0.001"))
    budget, height = house.lane._sender.budget, house.venue.stream.height
    assert budget is not None
    assert height is not None
    budget.configure(((1000, 3),))
    while budget.take(height, 1, Priority.PROTECTION):
        pass

    await house.buy("ETH-USD", "0.01", a_plan())

    async def waits() -> bool:
        return budget.left(height + 10_000) == 2  # of three, one is for the stop

    await until(waits)
    await house.trade(Action.CLOSE, "ETH-USD", "0.01")
    await house.holds("ETH-USD", "0")

    async def let_go() -> bool:
        return budget.left(height + 10_000) == 3

    await until(let_go)


async def test_break_even_follows_the_first_target(house: GuardHouse) -> None:
    plan = a_plan(take_profit=LADDER[:2], break_even={"at": None, "beyond": None})
    held = await house.buy(BTC, "0.001", plan)
    await house.settled(3)
    await house.price(BTC, "1.012")
    await house.holds(BTC, "0.0008")

    async def at_entry() -> bool:
        row = house.lane.guard.book.get(held.id)
        assert row is not None
        stop = house.lane.guard.book.stop_price(row)
        return (
            stop in await house.triggers("STOP_LIMIT")
            and stop is not None
            and (stop >= held.entry_price)
        )

    await until(at_entry)


async def test_a_stop_cancelled_by_hand_is_placed_again_once_and_then_asked_for(
    house: GuardHouse,
) -> None:
    held = await house.buy(BTC, "0.001", a_plan())
    await house.rests(("STOP_LIMIT", BTC, "0.001"))
    for count in (1, 2):
        await house.cancel_by_hand()

        async def said(count: int = count) -> bool:
            return len(await house.told("stop_removed")) == count

        await until(said, 30)
        if count == 1:
            await house.rests(("STOP_LIMIT", BTC, "0.001"))
    assert [row["count"] for row in await house.told("stop_removed")] == [1, 2]
    await house.blocks(8)
    await house.rests()
    await house.price(BTC, "0.975")  # and still it is watched
    await house.holds(BTC, "0")
    assert held.id


async def test_a_part_closed_by_others_leaves_a_stop_that_covers(house: GuardHouse) -> None:
    await house.buy(BTC, "0.0010", a_plan(take_profit=[{"percent": "3"}]))
    await house.settled(2)
    await house.trade(Action.REDUCE, BTC, "0.0004")
    await house.holds(BTC, "0.0006")
    await house.rests(("STOP_LIMIT", BTC, "0.0006"), ("TAKE_PROFIT", BTC, "0.0006"))


async def test_an_old_stop_never_touches_the_next_position(house: GuardHouse) -> None:
    await house.buy(BTC, "0.001", a_plan())
    await house.rests(("STOP_LIMIT", BTC, "0.001"))
    [old] = [row.order_uuid for row in house.lane.resting.living()]
    await house.trade(Action.CLOSE, BTC, "0.001")
    wide = {"stop_loss": {"percent": "10"}}
    await house.trade(Action.BUY, BTC, "0.001", wide)

    async def reopened() -> bool:
        found = await positions.open_in(house.account.id, BTC)
        closed = await Position.filter(state="closed").count()
        return found is not None and closed == 1

    await until(reopened)
    assert str(old) not in await house.resting_ids()
    await house.rests(("STOP_LIMIT", BTC, "0.001"))
    await house.price(BTC, "0.97")
    await house.blocks(6)
    assert await house.chain_size(BTC) == Decimal("0.001")


async def test_after_a_restart_the_plan_is_as_it_was(house: GuardHouse) -> None:
    await house.buy(BTC, "0.0010", a_plan(take_profit=LADDER))
    before = await house.settled(5)
    await house.stop()
    await house.price_while_down(BTC, "1.012")
    await asyncio.sleep(6 * BLOCK_S)
    await house.start()
    await house.holds(BTC, "0.0008")
    await house.rests(
        ("STOP_LIMIT", BTC, "0.0008"),
        *[("TAKE_PROFIT", BTC, size) for size in ("0.0002", "0.0002", "0.0004")],
    )
    assert len(before) == 5
