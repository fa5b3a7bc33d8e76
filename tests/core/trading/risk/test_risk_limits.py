"""Limits as the ledger keeps them and as people write them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.trading.risk.days import Window
from core.trading.risk.limits import (
    FIELDS,
    Limits,
    LimitUnreadable,
    changed,
    from_json,
    to_json,
)

D = Decimal
ANSWERS: list[tuple[str, str, dict[str, Any]]] = [
    ("daily_loss", "100", {"daily_loss": D(100)}),
    ("daily_loss", "−100 USDC", {"daily_loss": D(100)}),
    ("drawdown", "10 %", {"drawdown": D(10)}),
    ("losses", "3, 60", {"losses": 3, "cool_down_min": 60}),
    ("losses", "3 losses 60 min", {"losses": 3, "cool_down_min": 60}),
    ("max_position", "$500", {"max_position": D(500)}),
    ("max_order", "250.5", {"max_order": D("250.5")}),
    ("max_leverage", "3x", {"max_leverage": D(3)}),
    ("max_positions", "4", {"max_positions": 4}),
    ("max_orders_per_minute", "6", {"max_orders_per_minute": 6}),
    ("markets", "btc-usd, ETH-USD", {"markets": ("BTC-USD", "ETH-USD")}),
    ("markets", "BTC-USD BTC-USD", {"markets": ("BTC-USD",)}),
    ("hours", "22:00-02:00", {"hours": (Window(1320, 120),)}),
    ("depth", "50000, 0.5", {"depth_usd": D(50000), "depth_percent": D("0.5")}),
    ("max_spread", "0.1%", {"max_spread": D("0.1")}),
    ("price_band", "5", {"price_band": D(5)}),
]


@pytest.mark.parametrize(("name", "text", "values"), ANSWERS)
def test_an_answer_sets_a_limit_and_none_lifts_it(
    name: str, text: str, values: dict[str, Any]
) -> None:
    before = Limits(max_alert_age_s=7)
    after = changed(before, name, text)
    assert after == Limits(max_alert_age_s=7, **values)
    assert from_json(to_json(after)) == after
    assert changed(after, name, "None") == before


def test_every_field_has_an_answer_in_the_table() -> None:
    assert {name for name, _, _ in ANSWERS} == set(FIELDS)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("daily_loss", "a lot"),
        ("daily_loss", "0"),
        ("daily_loss", "1e3"),
        ("daily_loss", "1,000"),
        ("drawdown", "101"),
        ("losses", "3"),
        ("losses", "0, 60"),
        ("losses", "3, 0"),
        ("losses", "3, 99999"),
        ("max_positions", "1.5"),
        ("max_positions", "0"),
        ("max_orders_per_minute", "-1"),
        ("markets", "; drop"),
        ("hours", "all day"),
        ("depth", "50000"),
        ("depth", "50000, 90"),
        ("price_band", "٣"),
    ],
)
def test_what_cannot_be_a_limit_is_refused_and_changes_nothing(name: str, text: str) -> None:
    with pytest.raises(LimitUnreadable):
        changed(Limits(), name, text)
