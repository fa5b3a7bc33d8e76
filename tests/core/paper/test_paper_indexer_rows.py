"""The rows that the indexer keeps, where the recorded story does not reach."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.paper.happenings import (
    BlockCommitted,
    BlockEvent,
    OrderOpened,
    OrderRemoved,
)
from core.paper.indexer import views
from core.paper.indexer.records import order_id_of
from core.paper.indexer.rows import Rows
from tests.core.paper.indexer_kit import (
    GOVERNANCE,
    LINK,
    ME,
    START,
    T,
    a_deposit,
    a_fill,
    a_order,
    holding,
    price_of,
    stateful,
)

Contents = dict[str, Any]


@pytest.fixture
def rows() -> Rows:
    made = Rows(GOVERNANCE.markets)
    made.height = 700
    return made


def commit(rows: Rows, *events: BlockEvent) -> list[Contents]:
    at = START + dt.timedelta(seconds=rows.height - 700)
    updates = rows.on(BlockCommitted(rows.height + 1, at, events))
    return [each.contents for each in updates if each.channel == "v4_subaccounts"]


def test_a_state_that_no_event_explains_is_told_and_kept(rows: Rows) -> None:
    commit(rows, a_deposit("100"), holding("100"))
    said = commit(rows, holding("99.5", (LINK, "3")))
    assert [each["assetPositions"][0]["size"] for each in said] == ["99.5"]
    assert said[0]["perpetualPositions"][0]["size"] == "3"
    assert rows.subaccounts[ME].usdc == 99_500_000


def test_a_state_that_the_events_explain_is_not_told_twice(rows: Rows) -> None:
    said = commit(rows, a_deposit("100"), holding("100"))
    assert [sorted(each) for each in said] == [
        ["assetPositions", "blockHeight"],
        ["blockHeight", "transfers"],
    ]


def test_an_account_the_indexer_never_heard_of_starts_from_its_final_state(rows: Rows) -> None:
    fill = a_fill(a_order(), "10", "7.2")
    said = commit(rows, fill, holding("927.964", (LINK, "10")))
    assets = [each["assetPositions"][0]["size"] for each in said if "assetPositions" in each]
    assert assets == ["927.964"]


def test_a_partly_filled_ioc_ends_canceled_and_a_resting_order_stays_open(rows: Rows) -> None:
    commit(rows, a_fill(a_order(1, size="10"), "4", "7.2"))
    resting = a_order(2, size="10", tif=0)
    rows.on(OrderOpened(resting, START))
    commit(rows, a_fill(resting, "4", "7.2", before="4", number=2, liquidity="MAKER"))
    status = {row.order.key.client_id: row.status for row in rows.orders.values()}
    assert status == {1: "CANCELED", 2: "OPEN"}


def test_a_resting_order_partly_filled_and_then_canceled_stays_best_effort_canceled(
    rows: Rows,
) -> None:
    order = a_order(2, size="10", tif=0)
    rows.on(OrderOpened(order, START))
    commit(rows, a_fill(order, "4", "7.2", liquidity="MAKER"))
    rows.on(
        OrderRemoved(order.key, order, "USER_CANCELED", "BEST_EFFORT_CANCELED", 4_000_000, START)
    )
    row = rows.orders[order_id_of(order.key)]
    assert views.order(rows, row)["status"] == "BEST_EFFORT_CANCELED"
    assert views.order(rows, row)["totalFilled"] == "4"


def test_an_order_canceled_before_its_fill_is_seen_ends_as_it_was_canceled(rows: Rows) -> None:
    order = a_order(2, size="10", tif=0)
    rows.on(OrderOpened(order, START))
    rows.on(OrderRemoved(order.key, order, "USER_CANCELED", "BEST_EFFORT_CANCELED", 0, START))
    commit(rows, a_fill(order, "4", "7.2", liquidity="MAKER"))
    assert rows.orders[order_id_of(order.key)].status == "BEST_EFFORT_CANCELED"


def test_a_conditional_order_goes_from_untriggered_over_open_to_canceled(rows: Rows) -> None:
    stop = a_order(7, "SELL", flags=32, condition_type=1, trigger_subticks=7_000_000_000)
    said = [
        commit(rows, stateful(stop, "UNTRIGGERED"))[0],
        commit(rows, stateful(stop, "OPEN"))[0],
        commit(rows, stateful(stop, "CANCELED", "USER_CANCELED"))[0],
    ]
    orders = [each["orders"][0] for each in said]
    assert [each["status"] for each in orders] == ["UNTRIGGERED", "OPEN", "CANCELED"]
    assert [each["type"] for each in orders] == ["STOP_LIMIT"] * 3
    assert orders[2]["removalReason"] == "ORDER_REMOVAL_REASON_USER_CANCELED"
    assert [each["blockHeight"] for each in said] == ["701", "701", "702"]


def test_equity_and_free_collateral_follow_the_oracle(rows: Rows) -> None:
    commit(rows, a_deposit("1000"), price_of(LINK, "7.2"))
    commit(rows, a_fill(a_order(), "10", "7.2"))
    commit(rows, price_of(LINK, "8"))
    shown = views.subaccount(rows, rows.subaccounts[ME])
    assert (shown["updatedAtHeight"], shown["latestProcessedBlockHeight"]) == ("702", "703")
    equity, free = rows.equity(rows.subaccounts[ME])
    assert equity == Decimal(1000) - Decimal("0.036") + Decimal(8)
    margin = GOVERNANCE.markets[LINK].tier.initial_margin_ppm
    assert free == equity - Decimal(80) * margin / 1_000_000


def test_rows_survive_being_written_down(rows: Rows) -> None:
    commit(rows, a_deposit("1000"), price_of(LINK, "7.2"))
    commit(rows, a_fill(a_order(), "10", "7.2"), stateful(a_order(5, flags=64, tif=0), "OPEN"))
    written = json.dumps(rows.dump())
    again = Rows(GOVERNANCE.markets)
    again.load(json.loads(written))
    assert again.dump() == rows.dump()
    more = a_fill(a_order(2, "SELL"), "10", "7.3", before="10", number=3)
    assert commit(again, more) == commit(rows, more)
    assert views.subaccount_snapshot(again, T, 0) == views.subaccount_snapshot(rows, T, 0)


steps = st.lists(
    st.tuples(
        st.sampled_from(["BUY", "SELL"]),
        st.integers(1, 40),
        st.integers(6_900, 7_500),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


@settings(deadline=None)
@given(steps, st.integers(0, 24))
def test_any_trades_add_up_and_a_restart_in_between_changes_nothing(
    trades: list[tuple[Any, int, int, bool]], restart_after: int
) -> None:
    rows = Rows(GOVERNANCE.markets)
    commit(rows, a_deposit("1000"), price_of(LINK, "7.2"))
    held, usdc = 0, 1_000_000_000
    for number, (side, size, millis, settled) in enumerate(trades, 1):
        if number == restart_after:
            rows, saved = Rows(GOVERNANCE.markets), json.dumps(rows.dump())
            rows.load(json.loads(saved))
        price = str(Decimal(millis).scaleb(-3))
        order = a_order(number, side, size=str(size), price=price)
        fill = a_fill(order, str(size), price, before=str(held), number=number)
        events: list[BlockEvent] = [fill]
        sign = 1 if side == "BUY" else -1
        held += sign * size
        usdc += -sign * fill.quote_quantums - fill.fee_quote_quantums
        if settled:
            positions = ((LINK, str(held)),) if held else ()
            events.append(holding(str(Decimal(usdc).scaleb(-6)), *positions))
        assert len(commit(rows, *events)) == 2
    assert rows.subaccounts[ME].usdc == usdc
    open_rows = rows.open_positions(ME)
    assert [row.size for row in open_rows] == ([Decimal(held)] if held else [])
    opened = sum(row.sum_open + row.sum_close for row in rows.positions[ME])
    assert opened == sum(size for _, size, _, _ in trades)
    assert len(rows.fills[ME]) == len(rows.orders) == len(trades)
