"""One network as the lanes see it: node, indexer, stream, and what they last said."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from core.clock import Clock
from core.dydx.indexer import Indexer, IndexerError
from core.dydx.markets import Market
from core.dydx.network import Network
from core.dydx.node import NodePool, NodeUnreachable
from core.dydx.stream import BlockHeight, Connected, Stream, StreamEvent
from core.trading.decision import Refusal

FRESH_S = 10.0
HEAD_S = 4.0
POLL_S = 1.0


class Venue:
    """A network with its warm connections.

    The stream keeps prices and height; REST and node stand in while it is down.
    """

    def __init__(
        self,
        network: Network,
        node: NodePool,
        indexer: Indexer,
        stream: Stream,
        clock: Clock,
    ) -> None:
        self.network = network
        self.node = node
        self.indexer = indexer
        self.stream = stream
        self._clock = clock
        self._moved = asyncio.Event()
        self._rest_prices_at: float | None = None
        self._block_time: dt.datetime | None = None
        self.connections = 0

    async def close(self) -> None:
        await self.stream.close()
        await self.indexer.close()
        await self.node.close()

    def note(self, event: StreamEvent) -> None:
        """Wakes those who wait for a height; counts how often the stream came up."""
        if isinstance(event, Connected):
            self.connections += 1
        if isinstance(event, BlockHeight):
            self._block_time = event.time
            self._moved.set()
            self._moved = asyncio.Event()

    @property
    def prices_fresh(self) -> bool:
        """Prices are current while the stream delivers blocks, or shortly after a REST refresh."""
        if self.stream.fresh(FRESH_S) and self.stream.markets.loaded:
            return True
        return self._recent(self._rest_prices_at)

    def _recent(self, at: float | None) -> bool:
        return at is not None and self._clock.monotonic() - at < FRESH_S

    async def market(self, ticker: str) -> Market | None:
        """The market with its current oracle price; None when dYdX has no such market.

        Raises Refusal `prices_stale` when neither stream nor REST gives a current price.
        """
        await self._refresh_prices()
        return self.stream.markets.get(ticker)

    async def tickers(self) -> tuple[str, ...]:
        await self._refresh_prices()
        return tuple(self.stream.markets.tickers())

    async def _refresh_prices(self) -> None:
        if self.prices_fresh:
            return
        try:
            self.stream.markets.replace(await self.indexer.perpetual_markets())
        except IndexerError:
            if self.stream.markets.loaded and self._recent(self.stream.height_received):
                return  # the websocket is gone, but its last prices are of a moment ago
            raise Refusal(
                "prices_stale",
                "dYdX's prices cannot be read at the moment, neither by stream nor by request. "
                "Nothing was sent.",
            ) from None
        self._rest_prices_at = self._clock.monotonic()

    async def height(self) -> int:
        """The chain's height: the stream's while it is at the head, else the node's.

        Raises NodeUnreachable.
        """
        if self._at_head() and self.stream.height is not None:
            return self.stream.height
        return (await self.node.latest_block()).height

    def _at_head(self) -> bool:
        """Whether the stream told of a block just now, and of one that was made just now.

        An indexer behind the chain tells old heights punctually; an order signed for one of them
        comes too late. Block times are about two blocks old when they come, so a clock that is
        wrong by seconds costs a question to the node and nothing else.
        """
        if self._block_time is None or not self.stream.fresh(HEAD_S):
            return False
        age_s = (self._clock.now() - self._block_time).total_seconds()
        return abs(age_s) <= HEAD_S

    @property
    def news_missing(self) -> bool:
        """Whether fills may have happened that the stream did not tell of."""
        return not self.stream.fresh(HEAD_S)

    async def wait_past(self, height: int, *, stop: asyncio.Event, within_s: float) -> bool:
        """Waits until node and indexer both passed `height`; False as soon as `stop` is set, or
        after `within_s` seconds.
        """
        until = self._clock.monotonic() + within_s
        while not stop.is_set():
            if await self._both_past(height):
                return True
            if self._clock.monotonic() >= until:
                return False
            moved = self._moved
            await first_of(self._clock, POLL_S, moved.wait, stop.wait)
        return False

    async def _both_past(self, height: int) -> bool:
        seen = self.stream.height
        if self.stream.fresh(FRESH_S) and seen is not None and seen <= height:
            return False
        try:
            if (await self.node.latest_block()).height <= height:
                return False
            return (await self.indexer.height()).height > height
        except (NodeUnreachable, IndexerError):
            return False


async def first_of(clock: Clock, timeout_s: float, *waits: Callable[[], Any]) -> None:
    """Returns after the first of the waits, or after `timeout_s` seconds."""
    tasks = [asyncio.ensure_future(wait()) for wait in waits]
    tasks.append(asyncio.ensure_future(clock.sleep(timeout_s)))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def slippage_percent(side_sign: int, average: Decimal, reference: Decimal) -> Decimal:
    """How much worse than the reference price a fill was, in percent; negative is better."""
    return (average - reference) / reference * 100 * side_sign
