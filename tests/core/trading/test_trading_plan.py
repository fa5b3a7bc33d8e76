"""Protection plans: prices and when they are met."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.signals.alert import BreakEven, Level, TakeProfit, Trailing
from core.trading.plan import (
    break_even_from_json,
    break_even_json,
    level_from_json,
    level_json,
    level_price,
    side_fault,
    targets_from_json,
    targets_json,
    trailing_from_json,
    trailing_json,
)

D = Decimal


@pytest.mark.parametrize(
    ("long", "above", "percent", "expected"),
    [
        (True, True, "3", "103.0"),
        (True, False, "2", "98.0"),
        (False, True, "3", "97.0"),
        (False, False, "2", "102.0"),
    ],
)
def test_a_percent_level_lies_on_its_own_side_of_the_entry(
    long: bool, above: bool, percent: str, expected: str
) -> None:
    price = level_price(
        Level(None, D(percent)), long=long, above=above, entry=D(100), tick=D("0.1")
    )
    assert price == D(expected)


def test_a_level_is_a_whole_number_of_ticks() -> None:
    price = level_price(
        Level(None, D("3.33")), long=True, above=True, entry=D("64212"), tick=D("5")
    )
    assert price == D(66350)


def test_a_given_price_is_taken_as_it_is() -> None:
    level = Level(D("66000"), None)
    assert level_price(level, long=False, above=True, entry=D(1), tick=D(1)) == D(66000)


@pytest.mark.parametrize(
    ("long", "take_profit", "stop_loss", "at_fault"),
    [
        (True, "101", "99", False),
        (True, "100", None, True),
        (True, None, "100", True),
        (False, "99", "101", False),
        (False, "101", None, True),
        (False, None, "99", True),
        (True, None, None, False),
    ],
)
def test_a_plan_that_would_close_at_once_is_found(
    long: bool, take_profit: str | None, stop_loss: str | None, at_fault: bool
) -> None:
    fault = side_fault(
        long=long,
        price=D(100),
        take_profit=D(take_profit) if take_profit else None,
        stop_loss=D(stop_loss) if stop_loss else None,
    )
    assert (fault is not None) == at_fault


def test_an_offset_lies_so_many_dollars_away() -> None:
    level = Level(offset=D(5))
    price = level_price(level, long=False, above=True, entry=D(100), tick=D(1))
    assert price == D(95)


@pytest.mark.parametrize(
    "level", [Level(price=D("1.5")), Level(percent=D(2)), Level(offset=D("0.1")), None]
)
def test_a_level_survives_the_ledger(level: Level | None) -> None:
    assert level_from_json(level_json(level)) == level


def test_targets_survive_the_ledger_and_a_single_level_is_one_of_the_whole() -> None:
    targets = (TakeProfit(Level(percent=D(2)), D("0.5")), TakeProfit(Level(price=D(9)), None))
    assert targets_from_json(targets_json(targets)) == targets
    assert targets_from_json({"percent": "2"}) == (TakeProfit(Level(percent=D(2)), None),)
    assert targets_from_json(None) == ()


@pytest.mark.parametrize(
    "trailing",
    [None, Trailing(Level(percent=D(1))), Trailing(Level(offset=D(3)), Level(price=D(110)))],
)
def test_a_trailing_stop_survives_the_ledger(trailing: Trailing | None) -> None:
    assert trailing_from_json(trailing_json(trailing)) == trailing


@pytest.mark.parametrize(
    "rule", [None, BreakEven(), BreakEven(Level(percent=D(1)), Level(percent=D("0.1")))]
)
def test_a_break_even_rule_survives_the_ledger(rule: BreakEven | None) -> None:
    assert break_even_from_json(break_even_json(rule)) == rule
