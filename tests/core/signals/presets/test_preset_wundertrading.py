"""WunderTrading's codes, alone and in objects."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from core.signals.alert import OrderKind
from tests.core.signals.presets.preset_kit import alert_in, fault_in, level, targets, told

TAIL = "BINANCE_LINKUSDT_my bot_15M_0123456789abcdef"


def coded(code: str, **fields: Any) -> dict[str, Any]:
    return {"code": code, "symbol": "LINKUSDT", "secret": "s", **fields}


@pytest.mark.parametrize(
    ("body", "position", "expected"),
    [
        (f"ENTER-LONG_{TAIL}", "0", "open BUY 7 7"),
        (f"ENTER-LONG_{TAIL}", "-2", "reverse BUY 9 7"),
        (f"ENTER-SHORT_{TAIL}", "2", "reverse SELL 9 -7"),
        (f"EXIT-LONG_{TAIL}", "2", "close SELL 2 0"),
        (f"EXIT-LONG_{TAIL}", "-2", "none"),
        (f"EXIT-SHORT_{TAIL}", "-2", "close BUY 2 0"),
        (f"EXIT-ALL_{TAIL}", "2", "close SELL 2 0"),
        (f"EXIT-ALL_{TAIL}", "-2", "close BUY 2 0"),
        (f"EXIT-ALL_{TAIL}", "0", "none"),
        ("Enter-Long symbol=LINKUSDT", "0", "open BUY 7 7"),
        (coded("Enter-Short"), "0", "open SELL 7 -7"),
        (coded("Exit-All", reduceOnly=True), "3", "close SELL 3 0"),
        (
            coded("ENTER-LONG", amountPerTradeType="quote", amountPerTrade=150),
            "0",
            "open BUY 1.5 1.5",
        ),
        (coded("ENTER-LONG", amountPerTradeType="base", amountPerTrade="2"), "0", "open BUY 2 2"),
        (
            coded("ENTER-LONG", amountPerTradeType="percents", amountPerTrade=0.1),
            "0",
            "open BUY 10 10",
        ),
        (
            coded("ENTER-LONG", amountPerTradeType="percents", amountPerTrade="25%"),
            "0",
            "open BUY 25 25",
        ),
        (
            coded("EXIT-LONG", amountPerTradeType="percents", amountPerTrade=0.5),
            "4",
            "reduce SELL 2 2",
        ),
    ],
)
def test_a_code_enters_or_exits_its_side(body: Any, position: str, expected: str) -> None:
    assert told(body, position) == expected


def test_the_pair_is_in_the_code_and_a_field_overrules_it() -> None:
    assert alert_in(f"ENTER-LONG_{TAIL}").symbol == "LINKUSDT"
    assert alert_in(coded(f"ENTER-LONG_{TAIL}", symbol="ETHUSDT")).symbol == "ETHUSDT"
    assert alert_in("EXIT-ALL_KUCOIN_MULTIPLE-PAIRS_x_1H_0f symbol=ETHUSDT").symbol == "ETHUSDT"


def test_deviations_are_ratios_of_the_entry() -> None:
    alert = alert_in(
        coded(
            "ENTER-LONG",
            takeProfits=[
                {"priceDeviation": 0.01, "portfolio": 0.5},
                {"price": 120, "portfolio": 0.5},
            ],
            stopLoss={"priceDeviation": 0.025},
        )
    )

    assert (targets(alert.take_profit), level(alert.stop_loss)) == ("1% 0.5, 120 0.5", "2.5%")


def test_a_limit_lives_as_many_minutes_as_it_says() -> None:
    terms = alert_in(coded("ENTER-LONG", orderType="limit", price=95, timeToLive=30)).terms

    assert (terms.kind, str(terms.price)) == (OrderKind.LIMIT, "95")
    assert terms.expires == dt.timedelta(minutes=30)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("ENTER-LONG", "symbol_missing"),
        ("ENTER-LONG_BYBIT_NONE_bot_15M_0f", "symbol_missing"),
        ({"code": "ENTER-LONG", "orderType": "market"}, "symbol_missing"),
        (
            coded("ENTER-LONG", takeProfits=[{"priceDeviation": 0.1, "portfolio": 50}]),
            "share_invalid",
        ),
        (coded("ENTER-LONG", orderType="limit"), "price_missing"),
        (
            coded("ENTER-LONG", amountPerTradeType="lots", amountPerTrade=1),
            "amountpertradetype_unknown",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(body: Any, code: str) -> None:
    assert fault_in(body).code == code


def test_a_code_of_another_kind_is_refused_under_the_preset() -> None:
    assert fault_in(coded("{{strategy.order.comment}}"), "wundertrading").code == "placeholder_left"
    assert fault_in(coded("Long entry"), "wundertrading").code == "code_unknown"
    assert fault_in(coded("ENTER-ALL"), "wundertrading").code == "code_unknown"
