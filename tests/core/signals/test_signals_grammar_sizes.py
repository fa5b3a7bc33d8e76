"""How much an alert wants: one size, in one unit, or a refusal."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest

from core.signals.alert import Alert, Size, SizeUnit
from core.signals.faults import AlertFault
from core.signals.grammar import parse_alert
from core.signals.reading import read_object

NOW = dt.datetime(2026, 1, 31, 12, 0, 30, tzinfo=dt.UTC)


def alert(action: str = "buy", **fields: Any) -> Alert:
    body = {"symbol": "BTC-USD", "action": action, **fields}
    return parse_alert(read_object(json.dumps(body).encode()), NOW)


def fault(action: str = "buy", **fields: Any) -> AlertFault:
    with pytest.raises(AlertFault) as caught:
        alert(action, **fields)
    return caught.value


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("size", SizeUnit.BASE),
        ("size_usd", SizeUnit.USD),
        ("size_percent", SizeUnit.EQUITY_PERCENT),
        ("risk_percent", SizeUnit.RISK_PERCENT),
        ("contracts", SizeUnit.CONTRACTS),
    ],
)
@pytest.mark.parametrize(
    ("given", "value"), [(1, "1"), ("0.050", "0.050"), (" 2 ", "2"), ("1e-3", "0.001")]
)
def test_a_size_is_a_number_or_a_number_in_quotes(
    name: str, unit: SizeUnit, given: object, value: str
) -> None:
    fields: dict[str, Any] = {name: given}

    assert alert(**fields).size == Size(Decimal(value), unit)


def test_a_size_keeps_its_digits() -> None:
    raw = b'{"symbol": "BTC-USD", "action": "buy", "size": 0.1000000000000000055511151231257827}'
    size = parse_alert(read_object(raw), NOW).size

    assert size == Size(Decimal("0.1000000000000000055511151231257827"), SizeUnit.BASE)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (0, "size_not_positive"),
        (-1, "size_not_positive"),
        ("-0.5", "size_not_positive"),
        ("-0", "size_not_positive"),
        ("", "size_invalid"),
        ("5%", "size_invalid"),
        ("1,000", "size_invalid"),
        ("1e999999", "size_invalid"),
        ("NaN", "size_invalid"),
        ("Infinity", "size_invalid"),
        ("٣", "size_invalid"),
        ("0x10", "size_invalid"),
        (True, "size_invalid"),
        ([1], "size_invalid"),
        ({"a": 1}, "size_invalid"),
    ],
)
def test_a_size_is_above_zero_and_finite(given: object, code: str) -> None:
    assert fault(size=given).code == code


@pytest.mark.parametrize(
    "fields",
    [
        {"size": 1, "size_usd": 100},
        {"size": 1, "contracts": 1},
        {"size_usd": 1, "size_percent": 1},
        {"size_percent": 1, "risk_percent": 1},
    ],
)
def test_two_sizes_contradict_each_other(fields: dict[str, Any]) -> None:
    assert fault(**fields).code == "size_twice"


@pytest.mark.parametrize("action", ["close", "exit", "reduce"])
@pytest.mark.parametrize(
    "fields", [{"size": "50%"}, {"size_percent": 50}, {"size_percent": "50 %"}]
)
def test_an_exit_may_name_a_share_of_the_position(action: str, fields: dict[str, Any]) -> None:
    assert alert(action, **fields).size == Size(Decimal(50), SizeUnit.POSITION_PERCENT)


@pytest.mark.parametrize(
    ("action", "fields", "code"),
    [
        ("close", {"size": "101%"}, "size_invalid"),
        ("close", {"size": "0%"}, "size_invalid"),
        ("close", {"size_percent": 101}, "size_percent_invalid"),
        ("reduce", {"risk_percent": 1}, "size_of_exit"),
        ("reduce", {"leverage": 2}, "size_of_exit"),
        ("close", {"leverage": 2, "size_percent": 10}, "size_of_exit"),
        ("buy", {"risk_percent": 101}, "risk_percent_invalid"),
        ("buy", {"size_percent": "a lot"}, "size_percent_invalid"),
        ("buy", {"size_percent": -1}, "size_percent_not_positive"),
        ("buy", {"leverage": 101}, "leverage_invalid"),
        ("buy", {"leverage": 2, "size": 1}, "leverage_with_size"),
        ("buy", {"leverage": 2, "size_usd": 1}, "leverage_with_size"),
        ("buy", {"leverage": 2, "risk_percent": 1}, "leverage_with_size"),
        ("buy", {"leverage": 2, "contracts": 1}, "leverage_with_size"),
    ],
)
def test_a_size_that_cannot_be_meant_is_refused(
    action: str, fields: dict[str, Any], code: str
) -> None:
    assert fault(action, **fields).code == code


def test_leverage_alone_is_a_multiple_of_the_equity() -> None:
    assert alert(leverage=3).size == Size(Decimal(300), SizeUnit.EQUITY_PERCENT)


def test_leverage_multiplies_a_percentage_of_the_equity() -> None:
    assert alert(size_percent="12.5%", leverage="4").size == Size(
        Decimal(50), SizeUnit.EQUITY_PERCENT
    )


@pytest.mark.parametrize("fields", [{"leverage": 3}, {"risk_percent": 1}])
def test_a_close_is_of_the_whole_position_whatever_would_size_an_entry(
    fields: dict[str, Any],
) -> None:
    assert alert("close", **fields).size is None


def test_a_cancel_has_no_size() -> None:
    assert alert("cancel", size=1).size is None
    assert fault("cancel", size="much").code == "size_invalid"


@pytest.mark.parametrize("action", ["buy", "sell", "close"])
@pytest.mark.parametrize("fields", [{"size": "0"}, {"contracts": 0}, {"size": "0.0"}])
def test_the_size_of_being_flat_may_be_zero(action: str, fields: dict[str, Any]) -> None:
    assert alert(action, market_position="flat", **fields).size is None
    assert fault(action, market_position="long", **fields).code.endswith("_not_positive")
