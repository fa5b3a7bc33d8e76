"""Prices, and whether they are the present ones.

The stream is believed while it tells of new blocks and keeps up with the chain. Else the indexer is
asked, and its height is held against the node's: one that lags answers as readily as one that does
not. What reduces a position is traded at the best price known, by the node's oracle at the last.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Final

from core.clock import Clock
from core.dydx.indexer import Indexer, IndexerError
from core.dydx.markets import Market
from core.dydx.node import NodePool, NodeUnreachable
from core.dydx.stream import BlockHeight, Stream

FRESH_S: Final = 10.0
LAG_BLOCKS: Final = 10
STANDS_AFTER_S: Final = 15.0


@dataclass(frozen=True)
class Quote:
    """A market as it is known. `stale` says, as a sentence, why its price may be an old one."""

    market: Market | None
    stale: str | None = None


class Quotes:
    """The prices of one network."""

    def __init__(self, node: NodePool, indexer: Indexer, stream: Stream, clock: Clock) -> None:
        self._node = node
        self._indexer = indexer
        self._stream = stream
        self._clock = clock
        self._block_time: dt.datetime | None = None
        self._read_at: float | None = None
        self._tip: tuple[int, float] | None = None

    def note(self, event: BlockHeight) -> None:
        """The stream told of a block."""
        self._block_time = event.time

    @property
    def fresh(self) -> bool:
        """Whether the prices in memory are the present ones, as far as one can tell unasked."""
        return self._streamed or self._recent(self._read_at)

    @property
    def _streamed(self) -> bool:
        """The stream tells of blocks that were made just now."""
        if self._block_time is None or not self._stream.markets.loaded:
            return False
        age_s = (self._clock.now() - self._block_time).total_seconds()
        return self._stream.fresh(FRESH_S) and abs(age_s) <= FRESH_S

    def _recent(self, at: float | None) -> bool:
        return at is not None and self._clock.monotonic() - at < FRESH_S

    async def quote(self, ticker: str) -> Quote:
        """A market, if need be asked for; never raises."""
        stale = None if self.fresh else await self._refresh()
        market = self._stream.markets.get(ticker)
        if stale is None or market is None:
            return Quote(market, stale)
        try:
            price = await self._node.oracle_price(ticker)
        except NodeUnreachable:
            price = None
        return Quote(market if price is None else replace(market, oracle_price=price), stale)

    async def _refresh(self) -> str | None:
        """Reads the prices by request; why they cannot be trusted, if so."""
        try:
            tip = (await self._node.tip()).height
        except NodeUnreachable:
            tip = None
        if tip is not None and self._stands(tip):
            return "The chain makes no blocks at the moment."
        streamed = self._stream.height
        keeps_up = tip is not None and streamed is not None and streamed >= tip - LAG_BLOCKS
        if keeps_up and self._stream.fresh(FRESH_S) and self._stream.markets.loaded:
            self._read_at = self._clock.monotonic()
            return None  # only this machine's clock differs from the chain's
        try:
            height = (await self._indexer.height()).height
            if tip is not None and height < tip - LAG_BLOCKS:
                return f"dYdX's indexer is {tip - height} blocks behind the chain."
            self._stream.markets.replace(await self._indexer.perpetual_markets())
        except IndexerError:
            if self._stream.markets.loaded and self._recent(self._stream.height_received):
                return None  # the websocket is gone, but its last prices are of a moment ago
            return "dYdX's prices cannot be read at the moment, neither by stream nor by request."
        self._read_at = self._clock.monotonic()
        return None

    def _stands(self, tip: int) -> bool:
        """Whether the node's height has not moved for a while."""
        now = self._clock.monotonic()
        if self._tip is None or tip > self._tip[0]:
            self._tip = (tip, now)
        received = self._stream.height_received
        if received is not None and now - received < STANDS_AFTER_S:
            return False
        return now - self._tip[1] >= STANDS_AFTER_S
