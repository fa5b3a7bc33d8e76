"""What follows from a block once its events are taken: trades, candles, samples, statistics."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from core.paper.indexer import markets, shapes
from core.paper.indexer.records import PnlRow, TradeRow
from core.paper.indexer.texts import usdc
from core.paper.indexer.updates import Update

if TYPE_CHECKING:
    from core.paper.indexer.rows import Rows

STATISTICS_BLOCKS: Final = 10
TRADES_KEPT: Final = 1000
CANCELED_SHOWN_BLOCKS: Final = 20
_HOURS_KEPT: Final = 25
_WORTHS_KEPT: Final = 24 * 92


def trades(
    rows: Rows, made: list[TradeRow], interest: Mapping[int, Decimal] | None
) -> list[Update]:
    """Keep a block's trades and count them into candles; per market one message of its trades, and
    one for each candle that was made or changed. `interest` is the open interest before the block;
    without it the block neither traded nor began a new span.
    """
    updates: list[Update] = []
    by_market: dict[int, list[TradeRow]] = {}
    for trade in made:
        by_market.setdefault(trade.market, []).append(trade)
    for market_id, ours in by_market.items():
        kept = rows.trades.setdefault(market_id, [])
        kept.extend(ours)
        del kept[:-TRADES_KEPT]
        told = {"trades": [shapes.trade_ws(trade) for trade in ours]}
        updates.append(Update("v4_trades", rows.markets[market_id].ticker, told))
    if interest is None or rows.time is None:
        return updates
    for row in rows.candles.take(rows.time, by_market, interest):
        ticker = rows.markets[row.market].ticker
        told = shapes.candle(row, ticker)
        updates.append(Update("v4_candles", f"{ticker}/{row.resolution}", told))
    return updates


def forget_canceled(rows: Rows) -> None:
    """Forget orders canceled in memory once their good-til-block is well past."""
    limit = rows.height - CANCELED_SHOWN_BLOCKS
    for row_id, (_, good_til_block) in list(rows.canceled.items()):
        if good_til_block < limit:
            del rows.canceled[row_id]


def sample_hours(rows: Rows, previous: dt.datetime | None) -> None:
    """At a full hour: samples for the 24-hour change and a row of each subaccount's worth."""
    assert rows.time is not None
    hour = _hour(rows.time)
    if previous is not None and _hour(previous) == hour:
        return
    for oracle in rows.oracles.values():
        oracle.recent.append((rows.time, oracle.price))
        del oracle.recent[:-_HOURS_KEPT]
    if previous is None:
        return
    for key, row in rows.subaccounts.items():
        equity, _ = rows.equity(row)
        worth = PnlRow(key, equity, usdc(row.net_transfers), hour, rows.height, rows.time)
        hours = rows.pnl.setdefault(key, [])
        hours.append(worth)
        del hours[:-_WORTHS_KEPT]


def statistics(rows: Rows) -> list[Update]:
    """Every few blocks: what changed in the markets' statistics."""
    if rows.height % STATISTICS_BLOCKS:
        return []
    trading = markets.changes(rows)
    return [Update("v4_markets", "v4_markets", {"trading": trading})] if trading else []


def _hour(at: dt.datetime) -> dt.datetime:
    return at.replace(minute=0, second=0, microsecond=0)
