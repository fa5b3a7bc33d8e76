"""OctoBot's lines of KEY=value."""

from __future__ import annotations

import pytest

from core.signals.alert import BreakEven, Force, OrderKind
from tests.core.signals.presets.preset_kit import alert_in, fault_in, level, plain, targets, told


def lines(*more: str) -> str:
    return "\n".join(("EXCHANGE=BYBIT", "SYMBOL=AVAXUSDT.P", *more))


@pytest.mark.parametrize(
    ("more", "position", "expected"),
    [
        (("SIGNAL=BUY",), "0", "open BUY 7 7"),
        (("SIGNAL=buy", "VOLUME=2"), "0", "open BUY 2 2"),
        (("SIGNAL=BUY", "VOLUME=2"), "1", "add BUY 2 3"),
        (("SIGNAL=SELL", "VOLUME=2"), "1", "reverse SELL 2 -1"),
        (("SIGNAL=SELL", "VOLUME=2"), "2", "close SELL 2 0"),
        (("SIGNAL=SELL", "VOLUME=2"), "5", "reduce SELL 2 3"),
        (("SIGNAL=SELL",), "5", "close SELL 5 0"),
        (("SIGNAL=SELL", "VOLUME=2", "REDUCE_ONLY=true"), "1", "close SELL 1 0"),
        (("SIGNAL=SELL", "VOLUME=2", "REDUCE_ONLY=True"), "0", "none"),
        (("SIGNAL=SELL", "VOLUME=2", "REDUCE_ONLY=true"), "-3", "none"),
        (("SIGNAL=BUY", "REDUCE_ONLY=true"), "-3", "close BUY 3 0"),
        (("SIGNAL=SELL", "VOLUME=50p%", "REDUCE_ONLY=true"), "4", "reduce SELL 2 2"),
        (("SIGNAL=SELL", "VOLUME=25%", "REDUCE_ONLY=true"), "4", "reduce SELL 1 3"),
        (("SIGNAL=SELL", "VOLUME=100a%", "REDUCE_ONLY=true"), "4", "close SELL 4 0"),
        (("SIGNAL=BUY", "VOLUME=5%"), "0", "open BUY 5 5"),
        (("SIGNAL=BUY", "VOLUME=12a%"), "0", "open BUY 12 12"),
        (("SIGNAL=BUY", "VOLUME=10s%"), "0", "open BUY 10 10"),
        (("SIGNAL=BUY", "VOLUME=250q"), "0", "open BUY 2.5 2.5"),
        (("SIGNAL=BUY", "VOLUME=0.5b"), "0", "open BUY 0.5 0.5"),
        (("SIGNAL=CANCEL",), "2", "cancel"),
        (("SIGNAL=CANCEL", "PARAM_SIDE=buy", "TAG=x"), "2", "cancel"),
        (("SIGNAL=SELL", "VOLUME=2", "MARKET_POSITION=flat"), "1", "close SELL 1 0"),
        (("SIGNAL=SELL", "VOLUME=2", "MARKET_POSITION=flat"), "0", "none"),
        (("SIGNAL=SELL", "VOLUME=2", "MARKET_POSITION=short"), "1", "reverse SELL 2 -1"),
    ],
)
def test_a_signal_is_one_order_and_reduce_only_never_opens(
    more: tuple[str, ...], position: str, expected: str
) -> None:
    assert told(lines(*more), position) == expected


@pytest.mark.parametrize("separator", [";", "\n", "\\n", "\r\n", " ; \n"])
def test_parts_may_be_separated_in_every_way(separator: str) -> None:
    body = separator.join(("SYMBOL=ETHUSDT", "SIGNAL=SELL", "VOLUME=3", "TOKEN=abc"))

    assert told(body, "0") == "open SELL 3 -3"


def test_a_limit_may_be_a_price_or_a_distance_from_the_market() -> None:
    prices = {
        given: alert_in(lines("SIGNAL=BUY", "ORDER_TYPE=LIMIT", f"PRICE={given}")).terms.price
        for given in ("95.5", "96@", "-5%", "2.5%", "-0.5d", "10d")
    }

    assert {given: plain(price) for given, price in prices.items()} == {
        "95.5": "95.5",
        "96@": "96",
        "-5%": "95",
        "2.5%": "102.5",
        "-0.5d": "99.5",
        "10d": "110",
    }


def test_a_price_without_type_is_a_limit_and_market_passes_it_over() -> None:
    limit = alert_in(lines("SIGNAL=BUY", "PRICE=95")).terms
    market = alert_in(lines("SIGNAL=BUY", "PRICE=95", "ORDER_TYPE=market")).terms

    assert (limit.kind, limit.force) == (OrderKind.LIMIT, Force.GTT)
    assert market.kind is OrderKind.MARKET


