"""TradersPost's messages do what its documents say of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from core.signals.alert import Action, Force, OrderKind, SizeUnit
from tests.core.signals.presets.preset_kit import (
    FIVE_S_AGO,
    alert_in,
    fault_in,
    level,
    targets,
    told,
)


def body(**fields: Any) -> dict[str, Any]:
    return {"ticker": "ETHUSD", **fields}


@pytest.mark.parametrize(
    ("fields", "position", "expected"),
    [
        ({"action": "buy"}, "0", "open BUY 7 7"),
        ({"action": "buy", "quantity": 2}, "0", "open BUY 2 2"),
        ({"action": "buy", "quantity": "2"}, "-3", "reduce BUY 2 -1"),
        ({"action": "buy", "quantity": 2}, "3", "none"),
        ({"action": "sell"}, "0", "open SELL 7 -7"),
        ({"action": "sell", "quantity": 2}, "3", "reduce SELL 2 1"),
        ({"action": "sell", "quantity": 2}, "-3", "none"),
        ({"action": "buy", "sentiment": "bullish"}, "-3", "reverse BUY 10 7"),
        ({"action": "buy", "sentiment": "long"}, "0", "open BUY 7 7"),
        ({"action": "buy", "sentiment": "flat"}, "-3", "close BUY 3 0"),
        ({"action": "buy", "sentiment": "flat"}, "3", "none"),
        ({"action": "buy", "sentiment": "flat"}, "0", "none"),
        ({"action": "sell", "sentiment": "flat"}, "3", "close SELL 3 0"),
        ({"action": "sell", "sentiment": "flat"}, "0", "none"),
        ({"action": "sell", "sentiment": "long", "quantity": 1}, "3", "reduce SELL 1 2"),
        ({"action": "sell", "sentiment": "bullish"}, "3", "close SELL 3 0"),
        ({"action": "sell", "sentiment": "bullish", "quantity": 9}, "3", "close SELL 3 0"),
        ({"action": "sell", "sentiment": "bullish"}, "0", "none"),
        ({"action": "buy", "sentiment": "short", "quantity": 1}, "-3", "reduce BUY 1 -2"),
        ({"action": "exit"}, "3", "close SELL 3 0"),
        ({"action": "exit"}, "-3", "close BUY 3 0"),
        ({"action": "exit"}, "0", "none"),
        ({"action": "exit", "quantity": 1}, "3", "reduce SELL 1 2"),
        (
            {"action": "exit", "quantity": 50, "quantityType": "percent_of_position"},
            "-4",
            "reduce BUY 2 -2",
        ),
        (
            {"action": "exit", "quantity": 100, "quantityType": "percent_of_position"},
            "-4",
            "close BUY 4 0",
        ),
        ({"action": "add", "quantity": 1}, "3", "add BUY 1 4"),
        ({"action": "add", "quantity": 1}, "-3", "add SELL 1 -4"),
        ({"action": "add", "sentiment": "bullish", "quantity": 1}, "-3", "none"),
        ({"action": "cancel"}, "3", "cancel"),
        ({"action": "buy", "quantity": 500, "quantityType": "dollar_amount"}, "0", "open BUY 5 5"),
        (
            {"action": "buy", "quantity": 10, "quantityType": "percent_of_equity"},
            "0",
            "open BUY 10 10",
        ),
        (
            {
                "action": "buy",
                "quantity": 40,
                "quantityType": "risk_dollar_amount",
                "stopLoss": {"percent": 2},
            },
            "0",
            "open BUY 20 20",
        ),
    ],
)
def test_action_and_sentiment_say_what_becomes_of_the_position(
    fields: dict[str, Any], position: str, expected: str
) -> None:
    assert told(body(**fields), position) == expected


def test_target_and_stop_are_read_from_their_objects() -> None:
    alert = alert_in(
        body(
            action="buy",
            takeProfit={"limitPrice": 125.5},
            stopLoss={"type": "stop", "stopPrice": "92"},
            time="2026-01-31T12:00:00Z",
        )
    )

    assert (targets(alert.take_profit), level(alert.stop_loss)) == ("125.5", "92")
    assert alert.time == FIVE_S_AGO
    assert alert.cancels


@pytest.mark.parametrize(
    ("profit", "stop", "expected"),
    [
        ({"percent": 10}, {"type": "stop", "percent": 5}, ("10%", "5%", "-")),
        ({"amount": 12}, {"amount": 6}, ("+12", "+6", "-")),
        ({}, {"type": "trailing_stop", "trailPercent": 1.5}, ("", "-", "1.5%")),
        ({}, {"type": "trailing_stop", "trailAmount": 3}, ("", "-", "+3")),
    ],
)
def test_levels_may_be_percent_dollars_or_trailing(
    profit: dict[str, Any], stop: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    alert = alert_in(body(action="buy", takeProfit=profit, stopLoss=stop))
    trailing = None if alert.trailing is None else alert.trailing.distance

    assert (targets(alert.take_profit), level(alert.stop_loss), level(trailing)) == expected


def test_price_alone_is_no_limit_and_limit_price_is_one() -> None:
    assert alert_in(body(action="buy", price="101")).terms.kind is OrderKind.MARKET
    terms = alert_in(body(action="buy", orderType="limit", limitPrice=99.5)).terms
    assert (terms.kind, str(terms.price), terms.force) == (OrderKind.LIMIT, "99.5", Force.GTT)
    assert alert_in(body(action="buy", orderType="limit")).terms.price == 100
    stop = alert_in(body(action="sell", orderType="stop", stopPrice=95)).terms
    assert (stop.kind, str(stop.price)) == (OrderKind.STOP, "95")


def test_a_day_order_lives_until_midnight_in_utc() -> None:
    terms = alert_in(body(action="buy", orderType="limit", limitPrice=99, timeInForce="day")).terms

    assert terms.expires == dt.timedelta(hours=11, minutes=59, seconds=55)


def test_exits_carry_no_plan_and_cancel_false_keeps_resting_orders() -> None:
    alert = alert_in(body(action="exit", stopLoss={"percent": 2}, cancel=False))

    assert (alert.action, alert.stop_loss, alert.cancels) == (Action.CLOSE, None, False)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"action": "hold"}, "action_unknown"),
        ({"action": "buy", "sentiment": "great"}, "sentiment_unknown"),
        ({"action": "{{strategy.order.action}}"}, "placeholder_left"),
        ({"action": "buy", "quantity": "NaN"}, "quantity_invalid"),
        ({"action": "buy", "quantity": -1}, "quantity_not_positive"),
        ({"action": "buy", "quantityType": "lots"}, "quantitytype_unknown"),
        ({"action": "buy", "orderType": "stop_limit", "stopPrice": 1}, "unsupported"),
        ({"action": "buy", "orderType": "stop"}, "price_missing"),
        (
            {"action": "buy", "orderType": "limit", "limitPrice": 9, "timeInForce": "fok"},
            "unsupported",
        ),
        ({"action": "buy", "takeProfit": {"percent": 1, "amount": 2}}, "level_twice"),
        ({"action": "buy", "stopLoss": {"percent": 100}}, "level_invalid"),
        ({"action": "buy", "stopLoss": {"type": "trailing_stop"}}, "level_missing"),
        ({"action": "buy", "time": "2026-01-31T12:03:00Z"}, "time_ahead"),
        ({"action": "buy", "time": "noon"}, "time_invalid"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields: dict[str, Any], code: str) -> None:
    assert fault_in(body(**fields)).code == code


def test_percent_of_equity_is_notional() -> None:
    size = alert_in(body(action="buy", quantity="5", quantityType="percent_of_equity")).size

    assert size is not None
    assert size.unit is SizeUnit.EQUITY_PERCENT
