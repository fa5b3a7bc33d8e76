"""Websocket channels: which ids they take, how many per connection, and their snapshots.

Source: docs/protocol.md, indexer websocket.
"""

from __future__ import annotations

from typing import Any, Final

from core.paper.indexer import markets, shapes, views
from core.paper.indexer.candles import RESOLUTIONS
from core.paper.indexer.faults import BLOCK_TEXTS
from core.paper.indexer.service import Indexer

Json = dict[str, Any]
LIMITS: Final = {
    "v4_subaccounts": 256,
    "v4_parent_subaccounts": 256,
    "v4_trades": 32,
    "v4_orderbook": 32,
    "v4_candles": 32,
    "v4_markets": 32,
    "v4_block_height": 1,
}
NO_ID: Final = ("v4_markets", "v4_block_height")
_TRADES_SHOWN: Final = 250
_CANDLES_SHOWN: Final = 100


class NoSnapshot(Exception):
    """The snapshot of a subscription could not be fetched; the text is for the client."""


def is_valid_id(indexer: Indexer, channel: str, id_: str) -> bool:
    """Whether a channel takes this id. A negative subaccount number passes here and fails later,
    as on the real service.
    """
    if channel in NO_ID:
        return True
    if channel in ("v4_subaccounts", "v4_parent_subaccounts"):
        address, _, text = id_.partition("/")
        digits = text.removeprefix("-")
        if not address or not (digits.isascii() and digits.isdigit()) or len(digits) > 9:
            return False
        return int(text) <= (128_000 if channel == "v4_subaccounts" else 127)
    if channel == "v4_candles":
        ticker, _, resolution = id_.partition("/")
        return ticker in indexer.rows.by_ticker and resolution in RESOLUTIONS
    return id_ in indexer.rows.by_ticker


def snapshot(indexer: Indexer, channel: str, id_: str) -> Json:
    """The contents of `subscribed`. Raises NoSnapshot."""
    rows = indexer.rows
    if indexer.faults.rest_500:
        raise NoSnapshot(_failed(channel))
    if channel in ("v4_subaccounts", "v4_parent_subaccounts"):
        if indexer.faults.address_blocked is not None:
            raise NoSnapshot(BLOCK_TEXTS["COMPLIANCE_BLOCKED"])
        address, _, text = id_.partition("/")
        if int(text) < 0:
            raise NoSnapshot(_failed(channel))
        build = views.subaccount_snapshot if channel == "v4_subaccounts" else views.parent_snapshot
        return build(rows, address, int(text))
    if channel == "v4_markets":
        return {"markets": markets.all_markets(rows)}
    if channel == "v4_block_height":
        return views.height(rows)
    ticker, _, resolution = id_.partition("/")
    market = rows.by_ticker[ticker]
    if channel == "v4_orderbook":
        return indexer.book(market.id)
    if channel == "v4_trades":
        latest = rows.trades.get(market.id, [])[: -_TRADES_SHOWN - 1 : -1]
        return {"trades": [shapes.trade_rest(each) for each in latest]}
    latest_candles = rows.candles.of(market.id, resolution)[: -_CANDLES_SHOWN - 1 : -1]
    return {"candles": [shapes.candle(each, ticker) for each in latest_candles]}


def _failed(channel: str) -> str:
    return f"Internal error, could not fetch data for subscription: {channel}."
