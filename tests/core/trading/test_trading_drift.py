"""When a strategy stands apart from its chart, and when that is said."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from core.signals.alert import MarketPosition
from core.trading.drift import LASTING, Drift, advanced, is_there, restarted, way_of

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
STEP = Decimal("0.001")
LONG, SHORT, FLAT = MarketPosition.LONG, MarketPosition.SHORT, MarketPosition.FLAT


@pytest.mark.parametrize(("held", "way"), [("1", LONG), ("-0.5", SHORT), ("0", FLAT)])
def test_the_sign_of_what_is_held_is_its_way(held: str, way: MarketPosition) -> None:
    assert way_of(Decimal(held)) is way


@pytest.mark.parametrize(
    ("position", "size", "held", "wanted"),
    [
        (LONG, None, "3", True),
        (LONG, None, "-3", False),
        (LONG, None, "0", False),
        (SHORT, None, "-0.001", True),
        (FLAT, None, "0", True),
        (FLAT, None, "0.001", False),
        (LONG, "0.0159", "0.015", True),  # rounded down to the step
        (LONG, "0.016", "0.015", False),
        (SHORT, "2", "-2", True),
        (SHORT, "2", "-3", False),
    ],
)
def test_the_way_counts_always_and_the_size_where_it_is_given(
    position: MarketPosition, size: str | None, held: str, wanted: bool
) -> None:
    assert is_there(position, Decimal(size) if size else None, Decimal(held), STEP) is wanted


BEGAN = NOW - LASTING
YOUNG = NOW - LASTING / 2


@pytest.mark.parametrize(
    ("before", "there", "settled", "after"),
    [
        (Drift("agrees"), True, True, Drift("agrees")),
        (Drift("agrees"), False, True, Drift("differs", NOW)),
        (Drift("agrees"), False, False, Drift("agrees")),
        (Drift("differs", YOUNG), False, True, Drift("differs", YOUNG)),
        (Drift("differs", BEGAN), False, True, Drift("told", BEGAN)),
        (Drift("differs", BEGAN), False, False, Drift("agrees")),  # something is under way: anew
        (Drift("differs", BEGAN), True, True, Drift("agrees")),
        (Drift("told", BEGAN), False, True, Drift("told", BEGAN)),
        (Drift("told", BEGAN), False, False, Drift("told", BEGAN)),
        (Drift("told", BEGAN), True, True, Drift("agrees")),
        (Drift("ignored", BEGAN), False, True, Drift("ignored", BEGAN)),
        (Drift("ignored", BEGAN), True, True, Drift("agrees")),
    ],
)
def test_a_difference_is_told_once_it_lasts_while_nothing_is_under_way(
    before: Drift, there: bool, settled: bool, after: Drift
) -> None:
    assert advanced(before, NOW, there=there, settled=settled) == after


def test_a_chart_that_turns_is_another_matter_and_one_that_repeats_itself_is_not() -> None:
    told = Drift("told", BEGAN)
    assert restarted(told, LONG, LONG) == told
    assert restarted(told, LONG, FLAT) == Drift("agrees")
