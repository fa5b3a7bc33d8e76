"""What is proved about an order whose transaction was sent."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from core.dydx.drafts import OrderRef
from core.dydx.fate import Fate, Observed, fate
from core.dydx.node_types import CommittedOrder, OrderSighting, Tip, TransactionResult
from core.dydx.nonces import milliseconds
from core.dydx.protocol import ConditionType, OrderFlags, Side, TimeInForce

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
NONCE = milliseconds(NOW)
ORDER = CommittedOrder(
    ref=OrderRef("dydx1", 0, 1, 1, OrderFlags.CONDITIONAL),
    side=Side.SELL,
    quantums=1,
    subticks=1,
    good_til_block_time=1,
    time_in_force=TimeInForce.IOC,
    reduce_only=True,
    condition_type=ConditionType.STOP_LOSS,
    trigger_subticks=1,
    filled_quantums=0,
    triggered=False,
)


def result(code: int, codespace: str = "") -> TransactionResult:
    return TransactionResult("AB", 95, code, codespace, "", 0)


GONE = Observed(
    sequence=NONCE,
    tip=Tip(100, NOW + dt.timedelta(seconds=30, milliseconds=1)),
    sighting=OrderSighting(100, None),
    indexer_height=100,
    row_seen=True,
)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, Fate.DEAD),
        ({"sighting": OrderSighting(105, None), "indexer_height": 105}, Fate.DEAD),
        # Its transaction can still come, or nobody knows whether it can.
        ({"tip": Tip(100, NOW + dt.timedelta(seconds=30))}, Fate.UNKNOWN),
        ({"tip": None}, Fate.UNKNOWN),
        # The node was asked before that block, or does not say when, or not at all.
        ({"sighting": OrderSighting(99, None)}, Fate.UNKNOWN),
        ({"sighting": OrderSighting(None, None)}, Fate.UNKNOWN),
        ({"sighting": None}, Fate.UNKNOWN),
        # The indexer is behind, silent, or was not asked for the row.
        ({"indexer_height": 99}, Fate.UNKNOWN),
        ({"indexer_height": None}, Fate.UNKNOWN),
        ({"row_seen": False}, Fate.UNKNOWN),
        # The ordinary sequence.
        ({"sequence": 5, "committed_sequence": 6}, Fate.DEAD),
        ({"sequence": 5, "committed_sequence": 5}, Fate.UNKNOWN),
        ({"sequence": 5, "committed_sequence": None}, Fate.UNKNOWN),
        # The node has it, whatever else is said.
        ({"sighting": OrderSighting(None, ORDER)}, Fate.ALIVE),
        ({"sighting": OrderSighting(100, replace(ORDER, triggered=True))}, Fate.ALIVE),
        ({"sighting": OrderSighting(90, ORDER), "row_height": 95}, Fate.ALIVE),
        # The indexer has a row of it.
        ({"row_height": 95}, Fate.ENDED),
        ({"row_height": 101}, Fate.UNKNOWN),
        ({"row_height": 95, "sighting": None}, Fate.UNKNOWN),
        ({"row_height": 95, "tip": None}, Fate.ENDED),
        # A TWAP order, for which no node can be asked.
        ({"twap": True, "sighting": None}, Fate.UNKNOWN),
        ({"twap": True, "sighting": None, "searched_height": 99}, Fate.UNKNOWN),
        ({"twap": True, "sighting": None, "searched_height": 100}, Fate.DEAD),
        ({"twap": True, "sighting": None, "row_height": 95}, Fate.ALIVE),
        ({"twap": True, "sighting": None, "row_height": 95, "row_over": True}, Fate.ENDED),
        # Its transaction is in a block.
        ({"transaction": result(0)}, Fate.UNKNOWN),
        ({"transaction": result(0), "row_height": 95}, Fate.ENDED),
        ({"transaction": result(10001, "clob"), "tip": None, "sighting": None}, Fate.REFUSED),
        ({"transaction": result(102, "subaccounts")}, Fate.REFUSED),
        ({"transaction": result(32, "sdk"), "tip": Tip(100, NOW)}, Fate.UNKNOWN),
        ({"transaction": result(32, "sdk")}, Fate.REFUSED),
    ],
)
def test_only_what_is_proved_is_said(changes: dict[str, Any], wanted: Fate) -> None:
    assert fate(replace(GONE, **changes)) is wanted
