"""What an alert does to a position: the table of docs/webhook.md."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.signals.alert import (
    Action,
    Against,
    Alert,
    Force,
    Level,
    MarketPosition,
    OrderKind,
    Size,
    SizeUnit,
    Target,
    Terms,
    Trailing,
)
from core.signals.meaning import Effect, Meaning, Situation, Unmeant, meaning_of

LONG, SHORT, FLAT = MarketPosition.LONG, MarketPosition.SHORT, MarketPosition.FLAT


def coins(value: str) -> Size:
    return Size(Decimal(value), SizeUnit.BASE)


def contracts(value: str) -> Size:
    return Size(Decimal(value), SizeUnit.CONTRACTS)


def target(
    position: MarketPosition,
    size: str | None = None,
    previous: MarketPosition | None = None,
    previous_size: str | None = None,
) -> Target:
    return Target(
        position,
        None if size is None else Decimal(size),
        previous,
        None if previous_size is None else Decimal(previous_size),
    )


def meant(
    action: str | None,
    position: str,
    size: Size | None = None,
    target: Target | None = None,
    default_size: Size | None = None,
    price: str | None = "100",
    equity: str | None = "1000",
    **fields: Any,
) -> Meaning:
    sync = fields.pop("setting", False)
    alert = Alert(
        None if action is None else Action(action), "BTC-USD", size=size, target=target, **fields
    )
    return meaning_of(
        alert,
        Situation(
            Decimal(position),
            price=None if price is None else Decimal(price),
            equity=None if equity is None else Decimal(equity),
            default_size=default_size,
            sync=sync,
        ),
    )


def told(meaning: Meaning) -> str:
    """A meaning in one line: effect, side, size, position after."""
    shown = [meaning.effect.value, meaning.side or "-"]
    for number in (meaning.size, meaning.position_after):
        shown.append("?" if number is None else format(number.normalize(), "f"))
    return " ".join(shown)


def refused(action: str | None, position: str, **fields: Any) -> str:
    with pytest.raises(Unmeant) as caught:
        meant(action, position, **fields)
    assert caught.value.text.endswith(".")
    return caught.value.code


@pytest.mark.parametrize(
    ("action", "flat", "same", "other"),
    [
        ("buy", "open BUY 1 1", "add BUY 1 4", "reduce BUY 1 -2"),
        ("sell", "open SELL 1 -1", "add SELL 1 -4", "reduce SELL 1 2"),
        ("long", "open BUY 1 1", "add BUY 1 4", "reverse BUY 4 1"),
        ("short", "open SELL 1 -1", "add SELL 1 -4", "reverse SELL 4 -1"),
    ],
)
def test_what_an_entry_does_to_a_position(action: str, flat: str, same: str, other: str) -> None:
    way = 1 if action in ("buy", "long") else -1

    assert told(meant(action, "0", coins("1"))) == flat
    assert told(meant(action, str(3 * way), coins("1"))) == same
    assert told(meant(action, str(-3 * way), coins("1"))) == other


@pytest.mark.parametrize(
    ("action", "position", "size", "effect"),
    [
        ("sell", "3", "3", "close SELL 3 0"),
        ("sell", "3", "5", "close SELL 3 0"),
        ("buy", "-3", "5", "close BUY 3 0"),
        ("add", "3", "1", "add BUY 1 4"),
        ("add", "-3", "1", "add SELL 1 -4"),
        ("reduce", "3", "1", "reduce SELL 1 2"),
        ("reduce", "-3", "1", "reduce BUY 1 -2"),
        ("reduce", "3", "9", "close SELL 3 0"),
        ("reduce", "0", "1", "none - ? 0"),
        ("close", "3", "1", "reduce SELL 1 2"),
        ("close", "-3", "9", "close BUY 3 0"),
        ("close", "0", "1", "none - ? 0"),
        ("reverse", "3", "1", "reverse SELL 4 -1"),
        ("reverse", "-3", "1", "reverse BUY 4 1"),
        ("cancel", "3", "1", "cancel - ? 3"),
        ("cancel", "0", "1", "cancel - ? 0"),
    ],
)
def test_what_other_actions_do_to_a_position(
    action: str, position: str, size: str, effect: str
) -> None:
    assert told(meant(action, position, coins(size))) == effect


def test_a_close_without_a_size_closes_all_whatever_the_default_size() -> None:
    assert told(meant("close", "3", default_size=coins("1"))) == "close SELL 3 0"


def test_a_reversal_without_a_size_mirrors_the_position() -> None:
    assert told(meant("reverse", "-3", default_size=coins("1"))) == "reverse BUY 6 3"


def test_what_flat_has_no_side_for_is_refused() -> None:
    assert refused("add", "0", size=coins("1")) == "nothing_to_add_to"
    assert refused("reverse", "0", size=coins("1")) == "nothing_to_reverse"
    assert refused(None, "0") == "action_missing"


@pytest.mark.parametrize(
    ("action", "position", "wish", "effect"),
    [
        ("sell", "3", target(FLAT), "close SELL 3 0"),
        ("sell", "0", target(FLAT), "none - ? 0"),
        ("sell", "-3", target(FLAT), "none - ? -3"),
        ("buy", "-3", target(FLAT), "close BUY 3 0"),
        ("buy", "3", target(FLAT), "none - ? 3"),
        ("sell", "3", target(LONG), "reduce SELL 1 2"),
        ("sell", "0", target(LONG), "none - ? 0"),
        ("sell", "-3", target(LONG), "none - ? -3"),
        ("buy", "-3", target(SHORT), "reduce BUY 1 -2"),
        ("buy", "0", target(LONG), "open BUY 1 1"),
        ("buy", "3", target(LONG), "add BUY 1 4"),
        ("buy", "-3", target(LONG), "reverse BUY 4 1"),
        ("sell", "3", target(SHORT), "reverse SELL 4 -1"),
        ("sell", "-3", target(SHORT), "add SELL 1 -4"),
        ("close", "3", target(FLAT), "close SELL 3 0"),
        ("reduce", "-3", target(FLAT), "close BUY 3 0"),
        ("reduce", "3", target(LONG), "reduce SELL 1 2"),
        ("add", "3", target(LONG), "add BUY 1 4"),
        ("reverse", "0", target(SHORT), "open SELL 1 -1"),
        ("reverse", "-3", target(SHORT), "none - ? -3"),
    ],
)
def test_tradingviews_position_tells_an_entry_from_an_exit(
    action: str, position: str, wish: Target, effect: str
) -> None:
    assert told(meant(action, position, coins("1"), wish)) == effect


def test_a_sell_that_ends_flat_never_opens_whatever_its_size() -> None:
    for size in (None, coins("9"), contracts("9")):
        assert meant("sell", "0", size, target(FLAT)).effect is Effect.NONE
        assert told(meant("sell", "3", size, target(FLAT))) == "close SELL 3 0"


def test_what_tradingview_still_holds_is_not_closed_without_a_size() -> None:
    assert refused("close", "3", target=target(LONG)) == "contradiction"
    assert told(meant("close", "3", coins("1"), target(LONG))) == "reduce SELL 1 2"
    assert told(meant("close", "3", None, target(SHORT))) == "close SELL 3 0"


def test_an_addition_to_the_other_way_is_refused() -> None:
    assert refused("add", "3", size=coins("1"), target=target(SHORT)) == "contradiction"


@pytest.mark.parametrize(
    ("position", "size", "wish", "effect"),
    [
        # The whole order of TradingView, the closing part included.
        ("1", contracts("3"), target(SHORT), "reverse SELL 3 -2"),
        ("1", contracts("3"), target(SHORT, "2"), "reverse SELL 3 -2"),
        ("2", contracts("3"), target(SHORT, "2"), "reverse SELL 4 -2"),
        ("2", contracts("3"), target(SHORT, None, LONG, "1"), "reverse SELL 4 -2"),
        ("0", contracts("3"), target(SHORT, "2", LONG), "open SELL 2 -2"),
        ("0", contracts("3"), target(SHORT, None, LONG, "1"), "open SELL 2 -2"),
        ("-1", contracts("3"), target(SHORT, None, LONG, "1"), "add SELL 2 -3"),
        ("2", contracts("3"), target(SHORT, None, FLAT), "reverse SELL 5 -3"),
        # It does not reach past the position held: that is closed, and nothing opened by guess.
        ("5", contracts("3"), target(SHORT), "close SELL 5 0"),
        # Additions of TradingView's.
        ("0", contracts("1"), target(SHORT, "3", SHORT, "2"), "open SELL 1 -1"),
        ("-2", contracts("1"), target(SHORT, "3", SHORT, "2"), "add SELL 1 -3"),
        # A size of one's own is the new position, and not larger than TradingView's.
        ("1", coins("0.5"), target(SHORT, "2"), "reverse SELL 1.5 -0.5"),
        ("1", coins("3"), target(SHORT, "2"), "reverse SELL 3 -2"),
        ("0", coins("3"), target(SHORT, "2", LONG), "open SELL 2 -2"),
        ("0", coins("3"), target(SHORT, "2", FLAT), "open SELL 3 -3"),
        ("1", coins("3"), target(SHORT), "reverse SELL 4 -3"),
        ("1", None, target(SHORT, "2"), "reverse SELL 3 -2"),
        ("0", None, target(SHORT, "2"), "open SELL 2 -2"),
    ],
)
def test_the_size_of_a_sell_that_leaves_tradingview_short(
    position: str, size: Size | None, wish: Target, effect: str
) -> None:
    assert told(meant("sell", position, size, wish)) == effect


def test_an_order_that_also_closed_what_is_not_held_has_no_size_to_open() -> None:
    found = refused("sell", "0", size=contracts("3"), target=target(SHORT, None, LONG))

    assert found == "contracts_unclear"


def test_the_traders_default_size_goes_before_the_charts() -> None:
    default = coins("0.1")

    assert told(meant("buy", "0", None, target(LONG, "5"), default)) == "open BUY 0.1 0.1"
    assert told(meant("buy", "-1", None, target(LONG, "5"), default)) == "reverse BUY 1.1 0.1"


def test_a_partial_exit_without_a_size_follows_the_chart() -> None:
    wish = target(LONG, "1", LONG, "3")

    assert told(meant("sell", "4", None, wish)) == "reduce SELL 2 2"


@pytest.mark.parametrize(
    ("position", "wish", "effect"),
    [
        ("0", target(LONG, "2"), "open BUY 2 2"),
        ("1", target(LONG, "2"), "add BUY 1 2"),
        ("2", target(LONG, "2"), "none - ? 2"),
        ("3", target(LONG, "2"), "reduce SELL 1 2"),
        ("-1", target(LONG, "2"), "reverse BUY 3 2"),
        ("1", target(SHORT, "2"), "reverse SELL 3 -2"),
        ("1", target(FLAT, "0"), "close SELL 1 0"),
        ("-1", target(FLAT), "close BUY 1 0"),
        ("0", target(FLAT), "none - ? 0"),
    ],
)
@pytest.mark.parametrize("action", ["buy", "sell", "close", None])
@pytest.mark.parametrize("by", [{"setting": True}, {"sync": True}])
def test_sync_makes_tradingviews_position_the_wish(
    by: dict[str, Any], action: str | None, position: str, wish: Target, effect: str
) -> None:
    assert told(meant(action, position, None, wish, **by)) == effect


def test_a_position_without_an_action_is_the_wish_without_sync_too() -> None:
    assert told(meant(None, "-1", None, target(LONG, "2"))) == "reverse BUY 3 2"
    assert told(meant(None, "3", coins("2"), target(LONG))) == "reduce SELL 1 2"


def test_sync_without_any_size_only_looks_at_the_way() -> None:
    assert told(meant("buy", "1", None, target(LONG), sync=True)) == "none - ? 1"
    assert told(meant(None, "1", None, target(LONG))) == "none - ? 1"
    assert told(meant("buy", "-1", None, target(LONG), sync=True)) == "reverse BUY ? ?"


def test_sync_without_the_charts_size_takes_the_alerts() -> None:
    assert told(meant("buy", "3", coins("2"), target(LONG), sync=True)) == "reduce SELL 1 2"
    assert told(meant("buy", "-1", coins("2"), target(LONG), sync=True)) == "reverse BUY 3 2"
    assert told(meant("buy", "0", None, target(LONG), coins("2"), sync=True)) == "open BUY 2 2"


def test_sync_without_the_charts_size_lets_an_exit_be_an_exit() -> None:
    assert told(meant("sell", "3", coins("1"), target(LONG), sync=True)) == "reduce SELL 1 2"
    assert told(meant("buy", "3", contracts("1"), target(LONG), sync=True)) == "add BUY 1 4"


def test_a_strategy_in_sync_still_acts_on_an_alert_without_a_position() -> None:
    assert told(meant("sell", "3", coins("1"), setting=True)) == "reduce SELL 1 2"


def test_a_share_of_no_position_is_nothing() -> None:
    size = Size(Decimal(50), SizeUnit.POSITION_PERCENT)

    for action in (None, "buy"):
        assert told(meant(action, "0", size, target(LONG), sync=True)) == "none - ? 0"
    assert told(meant("buy", "0", size)) == "none - ? 0"


def test_two_sizes_to_be_in_are_refused() -> None:
    size = Size(Decimal(10), SizeUnit.EQUITY_PERCENT)

    assert refused("buy", "0", size=size, target=target(LONG, "2"), sync=True) == "size_twice"


@pytest.mark.parametrize(
    ("unit", "value", "size"),
    [
        (SizeUnit.BASE, "2", "2"),
        (SizeUnit.USD, "150", "1.5"),
        (SizeUnit.EQUITY_PERCENT, "50", "5"),
        (SizeUnit.EQUITY_PERCENT, "300", "30"),
        (SizeUnit.RISK_PERCENT, "1", "5"),
        (SizeUnit.RISK_USD, "20", "10"),
    ],
)
def test_a_size_in_each_unit_at_a_price_of_100_and_an_equity_of_1000(
    unit: SizeUnit, value: str, size: str
) -> None:
    found = meant("buy", "0", Size(Decimal(value), unit), stop_loss=Level(percent=Decimal(2)))

    assert found.size == Decimal(size)


@pytest.mark.parametrize(
    ("action", "stop", "size"),
    [
        ("buy", Level(price=Decimal(95)), "2"),
        ("sell", Level(price=Decimal(105)), "2"),
        ("buy", Level(offset=Decimal(5)), "2"),
        ("sell", Level(percent=Decimal(5)), "2"),
    ],
)
def test_a_size_by_risk_follows_from_the_stops_distance(
    action: str, stop: Level, size: str
) -> None:
    found = meant(action, "0", Size(Decimal(1), SizeUnit.RISK_PERCENT), stop_loss=stop)

    assert found.size == Decimal(size)


def test_a_size_by_risk_takes_the_trailing_distance_or_the_strategys_stop() -> None:
    size = Size(Decimal(10), SizeUnit.RISK_USD)
    alert = Alert(Action.BUY, "BTC-USD", size=size)
    of_strategy = Situation(Decimal(0), Decimal(100), stop_loss=Level(percent=Decimal(4)))
    trailing = Trailing(Level(percent=Decimal(5)))

    assert meaning_of(alert, of_strategy).size == Decimal("2.5")
    assert meant("buy", "0", size, trailing=trailing).size == 2


def test_a_size_by_risk_without_a_stop_or_with_one_on_the_wrong_side_is_refused() -> None:
    size = Size(Decimal(1), SizeUnit.RISK_PERCENT)

    assert refused("buy", "0", size=size) == "risk_without_stop"
    wrong = refused("buy", "0", size=size, stop_loss=Level(price=Decimal(105)))
    assert wrong == "stop_loss_wrong_side"


def test_an_order_with_a_price_is_sized_at_that_price() -> None:
    terms = Terms(OrderKind.LIMIT, Decimal(50), Force.GTT)

    assert meant("buy", "0", Size(Decimal(100), SizeUnit.USD), terms=terms).size == 2


@pytest.mark.parametrize(
    ("unit", "missing"),
    [
        (SizeUnit.USD, {"price": None}),
        (SizeUnit.EQUITY_PERCENT, {"price": None}),
        (SizeUnit.EQUITY_PERCENT, {"equity": None}),
    ],
)
def test_a_size_that_nothing_determines_is_none(unit: SizeUnit, missing: dict[str, Any]) -> None:
    size = Size(Decimal(10), unit)

    assert told(meant("buy", "0", size, **missing)) == "open BUY ? ?"
    assert told(meant("sell", "3", size, **missing)) == "reduce SELL ? ?"
    assert told(meant("long", "-3", size, **missing)) == "reverse BUY ? ?"
    assert told(meant("buy", "0")) == "open BUY ? ?"


def test_an_account_without_equity_has_no_share_of_it() -> None:
    size = Size(Decimal(10), SizeUnit.EQUITY_PERCENT)

    assert refused("buy", "0", size=size, equity="0") == "no_equity"


@pytest.mark.parametrize(("action", "left"), [("close", "1.5"), ("reduce", "1.5")])
def test_a_share_of_the_position(action: str, left: str) -> None:
    found = meant(action, "3", Size(Decimal(50), SizeUnit.POSITION_PERCENT))

    assert found.position_after == Decimal(left)


def test_an_exit_without_a_size_under_a_default_by_risk_closes_all() -> None:
    default = Size(Decimal(1), SizeUnit.RISK_PERCENT)

    assert told(meant("sell", "3", default_size=default)) == "close SELL 3 0"


@pytest.mark.parametrize("position", ["0", "-3"])
def test_an_alert_for_one_way_only_leaves_the_other_alone(position: str) -> None:
    assert meant("close", position, only=LONG).effect is Effect.NONE


def test_an_alert_for_one_way_only_acts_on_that_way_and_may_open_it() -> None:
    assert told(meant("close", "3", only=LONG)) == "close SELL 3 0"
    assert told(meant("buy", "0", coins("1"), only=LONG)) == "open BUY 1 1"
    assert meant("sell", "-3", coins("1"), only=LONG).effect is Effect.NONE


def test_an_alert_unless_one_way_is_held() -> None:
    assert meant("buy", "3", coins("1"), unless=LONG).effect is Effect.NONE
    assert told(meant("buy", "0", coins("1"), unless=LONG)) == "open BUY 1 1"


@pytest.mark.parametrize(
    ("against", "size", "effect"),
    [
        (Against.NET, "1", "reduce SELL 1 2"),
        (Against.NET, "3", "close SELL 3 0"),
        (Against.NET, "4", "reverse SELL 4 -1"),
        (Against.CLOSE, "1", "close SELL 3 0"),
        (Against.CLOSE, "4", "close SELL 3 0"),
    ],
)
def test_a_platforms_own_rule_for_an_order_against_the_position(
    against: Against, size: str, effect: str
) -> None:
    assert told(meant("sell", "3", coins(size), target(SHORT), against=against)) == effect


def test_a_reversal_is_sent_at_market() -> None:
    terms = Terms(OrderKind.LIMIT, Decimal(50), Force.GTT)

    assert refused("short", "3", size=coins("1"), terms=terms) == "type_of_reversal"


def test_a_limit_that_waits_cannot_only_reduce() -> None:
    waiting = Terms(OrderKind.LIMIT, Decimal(50), Force.GTT)
    at_once = Terms(OrderKind.LIMIT, Decimal(50), Force.IOC)
    stop = Terms(OrderKind.STOP, Decimal(50))

    assert refused("sell", "3", size=coins("1"), terms=waiting) == "resting_reduce"
    for terms in (at_once, stop):
        assert meant("sell", "3", coins("1"), terms=terms).effect is Effect.REDUCE


_amounts = st.decimals(min_value="0.001", max_value=1000, places=3)
_positions = st.decimals(min_value=-1000, max_value=1000, places=3)
_targets = st.builds(
    Target,
    st.sampled_from((LONG, SHORT)),
    st.none() | _amounts,
    st.none() | st.sampled_from((LONG, SHORT, FLAT)),
    st.none() | _amounts,
) | st.just(Target(FLAT))
_sizes = st.builds(Size, _amounts, st.sampled_from(SizeUnit))


@given(
    alert=st.builds(
        Alert,
        st.none() | st.sampled_from(Action),
        st.just("BTC-USD"),
        size=st.none() | _sizes,
        target=st.none() | _targets,
        sync=st.booleans(),
        only=st.none() | st.sampled_from((LONG, SHORT)),
        unless=st.none() | st.sampled_from((LONG, SHORT)),
        against=st.none() | st.sampled_from(Against),
        stop_loss=st.none() | st.builds(Level, percent=_amounts),
    ),
    at=st.builds(
        Situation,
        _positions,
        price=st.none() | _amounts,
        equity=st.none() | _amounts,
        default_size=st.none() | _sizes,
        sync=st.booleans(),
    ),
)
def test_every_effect_adds_up_and_no_exit_passes_flat(alert: Alert, at: Situation) -> None:
    try:
        meaning = meaning_of(alert, at)
    except Unmeant:
        return
    before, after = at.position, meaning.position_after
    if meaning.effect in (Effect.NONE, Effect.CANCEL):
        assert (meaning.side, meaning.size, after) == (None, None, before)
        return
    assert meaning.side is not None
    if meaning.size is None or after is None:
        assert (meaning.size, after) == (None, None)
        return
    sign = 1 if meaning.side == "BUY" else -1
    assert meaning.size > 0
    assert abs(before + sign * meaning.size - after) < Decimal("1e-20")
    match meaning.effect:
        case Effect.OPEN:
            assert before == 0
        case Effect.ADD:
            assert before * sign > 0
        case Effect.REDUCE:
            assert 0 < after * -sign < before * -sign
        case Effect.CLOSE:
            assert after == 0
        case Effect.REVERSE:
            assert before * sign < 0 < after * sign
    if alert.target is not None and alert.target.position is FLAT:
        forced = alert.sync or at.sync
        opens = meaning.effect in (Effect.OPEN, Effect.ADD, Effect.REVERSE)
        named = alert.action in (Action.BUY, Action.SELL) and alert.against is None
        assert not (opens and (forced or named))
