"""Limits, trailing stops and the rarer levels of presets."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from core.signals.alert import Force, OrderKind
from tests.core.signals.presets.preset_kit import (
    alert_in,
    fault_in,
    level,
    plain,
    targets,
)

OKX = {"action": "ENTER_LONG", "instrument": "BTC-USDT-SWAP", "signalToken": "t"}
TICKERLY = {
    "ticker": "X",
    "action": "buy",
    "prev_position": "flat",
    "quantity": "1",
    "pointer": "p",
}
ALTRADY = {"api_key": "k", "api_secret": "s", "symbol": "X", "side": "long"}
WUNDER = {"code": "ENTER-LONG", "symbol": "X"}
LITE = {"side": "long", "symbol": "X", "closeExisting": True}


@pytest.mark.parametrize(
    ("body", "price"),
    [
        ({**OKX, "orderType": "limit", "price": "95"}, "95"),
        ({**OKX, "orderType": "limit"}, "100"),
        ({**TICKERLY, "type": "limit", "price": "95"}, "95"),
        ({**ALTRADY, "order_type": "limit", "signal_price": 95}, "95"),
        ({**LITE, "entry": "limit", "price": "95"}, "95"),
        ({**WUNDER, "orderType": "limit", "price": 95}, "95"),
    ],
)
def test_limits_wait_at_their_price(body: dict[str, Any], price: str) -> None:
    terms = alert_in(body).terms

    assert (terms.kind, plain(terms.price), terms.force) == (OrderKind.LIMIT, price, Force.GTT)


@pytest.mark.parametrize(
    "body",
    [
        {**TICKERLY, "type": "limit"},
        {**ALTRADY, "order_type": "limit"},
        {**LITE, "entry": "limit"},
    ],
)
def test_a_limit_without_price_is_refused(body: dict[str, Any]) -> None:
    assert fault_in(body).code == "price_missing"


def test_wundertradings_trailing_and_break_even_have_activation_and_execution() -> None:
    alert = alert_in(
        {
            **WUNDER,
            "trailingStop": {"activation": 0.02, "execution": 0.01},
            "moveToBreakeven": {"activation": 0.03, "execution": 0.001},
            "stopLoss": {"price": 90},
        }
    )

    assert alert.trailing is not None
    assert alert.break_even is not None
    assert (level(alert.trailing.activation), level(alert.trailing.distance)) == ("2%", "1%")
    assert (level(alert.break_even.at), level(alert.break_even.beyond)) == ("3%", "0.1%")
    assert level(alert.stop_loss) == "90"


def test_3commas_levels_may_be_prices_and_its_stop_may_trail() -> None:
    base = {"bot_uuid": "u", "tv_instrument": "X", "action": "enter_long"}
    priced = alert_in(
        {
            **base,
            "take_profit": {
                "steps": [{"price": 120, "volume_percent": 100}, {"order_type": "limit"}]
            },
            "stop_loss": {"trigger_price": 90},
        }
    )
    trailing = alert_in({**base, "stop_loss": {"trigger_price_percent": 2, "trailing": True}})
    off = alert_in({**base, "stop_loss": {"enabled": False, "trigger_price_percent": 2}})

    assert (targets(priced.take_profit), level(priced.stop_loss)) == ("120 1", "90")
    assert trailing.trailing is not None
    assert (level(trailing.trailing.distance), trailing.stop_loss) == ("2%", None)
    assert off.stop_loss is None


def test_thirds_in_percent_may_sum_up_to_a_hair_more_than_the_whole() -> None:
    steps = [
        {"price_percentage": one, "position_percentage": share}
        for one, share in ((1, "33.334"), (2, "33.333"), (3, "33.334"))
    ]
    alert = alert_in({**ALTRADY, "take_profit": steps})

    assert sum(target.fraction or 0 for target in alert.take_profit) == 1
    assert fault_in({**ALTRADY, "take_profit": [*steps, steps[0]]}).code == "targets_invalid"


def test_tv_hubs_stop_may_trail_and_be_dollars() -> None:
    base = {"exchange": "okx", "pair": "X", "token": "t", "isBuy": True}
    trailing = alert_in(
        {**base, "stopLoss": 2, "stopLossType": "percent", "useTrailingStopLoss": True}
    )
    points = alert_in({**base, "stopLoss": 2, "stopLossType": "points"})
    percent = alert_in({**base, "stopLossPercent": 3, "takeProfit": "5%"})

    assert trailing.trailing is not None
    assert (level(trailing.trailing.distance), trailing.stop_loss) == ("2%", None)
    assert level(points.stop_loss) == "+2"
    assert (level(percent.stop_loss), targets(percent.take_profit)) == ("3%", "5%")


@pytest.mark.parametrize(
    ("commands", "code"),
    [
        ("limit(side=sell, amount=5, offset=1%)", "share_invalid"),
        ("limit(side=sell, amount=10%, offset=1%)", "unsupported"),
        ("limit(position=50%p, offset=1%); limit(position=60%p, offset=2%)", "several_orders"),
        ("limit(position=1, offset=1%)", "several_orders"),
        ("stopOrder(side=sell, offset=1%); stopOrder(side=sell, offset=2%)", "several_orders"),
        ("stopOrder(side=sell, offset=@0)", "level_invalid"),
        ("trailingStop(side=sell, offset=@90)", "level_invalid"),
        ("limit(amount=1, offset=1%)", "several_orders"),
    ],
)
def test_plans_of_scripts_that_do_not_fit_their_entry_are_refused(commands: str, code: str) -> None:
    assert fault_in(f"k(BTCUSDT) {{ market(side=buy, amount=1); {commands}; }}").code == code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("k(BTCUSDT) { market(position=150%p); }", "unsupported"),
        ("k(BTCUSDT) { market(position=1, reduceOnly=true); }", "unsupported"),
        ("k(BTCUSDT) { market(side=buy, amount=@5); }", "argument_invalid"),
        ("k(BTCUSDT) { market(side=buy, side=sell, amount=5); }", "duplicate_field"),
        ("k(BTCUSDT) { market(side=buy, amount=5%e); }", "unsupported"),
        ("k(BTCUSDT) { limit(side=buy, amount=1, offset=e1%); }", "price_unknown"),
        ("k(BTCUSDT) { limit(side=buy, amount=1, offset=200%); }", "price_not_positive"),
        ("k(BTCUSDT) { market(position=0); market(side=sell, amount=50%p); }", "several_orders"),
    ],
)
def test_orders_of_scripts_that_cannot_be_meant_are_refused(body: str, code: str) -> None:
    assert fault_in(body).code == code


def test_a_short_pause_in_a_script_is_passed_over() -> None:
    alert = alert_in("k(BTCUSDT) { cancel(which=all); wait(3s); market(side=buy, amount=1); }")

    assert alert.cancels


def test_tv_hubs_own_trailing_stop_stands_beside_the_stop_or_moves_it_to_the_entry() -> None:
    base = {"exchange": "okx", "pair": "X", "token": "t", "isBuy": True, "stopLossPercent": 2}
    trails = {**base, "useTrailingStopLoss": True, "trailingStopLossPercent": 1}

    alert = alert_in(trails)
    assert (level(alert.stop_loss), alert.break_even) == ("2%", None)
    assert alert.trailing is not None
    assert level(alert.trailing.distance) == "1%"

    alert = alert_in({**trails, "stopLossToBreakEven": True})
    assert (level(alert.stop_loss), alert.trailing) == ("2%", None)
    assert alert.break_even is not None
    assert level(alert.break_even.at) == "1%"


def test_altradys_entries_expire_after_minutes() -> None:
    waits = {**ALTRADY, "order_type": "limit", "signal_price": 95, "entry_expiration": {"time": 15}}

    assert alert_in(waits).terms.expires == dt.timedelta(minutes=15)
    assert alert_in({**waits, "action": "increase"}).terms.price == 95
