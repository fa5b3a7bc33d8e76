"""What buy, sell and close mean against the position that is there."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from core.dydx.markets import Market
from core.dydx.protocol import Side
from core.dydx.quantums import Scale
from core.trading.decision import Held, Limits, Missed, Refusal, Wish, decide

D = Decimal
NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
LIMITS = Limits(max_position_usd=None, allowed_symbols=None, max_alert_age_s=60)


def market(**changes: Any) -> Market:
    values: dict[str, Any] = {
        "ticker": "ETH-USD",
        "clob_pair_id": 1,
        "status": "ACTIVE",
        "oracle_price": D(3000),
        "market_type": "CROSS",
        "initial_margin_fraction": D("0.05"),
        "maintenance_margin_fraction": D("0.03"),
        "scale": Scale(-9, -9, 1_000_000, 100_000),
    }
    return Market(**(values | changes))


def wish(action: Any, size: str | None = "1", **changes: Any) -> Wish:
    values: dict[str, Any] = {
        "action": action,
        "size": D(size) if size else None,
        "size_usd": None,
        "fraction": None,
        "asked_at": NOW,
    }
    return Wish(**(values | changes))


def held(size: str, enlarged_at: dt.datetime = NOW - dt.timedelta(hours=1)) -> Held:
    return Held(7, D(size), enlarged_at)


@pytest.mark.parametrize(
    ("action", "size", "position", "expected"),
    [
        ("buy", "1", None, ("open", Side.BUY, "1")),
        ("sell", "1", None, ("open", Side.SELL, "1")),
        ("buy", "1", "2", ("add", Side.BUY, "1")),
        ("sell", "1", "-2", ("add", Side.SELL, "1")),
        ("sell", "1", "2", ("reduce", Side.SELL, "1")),
        ("sell", "2", "2", ("close", Side.SELL, "2")),
        ("sell", "5", "2", ("close", Side.SELL, "2")),
        ("buy", "5", "-2", ("close", Side.BUY, "2")),
        ("close", None, "2", ("close", Side.SELL, "2")),
        ("close", None, "-2", ("close", Side.BUY, "2")),
        ("close", "0.5", "2", ("reduce", Side.SELL, "0.5")),
        ("close", "9", "2", ("close", Side.SELL, "2")),
    ],
)
def test_the_action_means_what_the_position_makes_of_it(
    action: str, size: str | None, position: str | None, expected: tuple[str, Side, str]
) -> None:
    decision = decide(
        wish(action, size), held(position) if position else None, market(), D(3000), LIMITS, NOW
    )
    assert (decision.kind, decision.side, decision.size) == (*expected[:2], D(expected[2]))
    assert decision.reduce_only == (expected[0] in ("reduce", "close"))


def test_a_size_in_dollars_is_taken_at_the_oracle_price() -> None:
    decision = decide(wish("buy", None, size_usd=D(1500)), None, market(), D(3000), LIMITS, NOW)
    assert decision.size == D("0.5")


def test_a_close_in_dollars_closes_that_much() -> None:
    asked = wish("close", None, size_usd=D(1500))
    decision = decide(asked, held("2"), market(), D(3000), LIMITS, NOW)
    assert (decision.kind, decision.size) == ("reduce", D("0.5"))


def test_half_of_a_position_is_reduced() -> None:
    asked = wish("close", None, fraction=D("0.5"))
    assert decide(asked, held("-3"), market(), D(3000), None, NOW).size == D("1.5")


@pytest.mark.parametrize(
    ("asked", "position", "changes", "limits", "code"),
    [
        (wish("close", None), None, {}, {}, "nothing_to_close"),
        (wish("buy", None), None, {}, {}, "size_missing"),
        (wish("buy"), None, {"status": "PAUSED"}, {}, "market_status"),
        (wish("buy"), None, {"market_type": "ISOLATED"}, {}, "market_isolated"),
        (wish("buy"), None, {}, {"allowed_symbols": ("BTC-USD",)}, "symbol_not_allowed"),
        (wish("buy"), None, {}, {"max_position_usd": D(2999)}, "max_position"),
        (wish("buy"), "1", {}, {"max_position_usd": D(5999)}, "max_position"),
    ],
)
def test_what_must_not_be_traded_is_refused_with_its_reason(
    asked: Wish,
    position: str | None,
    changes: dict[str, Any],
    limits: dict[str, Any],
    code: str,
) -> None:
    bounds = {"max_position_usd": None, "allowed_symbols": None, "max_alert_age_s": 60} | limits
    with pytest.raises(Refusal) as refusal:
        decide(
            asked,
            held(position) if position else None,
            market(**changes),
            D(3000),
            Limits(**bounds),
            NOW,
        )
    assert refusal.value.code == code


def test_a_close_passes_every_limit() -> None:
    strict = Limits(max_position_usd=D(1), allowed_symbols=(), max_alert_age_s=60)
    paused = market(status="CANCEL_ONLY", market_type="ISOLATED")
    assert decide(wish("close", None), held("2"), paused, D(3000), strict, NOW).kind == "close"


def test_a_stale_entry_is_missed() -> None:
    late = wish("buy", asked_at=NOW - dt.timedelta(seconds=61))
    with pytest.raises(Missed):
        decide(late, None, market(), D(3000), LIMITS, NOW)


def test_a_stale_close_acts_only_on_a_position_that_did_not_grow_since() -> None:
    asked_at = NOW - dt.timedelta(minutes=10)
    late = wish("close", None, asked_at=asked_at)
    old = held("2", enlarged_at=asked_at - dt.timedelta(seconds=1))
    grown = held("2", enlarged_at=asked_at + dt.timedelta(seconds=1))
    assert decide(late, old, market(), D(3000), LIMITS, NOW).kind == "close"
    with pytest.raises(Missed):
        decide(late, grown, market(), D(3000), LIMITS, NOW)
