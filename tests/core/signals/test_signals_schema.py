"""The JSON Schema says what the parser does, as far as a schema can."""

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.signals.faults import AlertFault
from core.signals.fields import FIELDS, SECRET_FIELD, WORDS
from core.signals.grammar import parse_alert
from core.signals.reading import read_object
from core.signals.schema import DIALECT, alert_schema, examples
from tests.core.signals.schema_check import valid

NOW = dt.datetime(2026, 1, 31, 12, 0, 30, tzinfo=dt.UTC)
SMALLEST = {"secret": "s" * 43, "symbol": "BTCUSDT.P", "action": "buy"}
PAGE = Path(__file__).parents[3] / "docs" / "webhook.md"

ACCEPTED: list[dict[str, Any]] = [
    {},
    {"action": "Exit "},
    {"action": None, "market_position": "long"},
    {"size": "0.5", "leverage": None},
    {"size": 1e-3},
    {"size_usd": "100", "stop_loss": "2%", "take_profit": ["1%", 99000, {"offset": "5"}]},
    {"take_profit": {"percent": "3 %", "fraction": "50%", "price": None}},
    {"size_percent": "10%", "leverage": 3},
    {"risk_percent": 1, "stop_loss": {"percent": 2}},
    {"leverage": "2.5"},
    {"contracts": "0.1", "market_position": "LONG", "market_position_size": "0.1"},
    {"action": "sell", "market_position": "short", "prev_market_position": "flat"},
    {"type": "Limit", "price": 5, "time_in_force": "post only", "expires": "12h"},
    {"type": "stop", "price": "5", "expires": 60},
    {"type": "market"},
    {"action": "close", "size": "50%"},
    {"action": "reduce", "size_percent": 50},
    {"action": "close", "leverage": 3},
    {"action": "cancel", "size": 1, "leverage": 2},
    {"trailing": "1%"},
    {"trailing": {"distance": {"offset": 5}, "activation": 99000}},
    {"break_even": True},
    {"break_even": {"at": "1%", "beyond": "0.1%"}},
    {"break_even": {"price": 99000}},
    {"sync": "TRUE", "market_position": "flat"},
    {"action": "sell", "market_position": "flat", "size": "0", "market_position_size": 0},
    {"action": "close", "market_position": "Flat", "contracts": 0},
    {"time": "2026-01-31T12:00:07Z", "id": 17, "order_id": "Long", "comment": ""},
    {"time": 1769860807},
]
REFUSED: list[dict[str, Any]] = [
    {"symbol": None},
    {"symbol": ""},
    {"symbol": 5},
    {"action": None},
    {"action": "hold"},
    {"zzz": 1},
    {"size": 0},
    {"size": "-1"},
    {"size": "0.0"},
    {"size": 0, "market_position": "long"},
    {"contracts": "0"},
    {"size": True},
    {"size": "50%"},
    {"size": 1, "size_usd": 1},
    {"size": 1, "contracts": 1},
    {"size_percent": "all"},
    {"leverage": 101},
    {"leverage": 2, "size": 1},
    {"leverage": 2, "risk_percent": 1},
    {"action": "reduce", "leverage": 2},
    {"action": "reduce", "risk_percent": 2},
    {"action": "close", "leverage": 2, "size_percent": 5},
    {"market_position": "up"},
    {"market_position_size": 1},
    {"prev_market_position": "long"},
    {"sync": True},
    {"sync": 1, "market_position": "flat"},
    {"action": "long", "market_position": "short"},
    {"action": "add", "market_position": "Flat"},
    {"type": "limit"},
    {"type": "trailing", "price": 1},
    {"price": 5},
    {"expires": "1d"},
    {"time_in_force": "ioc"},
    {"type": "limit", "price": 5, "time_in_force": "fok"},
    {"type": "limit", "price": 5, "time_in_force": "IOC", "expires": "1d"},
    {"type": "stop", "price": 5, "time_in_force": "gtt"},
    {"type": "limit", "price": 5, "expires": 59},
    {"type": "limit", "price": 5, "action": "close"},
    {"stop_loss": "-2%"},
    {"stop_loss": 0},
    {"stop_loss": ["2%"]},
    {"stop_loss": {"percent": 100}},
    {"stop_loss": {"price": 1, "percent": 1}},
    {"stop_loss": {"fraction": 1, "price": 1}},
    {"take_profit": []},
    {"take_profit": [1] * 11},
    {"take_profit": {"fraction": 0.5}},
    {"take_profit": {"percent": 1, "fraction": 2}},
    {"trailing": 5},
    {"trailing": {"activation": "2%"}},
    {"trailing": {"distance": 5}},
    {"trailing": {"price": 5}},
    {"break_even": {}},
    {"break_even": {"beyond": 5}},
    {"break_even": "later"},
    {"time": "soon"},
    {"time": True},
    {"id": ["x"]},
]


