"""Alertatron's scripts and the objects of its Signals Lite."""

from __future__ import annotations

from typing import Any

import pytest

from core.signals.alert import Force, OrderKind
from tests.core.signals.presets.preset_kit import (
    alert_in,
    fault_in,
    level,
    plain,
    targets,
    told,
)


def script(*commands: str, symbol: str = "BTCUSDT") -> str:
    inside = "\n".join(f"  {command};" for command in commands)
    return f"myKeys({symbol}) {{\n{inside}\n}}\n#bot"


@pytest.mark.parametrize(
    ("body", "position", "expected"),
    [
        (script("market(side=buy, amount=2)"), "0", "open BUY 2 2"),
        (script("market(side=buy, amount=2)"), "1", "add BUY 2 3"),
        (script("market(side=sell, amount=2)"), "1", "reverse SELL 2 -1"),
        (script("market(side=sell, amount=2)"), "2", "close SELL 2 0"),
        (script("market(side=sell, amount=2, reduceOnly=true)"), "1", "close SELL 1 0"),
        (script("market(side=sell, amount=2, reduceOnly=true)"), "0", "none"),
        (script("market(side=buy, amount=50%)"), "0", "open BUY 50 50"),
        (script("market(side=buy, amount=50%b)"), "0", "open BUY 50 50"),
        (script("market(side=buy, amount=100%a)"), "0", "open BUY 100 100"),
        (script("market(side=buy, amount=10%%)"), "0", "open BUY 10 10"),
        (script("market(side=sell, amount=50%p)"), "4", "reduce SELL 2 2"),
        (script("market(side=sell, amount=100%p)"), "4", "close SELL 4 0"),
        (script("market(side=sell, amount=100%p)"), "0", "none"),
        (script("market(position=2)"), "0", "open BUY 2 2"),
        (script("market(position=2)"), "5", "reduce SELL 3 2"),
        (script("market(position=2)"), "2", "none"),
        (script("market(position=2)"), "-1", "reverse BUY 3 2"),
        (script("market(position=-2)"), "1", "reverse SELL 3 -2"),
        (script("market(position=0)"), "-3", "close BUY 3 0"),
        (script("market(position=0)"), "0", "none"),
        (script("market(position=100%a)"), "-3", "reverse BUY 103 100"),
        (script("market(position=50%p)"), "4", "reduce SELL 2 2"),
        (script("market(position=0)", "market(side=buy, amount=2)"), "-3", "reverse BUY 5 2"),
        (script("market(position=0)", "market(side=buy, amount=2)"), "3", "reduce SELL 1 2"),
        (script("market(position=0)", "market(side=buy, amount=50%)"), "3", "add BUY 47 50"),
        (script("cancel(which=all)"), "3", "cancel"),
        (script("cancel(which=all)", "market(side=buy, amount=1)"), "0", "open BUY 1 1"),
        (script("exchangeSettings(leverage=5)", "market(side=buy, amount=1)"), "0", "open BUY 1 1"),
        (script("market(side=buy, amount=100)", symbol="XBTUSD"), "0", "open BUY 1 1"),
        (script("market(side=buy, amount=0.1)", symbol="ETHUSD"), "0", "open BUY 0.1 0.1"),
        ("bybitKeys(BTCUSD) { market(side=buy, amount=100); }", "0", "open BUY 1 1"),
        ("Bitfinex(BTCUSD) { market(side=buy, amount=20); }", "0", "open BUY 20 20"),
        (script("market(side=buy, amount=2)", symbol="BTCUSD"), "0", "open BUY 2 2"),
        ("a b c keys(BTCUSDT) { market(side=buy, amount=3); } #bot", "0", "open BUY 3 3"),
        (script("marketOrder(side=buy, amount=3)"), "0", "open BUY 3 3"),
        (script('market(side="buy", amount="3")'), "0", "open BUY 3 3"),
    ],
)
def test_amount_is_one_order_and_position_is_where_to_be(
    body: str, position: str, expected: str
) -> None:
    assert told(body, position) == expected


def test_a_cancel_before_the_order_goes_with_it() -> None:
    assert alert_in(script("cancel(which=all)", "market(position=1)")).cancels


@pytest.mark.parametrize(
    ("commands", "expected_targets", "expected_stop"),
    [
        (
            ("market(side=buy, amount=1)", "stopOrTakeProfit(side=sell, tp=2%, sl=1%, amount=1)"),
            "2%",
            "1%",
        ),
        (
            ("market(side=sell, amount=1)", "stopOrTakeProfit(tp=@90, sl=@105, position=0)"),
            "90",
            "105",
        ),
        (
            ("market(side=buy, amount=1)", "stopOrder(side=sell, amount=100%p, offset=50)"),
            "",
            "+50",
        ),
        (
            (
                "market(side=sell, amount=1)",
                "stopOrder(side=buy, amount=100%p, stop=e+1%)",
                "oneCancelsOther(which=all)",
                "limit(position=-75%p, offset=e-1%, reduceOnly=true)",
                "limit(position=-25%p, offset=e-2%, reduceOnly=true)",
                "limit(position=0, offset=e-3%, reduceOnly=true)",
                "oneCancelsOther()",
            ),
            "1% 0.25, 2% 0.5, 3% 0.25",
            "1%",
        ),
        (
            (
                "market(side=buy, amount=2)",
                "limit(side=sell, amount=0.5, offset=@110)",
                "limit(side=sell, amount=1.5, offset=@120)",
                "stopMarket(side=sell, amount=2, offset=@95)",
            ),
            "110 0.25, 120 0.75",
            "95",
        ),
        (
            ("market(side=buy, amount=10%)", "stop_loss(price=90)", "take_profit(price=120)"),
            "120",
            "90",
        ),
    ],
)
def test_what_follows_the_entry_is_its_plan(
    commands: tuple[str, ...], expected_targets: str, expected_stop: str
) -> None:
    alert = alert_in(script(*commands))

    assert (targets(alert.take_profit), level(alert.stop_loss)) == (
        expected_targets,
        expected_stop,
    )


