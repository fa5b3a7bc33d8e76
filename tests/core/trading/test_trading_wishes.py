"""What alerts and buttons want, as intents keep it."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ledger.models import Intent
from core.signals.alert import (
    Action,
    Alert,
    Force,
    Level,
    MarketPosition,
    OrderKind,
    Size,
    SizeUnit,
    Target,
    Terms,
)
from core.trading.wishes import alert_json, alert_of, overtakes, wish_of

D = Decimal
NUMBERS = st.decimals(D("0.0001"), D("1000000"), places=4)
LEVELS = st.one_of(
    st.builds(Level, price=NUMBERS),
    st.builds(Level, percent=NUMBERS),
    st.builds(Level, offset=NUMBERS),
)
ALERTS = st.builds(
    Alert,
    action=st.sampled_from(Action),
    symbol=st.text(min_size=1, max_size=20),
    size=st.none() | st.builds(Size, NUMBERS, st.sampled_from(SizeUnit)),
    target=st.none() | st.builds(Target, st.sampled_from(MarketPosition), st.none() | NUMBERS),
    stop_loss=st.none() | LEVELS,
    terms=st.builds(
        Terms,
        kind=st.sampled_from(OrderKind),
        price=st.none() | NUMBERS,
        force=st.none() | st.sampled_from(Force),
        expires=st.none() | st.timedeltas(dt.timedelta(minutes=1), dt.timedelta(days=90)),
    ),
)


@given(ALERTS)
def test_an_alert_comes_back_from_the_ledger_as_it_was(alert: Alert) -> None:
    assert alert_of(json.loads(json.dumps(alert_json(alert)))) == alert


def test_the_stop_of_the_whole_plan_is_the_alerts_stop() -> None:
    """A size by risk is measured to the stop that will be set, the strategy's where the alert has
    none.
    """
    kept = alert_json(Alert(Action.BUY, "BTC-USD"))
    assert alert_of(kept, {"stop_loss": {"percent": "2"}}).stop_loss == Level(percent=D(2))


def intent(payload: dict[str, object], source: str = "signal") -> Intent:
    return Intent(id=1, source=source, kind="trade", payload=payload)


@pytest.mark.parametrize(
    ("alert", "expected"),
    [
        (Alert(Action.CLOSE, "BTC-USD"), True),
        (Alert(Action.CLOSE, "BTC-USD", size=Size(D(1), SizeUnit.BASE)), False),
        (Alert(Action.CANCEL, "BTC-USD"), True),
        (Alert(Action.SELL, "BTC-USD", target=Target(MarketPosition.FLAT)), True),
        (Alert(None, "BTC-USD", sync=True, target=Target(MarketPosition.FLAT)), True),
        (Alert(Action.SELL, "BTC-USD", target=Target(MarketPosition.SHORT)), False),
        (Alert(Action.SELL, "BTC-USD"), False),
        (Alert(Action.REVERSE, "BTC-USD"), False),
        (Alert(Action.REDUCE, "BTC-USD"), False),
    ],
)
def test_what_wants_a_position_gone_overtakes_entries(alert: Alert, expected: bool) -> None:
    assert overtakes(intent({"wish": alert_json(alert)})) is expected


def test_a_button_closes_all_or_a_part() -> None:
    whole = intent({"ticker": "BTC-USD", "action": "close", "fraction": "1"}, "button")
    half = intent({"ticker": "BTC-USD", "action": "close", "fraction": "0.5"}, "button")
    assert wish_of(whole).size is None
    assert overtakes(whole)
    assert wish_of(half).size == Size(D(50), SizeUnit.POSITION_PERCENT)
    assert not overtakes(half)
