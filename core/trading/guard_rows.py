"""Rows of the ledger as the rules of protection see them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from core.dydx.protocol import OrderFlags
from core.ledger.models import Order, Position, Protection
from core.trading.protection import PURPOSES, GuardOrder, HeldPosition


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
        purpose=row.purpose,
        state=row.state,
        left=row.size - row.filled_size,
        trigger=row.trigger_price or Decimal(0),
        expires_at=expires_at,
        cancel_asked=row.cancel_asked_at is not None,
    )


def held_position(row: Position, plan: Protection | None) -> HeldPosition:
    """An open position and what its plan says; without a plan it has no level."""
    return HeldPosition(
        id=row.id,
        ticker=row.ticker,
        long=row.side == "LONG",
        size=row.size,
        stop_loss=plan.stop_loss if plan else None,
        take_profit=plan.take_profit if plan else None,
    )
