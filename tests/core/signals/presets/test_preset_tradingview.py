"""Objects of TradingView's placeholders, whatever their authors call the fields."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from core.signals.alert import SizeUnit
from core.signals.body import open_body
from tests.core.signals.presets.preset_kit import (
    NOW,
    SECRET,
    alert_in,
    fault_in,
    level,
    raw,
    told,
)


def body(**fields: Any) -> dict[str, Any]:
    return {"ticker": "LINKUSDT", "side": "buy", **fields}


@pytest.mark.parametrize("place", ["secret", "passphrase", "password", "token", "key"])
def test_the_secret_stands_where_bots_have_it(place: str) -> None:
    opened = open_body(raw(body(**{place: SECRET})))

    assert (opened.preset, opened.secret) == ("tradingview", SECRET)


def test_the_secret_of_tradingviews_own_message_stands_behind_it() -> None:
    text = "Cross (9, 21): order sell @ 2 filled on LINKUSDT. New strategy position is -2"
    opened = open_body(f"{text} secret={SECRET}".encode())

    assert (opened.preset, opened.secret) == ("tradingview", SECRET)
    assert told(f"{text} secret={SECRET}") == "open SELL 2 -2"


@pytest.mark.parametrize(
    "fields",
    [
        {"symbol": "LINK-USD", "action": "buy", "size": 1},
        {"symbol": "LINK-USD", "action": "buy", "type": "limit", "price": 90},
        {"symbol": "LINK-USD", "action": "buy", "stop_los": 90},
        {"symbol": "LINK-USD", "action": "buy", "anything": 1},
        {"symbol": "LINK-USD", "action": "buy", "qty": 1, "stop_los": 90},
    ],
)
def test_our_own_grammar_stays_strict(fields: dict[str, Any]) -> None:
    assert open_body(raw(fields)).preset == "perpgram"


@pytest.mark.parametrize(
    "fields",
    [
        {"symbol": "LINK-USD", "action": "buy", "price": 100},
        {"symbol": "LINK-USD", "action": "close_long"},
        {"symbol": "LINK-USD", "action": "sell", "type": "exit"},
        {"symbol": "LINK-USD", "action": "buy", "qty": 1, "rsi": 30},
        {"ticker": "LINKUSDT", "action": "sell", "market_position": "flat"},
    ],
)
def test_the_words_of_others_are_not_our_grammar(fields: dict[str, Any]) -> None:
    assert open_body(raw(fields)).preset == "tradingview"


@pytest.mark.parametrize(
    ("price", "code"), [(100.5, None), (98, "price_without_type"), (120, "price_without_type")]
)
def test_a_price_of_our_own_names_is_shown_only_where_it_is_the_markets(
    price: float, code: str | None
) -> None:
    fields = {"symbol": "LINK-USD", "action": "buy", "price": price}

    if code is None:
        assert told(fields) == "open BUY 7 7"
    else:
        assert fault_in(fields).code == code


@pytest.mark.parametrize(
    ("fields", "position", "expected"),
    [
        # Nothing says that the order turns: at most to flat.
        ({"qty": 3}, "-1", "close BUY 1 0"),
        ({"qty": 3, "position": "long"}, "-1", "reverse BUY 3 2"),
        ({"qty": 1, "position": "long"}, "-1", "reverse BUY 2 1"),
        ({"qty": 3, "position": "long", "market_position_size": 3}, "-1", "reverse BUY 4 3"),
        ({"contracts": 3, "position": "long"}, "-1", "reverse BUY 3 2"),
        ({"qty": 3, "position": "long"}, "0", "open BUY 3 3"),
        ({"qty": 3, "position": "long"}, "1", "add BUY 3 4"),
    ],
)
def test_coins_of_either_kind_never_double_a_position(
    fields: dict[str, Any], position: str, expected: str
) -> None:
    assert told(body(**fields), position) == expected


@pytest.mark.parametrize(
    ("fields", "position", "expected"),
    [
        ({"action": "buy", "size_percent": 20, "leverage": 3}, "0", "open BUY 60 60"),
        ({"action": "buy", "size_percent": 1}, "0", "open BUY 1 1"),
        ({"action": "buy", "size": 3, "market_position": "long"}, "-1", "reverse BUY 4 3"),
        (
            {
                "action": "buy",
                "market_position": "long",
                "market_position_size": 3,
                "sync": True,
            },
            "2",
            "add BUY 1 3",
        ),
        ({"action": "exit_long", "size": "50%"}, "2", "reduce SELL 1 1"),
        ({"action": "exit_long", "size": "50%"}, "-2", "none"),
    ],
)
def test_a_shown_price_changes_nothing_else_in_our_own_grammar(
    fields: dict[str, Any], position: str, expected: str
) -> None:
    assert told({"symbol": "LINK-USD", "price": 100, **fields}, position) == expected


def test_coins_beside_a_position_may_be_of_the_whole_order() -> None:
    size = alert_in(body(qty=3, position="long")).size

    assert size is not None
    assert size.unit is SizeUnit.EITHER


@pytest.mark.parametrize(
    ("fields", "age_s"),
    [
        ({"time": "2026-01-31T11:00:00Z", "interval": "60"}, 5),
        ({"time": "2026-01-31T11:00:00Z", "timeframe": "1h"}, 5),
        ({"time": "2026-01-31T12:00:00Z", "interval": "60"}, 0),
        ({"time": "2026-01-30T12:00:00Z", "interval": "1D"}, 5),
        ({"time": "2026-01-31T11:00:00Z"}, 3605),
        ({"time": "2026-01-31T10:00:00Z", "interval": "60"}, 3605),
        ({"timenow": "2026-01-31T11:00:00Z", "interval": "60"}, 3605),
        ({"timestamp": "2026-01-31T11:00:07Z", "interval": "60"}, 3598),
    ],
)
def test_a_bars_time_counts_from_the_end_of_its_bar(fields: dict[str, Any], age_s: int) -> None:
    time = alert_in(body(**fields)).time

    assert time == NOW - dt.timedelta(seconds=age_s)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"action": "sell", "side": "buy"}, "contradiction"),
        ({"side": "perhaps"}, "action_unknown"),
        ({"side": "{{strategy.order.action}}"}, "placeholder_left"),
        ({"sl": 3}, "level_ambiguous"),
        ({"sl_pips": 30}, "unknown_field"),
        ({"trail_offset": 30}, "unknown_field"),
        ({"volume": 3}, "size_ambiguous"),
        ({"balance_percentage": 0.5}, "size_ambiguous"),
        ({"order_type": "stop_limit", "stop_price": 3}, "unsupported"),
        ({"qty": -1}, "qty_not_positive"),
    ],
)
def test_what_is_left_open_is_refused(fields: dict[str, Any], code: str) -> None:
    assert fault_in(body(**fields)).code == code


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"trailing_stop": "1%"}, "1%"),
        ({"trail_percent": 2}, "2%"),
        ({"trailing": {"distance": {"offset": 3}}}, "+3"),
    ],
)
def test_a_trailing_stop_is_read(fields: dict[str, Any], expected: str) -> None:
    trailing = alert_in(body(**fields)).trailing

    assert trailing is not None
    assert level(trailing.distance) == expected


def test_an_exit_has_no_plan_and_needs_none_that_can_be_read() -> None:
    alert = alert_in(body(side="close", sl_pips=30, stop_loss=3))

    assert (alert.stop_loss, alert.take_profit) == (None, ())
