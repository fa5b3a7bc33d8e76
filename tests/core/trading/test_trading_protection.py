"""Which orders are placed and cancelled so that a plan rests on chain."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.trading.protection import (
    STOP,
    Cancel,
    GuardOrder,
    HeldPosition,
    HeldTarget,
    Place,
    in_hand,
    rests_for,
    short_of_place,
    steps,
)
from core.trading.slots import Claim, Key, allotted

D = Decimal
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
FAR = NOW + dt.timedelta(days=90)
TARGET = HeldTarget(7, D(110), D(2))


def position(**values: Any) -> HeldPosition:
    given_: dict[str, Any] = {
        "id": 1,
        "ticker": "BTC-USD",
        "long": True,
        "size": D(2),
        "stop_loss": D(90),
    }
    return HeldPosition(**given_ | values)


def order(order_id: int, **values: Any) -> GuardOrder:
    given_: dict[str, Any] = {
        "id": order_id,
        "position_id": 1,
        "target_id": STOP,
        "purpose": "stop_loss",
        "state": "untriggered",
        "left": D(2),
        "trigger": D(90),
        "expires_at": FAR,
        "cancel_asked": False,
    }
    return GuardOrder(**given_ | values)


def target_order(order_id: int, **values: Any) -> GuardOrder:
    given_ = {"purpose": "take_profit", "target_id": 7, "trigger": D(110)}
    return order(order_id, **given_ | values)


def place(size: int = 2, trigger: int = 90, replaces: int | None = None) -> Place:
    return Place(1, "stop_loss", D(trigger), D(size), replaces)


def place_target(size: int = 2, replaces: int | None = None, target_id: int = 7) -> Place:
    return Place(1, "take_profit", D(110), D(size), replaces, target_id)


@pytest.mark.parametrize(
    ("held", "orders", "expected"),
    [
        pytest.param([position()], [], [place()], id="a new plan gets its stop"),
        pytest.param([position()], [order(1)], [], id="an exact stop stays"),
        pytest.param(
            [position(size=D(3))],
            [order(1)],
            [place(3, replaces=1)],
            id="an enlarged position gets a larger stop in place of the old one",
        ),
        pytest.param(
            [position(size=D(1))],
            [order(1)],
            [place(1, replaces=1)],
            id="after a reduction the larger stop stays until its successor replaces it",
        ),
        pytest.param(
            [position(stop_loss=D(95))],
            [order(1)],
            [place(trigger=95, replaces=1)],
            id="an adjusted stop replaces the old one",
        ),
        pytest.param(
            [position(stop_loss=None)], [order(1)], [Cancel(1)], id="a stop taken out is cancelled"
        ),
        pytest.param(
            [position()], [order(1, state="accepted")], [], id="one on its way is awaited"
        ),
        pytest.param(
            [position(size=D(3))],
            [order(1, state="unknown")],
            [],
            id="no successor is sent while the fate of one is open",
        ),
        pytest.param(
            [position(size=D(3))],
            [order(1), order(2, left=D(3), state="accepted")],
            [],
            id="the old stop stays until the new one is proved",
        ),
        pytest.param(
            [position(size=D(3))],
            [order(1), order(2, left=D(3))],
            [Cancel(1)],
            id="the old stop goes once the new one is proved",
        ),
        pytest.param(
            [position()],
            [order(1, cancel_asked=True)],
            [place()],
            id="a stop that is being cancelled covers nothing",
        ),
        pytest.param(
            [position()],
            [order(1, state="dead")],
            [place(), Cancel(1)],
            id="a dead stop is cancelled and a living one placed",
        ),
        pytest.param([], [order(1)], [Cancel(1)], id="what outlives its position is cancelled"),
        pytest.param([], [order(1, cancel_asked=True)], [], id="a cancel is not asked for twice"),
        pytest.param(
            [position(id=2)],
            [order(1)],
            [Place(2, "stop_loss", D(90), D(2), None), Cancel(1)],
            id="an old position's stop never serves the next",
        ),
        pytest.param(
            [position()],
            [order(1, expires_at=NOW + dt.timedelta(days=2))],
            [place(replaces=1)],
            id="a stop is renewed before it expires",
        ),
        pytest.param(
            [position(targets=(TARGET,)), position(id=2)],
            [],
            [place(), Place(2, "stop_loss", D(90), D(2), None), place_target()],
            id="stops of all positions come before the first target",
        ),
        pytest.param(
            [position(targets=(replace(TARGET, size=D(1)), HeldTarget(8, D(120), D(1))))],
            [order(1), target_order(2)],
            [
                place_target(1, replaces=2),
                Place(1, "take_profit", D(120), D(1), None, 8),
            ],
            id="each level of a ladder has its own order",
        ),
        pytest.param(
            [position()],
            [order(1), target_order(2)],
            [Cancel(2)],
            id="the order of a target that is done or taken out is cancelled",
        ),
        pytest.param(
            [position(targets=(TARGET,))],
            [order(1), target_order(2, target_id=6)],
            [place_target(), Cancel(2)],
            id="another target's order does not serve",
        ),
        pytest.param(
            [position(stop_loss=None, busy=frozenset({STOP, 7}))],
            [order(1), target_order(2)],
            [],
            id="orders stay while the bot carries their level out itself",
        ),
    ],
)
def test_orders_are_brought_in_line_with_the_plans(
    held: list[HeldPosition], orders: list[GuardOrder], expected: list[Place | Cancel]
) -> None:
    assert steps(held, orders, NOW) == expected


@pytest.mark.parametrize(
    ("held", "orders", "allowed", "free", "expected"),
    [
        pytest.param([position()], [], set(), 0, [], id="without a place it waits"),
        pytest.param(
            [position(targets=(TARGET,))],
            [order(1), target_order(2)],
            {(1, STOP)},
            0,
            [Cancel(2)],
            id="a target without a place gives up its order",
        ),
        pytest.param(
            [position(size=D(3))],
            [order(1)],
            {(1, STOP)},
            0,
            [Cancel(1)],
            id="with the tier full the stop goes first, its successor comes after",
        ),
        pytest.param(
            [position(size=D(1))],
            [order(1), target_order(2)],
            {(1, STOP)},
            0,
            [Cancel(2)],
            id="but one that covers more than it must stays while a target gives up its place",
        ),
        pytest.param(
            [position(size=D(1))],
            [order(1)],
            {(1, STOP)},
            0,
            [Cancel(1)],
            id="and goes where no target can",
        ),
        pytest.param(
            [position(size=D(1))],
            [order(1)],
            {(1, STOP)},
            1,
            [place(1, replaces=1)],
            id="and goes with its successor once there is",
        ),
        pytest.param(
            [position(stop_loss=D(95))],
            [order(1)],
            {(1, STOP)},
            0,
            [Cancel(1)],
            id="a stop at the wrong price makes room too",
        ),
        pytest.param(
            [position(stop_loss=D(95), size=D(3))],
            [order(1), target_order(2)],
            {(1, STOP)},
            0,
            [Cancel(2)],
            id="but stays where it is while a target gives up its place",
        ),
        pytest.param(
            [position(stop_loss=D(95))],
            [order(1), target_order(2, cancel_asked=True)],
            {(1, STOP)},
            0,
            [],
            id="and until that target is gone",
        ),
        pytest.param(
            [position(stop_loss=D(95), targets=(TARGET,))],
            [order(1), target_order(2)],
            {(1, STOP), (1, 7)},
            0,
            [Cancel(1)],
            id="and goes first where all targets keep their places",
        ),
        pytest.param(
            [position(), position(id=2)],
            [],
            {(1, STOP), (2, STOP)},
            1,
            [place()],
            id="one place, one stop at a time",
        ),
        pytest.param(
            [position(targets=(replace(TARGET, size=D(1)),))],
            [order(1), target_order(2)],
            {(1, STOP), (1, 7)},
            0,
            [Cancel(2)],
            id="a target makes room for its own successor",
        ),
    ],
)
def test_a_full_tier_is_respected(
    held: list[HeldPosition],
    orders: list[GuardOrder],
    allowed: set[Key],
    free: int,
    expected: list[Place | Cancel],
) -> None:
    assert steps(held, orders, NOW, allowed, free) == expected


def test_the_stop_covers_what_a_filling_entry_may_still_add_and_shrinks_with_its_end() -> None:
    filling = position(filling=D(3))
    assert steps([filling], [], NOW) == [place(size=5)]
    assert steps([position(size=D(4), filling=D(1))], [order(1, left=D(5))], NOW) == []
    assert steps([position(size=D(4))], [order(1, left=D(5))], NOW) == [place(size=4, replaces=1)]


@pytest.mark.parametrize("state", ["unknown", "accepted"])
def test_a_stop_that_is_undecided_for_long_gets_one_more_beside_it(state: str) -> None:
    lost = order(1, state=state, created_at=NOW - dt.timedelta(seconds=9))
    second = order(2, state="accepted", created_at=NOW)
    assert steps([position()], [lost], NOW) == [place()]
    assert steps([position()], [replace(lost, created_at=NOW)], NOW) == []
    assert steps([position()], [lost, second], NOW) == []
    assert steps([position()], [lost, order(2)], NOW) == [Cancel(1)]
    assert steps([position()], [order(1), replace(second, id=3)], NOW) == [Cancel(3)]


def test_a_target_that_is_undecided_for_long_waits_for_its_fate() -> None:
    lost = target_order(1, state="unknown", created_at=NOW - dt.timedelta(minutes=1))
    held = position(stop_loss=None, targets=(TARGET,))
    assert steps([held], [lost], NOW) == []


def test_a_stop_that_covers_too_much_is_short_of_a_place() -> None:
    assert short_of_place([position(size=D(1))], [order(1)], NOW)
    assert not short_of_place([position()], [order(1)], NOW)
    assert not short_of_place([position()], [], NOW)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"left": D(3)}, True),
        ({"left": D(1)}, False),
        ({"state": "accepted"}, False),
        ({"state": "triggered"}, False),
        ({"cancel_asked": True}, False),
        ({"trigger": D(89)}, False),
        ({"position_id": 2}, False),
        ({"purpose": "take_profit", "target_id": 7}, False),
    ],
)
def test_protected_is_only_what_rests_in_committed_state_and_closes_all(
    change: dict[str, Any], expected: bool
) -> None:
    assert rests_for(1, D(2), [order(1, **change)], D(90)) is expected


def test_a_trailing_stop_may_rest_a_step_behind() -> None:
    assert rests_for(1, D(2), [order(1, trigger=D(89))], D(90), trails=True)


@pytest.mark.parametrize(
    ("state", "cancel_asked", "expected"),
    [
        ("untriggered", False, True),
        ("triggered", False, True),
        ("partially_filled", False, True),
        ("untriggered", True, False),
        ("accepted", False, False),
        ("dead", False, False),
    ],
)
def test_the_chain_gets_its_chance_only_with_what_it_holds(
    state: str, cancel_asked: bool, expected: bool
) -> None:
    found = in_hand([order(1, state=state, cancel_asked=cancel_asked)])
    assert (found == {(1, STOP): [D(90)]}) is expected


# whatever happens


class Chain:
    """Holds orders as the chain would, and says yes only while there is a place."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.orders: list[GuardOrder] = []
        self.next_id = 1
        self.placements = 0

    def carry_out(self, todo: list[Place | Cancel]) -> None:
        for step in todo:
            if isinstance(step, Cancel):
                self._change(step.order_id, cancel_asked=True)
                continue
            assert len(self.orders) < self.slots, "the chain refuses a place that is not there"
            self.placements += 1
            self.orders.append(
                order(
                    self.next_id,
                    position_id=step.position_id,
                    target_id=step.target_id,
                    purpose=step.purpose,
                    left=step.size,
                    trigger=step.trigger,
                    state="accepted",
                )
            )
            self.next_id += 1
            if step.replaces is not None:
                self._change(step.replaces, cancel_asked=True)

    def block(self) -> None:
        """What was cancelled is gone, what was accepted rests."""
        self.orders = [
            replace(row, state="untriggered") for row in self.orders if not row.cancel_asked
        ]

    def _change(self, order_id: int, **values: Any) -> None:
        self.orders = [replace(row, **values) if row.id == order_id else row for row in self.orders]


