"""What a view of a position says of money and shares: funding, holders, what orders cover."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import replace
from decimal import Decimal

from core.ledger import accounts, books, orders, strategies, traders
from core.ledger.models import Account, Position
from core.trading import states
from core.trading.guard_rows import is_guard
from core.trading.risk.days import Zone, day_of
from core.trading.share_keeper import parts_in
from core.trading.shares import BY_HAND, ZERO
from core.trading.views import Cover, PositionView, ShareView


async def with_books(views: Sequence[PositionView], rows: Sequence[Position]) -> list[PositionView]:
    """The same views with funding, shares and covers; `rows` in the same order."""
    covers = await _covers(rows)
    found = []
    for view, row in zip(views, rows, strict=True):
        shares = await _shares(row) if row.state == "open" else ()
        found.append(
            replace(view, funding=row.funding, covers=covers.get(row.id, ()), shares=shares)
        )
    return found


async def _covers(rows: Sequence[Position]) -> dict[int, tuple[Cover, ...]]:
    """The orders of plans that are proved to rest on chain, and how much of its position each would
    close as it is now. One whose successor is not proved yet rests until that one does, since both
    are of one transaction.
    """
    held = {row.id: row.size for row in rows if row.state == "open"}
    if not held:
        return {}
    found: dict[int, list[Cover]] = {}
    guards = [row for row in await orders.of_positions(list(held), states.WORKING) if is_guard(row)]
    coming = {
        (row.position_id, row.purpose, row.created_at)
        for row in guards
        if row.state not in states.RESTING
    }
    for order in guards:
        if order.state != "untriggered" or order.trigger_price is None:
            continue
        assert order.position_id is not None
        size = min(order.size - order.filled_size, held[order.position_id])
        asked = order.cancel_asked_at
        leaving = asked is not None and (order.position_id, order.purpose, asked) not in coming
        cover = Cover(order.purpose, order.trigger_price, size, leaving)
        found.setdefault(order.position_id, []).append(cover)
    return {position_id: tuple(covers) for position_id, covers in found.items()}


async def _shares(row: Position) -> tuple[ShareView, ...]:
    """Who holds what of an open position."""
    found = []
    for strategy_id, size in sorted((await parts_in(row.account_id, row.ticker)).items()):
        strategy = await strategies.get(strategy_id) if strategy_id != BY_HAND else None
        name = strategy.name if strategy is not None else None
        found.append(ShareView(strategy_id or None, name, size))
    return tuple(found)


async def day_result(account: Account, now: dt.datetime) -> Decimal:
    """What all accounts of a trader on one network brought in his day so far, net: fills, fees and
    funding, in USDC, without what is still open.
    """
    rows = await accounts.of_trader(account.trader_id)
    same = {row.id for row in rows if row.network == account.network} | {account.id}
    return await since_midnight(account.trader_id, same, now)


async def since_midnight(
    trader_id: int, account_ids: Collection[int], now: dt.datetime, strategy_id: int | None = None
) -> Decimal:
    """What was booked in a trader's day so far, of one strategy or of all: fills, fees, funding."""
    row = await traders.get(trader_id)
    zone = Zone(row.zone, row.next_zone, row.next_zone_from)
    moves = await books.moves_since(account_ids, day_of(now, zone).begin, strategy_id)
    return sum((m.realized_pnl - m.fee + m.funding for m in moves if m.cause != "found"), ZERO)


async def whole_view(
    view: PositionView, row: Position, account: Account, now: dt.datetime
) -> PositionView:
    """One view with all that the books say; of a closed position also what the day brought."""
    [found] = await with_books([view], [row])
    return found if row.state == "open" else replace(found, today=await day_result(account, now))
