"""Fills become positions, shares and messages, each once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from core.dydx.enums import FillType
from core.ledger import accounts, books, orders, plans, positions
from core.ledger.models import Fill, Position
from core.trading.plan_rows import set_plan
from core.trading.position_states import STEPS, IllegalStep
from core.trading.position_states import after as state_after
from core.trading.share_keeper import share_close, share_of
from core.trading.shares import BY_HAND
from tests.core.trading.books_kit import BTC, PLAN, Room, a_fill, after, open_room

D = Decimal


@pytest.fixture
async def room(sqlite_ledger_url: str) -> AsyncIterator[Room]:
    async with open_room(sqlite_ledger_url) as made:
        yield made


@pytest.mark.parametrize(("height", "booked"), [(88, 0), (89, 0), (90, 1)])
async def test_fills_count_from_the_block_after_the_one_that_was_taken_over(
    room: Room, height: int, booked: int
) -> None:
    """Whatever the times say: a block's lies before its commit, and clocks differ."""
    await accounts.take_over(room.account, 89)
    await room.bookkeeper.book([a_fill(uuid4(), after(-0.4), height=height)])
    assert len(await positions.open_of([room.account.id])) == booked


@pytest.mark.parametrize("block", [0.2, 1.0, 7.0])
async def test_an_order_counts_as_filled_when_its_fill_was_proved_not_at_the_blocks_time(
    room: Room, block: float
) -> None:
    order = await room.order(broadcast_at=after(0.5))
    room.clock.at = after(1.1)
    await room.bookkeeper.book([a_fill(order.order_uuid, after(block))])
    stored = await orders.get(order.id)
    assert stored is not None
    assert (stored.state, stored.resolved_at) == ("filled", after(1.1))


# the state machine of a position


async def test_each_step_of_a_position_is_a_row_with_its_cause_and_its_fill(room: Room) -> None:
    one = await room.strategy("main")
    fills = [
        await room.trade("BUY", "0.02", strategy=one),
        await room.trade("BUY", "0.01", strategy=one),
        await room.trade("SELL", "0.01", source="watch", purpose="stop_loss", reduce_only=True),
        await room.trade("SELL", "0.01", by_hand=True),
        await room.trade("SELL", "0.01", kind=FillType.LIQUIDATED),
    ]
    [position] = await Position.all()
    steps = await books.steps_of(position.id)
    assert [(row.step, row.cause, row.change, row.size) for row in steps] == [
        ("opened", "order", D("0.02"), D("0.02")),
        ("enlarged", "order", D("0.01"), D("0.03")),
        ("reduced", "plan", D("-0.01"), D("0.02")),
        ("reduced", "by_hand", D("-0.01"), D("0.01")),
        ("closed", "liquidated", D("-0.01"), D("0")),
    ]
    assert [str(row.fill_uuid) for row in steps] == [fill.id for fill in fills]
    assert (position.state, position.close_reason) == ("closed", "liquidated")


async def test_a_reversal_by_one_order_is_one_fill_of_two_positions(room: Room) -> None:
    one = await room.strategy("main")
    await room.trade("BUY", "0.03", "100", strategy=one)
    fill = await room.trade("SELL", "0.05", "110", strategy=one, fee="5")
    old, new = await Position.all().order_by("id")
    assert (old.state, old.realized_pnl, old.fees) == ("closed", D("0.3"), D(3))
    assert (new.side, new.size, new.entry_price, new.fees) == ("SHORT", D("0.02"), D(110), D(2))
    last = (await books.steps_of(old.id))[-1], (await books.steps_of(new.id))[0]
    assert [(row.step, str(row.fill_uuid)) for row in last] == [
        ("closed", fill.id),
        ("opened", fill.id),
    ]
    assert await room.shares() == {one.id: D("-0.02")}


@pytest.mark.parametrize("step", [name for name in STEPS if STEPS[name][0] != "none"])
def test_a_closed_position_takes_no_step(step: Any) -> None:
    with pytest.raises(IllegalStep):
        state_after("closed", step)
    assert state_after("open", step) in ("open", "closed")


async def test_the_same_fill_counts_once_however_often_it_comes(room: Room) -> None:
    one = await room.strategy("main")
    fill = await room.trade("BUY", "0.02", strategy=one, fee="1")
    await room.bookkeeper.book([fill, fill])
    other = a_fill(None, after(50), size="0.01")
    await room.bookkeeper.book([other, other, fill])
    position = await room.position()
    assert (position.size, position.fees) == (D("0.03"), D("1.49"))
    assert await Fill.all().count() == 2
    assert len(await books.steps_of(position.id)) == 2
    assert len(await room.moves()) == 2


# what the chain does itself


