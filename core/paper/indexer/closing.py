"""What follows from a block once its events are taken: trades, candles, samples, statistics."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from core.paper.indexer import markets, shapes
from core.paper.indexer.records import ZERO, CandleRow, PnlRow, TradeRow
from core.paper.indexer.texts import usdc
from core.paper.indexer.updates import Update

if TYPE_CHECKING:
    from core.paper.indexer.rows import Rows

STATISTICS_BLOCKS: Final = 10
TRADES_KEPT: Final = 1000
CANCELED_SHOWN_BLOCKS: Final = 20
_HOURS_KEPT: Final = 25


def trades(rows: Rows, made: list[TradeRow]) -> list[Update]:
    """Keep a block's trades and count them into candles; per market one message of its trades, and
    one for each candle that they changed.
    """
    updates: list[Update] = []
    by_market: dict[int, list[TradeRow]] = {}
    for trade in made:
        by_market.setdefault(trade.market, []).append(trade)
    interest = rows.open_interest() if by_market else {}
    for market_id, ours in by_market.items():
        kept = rows.trades.setdefault(market_id, [])
        kept.extend(ours)
        del kept[:-TRADES_KEPT]
        ticker = rows.markets[market_id].ticker
        told = {"trades": [shapes.trade_ws(trade) for trade in ours]}
        updates.append(Update("v4_trades", ticker, told))
        candles: dict[str, CandleRow] = {}
        for trade in ours:
            for row in rows.candles.take(trade, interest.get(market_id, ZERO)):
                candles[row.resolution] = row
        for resolution, row in candles.items():
            told = shapes.candle(row, ticker)
            updates.append(Update("v4_candles", f"{ticker}/{resolution}", told))
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
        rows.pnl.setdefault(key, []).append(worth)


def statistics(rows: Rows) -> list[Update]:
    """Every few blocks: what changed in the markets' statistics."""
    if rows.height % STATISTICS_BLOCKS:
        return []
    trading = markets.changes(rows)
    return [Update("v4_markets", "v4_markets", {"trading": trading})] if trading else []


def _hour(at: dt.datetime) -> dt.datetime:
    return at.replace(minute=0, second=0, microsecond=0)