def a_round(chain: Chain, held: list[HeldPosition]) -> list[Place | Cancel]:
    claims = [
        Claim(
            level.position_id,
            level.target_id,
            D(level.target_id),
            any(row.serves(level) and row.living for row in chain.orders),
        )
        for row_ in held
        for level in row_.levels()
    ]
    keys = {claim.key for claim in claims}
    ours = {(row.position_id, row.target_id) for row in chain.orders if row.living} & keys
    free = chain.slots - len(chain.orders)
    spare = int(free == 0 and short_of_place(held, chain.orders, NOW))
    allowed = allotted(claims, chain.slots, len(chain.orders) - len(ours), spare)
    return steps(held, chain.orders, NOW, allowed, free)


sizes = st.integers(0, 4)
events = st.one_of(
    st.tuples(st.just("size"), st.integers(1, 3), sizes),
    st.tuples(st.just("stop"), st.integers(1, 3), st.integers(80, 95)),
    st.tuples(st.just("targets"), st.integers(1, 3), st.integers(0, 4)),
    st.tuples(st.just("block"), st.just(0), st.just(0)),
    st.tuples(st.just("round"), st.just(0), st.just(0)),
)


@given(st.lists(events, max_size=60), st.integers(0, 12))
def test_whatever_happens_stops_come_to_rest_and_the_tier_is_never_exceeded(
    moves: list[tuple[str, int, int]], slots: int
) -> None:
    chain = Chain(slots)
    state: dict[int, dict[str, int]] = {n: {"size": 0, "stop": 90, "targets": 2} for n in (1, 2, 3)}

    def held() -> list[HeldPosition]:
        return [
            position(
                id=number,
                size=D(row["size"]),
                stop_loss=D(row["stop"]),
                targets=tuple(
                    HeldTarget(number * 10 + n, D(100 + n), D(row["size"]))
                    for n in range(row["targets"])
                ),
            )
            for number, row in state.items()
            if row["size"]
        ]

    for what, number, value in moves:
        if what == "block":
            chain.block()
        elif what == "round":
            before = [row for row in chain.orders if row.living and row.target_id == STOP]
            todo = a_round(chain, held())
            chain.carry_out(todo)
            _no_stop_was_given_up_without_need(before, todo, held(), chain)
        else:
            state[number][what] = value
    for _ in range(30):
        chain.carry_out(a_round(chain, held()))
        chain.block()
    expected = min(slots, len(held()))
    resting = [row for row in chain.orders if row.target_id == STOP]
    assert len(resting) == expected
    for row in held():
        mine = [one for one in resting if one.position_id == row.id]
        assert [(one.left, one.trigger) for one in mine] in ([], [(row.size, row.stop_loss)])
    wanted = sum(len(row.levels()) for row in held())
    assert len(chain.orders) == min(slots, wanted)


def _no_stop_was_given_up_without_need(
    before: list[GuardOrder],
    todo: list[Place | Cancel],
    held: list[HeldPosition],
    chain: Chain,
) -> None:
    """A living stop of an open position goes only with its successor, after it, or where the tier
    is full and it covers the plan no more.
    """
    ids = {row.id: row for row in before}
    for step in todo:
        if not isinstance(step, Cancel) or step.order_id not in ids:
            continue
        old = ids[step.order_id]
        mine = next((row for row in held if row.id == old.position_id), None)
        if mine is None:
            continue
        successors = [
            row
            for row in before
            if row.position_id == old.position_id and row.id > old.id and row.committed
        ]
        covers = old.trigger == mine.stop_loss and old.left >= mine.size
        full = len(chain.orders) >= chain.slots
        assert successors or (full and not covers) or chain.slots < len(held)
