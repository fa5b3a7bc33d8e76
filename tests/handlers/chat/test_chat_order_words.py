"""An order's end is told as far as it is proved, and no further."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

from core.trading.views import OrderView
from handlers.chat.texts import events
from handlers.chat.texts.signals import order_lines

NOW = dt.datetime(2026, 11, 24, 9, 41, 3, tzinfo=dt.UTC)


def an_order(state: str, code: int | None, codespace: str | None) -> OrderView:
    return OrderView(
        id=1,
        purpose="open",
        kind="market",
        ticker="BTC-USD",
        side="BUY",
        size=Decimal("0.01"),
        limit_price=Decimal(31832),
        trigger_price=None,
        reference_price=Decimal(31516),
        reduce_only=False,
        state=state,
        code=code,
        codespace=codespace,
        tx_hash="AB" * 32,
        good_til_block=100,
        expires_at=None,
        filled_size=Decimal(0),
        average_price=None,
        slippage_percent=None,
        created_at=NOW,
        accepted_at=None,
        resolved_at=NOW,
    )


def card_of(order: OrderView) -> str:
    return "\n".join(
        line if isinstance(line, str) else line.as_kwargs()["text"]
        for line in order_lines(order, None, NOW)
        if line is not None
    )


def told_of(order: OrderView) -> str:
    text: str = events.order_unfilled(order, "paper").kwargs()["text"]
    return text


def test_an_order_that_no_node_got_was_not_refused_by_one() -> None:
    assert card_of(an_order("refused", None, "unsent")) == "⛔ not sent: no node was reached"
    assert card_of(an_order("refused", 2001, "clob")) == "⛔ refused by the node: code 2001 of clob"


def test_no_cause_is_given_for_an_order_that_was_unknown_to_its_end() -> None:
    told = told_of(an_order("expired", None, ""))
    assert "no node confirmed the order" in told
    assert "worst price" not in told


def test_an_order_that_a_node_took_and_that_found_no_match_names_its_worst_price() -> None:
    told = told_of(an_order("canceled", 0, ""))
    assert "within its worst price of 31,832" in told
    assert "free collateral" in told


def test_a_post_only_order_that_a_node_dropped_is_not_said_to_have_found_nothing() -> None:
    told = told_of(replace(an_order("canceled", 0, ""), kind="post_only"))
    assert "had a match at 31,832 already" in told
    assert "worst price" not in told
