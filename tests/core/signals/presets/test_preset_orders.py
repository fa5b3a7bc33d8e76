"""Presets whose message is a strategy's order: Tickerly, OKX, HyperTrade and junta's connector."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from core.signals.alert import MarketPosition, Target
from tests.core.signals.presets.preset_kit import (
    FIVE_S_AGO,
    alert_in,
    fault_in,
    level,
    targets,
    told,
)


def tickerly(action: str, previous: str, quantity: str, **more: Any) -> dict[str, Any]:
    return {
        "ticker": "DOGEUSDT.P",
        "action": action,
        "prev_position": previous,
        "quantity": quantity,
        "pointer": "p",
        **more,
    }


@pytest.mark.parametrize(
    ("body", "position", "expected"),
    [
        (tickerly("buy", "flat", "2"), "0", "open BUY 2 2"),
        (tickerly("sell", "flat", "2"), "0", "open SELL 2 -2"),
        (tickerly("buy", "long", "1"), "2", "add BUY 1 3"),
        (tickerly("sell", "short", "1"), "-2", "add SELL 1 -3"),
        (tickerly("sell", "long", "2"), "2", "close SELL 2 0"),
        (tickerly("sell", "long", "1"), "2", "reduce SELL 1 1"),
        (tickerly("sell", "long", "4"), "2", "reverse SELL 4 -2"),
        (tickerly("buy", "short", "4"), "-2", "reverse BUY 4 2"),
        (tickerly("sell", "long", "4"), "0", "none"),
        (tickerly("buy", "short", "4"), "2", "none"),
        (tickerly("sell", "flat", "2"), "1", "reverse SELL 3 -2"),
    ],
)
def test_tickerlys_quantity_is_the_whole_order(
    body: dict[str, Any], position: str, expected: str
) -> None:
    assert told(body, position) == expected


def test_typographic_quotes_of_its_web_page_are_read() -> None:
    body = (
        '{\n“ticker”: "DOGEUSDT",\n“action”: “sell”,\n“prev_position” : “long”,\n'
        "“quantity”: “0.5”,\n“pointer” : “p”,\n}"
    )

    assert told(body, "0.5") == "close SELL 0.5 0"


@pytest.mark.parametrize("missing", ["action", "prev_position", "quantity", "ticker"])
def test_tickerly_needs_all_of_its_fields(missing: str) -> None:
    body = {name: value for name, value in tickerly("buy", "flat", "1").items() if name != missing}

    assert fault_in(body, "tickerly").code.endswith("_missing")


def okx(action: str, **more: Any) -> dict[str, Any]:
    return {"action": action, "instrument": "BTC-USDT-SWAP", "signalToken": "t", **more}


def okx_order(action: str, after: str, before: str, amount: str = "1") -> dict[str, Any]:
    return okx(
        action,
        marketPosition=after,
        prevMarketPosition=before,
        investmentType="base",
        amount=amount,
        timestamp="2026-01-31T12:00:00Z",
        maxLag="90",
        id="Long Entry",
    )


@pytest.mark.parametrize(
    ("body", "position", "expected"),
    [
        (okx_order("buy", "long", "flat"), "0", "open BUY 1 1"),
        (okx_order("buy", "long", "long"), "1", "add BUY 1 2"),
        (okx_order("sell", "long", "long"), "3", "reduce SELL 1 2"),
        (okx_order("sell", "flat", "long"), "3", "close SELL 3 0"),
        (okx_order("buy", "flat", "short"), "3", "none"),
        (okx_order("sell", "short", "long", "3"), "1", "reverse SELL 3 -2"),
        (okx("ENTER_LONG"), "0", "open BUY 7 7"),
        (okx("ENTER_SHORT"), "2", "reverse SELL 9 -7"),
        (okx("EXIT_LONG"), "2", "close SELL 2 0"),
        (okx("EXIT_LONG"), "-2", "none"),
        (
            okx("EXIT_SHORT", investmentType="percentage_position", amount="50"),
            "-2",
            "reduce BUY 1 -1",
        ),
        (
            okx("EXIT_SHORT", investmentType="percentage_position", amount="100"),
            "-2",
            "close BUY 2 0",
        ),
        (
            okx("ENTER_LONG", investmentType="percentage_balance", amount="20"),
            "0",
            "open BUY 20 20",
        ),
        (okx("ENTER_LONG", investmentType="margin", amount="200"), "0", "open BUY 2 2"),
    ],
)
def test_okx_signals_follow_positions_or_codes(
    body: dict[str, Any], position: str, expected: str
) -> None:
    assert told(body, position) == expected


def test_okx_has_its_own_age_limit_id_and_time() -> None:
    alert = alert_in(okx_order("buy", "long", "flat"))

    assert alert.stale_after == dt.timedelta(seconds=90)
    assert (alert.id, alert.time) == ("Long Entry", FIVE_S_AGO)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (okx("ENTER_LONG", investmentType="contract", amount="3"), "unsupported"),
        (okx("ENTER_LONG", investmentType="luck", amount="3"), "investmenttype_unknown"),
        (okx("ENTER_LONG", orderType="limit", orderPriceOffset="0.5"), "unsupported"),
        (okx("ENTER_LONG", maxLag="-1"), "maxlag_invalid"),
        (okx("WAIT"), "action_unknown"),
    ],
)
def test_okx_signals_of_unknown_size_or_price_are_refused(body: dict[str, Any], code: str) -> None:
    assert fault_in(body).code == code


def hypertrade(action: str, after: str, before: str, contracts: str) -> dict[str, Any]:
    position, size = after.split()
    previous, previous_size = before.split()
    return {
        "general": {
            "strategy": "x",
            "ticker": "SOLUSDT.P",
            "interval": "60",
            "time": "2026-01-31T11:00:00Z",
            "timenow": "2026-01-31T12:00:00Z",
            "secret": "s",
            "leverage": "3X",
        },
        "currency": {"quote": "USDT", "base": "sol"},
        "order": {
            "action": action,
            "contracts": contracts,
            "price": "100",
            "id": "L",
            "comment": "in",
            "alert_message": "",
        },
        "market": {
            "position": position,
            "position_size": size,
            "previous_position": previous,
            "previous_position_size": previous_size,
        },
    }


@pytest.mark.parametrize(
    ("body", "position", "expected"),
    [
        (hypertrade("buy", "long 2", "flat 0", "2"), "0", "open BUY 2 2"),
        (hypertrade("sell", "flat 0", "long 2", "2"), "2", "close SELL 2 0"),
        (hypertrade("sell", "short 2", "flat 0", "2"), "0", "open SELL 2 -2"),
        (hypertrade("buy", "flat 0", "short 2", "2"), "-2", "close BUY 2 0"),
        (hypertrade("buy", "long 3", "long 2", "1"), "2", "add BUY 1 3"),
        (hypertrade("sell", "long 1", "long 2", "1"), "2", "reduce SELL 1 1"),
        (hypertrade("sell", "short 3", "short 2", "1"), "-2", "add SELL 1 -3"),
        (hypertrade("buy", "short 1", "short 2", "1"), "-2", "reduce BUY 1 -1"),
        (hypertrade("buy", "long 1", "short 2", "3"), "-2", "reverse BUY 3 1"),
        (hypertrade("sell", "short 1", "long 2", "3"), "2", "reverse SELL 3 -1"),
    ],
)
def test_hypertrades_signal_follows_from_the_two_positions(
    body: dict[str, Any], position: str, expected: str
) -> None:
    assert told(body, position) == expected


def test_hypertrades_market_is_the_base_currency_and_its_time_timenow() -> None:
    alert = alert_in(hypertrade("buy", "long 2", "flat 0", "2"))

    assert (alert.symbol, alert.time, alert.id) == ("SOL-USD", FIVE_S_AGO, "L")


@pytest.mark.parametrize(
    ("action", "after", "before"),
    [("sell", "long 1", "flat 0"), ("buy", "flat 0", "long 1"), ("buy", "flat 0", "flat 0")],
)
def test_hypertrades_impossible_transitions_are_refused(
    action: str, after: str, before: str
) -> None:
    assert fault_in(hypertrade(action, after, before, "1")).code == "contradiction"


def junta(order: str, position: str, **more: Any) -> dict[str, Any]:
    return {
        "exchange": "dydxv4",
        "strategy": "s",
        "market": "SOL_USD",
        "order": order,
        "position": position,
        "size": "2",
        "price": "100",
        "reverse": False,
        "passphrase": "p",
        **more,
    }


@pytest.mark.parametrize(
    ("body", "position", "expected"),
    [
        (junta("buy", "long"), "0", "open BUY 2 2"),
        (junta("buy", "long", reverse=True), "-2", "reverse BUY 4 2"),
        (junta("sell", "short", reverse=True), "2", "reverse SELL 4 -2"),
        (junta("sell", "short", reverse="true"), "0", "open SELL 2 -2"),
        (junta("sell", "short"), "2", "close SELL 2 0"),
        (junta("sell", "flat"), "2", "close SELL 2 0"),
        (junta("sell", "flat"), "0", "none"),
        (junta("sell", "flat", reverse=True), "3", "close SELL 3 0"),
        (junta("sell", "long"), "5", "reduce SELL 2 3"),
        (junta("buy", "long", sizeUsd=500), "0", "open BUY 5 5"),
        (junta("buy", "long", sizeByLeverage=0.5), "0", "open BUY 50 50"),
        (
            {"market": "ETH-USD", "desired_position": "LONG", "size": 2, "token": "t"},
            "0",
            "open BUY 2 2",
        ),
        ({"market": "ETH-USD", "desired_position": "LONG", "size": 2}, "2", "none"),
        ({"market": "ETH-USD", "desired_position": "BUY", "size": 2}, "-1", "reverse BUY 3 2"),
        (
            {"market": "ETH-USD", "desired_position": "short", "sizeUsd": 100},
            "-3",
            "reduce BUY 2 -1",
        ),
        ({"market": "ETH-USD", "desired_position": "FLAT"}, "3", "close SELL 3 0"),
        ({"market": "ETH-USD", "desired_position": "FLAT"}, "0", "none"),
    ],
)
def test_the_connectors_order_position_and_reverse(
    body: dict[str, Any], position: str, expected: str
) -> None:
    assert told(body, position) == expected


def test_the_forks_stops_are_of_the_side_that_is_wanted() -> None:
    alert = alert_in(
        {
            "market": "ETH-USD",
            "desired_position": "SHORT",
            "size": 2,
            "static_sl_long": 90,
            "static_sl_short": 110,
            "take_profits": [95, {"price": 90, "sizeFraction": 25}, {"price": 80, "size": 1}],
        }
    )

    assert level(alert.stop_loss) == "110"
    assert targets(alert.take_profit) == "95, 90 0.25, 80 0.5"
    assert alert.target == Target(MarketPosition.SHORT)


def test_the_forks_profiles_leave_out_targets_or_the_whole_plan() -> None:
    body = {"market": "ETH-USD", "desired_position": "LONG", "stop_loss": 90, "take_profits": [120]}
    without_targets = alert_in({**body, "profile": "NO_TP"})
    without_plan = alert_in({**body, "profile": "SIGNAL_ONLY"})

    assert (without_targets.take_profit, level(without_targets.stop_loss)) == ((), "90")
    assert (without_plan.take_profit, without_plan.stop_loss) == ((), None)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (junta("hold", "long"), "order_unknown"),
        (junta("buy", "up"), "position_unknown"),
        (junta("buy", "long", reverse="maybe"), "reverse_invalid"),
        (
            {"market": "ETH-USD", "desired_position": "LONG", "take_profits": [-1]},
            "targets_invalid",
        ),
    ],
)
def test_the_connectors_broken_messages_are_refused(body: dict[str, Any], code: str) -> None:
    assert fault_in(body).code == code
