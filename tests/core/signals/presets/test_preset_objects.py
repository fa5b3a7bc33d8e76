"""TV-Hub, Finandy and Altrady: objects with orders, plans and sizes of their own."""

from __future__ import annotations

from typing import Any

import pytest

from core.signals.alert import BreakEven, Force, OrderKind
from tests.core.signals.presets.preset_kit import (
    FIVE_S_AGO,
    alert_in,
    fault_in,
    level,
    targets,
    told,
)


def hub(**fields: Any) -> dict[str, Any]:
    command = {"exchange": "bybit", "pair": "LTCUSDT", "token": "t", "apiKey": "main"}
    return {**command, **fields}


BUY = {"isBuy": True, "isMarket": True}
SELL = {"isSell": True, "isMarket": True}


@pytest.mark.parametrize(
    ("body", "position", "expected"),
    [
        (hub(**BUY), "0", "open BUY 7 7"),
        (hub(**BUY, units=2), "0", "open BUY 2 2"),
        (hub(**BUY, units=2, isSell=False), "1", "add BUY 2 3"),
        (hub(**BUY, units=2, preventPyramiding=True), "1", "none"),
        (hub(**SELL, units="2"), "1", "reverse SELL 2 -1"),
        (hub(**SELL, units="2", closeCurrentPosition=True), "1", "reverse SELL 3 -2"),
        (hub(**BUY, unitsPercent=5), "0", "open BUY 5 5"),
        (hub(**BUY, units=5, unitsType="percent"), "0", "open BUY 5 5"),
        (hub(**BUY, units=5, unitsType="percentBalance"), "0", "open BUY 5 5"),
        (hub(**BUY, useFixedSize=True, fixedQuoteSize=200), "0", "open BUY 2 2"),
        (
            hub(**BUY, units=1, unitsType="risk", stopLoss=5, stopLossType="percent"),
            "0",
            "open BUY 20 20",
        ),
        (hub(exchange="bitmex", pair="XBTUSD", **BUY, units=300), "0", "open BUY 3 3"),
        (hub(isClose=True), "-2", "close BUY 2 0"),
        (hub(isClose=True, closeLong=True), "-2", "none"),
        (hub(isClose=True, closeLong=True), "2", "close SELL 2 0"),
        (hub(isClose=True, unitsType="percentPosition", units=50), "4", "reduce SELL 2 2"),
        (hub(isClose=True, unitsType="percentPosition", units=100), "4", "close SELL 4 0"),
        (hub(cancelAllOrders=True), "4", "cancel"),
        (hub(orderType="buy", isMarket=True, units=2), "0", "open BUY 2 2"),
        (
            hub(orderType="sell", isMarket=True, units=2, marketPosition="flat"),
            "2",
            "close SELL 2 0",
        ),
        (hub(orderType="sell", isMarket=True, units=2, marketPosition="flat"), "0", "none"),
    ],
)
def test_tv_hubs_flags_say_what_to_do(body: dict[str, Any], position: str, expected: str) -> None:
    assert told(body, position) == expected


def test_tv_hubs_targets_and_stop_are_of_the_type_they_name() -> None:
    percent = alert_in(
        hub(
            **BUY,
            stopLoss="1.5",
            stopLossType="percent",
            targetType="percent",
            targets=[{"idx": 1, "takeProfit": 1, "amount": 40}, {"takeProfit": 3, "amount": 60}],
        )
    )
    absolute = alert_in(
        hub(
            **BUY,
            stopLoss=90,
            stopLossType="absolute",
            targetType="absolute",
            targets=[{"takeProfit": 120}],
        )
    )

    assert (targets(percent.take_profit), level(percent.stop_loss)) == ("1% 0.4, 3% 0.6", "1.5%")
    assert (targets(absolute.take_profit), level(absolute.stop_loss)) == ("120", "90")


