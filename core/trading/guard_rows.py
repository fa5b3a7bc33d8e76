"""Rows of the ledger as the rules of protection see them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from core.dydx.protocol import OrderFlags
from core.ledger.models import Order
from core.trading.protection import PURPOSES, STOP, GuardOrder


def expiry(row: Order) -> dt.datetime | None:
    """When a stateful order ends; None for a short-term one."""
    if row.good_til_block_time is None:
        return None
    return dt.datetime.fromtimestamp(row.good_til_block_time, dt.UTC)


def is_guard(row: Order) -> bool:
    """Whether an order holds a level of a plan on chain."""
    return row.order_flags == OrderFlags.CONDITIONAL and row.purpose in PURPOSES


def guard_order(row: Order) -> GuardOrder:
    """A conditional order of a plan."""
    expires_at = expiry(row)
    assert expires_at is not None
    return GuardOrder(
        id=row.id,
        position_id=row.position_id,
        target_id=row.target_id or STOP,
        purpose=row.purpose,
        state=row.state,
        left=row.size - row.filled_size,
        trigger=row.trigger_price or Decimal(0),
        expires_at=expires_at,
        cancel_asked=row.cancel_asked_at is not None,
        created_at=row.created_at,
    )