async def test_a_partial_liquidation_is_told_as_one_and_takes_from_all_shares(room: Room) -> None:
    one, two = await room.strategy("one"), await room.strategy("two")
    await room.trade("BUY", "0.02", strategy=one)
    await room.trade("BUY", "0.02", strategy=two)
    await room.trade("SELL", "0.02", kind=FillType.LIQUIDATED)
    position = await room.position()
    assert await room.told("position_forced") == [
        {"position_id": position.id, "what": "liquidated"}
    ]
    assert await room.told("position_by_hand") == []
    assert await room.shares() == {one.id: D("0.01"), two.id: D("0.01")}


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (FillType.LIQUIDATED, "liquidated"),
        (FillType.DELEVERAGED, "deleveraged"),
        (FillType.OFFSETTING, "deleveraged"),
    ],
)
async def test_a_position_that_the_chain_closed_says_so(
    room: Room, kind: FillType, reason: str
) -> None:
    await room.trade("BUY", "0.02", strategy=await room.strategy("main"))
    await room.trade("SELL", "0.02", kind=kind)
    [position] = await Position.all()
    assert position.close_reason == reason
    assert await room.told("position_closed") == [{"position_id": position.id}]


async def test_the_other_side_of_somebody_elses_liquidation_is_an_ordinary_fill(
    room: Room,
) -> None:
    one = await room.strategy("main")
    order = await room.order(intent_id=(await room.intent(one.id)).id)
    fill = a_fill(order.order_uuid, after(5), kind=FillType.LIQUIDATION)
    await room.bookkeeper.book([fill])
    assert (await room.position()).strategy_id == one.id
    assert await room.told("position_forced") == []


# what a hand does


async def test_a_position_made_by_hand_is_external_and_nobody_is_told(room: Room) -> None:
    await room.trade("BUY", "0.02", by_hand=True)
    position = await room.position()
    assert (position.external, position.strategy_id) == (True, None)
    assert await room.shares() == {BY_HAND: D("0.02")}
    assert await room.told("position_by_hand") == []


async def test_a_change_by_hand_of_the_bots_position_is_told_at_once(room: Room) -> None:
    one = await room.strategy("main")
    await room.trade("BUY", "0.02", strategy=one)
    await room.trade("BUY", "0.01", by_hand=True)
    await room.trade("SELL", "0.02", by_hand=True)
    position = await room.position()
    assert await room.told("position_by_hand") == [
        {"position_id": position.id, "change": "0.01"},
        {"position_id": position.id, "change": "-0.02"},
    ]
    assert await room.shares() == {one.id: D("0.01")}
    assert (position.external, position.strategy_id) == (False, one.id)


async def test_what_a_hand_added_stays_when_the_strategy_closes_its_part_and_has_no_plan(
    room: Room,
) -> None:
    one = await room.strategy("main")
    await room.trade("BUY", "0.02", strategy=one, plan=PLAN)
    await room.trade("BUY", "0.01", by_hand=True)
    await room.trade("SELL", "0.02", strategy=one, reduce_only=True)
    position = await room.position()
    plan = await plans.protection(position.id)
    assert (position.size, position.external, position.strategy_id) == (D("0.01"), True, None)
    assert plan is not None
    assert plan.state == "done"
    assert await room.told("position_left") == [{"position_id": position.id}]
    assert (await books.steps_of(position.id))[-1].step == "passed"


async def test_a_reversal_by_hand_leaves_the_strategy_flat_and_the_rest_external(
    room: Room,
) -> None:
    one = await room.strategy("main")
    await room.trade("BUY", "0.01", strategy=one)
    await room.trade("SELL", "0.03", by_hand=True)
    position = await room.position()
    assert (position.side, position.size, position.external) == ("SHORT", D("0.02"), True)
    assert await room.shares() == {BY_HAND: D("-0.02")}


# several strategies in one market


async def test_opposite_shares_are_flat_on_chain_and_each_closes_its_own(room: Room) -> None:
    one, two = await room.strategy("one"), await room.strategy("two")
    await room.trade("BUY", "0.01", "100", strategy=one)
    await room.trade("SELL", "0.01", "110", strategy=two, plan=PLAN)
    assert await positions.open_in(room.account.id, BTC) is None
    assert await room.shares() == {one.id: D("0.01"), two.id: D("-0.01")}
    close = await share_close(room.account.id, BTC, one.id)
    assert close is not None
    assert (close.size, close.reduce_only) == (D("0.01"), D(0))

    await room.trade("SELL", "0.01", "120", strategy=one)  # nothing of it may be reduce-only
    position = await room.position()
    assert (position.side, position.strategy_id, position.external) == ("SHORT", two.id, False)
    plan = await plans.protection(position.id)
    assert plan is not None
    assert plan.stop_loss == D("122.4")
    assert await share_of(room.account.id, BTC, one.id) == 0
    made, _ = await books.shares_in(room.account.id, BTC)
    assert (made.strategy_id, made.realized_pnl) == (one.id, D("0.2"))