def test_tv_hubs_levels_without_type_are_what_alone_they_can_be() -> None:
    alert = alert_in(hub(**BUY, stopLoss=5, targets=[{"takeProfit": 103.5}, {"takeProfit": "4%"}]))

    assert (targets(alert.take_profit), level(alert.stop_loss)) == ("103.5, 4%", "5%")


def test_tv_hubs_limits_are_post_only_and_its_time_is_behind_the_ticker() -> None:
    alert = alert_in(
        hub(isBuy=True, isLimit=True, price=95, alertTimestamp="LTCUSDT-2026-01-31T12:00:00Z")
    )

    assert (alert.terms.kind, str(alert.terms.price)) == (OrderKind.LIMIT, "95")
    assert alert.terms.force is Force.POST_ONLY
    assert alert.time == FIVE_S_AGO


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({**BUY, "isSell": True}, "contradiction"),
        ({"isMarket": True, "isBuy": False}, "action_missing"),
        ({**BUY, "stopLoss": 20}, "level_ambiguous"),
        ({**BUY, "targets": [{"takeProfit": 99}]}, "level_ambiguous"),
        ({**BUY, "useDca": True}, "several_orders"),
        ({"isBuy": True, "isLimit": True}, "price_missing"),
        ({**BUY, "unitsType": "lots", "units": 1}, "unitstype_unknown"),
    ],
)
def test_tv_hubs_ambiguous_commands_are_refused(fields: dict[str, Any], code: str) -> None:
    assert fault_in(hub(**fields)).code == code


def hook(side: str, **fields: Any) -> dict[str, Any]:
    return {"name": "Hook 1", "secret": "s", "side": side, "symbol": "BNBUSDT", **fields}


USD = {"amountType": "sumUsd", "amount": "200"}


def decrease(percent: str) -> dict[str, Any]:
    return {"action": "decrease", "decrease": {"type": "posAmountPct", "amount": percent}}


@pytest.mark.parametrize(
    ("body", "position", "expected"),
    [
        (hook("buy"), "0", "open BUY 7 7"),
        (hook("buy", open=USD), "0", "open BUY 2 2"),
        (hook("buy", open=USD), "-3", "reverse BUY 5 2"),
        (hook("sell", open={**USD, "enabled": True}), "0", "open SELL 2 -2"),
        (hook("sell", open={**USD, "enabled": False}), "0", "none"),
        (hook("sell", open={**USD, "enabled": False}), "3", "close SELL 3 0"),
        (hook("buy", open=USD, dca=USD), "1", "add BUY 2 3"),
        (hook("buy", open=USD, dca={**USD, "amount": "50"}), "1", "none"),
        (hook("buy", open=USD, dca={"enabled": False}), "1", "none"),
        (hook("buy", open=USD, close={"action": "close"}), "-3", "close BUY 3 0"),
        (hook("buy", open=USD, close=decrease("100")), "-3", "close BUY 3 0"),
        (hook("buy", open=USD, close=decrease("1")), "-3", "none"),
        (hook("buy", open=USD, close=decrease("1")), "0", "open BUY 2 2"),
        (hook("buy", open=USD, close={"action": "reverse"}), "-3", "reverse BUY 5 2"),
        (hook("buy", open=USD, close={"enabled": False}), "-3", "none"),
        (hook("buy", positionSide="long", open=USD), "0", "open BUY 2 2"),
        (hook("buy", positionSide="long", open=USD), "-3", "reverse BUY 5 2"),
        (hook("sell", positionSide="long"), "3", "close SELL 3 0"),
        (hook("sell", positionSide="long", close=decrease("25")), "4", "reduce SELL 1 3"),
        (hook("sell", positionSide="FLAT", open=USD), "4", "close SELL 4 0"),
        (hook("sell", positionSide="flat", open=USD), "0", "none"),
        (hook("sell", positionSide="both", open=USD), "4", "reverse SELL 6 -2"),
    ],
)
def test_finandys_hook_opens_adds_and_closes(
    body: dict[str, Any], position: str, expected: str
) -> None:
    assert told(body, position) == expected