def test_a_stop_order_waits_for_its_price() -> None:
    alert = alert_in(lines("SIGNAL=SELL", "ORDER_TYPE=STOP", "STOP_PRICE=-10%", "VOLUME=1"))

    assert (alert.terms.kind, plain(alert.terms.price)) == (OrderKind.STOP, "90")
    assert alert.stop_loss is None


@pytest.mark.parametrize(
    ("more", "expected_targets", "expected_stop"),
    [
        (("SIGNAL=BUY", "STOP_PRICE=90", "TAKE_PROFIT_PRICE=120"), "120", "90"),
        (("SIGNAL=BUY", "STOP_PRICE=-5%", "TAKE_PROFIT_PRICE=10%"), "10%", "5%"),
        (("SIGNAL=SELL", "STOP_PRICE=5%", "TAKE_PROFIT_PRICE=-10d"), "+10", "5%"),
        (
            ("SIGNAL=BUY", "TAKE_PROFIT_PRICE_1=110", "TAKE_PROFIT_PRICE_2=120"),
            "110, 120",
            "-",
        ),
        (
            (
                "SIGNAL=BUY",
                "TAKE_PROFIT_PRICE_1=110",
                "TAKE_PROFIT_PRICE_2=120",
                "TAKE_PROFIT_VOLUME_RATIO_1=1",
                "TAKE_PROFIT_VOLUME_RATIO_2=3",
            ),
            "110 0.25, 120 0.75",
            "-",
        ),
        (
            (
                "SIGNAL=BUY",
                "TAKE_PROFIT_PRICE=110",
                "TAKE_PROFIT_PRICE_1=120",
                "TAKE_PROFIT_VOLUME_RATIO_1=1",
                "TAKE_PROFIT_VOLUME_RATIO_2=1",
            ),
            "110 0.5, 120 0.5",
            "-",
        ),
    ],
)
def test_stop_and_targets_are_prices_or_distances(
    more: tuple[str, ...], expected_targets: str, expected_stop: str
) -> None:
    alert = alert_in(lines(*more))

    assert (targets(alert.take_profit), level(alert.stop_loss)) == (
        expected_targets,
        expected_stop,
    )


def test_the_trailing_profile_moves_the_stop_once_a_target_is_filled() -> None:
    alert = alert_in(lines("SIGNAL=BUY", "TRAILING_PROFILE=filled_take_profit"))

    assert alert.break_even == BreakEven()


def test_an_object_with_the_same_keys_is_read_too() -> None:
    body = {"EXCHANGE": "binance", "SYMBOL": "ETHUSDT", "SIGNAL": "SELL", "VOLUME": 2}

    assert told(body, "1") == "reverse SELL 2 -1"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("SIGNAL=HOLD",), "signal_unknown"),
        (("SIGNAL=BUY", "VOLUME=much"), "volume_invalid"),
        (("SIGNAL=BUY", "VOLUME=5x%"), "volume_invalid"),
        (("SIGNAL=BUY", "STOP_PRICE=5%"), "level_wrong_side"),
        (("SIGNAL=SELL", "TAKE_PROFIT_PRICE=5%"), "level_wrong_side"),
        (("SIGNAL=BUY", "STOP_PRICE=-100%"), "level_invalid"),
        (("SIGNAL=BUY", "PRICE=-200%"), "price_not_positive"),
        (("SIGNAL=BUY", "PRICE=-95"), "price_not_positive"),
        (("SIGNAL=BUY", "SIGNAL=SELL"), "duplicate_field"),
        (("SIGNAL=BUY", "no sign of equality"), "line_invalid"),
        (("SIGNAL={{strategy.order.action}}",), "placeholder_left"),
        (
            (
                "SIGNAL=BUY",
                "TAKE_PROFIT_PRICE_1=110",
                "TAKE_PROFIT_PRICE_2=120",
                "TAKE_PROFIT_VOLUME_RATIO_1=1",
            ),
            "targets_invalid",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(more: tuple[str, ...], code: str) -> None:
    assert fault_in(lines(*more)).code == code


def test_a_relative_limit_needs_the_markets_price() -> None:
    from core.signals.body import open_body
    from core.signals.faults import AlertFault
    from tests.core.signals.presets.preset_kit import NOW

    body = open_body(lines("SIGNAL=BUY", "ORDER_TYPE=LIMIT", "PRICE=-5%").encode())

    with pytest.raises(AlertFault, match="price_unknown"):
        body.alert(NOW)
