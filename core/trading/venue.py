"""One network as the lanes see it: node, indexer, stream, and what they last said."""

from __future__ import annotations

import asyncio
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
            self._moved.set()
            self._moved = asyncio.Event()

    @property
    def prices_fresh(self) -> bool:
        """Prices are current while the stream delivers blocks, or shortly after a REST refresh."""
        if self.stream.fresh(FRESH_S) and self.stream.markets.loaded:
            return True
        at = self._rest_prices_at
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
            raise Refusal(
                "prices_stale",
                "dYdX's prices cannot be read at the moment, neither by stream nor by request. "
                "Nothing was sent.",
            ) from None
        self._rest_prices_at = self._clock.monotonic()

    async def height(self) -> int:
        """A recent block height: the stream's while it is fresh, else the node's.

        Raises NodeUnreachable.
        """
        if self.stream.fresh(FRESH_S) and self.stream.height is not None:
            return self.stream.height
        return (await self.node.latest_block()).height

    async def wait_past(self, height: int, *, stop: asyncio.Event) -> bool:
        """Waits until node and indexer both passed `height`; False as soon as `stop` is set."""
        while not stop.is_set():
            if await self._both_past(height):
                return True
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