def parsed(body: dict[str, Any]) -> bool:
    """Whether the parser takes a body."""
    try:
        parse_alert(read_object(json.dumps(body).encode()), NOW)
    except AlertFault:
        return False
    return True


def fits(body: dict[str, Any]) -> bool:
    """Whether a body fits the schema."""
    plain = json.loads(json.dumps(body), parse_int=Decimal, parse_float=Decimal)
    return valid(plain, alert_schema())


@pytest.mark.parametrize("fields", ACCEPTED)
def test_what_the_parser_takes_fits_the_schema(fields: dict[str, Any]) -> None:
    assert parsed(SMALLEST | fields)
    assert fits(SMALLEST | fields)


@pytest.mark.parametrize("fields", REFUSED)
def test_what_the_parser_refuses_does_not_fit(fields: dict[str, Any]) -> None:
    assert not parsed(SMALLEST | fields)
    assert not fits(SMALLEST | fields)


@pytest.mark.parametrize("body", list(examples()))
def test_the_examples_in_the_schema_are_alerts(body: dict[str, Any]) -> None:
    assert parsed(body)
    assert fits(body)


def test_a_body_without_a_secret_does_not_fit() -> None:
    assert not fits({"symbol": "BTC-USD", "action": "buy"})


def test_the_schema_is_plain_json_with_every_field_of_the_grammar() -> None:
    schema = json.loads(json.dumps(alert_schema()))

    assert schema["$schema"] == DIALECT
    assert list(schema["properties"]) == [SECRET_FIELD, *FIELDS]
    assert all(field["description"] for field in schema["properties"].values())


def test_the_page_has_a_line_for_every_field_and_word() -> None:
    page = PAGE.read_text(encoding="utf-8")

    for name in (SECRET_FIELD, *FIELDS):
        assert re.search(rf"^\|[^|]*`{name}`", page, re.MULTILINE), name
    for words in WORDS.values():
        for word in words:
            assert f"`{word}`" in page, word


def test_the_objects_on_the_page_are_alerts() -> None:
    page = PAGE.read_text(encoding="utf-8")
    blocks = [block for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL) if "{{" in block]
    shown = re.findall(r"^- `(\{.*\})`", page, re.MULTILINE)
    fillings = {
        "ticker": "BTCUSD",
        "strategy.order.action": "buy",
        "timenow": "2026-01-31T12:00:29Z",
    }

    assert blocks
    assert len(shown) > 5
    for text in blocks + shown:
        filled = re.sub(r"\{\{(.*?)\}\}", lambda found: fillings.get(found[1], "1"), text)
        body = SMALLEST | json.loads(
            filled.replace('"market_position": "1"', '"market_position": "long"').replace(
                '"prev_market_position": "1"', '"prev_market_position": "flat"'
            )
        )
        assert parsed(body), text
        assert fits(body), text


_levels = st.sampled_from(
    [1, "1", "2%", "0%", 0, -1, {"price": 1}, {"percent": 200}, {"offset": "5"}, {}, True, [], ""]
)
_given = st.fixed_dictionaries(
    {},
    optional={
        "action": st.sampled_from([*WORDS["action"], "BUY", "hold", None]),
        "market_position": st.sampled_from([*WORDS["market_position"], "up"]),
        "market_position_size": st.sampled_from([1, "2", "x"]),
        "type": st.sampled_from([*WORDS["type"], "LIMIT", "x"]),
        "price": st.sampled_from([1, "5", 0, "x"]),
        "time_in_force": st.sampled_from([*WORDS["time_in_force"], "post-only", "fok"]),
        "expires": st.sampled_from([60, 59, "12h", "x"]),
        "size": st.sampled_from([1, "1", "50%", "0", "x", 0]),
        "size_usd": st.sampled_from([1, "1", "5%"]),
        "size_percent": st.sampled_from([1, "1", "5%", -1]),
        "risk_percent": st.sampled_from([1, "1", "5%", -1]),
        "leverage": st.sampled_from([1, "3", 101, 0]),
        "contracts": st.sampled_from([1, "1", "x", 0]),
        "take_profit": _levels | st.lists(_levels, max_size=3),
        "stop_loss": _levels,
        "trailing": _levels | st.fixed_dictionaries({"distance": _levels}),
        "break_even": _levels | st.fixed_dictionaries({"at": _levels}),
        "sync": st.sampled_from([True, False, "true", 1]),
        "time": st.sampled_from(["2026-01-31T12:00:07Z", "x", 1769860807]),
    },
)


@given(_given)
def test_the_schema_turns_nothing_away_that_the_parser_takes(fields: dict[str, Any]) -> None:
    if parsed(SMALLEST | fields):
        assert fits(SMALLEST | fields)