def test_a_trailing_stop_follows_at_its_offset() -> None:
    alert = alert_in(
        script("market(side=buy, amount=1)", "trailingStop(side=sell, amount=100%p, offset=1.5%)")
    )

    assert alert.trailing is not None
    assert level(alert.trailing.distance) == "1.5%"


@pytest.mark.parametrize(
    ("command", "price", "force"),
    [
        ("limit(side=buy, amount=1, offset=1%)", "99", Force.GTT),
        ("limit(side=sell, amount=1, offset=1%)", "101", Force.GTT),
        ("limit(side=buy, amount=1, offset=5, postOnly=true)", "95", Force.POST_ONLY),
        ("limit(side=buy, amount=1, offset=@97.5)", "97.5", Force.GTT),
        ("limit(position=-1, offset=2)", "102", Force.GTT),
    ],
)
def test_a_limit_lies_on_the_better_side_of_the_market(
    command: str, price: str, force: Force
) -> None:
    terms = alert_in(script(command)).terms

    assert (terms.kind, plain(terms.price), terms.force) == (OrderKind.LIMIT, price, force)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (
            script("market(side=buy, amount=1)") + " " + script("market(side=sell, amount=1)"),
            "several_orders",
        ),
        (script("market(side=buy, amount=1)", "market(side=sell, amount=1)"), "several_orders"),
        (
            script("market(side=buy, amount=1)", "limit(side=buy, amount=1, offset=1%)"),
            "several_orders",
        ),
        (script("market(side=buy, amount=1)", "stopOrder(side=buy, offset=1%)"), "several_orders"),
        (
            script("market(side=buy, amount=1)", "stopOrder(side=sell, offset=e1%)"),
            "level_wrong_side",
        ),
        (script("market(side=buy, amount=1)", "stopOrder(side=sell)"), "level_missing"),
        (script("stopOrder(side=sell, amount=100%p, offset=1%)"), "unsupported"),
        (script("wait(5m)", "market(side=buy, amount=1)"), "unsupported"),
        (
            script("continue(if=positionLessThan, value=10)", "market(side=buy, amount=1)"),
            "unsupported",
        ),
        (script("pingPong(from=0, to=20)"), "unsupported"),
        (script("market(side=buy)"), "size_missing"),
        (script("market(side=buy, amount=100)", symbol="BTCUSD"), "size_ambiguous"),
        (script("market(side=buy, amount=lots)"), "argument_invalid"),
        (script("limit(side=buy, amount=1)"), "price_missing"),
        (script("market(side=buy, amount={{strategy.order.contracts}})"), "placeholder_left"),
        (script("market(side=buy, amount=1)", symbol="{{ticker}}"), "placeholder_left"),
        ("keys(BTCUSDT) { market side=buy }", "script_invalid"),
        ("keys(BTCUSDT) { }", "action_missing"),
    ],
)
def test_what_is_more_than_one_order_or_cannot_be_had_is_refused(body: str, code: str) -> None:
    assert fault_in(body).code == code


def lite(**fields: Any) -> dict[str, Any]:
    return {"symbol": "BTCUSDT", **fields}


@pytest.mark.parametrize(
    ("body", "position", "expected"),
    [
        (lite(side="long", amount="25%"), "0", "open BUY 25 25"),
        (lite(side="short", amount="3"), "2", "reverse SELL 5 -3"),
        (lite(side="short", amount="1", closeExisting=False), "2", "reduce SELL 1 1"),
        (lite(side="close"), "-2", "close BUY 2 0"),
        (lite(side="close", amount="50%"), "4", "reduce SELL 2 2"),
    ],
)
def test_signals_lite_enters_and_closes(body: Any, position: str, expected: str) -> None:
    assert told(body, position, "alertatron") == expected


def test_signals_lite_has_switches_for_target_and_stop() -> None:
    on = alert_in(
        lite(
            side="long",
            amount="50%",
            takeProfit=True,
            takeProfitOffset="2%",
            stopLoss=True,
            stopLossOffset="1%",
        )
    )
    off = alert_in(lite(side="long", stopLoss=False, stopLossOffset="1%"))

    assert (targets(on.take_profit), level(on.stop_loss)) == ("2%", "1%")
    assert off.stop_loss is None
