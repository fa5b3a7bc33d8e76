"""From ledger rows to what figures are computed from. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import localcontext
from uuid import UUID

from core.dydx.protocol import Side
from core.ledger.models import Fill, Order, Position, Share, ShareMove
from core.trading.risk.ask import PRECISION
from core.trading.risk.figures import Flow, Line, Pending, Result


def lines_of(rows: Iterable[Share], positions: Iterable[Position]) -> tuple[Line, ...]:
    """What is held, strategy by strategy; None is what was made by hand. A flat share stays: what
    it made counts. A position of before there were shares belongs to its strategy as a whole.
    """
    shares = [
        Line(
            row.ticker,
            row.strategy_id or None,
            row.size,
            row.entry_price,
            row.realized_pnl - row.fees + row.funding,
        )
        for row in rows
    ]
    shared = {line.ticker for line in shares if line.size}
    older = [
        Line(
            row.ticker,
            row.strategy_id,
            row.size if row.side == "LONG" else -row.size,
            row.entry_price,
            row.realized_pnl - row.fees + row.funding,
        )
        for row in positions
        if row.ticker not in shared
    ]
    return (*shares, *older)


def flows_of(
    moves: Iterable[ShareMove], shares: Iterable[Share], fills: Mapping[UUID, Fill]
) -> tuple[Flow, ...]:
    """What moved shares, oldest first. What no fill made (a position that was found or adopted)
    counts at the share's entry price, so that no profit or loss comes of it.
    """
    by_id = {row.id: row for row in shares}
    found: list[Flow] = []
    for move in moves:
        share = by_id.get(move.share_id)
        if share is None:
            continue
        fill = fills.get(move.fill_uuid) if move.fill_uuid is not None else None
        price = fill.price if fill is not None else share.entry_price
        with localcontext() as context:
            context.prec = PRECISION
            cash = -move.change * price - move.fee + move.funding
        found.append(Flow(move.at, share.ticker, share.strategy_id or None, move.change, cash))
    return tuple(found)


def results_of(rows: Iterable[Position]) -> tuple[Result, ...]:
    """How closed positions ended."""
    return tuple(
        Result(row.closed_at, row.strategy_id, row.realized_pnl - row.fees + row.funding)
        for row in rows
        if row.closed_at is not None
    )


def pending_of(rows: Iterable[Order], strategies: Mapping[int, int | None]) -> tuple[Pending, ...]:
    """What is left of orders that may still open something; `strategies` by intent."""
    found = []
    for row in rows:
        left = row.size - row.filled_size
        if left <= 0:
            continue
        strategy_id = strategies.get(row.intent_id) if row.intent_id is not None else None
        signed = left * Side(row.side).sign
        found.append(Pending(row.ticker, strategy_id, signed, row.limit_price))
    return tuple(found)
