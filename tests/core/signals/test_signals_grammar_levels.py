"""The plan in an alert: targets, stop, trailing and break-even."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest

from core.signals.alert import Alert, BreakEven, Level, TakeProfit, Trailing
from core.signals.faults import AlertFault
from core.signals.grammar import parse_alert
from core.signals.reading import read_object

NOW = dt.datetime(2026, 1, 31, 12, 0, 30, tzinfo=dt.UTC)


def alert(**fields: Any) -> Alert:
    body = {"symbol": "BTC-USD", "action": "buy", **fields}
    return parse_alert(read_object(json.dumps(body).encode()), NOW)


def fault(**fields: Any) -> AlertFault:
    with pytest.raises(AlertFault) as caught:
        alert(**fields)
    return caught.value


def percent(value: str) -> Level:
    return Level(percent=Decimal(value))


LEVELS = [
    (95000, Level(price=Decimal(95000))),
    ("95000.5", Level(price=Decimal("95000.5"))),
    ("2%", percent("2")),
    (" 0.5 % ", percent("0.5")),
    ({"price": "100"}, Level(price=Decimal(100))),
    ({"percent": 3}, percent("3")),
    ({"percent": "3%"}, percent("3")),
    ({"percent": 3, "price": None}, percent("3")),
    ({"offset": 50}, Level(offset=Decimal(50))),
]


@pytest.mark.parametrize(("given", "level"), LEVELS)
def test_a_level_is_a_price_or_a_distance(given: object, level: Level) -> None:
    assert alert(stop_loss=given).stop_loss == level
    assert alert(take_profit=given).take_profit == (TakeProfit(level),)
    assert alert(break_even=given).break_even == BreakEven(at=level)


@pytest.mark.parametrize(
    "given",
    [
        *(0, -5, "-2%", "0%", "x", "", "%", True, {}),
        *({"price": 1, "percent": 1}, {"prise": 1}, {"price": "2%"}, {"percent": "-1"}),
    ],
)
@pytest.mark.parametrize("name", ["stop_loss", "take_profit"])
def test_other_levels_are_refused(name: str, given: object) -> None:
    assert fault(**{name: given}).code == f"{name}_invalid"


def test_a_take_profit_may_be_further_away_than_a_stop() -> None:
    assert alert(take_profit="250%").take_profit == (TakeProfit(percent("250")),)
    assert fault(take_profit="1000%").code == "take_profit_invalid"
    assert fault(stop_loss="100%").code == "stop_loss_invalid"


def test_a_ladder_is_a_list_of_levels_with_shares() -> None:
    found = alert(
        take_profit=[
            {"percent": 1, "fraction": 0.5},
            {"price": 99000, "fraction": "25%"},
            "4%",
        ]
    )

    assert found.take_profit == (
        TakeProfit(percent("1"), Decimal("0.5")),
        TakeProfit(Level(price=Decimal(99000)), Decimal("0.25")),
        TakeProfit(percent("4")),
    )


@pytest.mark.parametrize(
    "given",
    [
        [],
        [1] * 11,
        [{"percent": 1, "fraction": 0.6}, {"percent": 2, "fraction": 0.5}],
        [{"percent": 1, "fraction": 1}, "2%"],
        [{"percent": 1, "fraction": 0}],
        [{"percent": 1, "fraction": 50}],
        [{"percent": 1, "fraction": "101%"}],
        [{"fraction": 0.5}],
        [[1]],
        [None],
    ],
)
def test_a_ladder_that_closes_too_much_or_nothing_is_refused(given: object) -> None:
    assert fault(take_profit=given).code == "take_profit_invalid"


def test_a_list_of_stops_is_refused() -> None:
    assert fault(stop_loss=["1%", "2%"]).code == "stop_loss_invalid"


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ("1%", Trailing(percent("1"))),
        ({"percent": 1}, Trailing(percent("1"))),
        ({"offset": 50}, Trailing(Level(offset=Decimal(50)))),
        ({"distance": "1%"}, Trailing(percent("1"))),
        ({"distance": "1%", "activation": "2%"}, Trailing(percent("1"), percent("2"))),
        (
            {"distance": {"offset": 50}, "activation": 99000},
            Trailing(Level(offset=Decimal(50)), Level(price=Decimal(99000))),
        ),
    ],
)
def test_trailing_is_a_distance_that_may_wait_for_a_level(given: object, rule: Trailing) -> None:
    assert alert(trailing=given).trailing == rule


@pytest.mark.parametrize(
    "given",
    [
        *(1, "50", True, "100%", {"price": 5}, {"activation": "2%"}, {"distance": 5}),
        *({"distance": {"price": 5}}, {"distance": "1%", "step": 1}, [], ["1%"]),
    ],
)
def test_a_trailing_distance_is_never_a_bare_number(given: object) -> None:
    assert fault(trailing=given).code == "trailing_invalid"


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (True, BreakEven()),
        ("true", BreakEven()),
        ({"at": "1%"}, BreakEven(percent("1"))),
        ({"at": "1%", "beyond": "0.1%"}, BreakEven(percent("1"), percent("0.1"))),
        ({"beyond": {"offset": 5}}, BreakEven(None, Level(offset=Decimal(5)))),
        (False, None),
        (None, None),
    ],
)
def test_break_even_is_true_a_level_or_both_its_parts(
    given: object, rule: BreakEven | None
) -> None:
    assert alert(break_even=given).break_even == rule


@pytest.mark.parametrize("given", [{"at": "x"}, {"beyond": 5}, {"at": 1, "to": 2}, "yes", [], {}])
def test_another_break_even_is_refused(given: object) -> None:
    assert fault(break_even=given).code == "break_even_invalid"
