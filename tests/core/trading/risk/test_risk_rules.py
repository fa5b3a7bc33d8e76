"""Each rule at its boundary, and what a refusal says."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from core.dydx.indexer_types import Level, Orderbook
from core.dydx.markets import Market
from core.dydx.protocol import Side
from core.dydx.quantums import Scale
from core.trading.decision import Missed, Refusal
from core.trading.risk.ask import Ask
from core.trading.risk.days import Day, Window, Zone
from core.trading.risk.limits import Limits, Mode, ScopeKind
from core.trading.risk.liquidity import liquidity_of
from core.trading.risk.rules import Case, Figures, check

D = Decimal
NOW = dt.datetime(2026, 7, 1, 15, 30, tzinfo=dt.UTC)
DAY = Day(NOW.replace(hour=0, minute=0), NOW.replace(hour=0, minute=0) + dt.timedelta(days=1))
MARKET = Market(
    ticker="BTC-USD",
    clob_pair_id=0,
    status="ACTIVE",
    oracle_price=D(100),
    market_type="CROSS",
    initial_margin_fraction=D("0.05"),
    maintenance_margin_fraction=D("0.03"),
    scale=Scale(-10, -9, 1_000_000, 100_000),
)
ASK = Ask(
    trader_id=1,
    account_id=1,
    strategy_id=1,
    ticker="BTC-USD",
    side=Side.BUY,
    size=D(1),
    price=None,
    before=D(0),
    after=D(1),
    reduce_only=False,
    kind="market",
    market=MARKET,
    now=NOW,
)
FIGURES = Figures(
    position=D(100),
    account_notional=D(100),
    equity=D(50),
    positions=1,
    orders_in_minute=2,
    order_free_at=NOW + dt.timedelta(seconds=20),
    day=DAY,
    day_pnl=D("-100"),
    day_waived=False,
    drawdown=D(10),
    cooling_until=NOW + dt.timedelta(minutes=30),
    liquidity=liquidity_of(
        Orderbook(
            bids=[Level(price=D("99.9"), size=D(10)), Level(price=D(99), size=D(100))],
            asks=[Level(price=D("100.1"), size=D(20)), Level(price=D(102), size=D(100))],
        )
    ),
)


def case(limits: Limits, **changes: Any) -> Case:
    kind = changes.pop("kind", ScopeKind.STRATEGY)
    mode = changes.pop("mode", Mode.ACTIVE)
    reason = changes.pop("reason", None)
    ask = replace(ASK, **changes.pop("ask", {}))
    return Case(kind, limits, mode, reason, ask, replace(FIGURES, **changes))


def code_of(one: Case) -> str | None:
    try:
        check(one)
    except Refusal as refusal:
        return refusal.code
    return None


LIMIT = {"kind": "limit"}
AT_BOUNDARY: list[tuple[str, Limits, dict[str, Any], Limits, dict[str, Any]]] = [
    # code, limits and changes that pass, limits and changes that do not
    ("max_position", Limits(max_position=D(100)), {}, Limits(max_position=D("99.99")), {}),
    ("max_order", Limits(max_order=D(100)), {}, Limits(max_order=D("99.99")), {}),
    ("max_leverage", Limits(max_leverage=D(2)), {}, Limits(max_leverage=D("1.99")), {}),
    ("max_leverage", Limits(max_leverage=D(2)), {}, Limits(max_leverage=D(2)), {"equity": D(0)}),
    (
        "equity_unknown",
        Limits(max_leverage=D(2)),
        {},
        Limits(max_leverage=D(2)),
        {"equity": None},
    ),
    ("max_open_positions", Limits(max_positions=1), {}, Limits(max_positions=1), {"positions": 2}),
    (
        "too_many_orders",
        Limits(max_orders_per_minute=3),
        {},
        Limits(max_orders_per_minute=2),
        {},
    ),
    ("daily_loss", Limits(daily_loss=D("100.01")), {}, Limits(daily_loss=D(100)), {}),
    (
        "daily_loss",
        Limits(daily_loss=D(100)),
        {"day_waived": True},
        Limits(daily_loss=D(100)),
        {"day_pnl": D("-100.01")},
    ),
    (
        "figures_missing",
        Limits(daily_loss=D(100)),
        {"day_pnl": D(0)},
        Limits(daily_loss=D(100)),
        {"day_pnl": None},
    ),
    ("drawdown", Limits(drawdown=D("10.01")), {}, Limits(drawdown=D(10)), {}),
    (
        "equity_unknown",
        Limits(drawdown=D(20)),
        {},
        Limits(drawdown=D(20)),
        {"drawdown": None},
    ),
    (
        "cool_down",
        Limits(losses=3, cool_down_min=30),
        {"cooling_until": NOW},
        Limits(losses=3, cool_down_min=30),
        {"cooling_until": NOW + dt.timedelta(seconds=1)},
    ),
    (
        "symbol_not_allowed",
        Limits(markets=("BTC-USD",)),
        {},
        Limits(markets=("ETH-USD",)),
        {},
    ),
    ("symbol_not_allowed", Limits(), {}, Limits(markets=()), {}),
    (
        "outside_hours",
        Limits(hours=(Window(15 * 60 + 30, 16 * 60),)),
        {},
        Limits(hours=(Window(15 * 60, 15 * 60 + 30),)),
        {},
    ),
    ("wide_spread", Limits(max_spread=D("0.2")), {}, Limits(max_spread=D("0.199")), {}),
    (
        "thin_market",
        Limits(depth_usd=D(2002), depth_percent=D("0.1")),
        {},
        Limits(depth_usd=D(2003), depth_percent=D("0.1")),
        {},
    ),
    (
        "thin_market",
        Limits(depth_usd=D(10899), depth_percent=D(1)),
        {"ask": {"side": Side.SELL}},
        Limits(depth_usd=D(10900), depth_percent=D(1)),
        {"ask": {"side": Side.SELL}},
    ),
    (
        "thin_market",
        Limits(max_spread=D(1)),
        {},
        Limits(max_spread=D(1)),
        {"liquidity": None},
    ),
    (
        "price_band",
        Limits(price_band=D(5)),
        {"ask": {**LIMIT, "price": D(95)}},
        Limits(price_band=D(5)),
        {"ask": {**LIMIT, "price": D("94.99")}},
    ),
    (
        "price_band",
        Limits(price_band=D(5)),
        {},  # a market order names no price
        Limits(price_band=D(5)),
        {"ask": {"kind": "stop", "price": D("105.01")}},
    ),
    (
        "stale",
        Limits(max_alert_age_s=60),
        {"ask": {"asked_at": NOW - dt.timedelta(seconds=60)}},
        Limits(max_alert_age_s=60),
        {"ask": {"asked_at": NOW - dt.timedelta(seconds=61)}},
    ),
    (
        "stale",
        Limits(max_alert_age_s=60),
        {"ask": {"asked_at": NOW - dt.timedelta(seconds=61), "stale_after": dt.timedelta(90)}},
        Limits(max_alert_age_s=60),
        {
            "ask": {
                "asked_at": NOW - dt.timedelta(seconds=11),
                "stale_after": dt.timedelta(seconds=10),
            }
        },
    ),
    ("reducing", Limits(), {}, Limits(), {"mode": Mode.REDUCING}),
    ("halted", Limits(), {}, Limits(), {"mode": Mode.HALTED, "reason": "panic"}),
]


@pytest.mark.parametrize(("code", "wide", "passes", "tight", "refused"), AT_BOUNDARY)
def test_a_limit_lets_through_what_it_allows_and_nothing_more(
    code: str, wide: Limits, passes: dict[str, Any], tight: Limits, refused: dict[str, Any]
) -> None:
    assert code_of(case(wide, **passes)) is None
    assert code_of(case(tight, **refused)) == code


def test_without_limits_everything_passes() -> None:
    assert code_of(case(Limits())) is None


def test_an_old_alert_is_missed_rather_than_refused() -> None:
    old = {"asked_at": NOW - dt.timedelta(seconds=75)}
    with pytest.raises(Missed) as caught:
        check(case(Limits(max_alert_age_s=60), ask=old))
    assert caught.value.text == "The alert was 75 s old, older than your limit of 60 s."


def refusal(one: Case) -> str:
    with pytest.raises(Refusal) as caught:
        check(one)
    return caught.value.text


def test_a_daily_loss_says_how_much_and_until_when() -> None:
    figures = {"day_pnl": D("-100.40"), "zone": Zone("Europe/Berlin")}
    day = Day(NOW - dt.timedelta(hours=17, minutes=30), NOW + dt.timedelta(hours=6, minutes=30))
    text = refusal(case(Limits(daily_loss=D(100)), kind=ScopeKind.ACCOUNT, day=day, **figures))
    assert text == (
        "daily loss limit of the account. Today −100.40 of −100.00 USDC. New entries are off "
        "until 00:00 (Europe/Berlin); closing still works."
    )


def test_hours_are_told_by_the_clocks_of_the_trader() -> None:
    limits = Limits(hours=(Window(9 * 60, 17 * 60 + 30),))
    text = refusal(case(limits, zone=Zone("Europe/Berlin")))
    assert text == (
        "It is 17:30 (Europe/Berlin), outside of 09:00–17:30. New entries are off until 09:00 "
        "(Europe/Berlin); closing still works."
    )


def test_the_pace_says_when_the_next_order_may_go() -> None:
    assert "may go at 15:30:20 (UTC)" in refusal(case(Limits(max_orders_per_minute=2)))


@pytest.mark.parametrize(
    "limits",
    [
        Limits(max_position=D(1)),
        Limits(max_leverage=D(1)),
        Limits(daily_loss=D(1)),
        Limits(drawdown=D(1)),
    ],
)
def test_a_limit_of_the_whole_bot_tells_nobody_what_others_hold(limits: Limits) -> None:
    text = refusal(
        case(
            limits, kind=ScopeKind.BOT, position=D(7777), account_notional=D(7777), day_pnl=D(-7777)
        )
    )
    assert "7,777" not in text
    assert "7777" not in text
