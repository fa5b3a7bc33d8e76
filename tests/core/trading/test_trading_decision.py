"""What buy, sell and close mean against the position that is there."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from core.dydx.markets import Market
from core.dydx.protocol import Side
from core.dydx.quantums import Scale
from core.signals.alert import Action, Alert, MarketPosition, Size, SizeUnit, Target
from core.signals.meaning import Effect
from core.trading.decision import Held, Missed, Refusal, Wish, check_market, decide

D = Decimal
NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
MAX_AGE_S = 60


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


def sized(value: str | None, unit: SizeUnit = SizeUnit.BASE) -> Size | None:
    return Size(D(value), unit) if value else None


def wish(action: str, base: str | None = "1", **changes: Any) -> Wish:
    """An alert's wish; what `changes` names goes to the alert, or to the wish itself."""
    own: dict[str, Any] = {
        name: changes.pop(name) for name in ("asked_at", "default_size") if name in changes
    }
    values: dict[str, Any] = {"action": Action(action), "symbol": "ETH-USD", "size": sized(base)}
    return Wish(alert=Alert(**(values | changes)), **({"asked_at": NOW} | own))


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
    course = decide(
        wish(action, size), held(position) if position else None, market(), D(3000), MAX_AGE_S, NOW
    )
    closes = expected[0] in ("reduce", "close")
    assert (course.effect, course.side) == (Effect(expected[0]), expected[1])
    assert (course.closing if closes else course.opening) == D(expected[2])
    assert course.reduces_only is closes


def test_a_size_in_dollars_is_taken_at_the_oracle_price() -> None:
    asked = wish("buy", None, size=sized("1500", SizeUnit.USD))
    assert decide(asked, None, market(), D(3000), MAX_AGE_S, NOW).opening == D("0.5")


def test_a_strategy_gives_its_size_to_an_alert_without_one() -> None:
    asked = wish("buy", None, default_size=sized("1500", SizeUnit.USD))
    assert decide(asked, None, market(), D(3000), MAX_AGE_S, NOW).opening == D("0.5")


def test_half_of_a_position_is_reduced() -> None:
    asked = wish("close", None, size=sized("50", SizeUnit.POSITION_PERCENT))
    assert decide(asked, held("-3"), market(), D(3000), None, NOW).closing == D("1.5")


def test_a_reversal_closes_what_is_held_and_opens_the_alerts_size() -> None:
    course = decide(wish("short", "1"), held("2"), market(), D(3000), MAX_AGE_S, NOW)
    assert (course.effect, course.side) == (Effect.REVERSE, Side.SELL)
    assert (course.closing, course.opening) == (D(2), D(1))


def test_a_target_that_is_held_already_has_nothing_to_do() -> None:
    target = Target(MarketPosition.LONG, D(2))
    with pytest.raises(Refusal) as refusal:
        decide(
            wish("buy", None, target=target, sync=True),
            held("2"),
            market(),
            D(3000),
            MAX_AGE_S,
            NOW,
        )
    assert refusal.value.code == "nothing_to_do"


@pytest.mark.parametrize(
    ("asked", "position", "code"),
    [
        (wish("close", None), None, "nothing_to_close"),
        (wish("buy", None), None, "size_missing"),
        (wish("add"), None, "nothing_to_add_to"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_reason(
    asked: Wish, position: str | None, code: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        decide(asked, held(position) if position else None, market(), D(3000), MAX_AGE_S, NOW)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"status": "PAUSED"}, "market_status"), ({"market_type": "ISOLATED"}, "market_isolated")],
)
def test_nothing_is_opened_in_a_market_that_takes_no_positions(
    changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        check_market(market(**changes))
    assert refusal.value.code == code
    check_market(market())


def test_a_close_is_decided_whatever_the_market_says() -> None:
    paused = market(status="CANCEL_ONLY", market_type="ISOLATED")
    course = decide(wish("close", None), held("2"), paused, D(3000), MAX_AGE_S, NOW)
    assert course.effect is Effect.CLOSE


def test_a_stale_entry_is_missed() -> None:
    late = wish("buy", asked_at=NOW - dt.timedelta(seconds=61))
    with pytest.raises(Missed):
        decide(late, None, market(), D(3000), MAX_AGE_S, NOW)


def test_a_stale_close_acts_only_on_a_position_that_did_not_grow_since() -> None:
    asked_at = NOW - dt.timedelta(minutes=10)
    late = wish("close", None, asked_at=asked_at)
    old = held("2", enlarged_at=asked_at - dt.timedelta(seconds=1))
    grown = held("2", enlarged_at=asked_at + dt.timedelta(seconds=1))
    assert decide(late, old, market(), D(3000), MAX_AGE_S, NOW).effect is Effect.CLOSE
    with pytest.raises(Missed):
        decide(late, grown, market(), D(3000), MAX_AGE_S, NOW)
