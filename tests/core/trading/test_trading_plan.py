"""Protection plans: prices and when they are met."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.signals.alert import Level
from core.trading.plan import breach, level_from_json, level_json, level_price, side_fault

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
    ("long", "price", "expected"),
    [
        (True, "103", "take_profit"),
        (True, "110", "take_profit"),
        (True, "98", "stop_loss"),
        (True, "90", "stop_loss"),
        (True, "102.9", None),
        (False, "97", "take_profit"),
        (False, "102", "stop_loss"),
        (False, "100", None),
    ],
)
def test_a_plan_is_met_at_or_beyond_its_price(long: bool, price: str, expected: str | None) -> None:
    take_profit, stop_loss = (D(103), D(98)) if long else (D(97), D(102))
    found = breach(long=long, price=D(price), take_profit=take_profit, stop_loss=stop_loss)
    assert found == expected


def test_the_stop_wins_when_both_are_met() -> None:
    assert breach(long=True, price=D(5), take_profit=D(4), stop_loss=D(6)) == "stop_loss"


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


def test_a_level_survives_the_ledger() -> None:
    for level in (Level(D("1.5"), None), Level(None, D("2")), None):
        assert level_from_json(level_json(level)) == level