def test_finandys_plan_is_in_percent_or_prices_and_empty_ones_are_passed_over() -> None:
    alert = alert_in(
        hook(
            "buy",
            open={"amountType": "amount", "amount": "2", "price": "99"},
            sl={"enabled": True, "ofs": "5", "price": ""},
            tp={
                "update": False,
                "orders": [
                    {"ofs": "1.0", "price": "", "piece": "40"},
                    {"price": "120", "piece": "60"},
                    {"price": "", "piece": "45"},
                ],
            },
        )
    )

    assert (targets(alert.take_profit), level(alert.stop_loss)) == ("1% 0.4, 120 0.6", "5%")
    assert (alert.terms.kind, str(alert.terms.price)) == (OrderKind.LIMIT, "99")


def test_finandys_scaled_entries_are_refused() -> None:
    body = hook("buy", open={"scaled": {"price1": {"value": 1}, "price2": {"value": 2}}})

    assert fault_in(body).code == "several_orders"


def signal(**fields: Any) -> dict[str, Any]:
    return {
        "api_key": "k",
        "api_secret": "s",
        "exchange": "BINAF",
        "symbol": "BINAF_USDT_XRP",
        **fields,
    }


@pytest.mark.parametrize(
    ("body", "position", "expected"),
    [
        (signal(side="long"), "0", "open BUY 7 7"),
        (signal(action="open", side="short", quote_amount=300), "0", "open SELL 3 -3"),
        (signal(action="open", side="long"), "2", "none"),
        (signal(action="start_and_open", side="long"), "0", "open BUY 7 7"),
        (signal(action="increase", side="long", quote_amount=100), "2", "add BUY 1 3"),
        (signal(action="increase", side="short", quote_amount=100), "2", "none"),
        (signal(action="reduce", position_percentage=25), "4", "reduce SELL 1 3"),
        (signal(action="reduce", side="short", position_percentage=25), "4", "none"),
        (signal(action="close"), "-4", "close BUY 4 0"),
        (signal(action="close", side="long"), "-4", "none"),
        (signal(action="stop_and_close"), "4", "close SELL 4 0"),
        (signal(action="reverse", side="short"), "4", "reverse SELL 11 -7"),
        (signal(action="reverse"), "4", "reverse SELL 8 -4"),
        (signal(action="open", side="flat"), "4", "close SELL 4 0"),
    ],
)
def test_altradys_actions(body: dict[str, Any], position: str, expected: str) -> None:
    assert told(body, position) == expected


def test_altradys_plan_and_symbol() -> None:
    alert = alert_in(
        signal(
            side="long",
            take_profit=[
                {"price_percentage": 1, "position_percentage": 50},
                {"price_percentage": 3, "position_percentage": 50},
            ],
            stop_loss={"stop_percentage": 2, "protection_type": "BREAK_EVEN"},
            signal_id="a-1",
        )
    )

    assert (targets(alert.take_profit), level(alert.stop_loss)) == ("1% 0.5, 3% 0.5", "2%")
    assert (alert.symbol, alert.id, alert.break_even) == ("XRP-USDT", "a-1", BreakEven())


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"action": "open"}, "side_missing"),
        ({"action": "start_bot"}, "unsupported"),
        ({"action": "open", "side": "long", "test": True}, "unsupported"),
        ({"action": "reduce"}, "size_missing"),
        ({"side": "long", "dca_orders": [{"price_percentage": 1}]}, "several_orders"),
        (
            {"side": "long", "take_profit": [{"price_percentage": 1, "position_percentage": 150}]},
            "share_invalid",
        ),
        ({"side": "up"}, "side_unknown"),
        ({"side": "long", "symbol": None}, "symbol_missing"),
    ],
)
def test_altradys_signals_that_cannot_be_had_are_refused(fields: dict[str, Any], code: str) -> None:
    assert fault_in(signal(**fields)).code == code
