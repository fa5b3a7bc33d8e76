"""A plan in the ledger: set, sized, brought up to date by fills."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from core.ledger import plans
from core.ledger.database import Ledger
from core.ledger.models import Account, Position, Protection
from core.trading.plan_rows import Plan, adopt_old_target, is_settled, load, set_plan, settle
from tests.core.ledger.ledger_kit import NOW, a_trader, an_account, an_order, opened

D = Decimal
STEP = D("0.01")
HALVES = [{"percent": "10", "fraction": "0.5"}, {"percent": "20", "fraction": "0.5"}]


@pytest.fixture
async def account(sqlite_ledger_url: str) -> AsyncIterator[tuple[Ledger, Account]]:
    async with opened(sqlite_ledger_url) as ledger:
        yield ledger, await an_account(await a_trader())


async def a_position(account: Account, **values: Any) -> Position:
    columns: dict[str, Any] = {
        "account_id": account.id,
        "partition": 1,
        "ticker": "BTC-USD",
        "side": "LONG",
        "state": "open",
        "size": D(1),
        "max_size": D(1),
        "entry_price": D(100),
        "realized_pnl": D(0),
        "fees": D(0),
        "opened_at": NOW,
        "enlarged_at": NOW,
    }
    return await Position.create(**columns | values)


async def the_plan(position: Position) -> Plan:
    return (await load([position]))[position.id]


async def fill(account: Account, position: Position, number: int, size: str) -> None:
    """What a target's order on chain closed."""
    target = (await plans.targets([position.id]))[position.id][number - 1]
    await an_order(
        account,
        client_id=number,
        order_uuid=uuid4(),
        purpose="take_profit",
        position_id=position.id,
        target_id=target.id,
        filled_size=D(size),
        state="filled",
    )
    position.size -= D(size)


async def brought_up_to_date(position: Position) -> Plan:
    plan = await the_plan(position)
    assert not is_settled(position, plan)
    await settle(position, plan, STEP)
    fresh = await the_plan(position)
    assert is_settled(position, fresh)
    return fresh


def rows(plan: Plan) -> list[tuple[str, Decimal, Decimal]]:
    return [(row.state, row.price, plan.left(row)) for row in plan.targets]


async def test_a_plan_is_kept_as_asked_and_as_prices(account: tuple[Ledger, Account]) -> None:
    ledger, owner = account
    position = await a_position(owner)
    levels = {"stop_loss": {"offset": "5"}, "take_profit": HALVES}
    async with ledger.executing():
        await set_plan(position, levels, None, source=1)
    plan = await the_plan(position)
    assert plan.row.stop_loss == D(95)
    assert plan.levels == levels
    assert rows(plan) == [("waiting", D(110), D("0.5")), ("waiting", D(120), D("0.5"))]


async def test_an_intent_without_levels_makes_no_plan(account: tuple[Ledger, Account]) -> None:
    ledger, owner = account
    position = await a_position(owner)
    async with ledger.executing():
        await set_plan(position, {"take_profit": [], "stop_loss": None}, None)
    assert await plans.protection(position.id) is None


async def test_a_filled_target_is_done_and_the_others_stay(
    account: tuple[Ledger, Account],
) -> None:
    ledger, owner = account
    position = await a_position(owner)
    async with ledger.executing():
        await set_plan(position, {"take_profit": HALVES, "break_even": {"at": None}}, None)
    await fill(owner, position, 1, "0.5")
    async with ledger.executing():
        plan = await brought_up_to_date(position)
    assert rows(plan) == [("done", D(110), D(0)), ("waiting", D(120), D("0.5"))]
    assert plan.row.even is True


async def test_a_growing_position_moves_distances_and_splits_what_is_left(
    account: tuple[Ledger, Account],
) -> None:
    ledger, owner = account
    position = await a_position(owner)
    levels = {
        "stop_loss": {"percent": "10"},
        "take_profit": [*HALVES[:1], {"price": "150", "fraction": "0.5"}],
    }
    async with ledger.executing():
        await set_plan(position, levels, None, source=1)
    await fill(owner, position, 1, "0.5")
    async with ledger.executing():
        await brought_up_to_date(position)
        position.size, position.entry_price = D(2), D(120)
        await set_plan(position, None, None)
    plan = await the_plan(position)
    assert plan.row.stop_loss == D(108)
    assert rows(plan) == [("done", D(110), D(0)), ("waiting", D(150), D(2))]


async def test_the_newest_plan_begins_its_ladder_anew(account: tuple[Ledger, Account]) -> None:
    ledger, owner = account
    position = await a_position(owner)
    async with ledger.executing():
        await set_plan(position, {"take_profit": HALVES}, None, source=1)
    await fill(owner, position, 1, "0.5")
    async with ledger.executing():
        await brought_up_to_date(position)
        position.size = D(1)
        await set_plan(position, {"take_profit": [{"percent": "30"}]}, None, source=2)
    plan = await the_plan(position)
    assert rows(plan) == [("waiting", D(130), D(1))]


async def test_several_fills_of_one_entry_are_one_plan(account: tuple[Ledger, Account]) -> None:
    ledger, owner = account
    position = await a_position(owner, size=D("0.4"))
    async with ledger.executing():
        await set_plan(position, {"take_profit": HALVES}, None, source=1)
        first = [row.id for row in (await the_plan(position)).targets]
        position.size = D(1)
        await set_plan(position, {"take_profit": HALVES}, None, source=1)
    plan = await the_plan(position)
    assert [row.id for row in plan.targets] == first
    assert [plan.left(row) for row in plan.targets] == [D("0.5"), D("0.5")]


async def test_a_part_closed_by_hand_is_taken_from_all_targets(
    account: tuple[Ledger, Account],
) -> None:
    ledger, owner = account
    position = await a_position(owner)
    async with ledger.executing():
        await set_plan(position, {"take_profit": HALVES}, None)
        position.size = D("0.6")
        plan = await brought_up_to_date(position)
    assert [plan.left(row) for row in plan.targets] == [D("0.3"), D("0.3")]


async def test_a_target_merged_into_one_that_filled_is_done_with_it(
    account: tuple[Ledger, Account],
) -> None:
    ledger, owner = account
    position = await a_position(owner, size=D("0.000001"))
    async with ledger.executing():
        await set_plan(position, {"take_profit": HALVES}, None)
    assert [row.size for row in (await the_plan(position)).targets] == [D(0), D("0.000001")]
    await fill(owner, position, 2, "0.000001")
    async with ledger.executing():
        plan = await brought_up_to_date(position)
    assert [row.state for row in plan.targets] == ["done", "done"]


async def test_a_plan_of_an_earlier_version_gets_its_target(
    account: tuple[Ledger, Account],
) -> None:
    ledger, owner = account
    position = await a_position(owner)
    row = await Protection.create(
        position_id=position.id, take_profit=D(110), stop_loss=D(95), state="armed"
    )
    async with ledger.executing():
        await adopt_old_target(position, row)
        await adopt_old_target(position, row)
    plan = await the_plan(position)
    assert rows(plan) == [("waiting", D(110), D(1))]
    assert plan.row.stop_loss == D(95)
    assert is_settled(position, plan)
