"""How perpetual position rows come and go, as the real indexer keeps them.

A block's new size changes the row first; the fill is then counted into the newest row as a whole.
So a reversal by one fill closes the old row without an exit and gives the new one the whole size,
and the result that the old row had so far.
Source: docs/protocol.md, market mathematics.
"""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Final

from core.dydx.protocol import INDEXER_NAMESPACE
from core.paper.indexer.records import (
    ZERO,
    FillRow,
    PositionRow,
    SubaccountRow,
    subaccount_id_of,
)
from core.paper.indexer.texts import EXACT, average

_LIQUIDATIONS: Final = ("LIQUIDATED", "LIQUIDATION", "DELEVERAGED", "OFFSETTING")


def hold(
    rows: list[PositionRow],
    owner: SubaccountRow,
    market: int,
    quantums: int,
    size: Decimal,
    at: dt.datetime,
    height: int,
) -> list[PositionRow]:
    """Hold this much of a market from now on: `quantums` in the subaccount's row, `size` (the same
    in base units) in its position rows, which are opened, changed and closed as needed. Answers the
    rows that changed.
    """
    if quantums:
        owner.positions[market] = quantums
    else:
        owner.positions.pop(market, None)
    side = "LONG" if quantums > 0 else "SHORT"
    current = latest(rows, market)
    changed = []
    if current is not None and current.status == "OPEN":
        changed.append(current)
        if not quantums or current.side != side:
            current.status, current.size, current.closed_at = "CLOSED", ZERO, at
    if not quantums:
        return changed
    if current is None or current.status != "OPEN":
        reversed_row = changed[0] if changed else None
        current = _opened(rows, owner, market, side, size, at, height)
        if reversed_row is not None:
            current.fees, current.own_pnl = reversed_row.fees, reversed_row.own_pnl
        rows.append(current)
        changed.append(current)
    current.size = size
    current.max_size = max(current.max_size, size, key=abs)
    return changed


def latest(rows: list[PositionRow], market: int) -> PositionRow | None:
    """The newest row of a market, open or not."""
    return next((row for row in reversed(rows) if row.market == market), None)


def count_in(position: PositionRow, fill: FillRow) -> None:
    """Add a fill to the sums of its position row."""
    if (fill.side == "BUY") == (position.side == "LONG"):
        worth = EXACT.multiply(position.entry_price, position.sum_open)
        worth = EXACT.fma(fill.price, fill.size, worth)
        position.sum_open = EXACT.add(position.sum_open, fill.size)
        position.entry_price = average(worth, position.sum_open)
    else:
        worth = EXACT.multiply(position.exit_price or ZERO, position.sum_close)
        worth = EXACT.fma(fill.price, fill.size, worth)
        position.sum_close = EXACT.add(position.sum_close, fill.size)
        position.exit_price = average(worth, position.sum_close)
        if fill.kind in _LIQUIDATIONS:
            return
        gain = EXACT.multiply(EXACT.subtract(fill.price, position.entry_price), fill.size)
        gain = gain if position.side == "LONG" else -gain
        position.own_pnl = EXACT.add(position.own_pnl, gain)
    position.fees = EXACT.add(position.fees, fill.fee)


def _opened(
    rows: list[PositionRow],
    owner: SubaccountRow,
    market: int,
    side: str,
    size: Decimal,
    at: dt.datetime,
    height: int,
) -> PositionRow:
    name = f"{subaccount_id_of(owner.key)}-{market}-{height}-{len(rows)}"
    return PositionRow(
        id=str(uuid.uuid5(INDEXER_NAMESPACE, name)),
        subaccount=owner.key,
        market=market,
        side=side,
        size=size,
        max_size=size,
        created_at=at,
        created_height=height,
    )
