"""One line in, one answer out: the whole way from a body to its order."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.signals.body import NAMES
from core.signals.evaluate import answer
from core.signals.fields import FIELDS
from core.signals.markets import TICKERS
from core.signals.symbols import resolve

KEYS = [
    *("intent", "symbol", "side", "size", "order", "take_profit", "stop_loss"),
    *("position_after", "error"),
]


def asked(fields: dict[str, Any], **line: Any) -> dict[str, Any]:
    body = json.dumps({"symbol": "BTCUSDT.P", **fields})
    given = {"body": body, "received_at": "2026-01-31T12:00:30Z", "oracle_price": "100"}
    return answer(json.dumps(given | line).encode())


def code(fields: dict[str, Any], **line: Any) -> str:
    found = asked(fields, **line)
    assert found["intent"] == "reject"
    assert found["error"]["text"]
    return str(found["error"]["code"])


def test_an_entry_is_answered_with_its_order_and_plan() -> None:
    found = asked(
        {
            "action": "buy",
            "size_usd": 50,
            "take_profit": [{"price": 110, "fraction": 0.5}, "20%", {"offset": 30}],
            "stop_loss": {"offset": 5},
        }
    )

    assert found == {
        "intent": "open",
        "symbol": "BTC-USD",
        "side": "BUY",
        "size": "0.5",
        "order": {"type": "market", "price": None, "time_in_force": None, "reduce_only": False},
        "take_profit": [
            {"price": "110", "fraction": "0.5"},
            {"percent": "20", "fraction": "0.25"},
            {"price": "130", "fraction": "0.25"},
        ],
        "stop_loss": {"price": "95"},
        "position_after": "0.5",
        "error": None,
    }
    assert list(found) == KEYS


def test_distances_of_a_short_lie_on_its_other_side() -> None:
    found = asked(
        {"action": "sell", "size": 1, "take_profit": {"offset": 5}, "stop_loss": {"offset": 7}}
    )

    assert found["take_profit"] == [{"price": "95", "fraction": "1"}]
    assert found["stop_loss"] == {"price": "107"}


def test_a_distance_from_an_unknown_entry_stays_a_distance() -> None:
    found = asked({"action": "buy", "size": 1, "stop_loss": {"offset": 7}}, oracle_price=None)

    assert found["stop_loss"] == {"offset": "7"}


def test_a_limit_order_is_answered_with_its_terms() -> None:
    found = asked({"action": "buy", "size": 1, "type": "limit", "price": 90})

    assert found["order"] == {
        "type": "limit",
        "price": "90",
        "time_in_force": "gtt",
        "reduce_only": False,
    }


def test_an_exit_is_reduce_only_and_has_no_plan() -> None:
    found = asked({"action": "close", "stop_loss": "2%"}, position="-1.50")

    assert (found["intent"], found["side"], found["size"]) == ("close", "BUY", "1.5")
    assert found["order"]["reduce_only"] is True
    assert (found["stop_loss"], found["take_profit"]) == (None, [])
    assert found["position_after"] == "0"


@pytest.mark.parametrize("fields", [{"action": "cancel"}, {"action": "close"}])
def test_where_nothing_is_traded_the_position_stays(fields: dict[str, Any]) -> None:
    found = asked(fields, position="0" if fields["action"] == "close" else "2")

    assert found["intent"] == {"cancel": "cancel", "close": "none"}[fields["action"]]
    assert (found["side"], found["size"], found["order"]) == (None, None, None)
    assert found["position_after"] == ("0" if fields["action"] == "close" else "2")


def test_a_target_is_answered_by_its_effect() -> None:
    fields = {"action": "buy", "market_position": "long", "market_position_size": "3"}

    assert asked(fields, position=1, sync=True)["size"] == "2"
    assert asked(fields, position=3, sync=True)["intent"] == "none"
    assert asked(fields, position=-1, sync=True)["position_after"] == "3"


def test_the_default_size_and_the_equity_come_from_the_line() -> None:
    assert asked({"action": "buy"}, default_size="0.25")["size"] == "0.25"
    assert asked({"action": "buy", "size_percent": 50}, equity=1000)["size"] == "5"
    assert asked({"action": "buy"})["size"] is None


def test_a_size_that_a_division_leaves_without_end_is_cut() -> None:
    assert asked({"action": "buy", "size_usd": 1}, oracle_price="3")["size"] == f"0.{'3' * 18}"


def test_a_rejection_keeps_the_position_and_names_the_reason() -> None:
    found = asked({"action": "hold"}, position="-2.5")

    assert found["error"]["code"] == "action_unknown"
    assert found["position_after"] == "-2.5"
    assert list(found) == KEYS


@pytest.mark.parametrize(
    ("fields", "line", "expected"),
    [
        ({"action": "add", "size": 1}, {}, "nothing_to_add_to"),
        ({"action": "buy", "symbol": "BTCEUR"}, {}, "symbol_unknown"),
        ({"action": "buy"}, {"markets": ["ETH-USD"]}, "symbol_unknown"),
        ({"action": "buy", "stop_loss": 101}, {}, "plan_side"),
        ({"action": "sell", "stop_loss": 99}, {}, "plan_side"),
        ({"action": "buy", "take_profit": 99}, {}, "plan_side"),
        ({"action": "sell", "take_profit": {"offset": 100}}, {}, "plan_side"),
        (
            {"action": "buy", "take_profit": 90, "stop_loss": 95},
            {"oracle_price": None},
            "plan_side",
        ),
    ],
)
def test_what_could_trade_the_wrong_way_is_rejected(
    fields: dict[str, Any], line: dict[str, Any], expected: str
) -> None:
    assert code(fields, **line) == expected


@pytest.mark.parametrize(
    ("time", "line", "stale"),
    [
        ("2026-01-31T11:59:30Z", {}, False),
        ("2026-01-31T11:59:29Z", {}, True),
        ("2026-01-31T11:59:29Z", {"stale_after_s": 61}, False),
        ("2026-01-31T12:00:19Z", {"stale_after_s": 10}, True),
        ("2026-01-31T11:59:29Z", {"stale_after_s": None}, True),
    ],
)
def test_an_old_alert_is_rejected(time: str, line: dict[str, Any], stale: bool) -> None:
    found = asked({"action": "buy", "size": 1, "time": time}, **line)

    assert (found["intent"], (found["error"] or {}).get("code")) == (
        ("reject", "stale") if stale else ("open", None)
    )


@pytest.mark.parametrize(
    "received_at",
    ["2026-01-31T12:00:30", "2026-01-31 12:00:30+00:00", 1769860830, 1769860830500, 1769860830.25],
)
def test_the_clock_of_a_line_is_written_in_any_usual_way(received_at: object) -> None:
    fields = {"action": "buy", "size": 1, "time": "2026-01-31T11:59:31Z"}

    assert asked(fields, received_at=received_at)["intent"] == "open"
    assert asked(fields, received_at=received_at, stale_after_s=58)["intent"] == "reject"


def test_a_coin_counted_by_the_thousand_is_answered_in_single_coins() -> None:
    fields = {"symbol": "BINANCE:1000PEPEUSDT.P", "action": "buy", "size": 2, "stop_loss": 0.009}
    found = asked(fields, oracle_price="0.00001")

    assert (found["symbol"], found["size"]) == ("PEPE-USD", "2000")
    assert found["stop_loss"] == {"price": "0.000009"}


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b" ", b"x", b"[]", b"null", b"1", b'"text"', b"{", b"\xff\xfe", b"NaN"),
        *(b"{}", b'{"body": 1}', b"[" * 100_000, b'{"body": ' + b"[" * 100_000),
        b'{"position": "x"}',
        b'{"position": 1e999999999}',
        b'{"received_at": "yesterday"}',
        b'{"received_at": "2026-01-31T12:00:30Z"}',
        b'{"received_at": "2026-01-31T12:00:30Z", "body": "", "markets": [1]}',
        b'{"received_at": "2026-01-31T12:00:30Z", "body": "", "sync": "on"}',
        b'{"received_at": "2026-01-31T12:00:30Z", "body": "", "oracle_price": 0}',
        b'{"received_at": "2026-01-31T12:00:30Z", "body": "", "stale_after_s": 1e25}',
    ],
)
def test_a_line_that_is_no_question_is_rejected(line: bytes) -> None:
    found = answer(line)

    assert (found["intent"], found["error"]["code"]) == ("reject", "input_invalid")
    assert list(found) == KEYS


def test_a_body_with_half_a_character_is_rejected_as_such() -> None:
    found = answer(b'{"received_at": "2026-01-31T12:00:30Z", "body": "\\ud800"}')

    assert found["intent"] == "reject"


def test_the_shipped_tickers_resolve_to_themselves() -> None:
    assert len(set(TICKERS)) == len(TICKERS) > 100
    for ticker in TICKERS:
        assert resolve(ticker, TICKERS) == ticker
        assert resolve(f"BINANCE:{ticker.removesuffix('-USD')}USDT.P", TICKERS) == ticker


_plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=20)
    | st.sampled_from(
        ["buy", "sell", "long", "close", "reverse", "flat", "2%", "50%", "limit", "1", "0.5", "-1"]
    )
)
_values = st.recursive(
    _plain,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("price", "percent", "offset", "fraction", "distance", "at")),
            inner,
            max_size=2,
        )
    ),
    max_leaves=4,
)
_bodies = st.dictionaries(st.sampled_from(FIELDS), _values, max_size=7).map(
    lambda fields: json.dumps({"symbol": "BTCUSD", "action": "buy", **fields})
)
_lines = st.fixed_dictionaries(
    {"received_at": st.just("2026-01-31T12:00:30Z") | _plain, "body": _bodies | _values},
    optional={
        "position": _values,
        "equity": _values,
        "oracle_price": _values,
        "default_size": _values,
        "sync": _values,
        "stale_after_s": _values,
        "markets": _values,
        "preset": st.just("auto") | _plain,
        "content_type": _plain,
    },
)


def check(found: dict[str, Any]) -> None:
    """What every answer holds to, whatever was asked."""
    assert list(found) == KEYS
    assert "\n" not in json.dumps(found)
    if found["intent"] in ("reject", "none", "cancel"):
        assert (found["side"], found["size"], found["order"]) == (None, None, None)
    else:
        assert found["error"] is None
        assert found["side"] in ("BUY", "SELL")
        assert found["size"] is None or Decimal(found["size"]) > 0


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(line: bytes) -> None:
    check(answer(line))


@given(_lines)
def test_any_question_is_answered(line: dict[str, Any]) -> None:
    check(answer(json.dumps(line).encode()))


@given(st.sampled_from(NAMES), st.text(max_size=120) | _bodies, st.sampled_from(["0", "2", "-2"]))
def test_any_text_in_any_preset_is_answered(preset: str, body: str, position: str) -> None:
    line = {
        "received_at": "2026-01-31T12:00:30Z",
        "body": body,
        "preset": preset,
        "position": position,
        "oracle_price": "100",
    }

    check(answer(json.dumps(line).encode()))


@given(_bodies, st.decimals(min_value=-10, max_value=10, places=2), st.booleans())
def test_any_alert_is_answered(body: str, position: Decimal, sync: bool) -> None:
    line = {
        "received_at": "2026-01-31T12:00:30Z",
        "body": body,
        "position": str(position),
        "oracle_price": "100",
        "equity": "1000",
        "default_size": "1",
        "sync": sync,
    }
    found = answer(json.dumps(line).encode())

    check(found)
    if found["intent"] in ("reject", "none", "cancel"):
        assert Decimal(found["position_after"]) == position


@pytest.mark.parametrize("received_at", [{}, {"received_at": None}])
@pytest.mark.parametrize("time", [{}, {"time": "2020-01-31T12:00:00Z"}])
def test_without_a_moment_of_receipt_no_age_is_judged(
    received_at: dict[str, Any], time: dict[str, Any]
) -> None:
    body = json.dumps({"symbol": "BTCUSDT", "action": "buy", "size": 1} | time)

    assert answer(json.dumps({"body": body} | received_at).encode())["intent"] == "open"


@pytest.mark.parametrize("preset", ["bybit", "", 3, ["auto"]])
def test_a_preset_that_does_not_exist_is_a_mistake_of_the_line(preset: Any) -> None:
    assert code({"action": "buy"}, preset=preset) == "input_invalid"


def test_the_name_of_a_preset_may_be_written_in_any_case() -> None:
    assert asked({"action": "buy", "size": 1}, preset="Perpgram")["intent"] == "open"