async def test_a_close_of_one_strategy_reduces_only_its_share_and_the_newest_plan_left_covers(
    room: Room,
) -> None:
    one, two = await room.strategy("one"), await room.strategy("two")
    wide = PLAN | {"stop_loss": {"percent": "5"}}
    await room.trade("BUY", "0.01", "100", strategy=one, plan=PLAN)
    await room.trade("BUY", "0.02", "100", strategy=two, plan=wide)
    position = await room.position()
    plan = await plans.protection(position.id)
    assert plan is not None
    assert (position.strategy_id, plan.stop_loss) == (two.id, D(95))

    await room.trade("SELL", "0.02", "101", strategy=two, reduce_only=True)
    position = await room.position()
    plan = await plans.protection(position.id)
    assert plan is not None
    assert (position.strategy_id, plan.stop_loss, plan.state) == (one.id, D(98), "armed")
    assert await room.shares() == {one.id: D("0.01")}


async def test_a_stop_closes_the_share_of_its_owner_first(room: Room) -> None:
    one, two = await room.strategy("one"), await room.strategy("two")
    await room.trade("BUY", "0.02", strategy=one, plan=PLAN)
    await room.trade("BUY", "0.02", strategy=two, plan=PLAN)
    await room.trade("SELL", "0.03", purpose="stop_loss", source="watch", reduce_only=True)
    assert await room.shares() == {one.id: D("0.01")}


async def test_fills_that_come_in_the_wrong_order_leave_the_shares_as_the_right_one_does(
    room: Room,
) -> None:
    """As after a reconnect: the stop's fill is told before the rest of its entry."""
    one = await room.strategy("one")
    asked = await room.intent(one.id, plan=PLAN)
    entry = await room.order(intent_id=asked.id, size="0.03")
    first, late = (
        a_fill(entry.order_uuid, after(n), size=s) for n, s in ((2, "0.01"), (3, "0.02"))
    )
    await room.bookkeeper.book([first])
    position = await room.position()
    stop = await room.order(
        position_id=position.id, purpose="stop_loss", side="SELL", size="0.03", reduce_only=True
    )
    for part in ("0.01", "0.02"):
        fill = a_fill(stop.order_uuid, after(5), side="SELL", size=part)
        await room.bookkeeper.book([fill])
    await room.bookkeeper.book([late])
    assert await positions.open_in(room.account.id, BTC) is None
    assert await room.shares() == {}
    of_positions, of_shares = await room.money()
    assert abs(of_positions - of_shares) < D("1e-12")


async def test_a_plan_that_a_hand_was_given_stays_when_a_strategy_without_one_joins(
    room: Room,
) -> None:
    await room.trade("BUY", "0.01", "100", by_hand=True)
    position = await room.position()
    await set_plan(position, PLAN, None)
    one = await room.strategy("one")
    await room.trade("BUY", "0.01", "100", strategy=one)
    position = await room.position()
    plan = await plans.protection(position.id)
    assert plan is not None
    assert (position.strategy_id, position.external, plan.state) == (one.id, False, "armed")


async def test_a_button_on_a_share_closes_that_share_and_one_on_the_position_its_owner_first(
    room: Room,
) -> None:
    one, two = await room.strategy("one"), await room.strategy("two")
    await room.trade("BUY", "0.02", strategy=one)
    await room.trade("BUY", "0.01", strategy=two)
    asked = await room.intent(two.id, source="button", of_share=True)
    order = await room.order(side="SELL", reduce_only=True, intent_id=asked.id)
    await room.bookkeeper.book([a_fill(order.order_uuid, after(60), side="SELL", size="0.005")])
    assert await room.shares() == {one.id: D("0.02"), two.id: D("0.005")}
    await room.trade("SELL", "0.01", strategy=two, source="button", reduce_only=True)
    assert await room.shares() == {one.id: D("0.01"), two.id: D("0.005")}


async def test_positions_and_shares_say_the_same_of_the_money(room: Room) -> None:
    one, two = await room.strategy("one"), await room.strategy("two")
    await room.trade("BUY", "0.03", "100.5", strategy=one, fee="0.01")
    await room.trade("SELL", "0.05", "101", strategy=two, fee="0.02")
    await room.trade("BUY", "0.01", "99", by_hand=True, fee="0.003")
    await room.trade("BUY", "0.07", "98", strategy=one, fee="0.01")
    await room.trade("SELL", "0.02", "97", source="watch", purpose="stop_loss", reduce_only=True)
    of_positions, of_shares = await room.money()
    assert abs(of_positions - of_shares) < D("1e-12")
    shares = await room.shares()
    position = await room.position()
    assert sum(shares.values()) == position.size
