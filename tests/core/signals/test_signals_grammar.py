"""What an alert's fields mean, and which are turned away."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.signals.alert import (
    Action,
    Alert,
    Force,
    MarketPosition,
    OrderKind,
    Target,
    Terms,
)
from core.signals.faults import AlertFault
from core.signals.fields import FIELDS, SECRET_FIELD
from core.signals.grammar import parse_alert, secret_of
from core.signals.reading import read_object

NOW = dt.datetime(2026, 1, 31, 12, 0, 30, tzinfo=dt.UTC)
SMALLEST = {"secret": "s" * 43, "symbol": "BTCUSDT.P", "action": "buy"}


def alert(**fields: Any) -> Alert:
    return parse_alert(read_object(json.dumps(SMALLEST | fields).encode()), NOW)


def fault(**fields: Any) -> AlertFault:
    with pytest.raises(AlertFault) as caught:
        alert(**fields)
    return caught.value


def test_the_smallest_alert_has_a_symbol_and_an_action() -> None:
    assert alert() == Alert(Action.BUY, "BTCUSDT.P")


@pytest.mark.parametrize(
    ("word", "action"),
    [
        ("buy", Action.BUY),
        ("SELL", Action.SELL),
        ("Long", Action.LONG),
        ("short", Action.SHORT),
        ("add", Action.ADD),
        ("reduce", Action.REDUCE),
        ("reverse", Action.REVERSE),
        ("cancel", Action.CANCEL),
        (" Close ", Action.CLOSE),
        ("exit", Action.CLOSE),
        ("Flat", Action.CLOSE),
    ],
)
def test_actions_are_known_in_any_case(word: str, action: Action) -> None:
    assert alert(action=word).action is action


@pytest.mark.parametrize("word", ["", "open", "hold", "buyy", 1, True, ["buy"]])
def test_other_actions_are_refused(word: object) -> None:
    assert fault(action=word).code == "action_unknown"


@pytest.mark.parametrize("name", ["symbol", "action"])
def test_symbol_and_action_must_be_there(name: str) -> None:
    assert fault(**{name: None}).code == f"{name}_missing"


@pytest.mark.parametrize("symbol", ["", "  ", "x" * 65, "BTC\nUSD", 5, ["BTC-USD"]])
def test_a_symbol_is_a_short_printable_text(symbol: object) -> None:
    assert fault(symbol=symbol).code == "symbol_invalid"


@pytest.mark.parametrize(
    ("given", "time"),
    [
        ("2026-01-31T12:00:07Z", "2026-01-31T12:00:07+00:00"),
        ("2026-01-31T13:00:07+01:00", "2026-01-31T12:00:07+00:00"),
        ("2026-01-31 12:00:07", "2026-01-31T12:00:07+00:00"),
        ("2026-01-31T12:00:07.250Z", "2026-01-31T12:00:07.250000+00:00"),
        ("2026-01-31t12:00z", "2026-01-31T12:00:00+00:00"),
        (1769860807, "2026-01-31T12:00:07+00:00"),
        ("1769860807123", "2026-01-31T12:00:07.123000+00:00"),
    ],
)
def test_a_time_is_iso_8601_or_unix_time_and_without_a_zone_utc(given: object, time: str) -> None:
    assert alert(time=given).time == dt.datetime.fromisoformat(time)


@pytest.mark.parametrize(
    "given",
    [
        *("", "yesterday", "2026-01-31", "12345", True, [], 1.5, "1999-12-31T23:59:59Z"),
        *("2026-13-01T00:00:00Z", "2026-01-31T25:00:00Z", "0001-01-01T00:00:00+14:00"),
        "٢٠٢٦-01-31T12:00:00Z",
    ],
)
def test_other_times_are_refused(given: object) -> None:
    assert fault(time=given).code == "time_invalid"


def test_a_time_may_be_two_minutes_ahead_and_not_more() -> None:
    assert alert(time="2026-01-31T12:02:30Z").time is not None
    assert fault(time="2026-01-31T12:02:31Z").code == "time_ahead"
    assert fault(time=9999999999999).code == "time_ahead"


def test_an_old_time_on_a_whole_minute_hints_at_the_time_of_a_bar() -> None:
    assert "{{timenow}}" in (alert(time="2026-01-31T11:00:00Z").hint or "")
    assert alert(time="2026-01-31T11:00:01Z").hint is None
    assert alert(time="2026-01-31T12:00:00Z").hint is None


@pytest.mark.parametrize("name", ["id", "order_id"])
def test_an_id_is_a_text_that_is_cut_where_it_is_long(name: str) -> None:
    assert alert(**{name: " Long "}).id == "Long"
    assert alert(**{name: 17}).id == "17"
    assert alert(**{name: ""}).id is None
    assert alert(**{name: "x" * 65}).id == f"{'x' * 63}…"
    assert alert(**{name: "a\u202eb"}).id == "a b"
    assert fault(**{name: ["x"]}).code == f"{name}_invalid"


def test_an_id_of_ones_own_goes_before_tradingviews() -> None:
    assert alert(id="mine", order_id="Long").id == "mine"
    assert alert(id="", order_id="Long").id == "Long"


def test_a_comment_never_costs_an_alert_its_effect() -> None:
    assert alert(comment="TP 1\n").comment == "TP 1"
    assert len(alert(comment="x" * 5000).comment or "") == 200
    assert alert(comment="").comment is None


def test_tradingviews_position_is_a_target() -> None:
    found = alert(
        action="sell",
        market_position="Short",
        market_position_size="0.5",
        prev_market_position="long",
        prev_market_position_size=1,
    )

    assert found.target == Target(
        MarketPosition.SHORT, Decimal("0.5"), MarketPosition.LONG, Decimal(1)
    )
    assert not found.sync


def test_a_shorts_size_may_be_written_below_zero() -> None:
    found = alert(action="sell", market_position="short", market_position_size=-2)

    assert found.target == Target(MarketPosition.SHORT, Decimal(2))


@pytest.mark.parametrize("given", [True, "true", " TRUE "])
def test_sync_makes_the_position_the_wish(given: object) -> None:
    assert alert(market_position="flat", sync=given).sync


@pytest.mark.parametrize("given", [False, None, "false"])
def test_sync_is_off_where_it_is_false(given: object) -> None:
    assert not alert(market_position="flat", sync=given).sync


def test_a_position_alone_needs_no_action() -> None:
    assert alert(action=None, market_position="long").action is None


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"market_position": "up"}, "market_position_unknown"),
        ({"prev_market_position": "long"}, "market_position_missing"),
        ({"market_position_size": 1}, "market_position_missing"),
        ({"sync": True}, "market_position_missing"),
        ({"sync": "yes", "market_position": "long"}, "sync_invalid"),
        ({"market_position": "flat", "market_position_size": 1}, "contradiction"),
        ({"market_position": "long", "market_position_size": 0}, "contradiction"),
        ({"market_position": "long", "market_position_size": -1}, "contradiction"),
        ({"action": "long", "market_position": "short"}, "contradiction"),
        ({"action": "long", "market_position": "flat"}, "contradiction"),
        ({"action": "short", "market_position": "long"}, "contradiction"),
        ({"action": "add", "market_position": "flat"}, "contradiction"),
        ({"action": "reverse", "market_position": "flat"}, "contradiction"),
    ],
)
def test_a_position_that_contradicts_its_alert_is_refused(
    fields: dict[str, Any], code: str
) -> None:
    assert fault(**fields).code == code


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("sise", "size"),
        ("Symbol", "symbol"),
        ("ticker", "symbol"),
        ("order", "action"),
        ("qty", "size"),
        ("takeProfit", "take_profit"),
        ("sl", "stop_loss"),
        ("stop-loss", "stop_loss"),
        ("passphrase", "secret"),
    ],
)
def test_an_unknown_field_is_refused_with_the_nearest_known_one(name: str, near: str) -> None:
    found = fault(**{name: "x"})

    assert (found.code, found.field) == ("unknown_field", name)
    assert f"Did you mean {near}?" in (found.cure or "")


def test_an_unknown_field_like_no_other_gets_the_list_of_fields() -> None:
    cure = fault(zzz=1).cure or ""

    assert "Did you mean" not in cure
    assert "take_profit" in cure


@pytest.mark.parametrize(
    ("fields", "cure"),
    [
        ({"symbol": "{{ticker}}"}, "Only TradingView fills in placeholders"),
        ({"symbol": "{{Ticker}}"}, "Write it exactly as {{ticker}}"),
        ({"symbol": "{{tickr}}"}, "did you mean {{ticker}}?"),
        ({"action": "{{strategy.order.action}}"}, "only in an alert of a strategy"),
        ({"time": "{{time}}"}, "Use {{timenow}}"),
        ({"take_profit": {"price": "{{plot_3}}"}}, "Only TradingView"),
        ({"take_profit": [1, {"price": "{{plot_3}}"}]}, "Only TradingView"),
        ({"market_position": "{{strategy.market_position}}"}, "only in an alert of a strategy"),
        ({"id": "{{whatever}}"}, "no such placeholder"),
    ],
)
def test_a_placeholder_that_was_not_replaced_is_told_with_its_cure(
    fields: dict[str, object], cure: str
) -> None:
    found = fault(**fields)

    assert found.code == "placeholder_left"
    assert found.field == next(iter(fields))
    assert cure in (found.cure or "")


def test_a_fault_of_a_value_has_its_place_in_the_body() -> None:
    raw = b'{\n "symbol": "BTC-USD",\n "action": "bye"\n}'
    with pytest.raises(AlertFault) as caught:
        parse_alert(read_object(raw), NOW)

    assert (caught.value.line, caught.value.column, caught.value.field) == (3, 12, "action")
    assert '"bye"' in caught.value.excerpt


def test_the_secret_must_not_stand_in_another_field() -> None:
    found = fault(id=f"x{'s' * 43}")

    assert found.code == "secret_elsewhere"
    assert "sssss" not in f"{found.text} {found.cure} {found.excerpt}"


def test_the_secret_is_a_text_or_none() -> None:
    assert secret_of({"secret": "abc"}) == "abc"
    for other in ("", None, 5, ["abc"]):
        assert secret_of({"secret": other}) is None
    assert secret_of({}) is None


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.decimals()
    | st.text(max_size=70)
    | st.sampled_from(["long", "short", "flat", "limit", "stop", "ioc", "2%", "50%", "1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("price", "percent", "offset", "fraction", "distance", "at", "beyond"))
            | st.text(max_size=8),
            inner,
            max_size=3,
        )
    ),
    max_leaves=5,
)
_names = st.sampled_from((*FIELDS, SECRET_FIELD))


@given(st.dictionaries(_names | st.text(max_size=8), _values, max_size=9))
def test_no_fields_make_the_parser_raise_anything_but_a_fault(fields: dict[str, Any]) -> None:
    try:
        found = parse_alert({"symbol": "BTC-USD", "action": "buy"} | fields, NOW)
    except AlertFault:
        return
    assert found.size is None or found.size.value > 0
    assert found.time is None or found.time <= NOW + dt.timedelta(minutes=2)


@pytest.mark.parametrize(
    ("fields", "terms"),
    [
        ({}, Terms()),
        ({"type": "Market"}, Terms()),
        ({"type": "limit", "price": 95}, Terms(OrderKind.LIMIT, Decimal(95), Force.GTT)),
        (
            {"type": "limit", "price": "95.5", "time_in_force": "GTC", "expires": "12h"},
            Terms(OrderKind.LIMIT, Decimal("95.5"), Force.GTT, dt.timedelta(hours=12)),
        ),
        (
            {"type": "limit", "price": 95, "time_in_force": "post-only"},
            Terms(OrderKind.LIMIT, Decimal(95), Force.POST_ONLY),
        ),
        (
            {"type": "limit", "price": 95, "time_in_force": "IOC"},
            Terms(OrderKind.LIMIT, Decimal(95), Force.IOC),
        ),
        (
            {"type": "stop", "price": 95, "expires": 90},
            Terms(OrderKind.STOP, Decimal(95), None, dt.timedelta(seconds=90)),
        ),
    ],
)
def test_an_alert_says_what_kind_of_order_it_wants(fields: dict[str, Any], terms: Terms) -> None:
    assert alert(**fields).terms == terms


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"type": "limitt", "price": 95}, "type_unknown"),
        ({"type": 5}, "type_unknown"),
        ({"type": "limit"}, "price_missing"),
        ({"type": "stop"}, "price_missing"),
        ({"type": "limit", "price": 0}, "price_not_positive"),
        ({"price": 95}, "price_without_type"),
        ({"time_in_force": "ioc"}, "time_in_force_without_type"),
        ({"expires": "1d"}, "expires_without_type"),
        ({"type": "limit", "price": 95, "time_in_force": "fok"}, "time_in_force_unknown"),
        ({"type": "stop", "price": 95, "time_in_force": "gtt"}, "time_in_force_of_stop"),
        (
            {"type": "limit", "price": 95, "time_in_force": "ioc", "expires": "1d"},
            "expires_of_ioc",
        ),
        ({"type": "limit", "price": 95, "expires": "91d"}, "expires_invalid"),
        ({"type": "limit", "price": 95, "expires": 59}, "expires_invalid"),
        ({"type": "limit", "price": 95, "expires": "soon"}, "expires_invalid"),
        ({"type": "limit", "price": 95, "action": "close"}, "type_of_close"),
        ({"type": "stop", "price": 95, "action": "reduce"}, "type_of_reduce"),
        ({"type": "limit", "price": 95, "action": "reverse"}, "type_of_reverse"),
        ({"type": "limit", "price": 95, "action": "cancel"}, "type_of_cancel"),
    ],
)
def test_a_kind_of_order_that_does_not_exist_is_refused(fields: dict[str, Any], code: str) -> None:
    assert fault(**fields).code == code
