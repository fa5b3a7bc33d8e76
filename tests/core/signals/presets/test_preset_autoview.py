"""Autoview's commands."""

from __future__ import annotations

import pytest

from core.signals.alert import Force, OrderKind
from tests.core.signals.presets.preset_kit import (
    FIVE_S_AGO,
    alert_in,
    fault_in,
    level,
    plain,
    targets,
    told,
)

HEAD = "a=acct e=bybit s=ADAUSDT"


@pytest.mark.parametrize(
    ("body", "position", "expected"),
    [
        (f"{HEAD} b=long q=2 t=market", "0", "open BUY 2 2"),
        (f"{HEAD} b=buy q=2 t=market", "1", "add BUY 2 3"),
        (f"{HEAD} b=short q=2 t=market", "1", "reverse SELL 2 -1"),
        (f"{HEAD} b=sell q=2 t=market ro=1", "1", "close SELL 1 0"),
        (f"{HEAD} b=sell q=2 t=market ro=1", "0", "none"),
        (f"{HEAD} b=long q=5% t=market", "0", "open BUY 5 5"),
        (f"{HEAD} b=long t=market", "0", "open BUY 7 7"),
        (f"{HEAD} b=long q=300 u=currency t=market", "0", "open BUY 3 3"),
        (f"{HEAD} c=position t=market", "-2", "close BUY 2 0"),
        (f"{HEAD} c=position b=long t=market", "2", "close SELL 2 0"),
        (f"{HEAD} c=position b=short t=market", "2", "none"),
        (f"{HEAD} c=position b=long cm=50% t=market", "2", "reduce SELL 1 1"),
        (f"{HEAD} c=position b=long q=0.5 t=market", "2", "reduce SELL 0.5 1.5"),
        (f"{HEAD} c=order", "2", "cancel"),
        (f"{HEAD} c=order b=short", "2", "cancel"),
        (f"{HEAD} c=order\n{HEAD} b=long q=1 t=market", "0", "open BUY 1 1"),
        (
            f"{HEAD} c=position b=short t=market\n{HEAD} b=long q=1 t=market",
            "-2",
            "reverse BUY 3 1",
        ),
        (f"{HEAD} c=position b=short t=market\n{HEAD} b=long q=1 t=market", "0", "open BUY 1 1"),
        (f"{HEAD} c=position b=short t=market | {HEAD} b=long q=1 t=market", "1", "add BUY 1 2"),
        (f"{HEAD} c=position t=market\n{HEAD} b=long q=1 t=market", "3", "reduce SELL 2 1"),
        (f"{HEAD} c=position t=market\n{HEAD} b=long q=10% t=market", "-3", "reverse BUY 13 10"),
        (f"{HEAD} c=position b=long\n{HEAD} c=position b=short", "-3", "close BUY 3 0"),
        (f"{HEAD} b=sell q=2 t=market mp=flat", "2", "close SELL 2 0"),
        (f"{HEAD} b=sell q=2 t=market mp=flat", "0", "none"),
        (f"{HEAD} b=sell q=4 t=market mp=short", "2", "reverse SELL 4 -2"),
        ("e=bitmex s=XBTUSD b=long q=250 t=market", "0", "open BUY 2.5 2.5"),
        ("e=bybit s=BTCUSD b=long q=250 t=market", "0", "open BUY 2.5 2.5"),
        ("e=kraken s=BTCUSD b=long q=12 t=market", "0", "open BUY 12 12"),
        (f"{HEAD} b=long q=9 t=market d=1\n{HEAD} b=long q=1 t=market", "0", "open BUY 1 1"),
        ("E=bybit S=ADAUSDT B=Long Q=2 T=Market # a comment b=short", "0", "open BUY 2 2"),
    ],
)
def test_commands_order_close_and_cancel(body: str, position: str, expected: str) -> None:
    assert told(body, position) == expected


@pytest.mark.parametrize(
    ("terms", "kind", "price", "force"),
    [
        ("t=limit fp=98", OrderKind.LIMIT, "98", Force.GTT),
        ("t=limit p=-1%", OrderKind.LIMIT, "99", Force.GTT),
        ("t=limit p=2.5", OrderKind.LIMIT, "102.5", Force.GTT),
        ("", OrderKind.LIMIT, "100", Force.GTT),
        ("t=post fp=98", OrderKind.LIMIT, "98", Force.POST_ONLY),
        ("t=ioc fp=98", OrderKind.LIMIT, "98", Force.IOC),
        ("t=stop fp=105", OrderKind.STOP, "105", None),
    ],
)
def test_without_a_type_an_order_is_a_limit_at_the_market(
    terms: str, kind: OrderKind, price: str, force: Force | None
) -> None:
    found = alert_in(f"{HEAD} b=long q=1 {terms}").terms

    assert (found.kind, plain(found.price), found.force) == (kind, price, force)


def test_stop_target_and_trailing_are_offsets_or_fixed_prices() -> None:
    alert = alert_in(f"{HEAD} b=long q=1 t=market sl=-2% tp=4% & ts=1%")
    fixed = alert_in(f"{HEAD} b=long q=1 t=market fsl=95 ftp=120")

    assert (targets(alert.take_profit), level(alert.stop_loss)) == ("4%", "2%")
    assert alert.trailing is not None
    assert level(alert.trailing.distance) == "1%"
    assert (targets(fixed.take_profit), level(fixed.stop_loss)) == ("120", "95")


def test_time_is_ours_and_read() -> None:
    alert = alert_in(f"{HEAD} b=long q=1 t=market time=2026-01-31T12:00:00Z")

    assert alert.time == FIVE_S_AGO


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("b=long l=0 q=25 t=market", "symbol_missing"),
        (f"{HEAD} b=up q=1 t=market", "b_unknown"),
        (f"{HEAD} q=1 t=market c=everything", "c_unknown"),
        (f"{HEAD} b=long q=1 t=fok", "unsupported"),
        (f"{HEAD} b=long q=1 t=swap", "t_unknown"),
        (f"{HEAD} b=long q=1-9 t=market", "unsupported"),
        (f"{HEAD} b=long q=0 t=market", "q_not_positive"),
        ("e=binance s=BTCUSD b=long q=100 t=market", "size_ambiguous"),
        (f"{HEAD} b=long q=lots t=market", "q_invalid"),
        (f"{HEAD} b=long q=1 b=short t=market", "duplicate_field"),
        (f"{HEAD} b=long q=1 t=market d=1", "unsupported"),
        (f"{HEAD} b=long q=1 t=market\n{HEAD} b=long q=2 t=market", "several_orders"),
        (f"{HEAD} b=long q=1 t=market\n{HEAD} c=position b=short", "several_orders"),
        (f"{HEAD} c=position b=long\n{HEAD} b=long q=1 t=market", "several_orders"),
        (f"{HEAD} b=long q=1 t=market\ns=ETHUSDT b=long q=1 t=market", "several_orders"),
        (f"{HEAD} b=long q={{{{strategy.order.contracts}}}} t=market", "placeholder_left"),
    ],
)
def test_what_is_more_than_one_order_or_unknown_is_refused(body: str, code: str) -> None:
    assert fault_in(body, "autoview").code == code
