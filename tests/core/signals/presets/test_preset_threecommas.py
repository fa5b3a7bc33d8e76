"""3Commas' messages: strategies, custom signals and DCA bots."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from core.signals.alert import Force, OrderKind
from tests.core.signals.presets.preset_kit import (
    FIVE_S_AGO,
    alert_in,
    fault_in,
    level,
    targets,
    told,
)


def strategy(action: str, after: str, before: str, contracts: str, **order: str) -> dict[str, Any]:
    """A strategy's message; positions like "long 2" or "flat 0"."""
    position, size = after.split()
    previous, previous_size = before.split()
    return {
        "secret": "s",
        "max_lag": "300",
        "timestamp": "2026-01-31T12:00:00Z",
        "trigger_price": "100",
        "tv_exchange": "BINANCE",
        "tv_instrument": "SOLUSDT.P",
        "action": action,
        "bot_uuid": "0000",
        "strategy_info": {
            "market_position": position,
            "market_position_size": size,
            "prev_market_position": previous,
            "prev_market_position_size": previous_size,
        },
        "order": {"amount": contracts, "currency_type": "base", **order},
    }


def custom(action: str, **fields: Any) -> dict[str, Any]:
    return {"secret": "s", "bot_uuid": "u", "tv_instrument": "SOLUSDT", "action": action, **fields}


def deal(**fields: Any) -> dict[str, Any]:
    return {"message_type": "bot", "bot_id": 12, "email_token": "t", "pair": "USDT_SOL", **fields}


@pytest.mark.parametrize(
    ("body", "position", "expected"),
    [
        (strategy("buy", "long 2", "flat 0", "2"), "0", "open BUY 2 2"),
        (strategy("buy", "long 3", "long 2", "1"), "2", "add BUY 1 3"),
        (strategy("sell", "long 1", "long 3", "2"), "3", "reduce SELL 2 1"),
        (strategy("sell", "flat 0", "long 3", "3"), "3", "close SELL 3 0"),
        (strategy("sell", "flat 0", "long 3", "3"), "0", "none"),
        (strategy("sell", "short 2", "long 3", "5"), "3", "reverse SELL 5 -2"),
        (strategy("sell", "short 2", "long 3", "5"), "0", "open SELL 2 -2"),
        (strategy("buy", "flat 0", "short 1", "1"), "-1", "close BUY 1 0"),
        (strategy("buy", "long 1", "short 1", "2"), "-1", "reverse BUY 2 1"),
        (strategy("buy", "long 2", "flat 0", "500", currency_type="quote"), "0", "open BUY 5 5"),
        (
            strategy("buy", "long 2", "flat 0", "10", currency_type="margin_percent"),
            "0",
            "open BUY 10 10",
        ),
    ],
)
def test_a_strategys_message_follows_its_position(
    body: dict[str, Any], position: str, expected: str
) -> None:
    assert told(body, position) == expected


def test_age_limit_and_time_are_the_messages_own() -> None:
    alert = alert_in(strategy("buy", "long 2", "flat 0", "2"))

    assert (alert.stale_after, alert.time) == (dt.timedelta(minutes=5), FIVE_S_AGO)


HALF = {"order": {"amount": 50, "currency_type": "position_percent"}}
ALL = {"order": {"amount": 100, "currency_type": "position_percent"}}


@pytest.mark.parametrize(
    ("body", "position", "expected"),
    [
        (custom("enter_long"), "0", "open BUY 7 7"),
        (custom("enter_long"), "-2", "reverse BUY 9 7"),
        (
            custom("enter_short", order={"amount": 300, "currency_type": "quote"}),
            "0",
            "open SELL 3 -3",
        ),
        (custom("exit_long"), "2", "close SELL 2 0"),
        (custom("exit_long"), "-2", "none"),
        (custom("exit_short", **HALF), "-2", "reduce BUY 1 -1"),
        (custom("exit_short", **ALL), "-2", "close BUY 2 0"),
        (custom("disable", positions_sub_action="market_close"), "-2", "close BUY 2 0"),
        (deal(action="close_at_market_price"), "2", "close SELL 2 0"),
        (deal(action="close_at_market_price_all_and_stop_bot"), "-2", "close BUY 2 0"),
        (deal(action="close_at_market_price_all"), "0", "none"),
        (deal(action="cancel"), "2", "cancel"),
        (deal(action="add_funds_in_quote", volume=100), "2", "add BUY 1 3"),
        (deal(strategy="long"), "0", "open BUY 7 7"),
        (deal(strategy="short", action="start_bot_and_start_deal"), "0", "open SELL 7 -7"),
        (deal(strategy="long"), "1", "none"),
    ],
)
def test_signals_and_deals_enter_add_and_close(
    body: dict[str, Any], position: str, expected: str
) -> None:
    assert told(body, position) == expected


def test_a_plan_is_read_from_steps_and_stop() -> None:
    alert = alert_in(
        custom(
            "enter_short",
            order={"amount": 150, "currency_type": "quote", "order_type": "market"},
            take_profit={
                "enabled": True,
                "steps": [
                    {"order_type": "limit", "price_percent": 1, "volume_percent": 25},
                    {"order_type": "limit", "price_percent": 2, "volume_percent": 75},
                ],
            },
            stop_loss={"enabled": True, "order_type": "market", "trigger_price_percent": 1.5},
        )
    )

    assert (targets(alert.take_profit), level(alert.stop_loss)) == ("1% 0.25, 2% 0.75", "1.5%")


def test_a_limit_takes_the_orders_price_or_the_trigger_price() -> None:
    order = {"amount": 1, "currency_type": "base", "order_type": "limit"}
    priced = alert_in(custom("enter_long", order={**order, "price": "98"})).terms
    triggered = alert_in(custom("enter_long", order=order, trigger_price="97")).terms

    assert (priced.kind, str(priced.price), priced.force) == (OrderKind.LIMIT, "98", Force.GTT)
    assert str(triggered.price) == "97"


@pytest.mark.parametrize(
    ("pair", "symbol"),
    [
        ("USDT_BTC", "BTC-USDT"),
        ("USD_BTC-PERP", "BTC-PERP"),
        ("USDT_BTCUSDT", "BTCUSDT"),
        ("BTCUSDT", "BTCUSDT"),
    ],
)
def test_pairs_are_written_quote_first(pair: str, symbol: str) -> None:
    assert alert_in(deal(action="cancel", pair=pair)).symbol == symbol


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (deal(), "side_missing"),
        (deal(action="start_bot"), "unsupported"),
        (deal(action="dance", strategy="long"), "action_unknown"),
        ({**deal(action="cancel"), "pair": None}, "symbol_missing"),
        (custom("enable"), "unsupported"),
        (custom("enter_sideways"), "action_unknown"),
        (custom("enter_long", order={"amount": 1, "order_type": "limit"}), "price_missing"),
        (custom("enter_long", max_lag="soon"), "maxlag_invalid"),
        ([deal(action="close_at_market_price"), deal(strategy="long")], "several_orders"),
    ],
)
def test_what_is_ambiguous_is_refused(body: Any, code: str) -> None:
    assert fault_in(body).code == code


def test_a_list_of_one_message_is_that_message() -> None:
    assert told([deal(action="close_at_market_price")], "2") == "close SELL 2 0"
