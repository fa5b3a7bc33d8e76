"""What the chain lets an account place."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.dydx.limits import (
    UNLIMITED,
    EquityTier,
    EquityTiers,
    PlacementBudget,
    Priority,
)

D = Decimal
MAINNET = ((1, 2), (100, 20))
TIERS = EquityTiers(
    tuple(
        EquityTier(D(equity), limit)
        for equity, limit in ((0, 0), (20, 1), (100, 5), (1_000, 10), (10_000, 100))
    )
)


@pytest.mark.parametrize(
    ("equity", "slots", "next_limit"),
    [
        ("-5", 0, 1),
        ("19.999999", 0, 1),
        ("20", 1, 5),
        ("99.9", 1, 5),
        ("1000", 10, 100),
        ("1e9", 100, None),
    ],
)
def test_equity_decides_how_many_orders_an_account_may_have(
    equity: str, slots: int, next_limit: int | None
) -> None:
    above = TIERS.next_above(D(equity))

    assert TIERS.slots(D(equity)) == slots
    assert (above.limit if above else None) == next_limit


def test_a_chain_without_tiers_sets_no_limit() -> None:
    assert EquityTiers(()).slots(D(0)) == UNLIMITED


class Node:
    """How a node counts: placements by the height at which they arrive, refused ones too."""

    def __init__(self) -> None:
        self.arrived: Counter[int] = Counter()

    def takes(self, height: int) -> bool:
        self.arrived[height] += 1
        return all(
            sum(n for at, n in self.arrived.items() if height - blocks < at <= height) <= limit
            for blocks, limit in MAINNET
        )


@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 4),
            st.integers(1, 3),
            st.sampled_from(Priority),
            st.integers(0, 1),
        ),
        max_size=150,
    )
)
def test_what_the_budget_allows_is_never_refused_even_if_it_arrives_a_block_later(
    steps: list[tuple[int, int, Priority, int]],
) -> None:
    budget, node, height, arrives = PlacementBudget(MAINNET), Node(), 1_000, 0
    for blocks, count, priority, delay in steps:
        height += blocks
        if budget.take(height, count, priority):
            arrives = max(arrives, height + delay)
            for _ in range(count):
                assert node.takes(arrives)


def test_the_last_two_of_a_hundred_blocks_are_kept_for_protection() -> None:
    budget, height = PlacementBudget(MAINNET), 1_000
    entries = 0
    while budget.take(height, 1, Priority.ENTRY):
        entries, height = entries + 1, height + 2

    assert entries == 18
    assert budget.room(height, Priority.ENTRY) == 0
    assert budget.take(height, 2, Priority.PROTECTION)
    assert not budget.take(height + 2, 1, Priority.PROTECTION)


def test_an_entry_does_not_take_the_room_that_protection_waits_for() -> None:
    budget = PlacementBudget(MAINNET)
    assert budget.take(1_000, 2, Priority.PROTECTION)
    budget.expect("stop of a position", 1)

    assert budget.room(1_002, Priority.ENTRY) == 1
    budget.expect("its take profit", 1)
    assert budget.room(1_002, Priority.ENTRY) == 0
    assert budget.room(1_002, Priority.PROTECTION) == 2
    budget.expect_no_more("its take profit")
    budget.expect_no_more("stop of a position")
    assert budget.room(1_002, Priority.ENTRY) == 2


def test_stops_to_come_leave_each_block_a_placement_for_what_is_placed_meanwhile() -> None:
    budget = PlacementBudget(MAINNET)
    for one in range(5):
        budget.foresee(f"stop of entry {one}", 1)

    assert budget.room(1_000, Priority.ENTRY) == 1
    assert budget.take(1_000, 1, Priority.ENTRY)
    assert budget.room(1_000, Priority.ENTRY) == 0
    assert budget.room(1_000, Priority.PROTECTION) == 1
    assert budget.room(1_002, Priority.ENTRY) == 1


def test_stops_to_come_keep_their_room_in_a_hundred_blocks() -> None:
    budget, height, entries = PlacementBudget(MAINNET), 1_000, 0
    for one in range(5):
        budget.foresee(f"stop of entry {one}", 1)
    assert budget.left(height) == 15
    while budget.take(height, 1, Priority.ENTRY):
        entries, height = entries + 1, height + 2

    assert entries == 13
    for one in range(5):
        budget.expect_no_more(f"stop of entry {one}")
    assert budget.room(height, Priority.ENTRY) == 2


def test_a_stop_to_come_stops_nothing_where_a_block_takes_one_order() -> None:
    budget = PlacementBudget(((1, 1),))
    budget.foresee("stop of an entry", 1)

    assert budget.room(1_000, Priority.ENTRY) == 1


def test_what_is_left_of_a_window_counts_what_is_sent_and_what_is_waited_for() -> None:
    budget = PlacementBudget(MAINNET)
    assert budget.left(1_000) == 20
    assert budget.take(1_000, 2, Priority.PROTECTION)
    budget.expect("stop of an entry", 1)
    assert budget.left(1_001) == 17
    assert budget.left(1_102) == 19


def test_a_budget_goes_on_where_it_was_after_a_restart() -> None:
    budget = PlacementBudget(MAINNET, range(1_000, 1_040, 2))

    assert budget.room(1_040) == 0
    assert budget.room(1_100) == 0
    assert budget.room(1_101) == 1


def test_once_the_chain_refused_a_placement_for_its_rate_only_protection_goes_on() -> None:
    budget = PlacementBudget(MAINNET)
    budget.exceeded(1_000)

    assert budget.room(1_009, Priority.ENTRY) == 0
    assert budget.left(1_009) == 0
    assert budget.room(1_009, Priority.PROTECTION) == 2
    assert budget.room(1_010, Priority.ENTRY) == 2
    assert budget.left(1_010) == 20


def test_a_node_that_is_behind_does_not_make_room() -> None:
    budget = PlacementBudget(MAINNET)
    assert budget.take(1_000, 2)
    assert not budget.take(990, 1)
    assert budget.room(1_002) == 2


def test_new_limits_of_governance_count_at_once() -> None:
    budget = PlacementBudget(MAINNET)
    assert budget.take(1_000, 2)
    budget.configure(((1, 5),))

    assert budget.room(1_000) == 3
    budget.configure(())
    assert budget.room(1_000) == UNLIMITED
