"""Which orders are placed and cancelled so that a plan rests on chain."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from core.trading.protection import Cancel, GuardOrder, HeldPosition, Place, covered, steps

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
FAR = NOW + dt.timedelta(days=90)


def position(**values: Any) -> HeldPosition:
    given: dict[str, Any] = {
        "id": 1,
        "ticker": "BTC-USD",
        "long": True,
        "size": Decimal(2),
        "stop_loss": Decimal(90),
        "take_profit": None,
    }
    return HeldPosition(**given | values)


def order(order_id: int, **values: Any) -> GuardOrder:
    given: dict[str, Any] = {
        "id": order_id,
        "position_id": 1,
        "purpose": "stop_loss",
        "state": "untriggered",
        "left": Decimal(2),
        "trigger": Decimal(90),
        "expires_at": FAR,
        "cancel_asked": False,
    }
    return GuardOrder(**given | values)


def place(size: int = 2, trigger: int = 90, replaces: int | None = None) -> Place:
    return Place(1, "stop_loss", Decimal(trigger), Decimal(size), replaces)


@pytest.mark.parametrize(
    ("held", "orders", "expected"),
    [
        pytest.param([position()], [], [place()], id="a new plan gets its stop"),
        pytest.param([position()], [order(1)], [], id="an exact stop stays"),
        pytest.param(
            [position(size=Decimal(3))],
            [order(1)],
            [place(3, replaces=1)],
            id="an enlarged position gets a larger stop in place of the old one",
        ),
        pytest.param(
            [position(size=Decimal(1))],
            [order(1)],
            [place(1, replaces=1)],
            id="after a reduction the larger stop stays until its successor replaces it",
        ),
        pytest.param(
            [position(stop_loss=Decimal(95))],
            [order(1)],
            [place(trigger=95, replaces=1)],
            id="an adjusted stop replaces the old one",
        ),
        pytest.param(
            [position(stop_loss=None)], [order(1)], [Cancel(1)], id="a stop taken out is cancelled"
        ),
        pytest.param(
            [position()],
            [order(1, state="accepted")],
            [],
            id="a stop on its way is waited for",
        ),
        pytest.param(
            [position(size=Decimal(3))],
            [order(1, state="unknown")],
            [],
            id="no successor is sent while the fate of one is open",
        ),
        pytest.param(
            [position(size=Decimal(3))],
            [order(1), order(2, left=Decimal(3), state="accepted")],
            [],
            id="the old stop stays until the new one is proved",
        ),
        pytest.param(
            [position(size=Decimal(3))],
            [order(1), order(2, left=Decimal(3))],
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
        pytest.param(
            [], [order(1)], [Cancel(1)], id="a stop that outlives its position is cancelled"
        ),
        pytest.param(
            [], [order(1, cancel_asked=True)], [], id="a cancel is not asked for twice by the rules"
        ),
        pytest.param(
            [position(id=2)],
            [order(1)],
            [Place(2, "stop_loss", Decimal(90), Decimal(2), None), Cancel(1)],
            id="an old position's stop never serves the next",
        ),
        pytest.param(
            [position()],
            [order(1, expires_at=NOW + dt.timedelta(days=2))],
            [place(replaces=1)],
            id="a stop is renewed before it expires",
        ),
        pytest.param(
            [position(), position(id=2, take_profit=Decimal(110))],
            [],
            [
                place(),
                Place(2, "stop_loss", Decimal(90), Decimal(2), None),
                Place(2, "take_profit", Decimal(110), Decimal(2), None),
            ],
            id="stops of all positions come before the first target",
        ),
    ],
)
def test_orders_are_brought_in_line_with_the_plans(
    held: list[HeldPosition], orders: list[GuardOrder], expected: list[Place | Cancel]
) -> None:
    assert steps(held, orders, NOW) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"left": Decimal(3)}, True),
        ({"left": Decimal(1)}, False),
        ({"state": "accepted"}, False),
        ({"state": "triggered"}, False),
        ({"cancel_asked": True}, False),
        ({"trigger": Decimal(89)}, False),
        ({"position_id": 2}, False),
        ({"purpose": "take_profit"}, False),
    ],
)
def test_protected_is_only_what_rests_in_committed_state_and_closes_all(
    change: dict[str, Any], expected: bool
) -> None:
    assert covered(position(), [order(1, **change)], "stop_loss") is expected


def test_following_the_steps_ends_with_exactly_one_order_per_level() -> None:
    held = [position(size=Decimal(3), take_profit=Decimal(110))]
    orders = [order(1), order(2, left=Decimal(5)), order(3, position_id=9)]
    for number in range(10, 30):
        todo = steps(held, orders, NOW)
        if not todo:
            break
        gone = {step.order_id for step in todo if isinstance(step, Cancel)}
        gone |= {step.replaces for step in todo if isinstance(step, Place) and step.replaces}
        orders = [row for row in orders if row.id not in gone]
        for offset, step in enumerate(row for row in todo if isinstance(row, Place)):
            orders.append(
                order(
                    number * 10 + offset,
                    purpose=step.purpose,
                    left=step.size,
                    trigger=step.trigger,
                )
            )
    assert sorted((row.purpose, row.left) for row in orders) == [
        ("stop_loss", Decimal(3)),
        ("take_profit", Decimal(3)),
    ]
