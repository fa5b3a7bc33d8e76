"""One network as the lanes see it: node, indexer, stream, and what they last said."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from core import failpoints
from core.clock import Clock
from core.dydx.indexer import Indexer, IndexerError
from core.dydx.markets import Market
from core.dydx.network import Network
from core.dydx.node import Broadcast, NodePool, NodeUnreachable
from core.dydx.node_types import Tip
from core.dydx.price_source import price_source
from core.dydx.stream import BlockHeight, Connected, Stream, StreamEvent
from core.trading.compliance import ComplianceBook
from core.trading.decision import Refusal
from core.trading.owner import Owner
from core.trading.quotes import FRESH_S, Quotes
from core.trading.watch import PriceWatch

HEAD_S = 4.0
FAR_FROM_PAPER = Decimal("0.2")
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
        self.clock = clock
        self._moved = asyncio.Event()
        self.quotes = Quotes(node, indexer, stream, clock)
        self._block_time: dt.datetime | None = None
        self._owners: dict[str, Owner] = {}
        self.compliance = ComplianceBook()
        self.watch = PriceWatch()
        self.price_source: str | None = None
        self._node_height = 0
        self._node_height_at: float | None = None
        self.connections = 0

    async def close(self) -> None:
        await self.stream.close()
        await self.indexer.close()
        await self.node.close()

    async def broadcast(self, tx: bytes, *, copies: int = 1, resend: bool = False) -> Broadcast:
        """Sends a signed transaction that the ledger holds already (`NodePool.broadcast`); every
        send of the desk goes through here.
        """
        place = failpoints.site()
        answer = await self.node.broadcast(tx, copies=copies, resend=resend)
        failpoints.done(place)
        return answer

    async def ask_price_source(self) -> None:
        """Learns what a paper network's prices follow."""
        if self.network.name == "paper":
            self.price_source = await price_source(self.network)

    def far_from_paper_price(self, level: Decimal, market: Market) -> str | None:
        """Why a price that a trader named cannot be meant for this network, as a sentence: a paper
        network whose prices follow no market is somewhere else than the chart.
        """
        price = market.oracle_price
        if self.price_source not in ("walk", "still") or price is None:
            return None
        if abs(level - price) <= price * FAR_FROM_PAPER:
            return None
        return (
            f"The paper network's prices follow no real market just now: {market.ticker} is at "
            f"{price.normalize():f} there, and {level.normalize():f} is more than 20 % away. "
            "Give stop and target as a distance, like 2%."
        )

    def owner(self, address: str) -> Owner:
        """What all lanes of an address share here."""
        if address not in self._owners:
            self._owners[address] = Owner(address, self.node, self.clock)
        return self._owners[address]

    async def tip(self) -> Tip:
        """The last block: the stream's while it is at the head, else the node's. Raises
        NodeUnreachable.
        """
        if self._at_head() and self.stream.height is not None and self._block_time is not None:
            return Tip(self.stream.height, self._block_time)
        block = await self.node.tip()
        if block.height > self._node_height:
            self._node_height, self._node_height_at = block.height, self.clock.monotonic()
        return block

    def block_age_s(self) -> float:
        """Seconds since the last block came here, by a clock that nobody sets."""
        seen = [at for at in (self.stream.height_received, self._node_height_at) if at is not None]
        return self.clock.monotonic() - max(seen) if seen else 0.0

    def note(self, event: StreamEvent) -> None:
        """Wakes those who wait for a height; counts how often the stream came up."""
        if isinstance(event, Connected) and (event.again or not self.connections):
            self.connections += 1
        if isinstance(event, BlockHeight):
            self._block_time = event.time
            self.quotes.note(event)
            self._moved.set()
            self._moved = asyncio.Event()

    @property
    def prices_fresh(self) -> bool:
        """Whether the prices in memory are the present ones."""
        return self.quotes.fresh

    async def tickers(self) -> tuple[str, ...]:
        """The markets, read if none is known yet. Raises Refusal `prices_stale`."""
        if not self.stream.markets.loaded:
            quote = await self.quotes.quote("")
            if not self.stream.markets.loaded:
                raise Refusal("prices_stale", quote.stale or "dYdX's markets cannot be read.")
        return tuple(self.stream.markets.tickers())

    async def height(self) -> int:
        """The chain's height: the stream's while it is at the head, else the node's.

        Raises NodeUnreachable.
        """
        if self._at_head() and self.stream.height is not None:
            return self.stream.height
        return (await self.node.tip()).height

    def _at_head(self) -> bool:
        """Whether the stream told of a block just now, and of one that was made just now.

        An indexer behind the chain tells old heights punctually; an order signed for one of them
        comes too late. Block times are about two blocks old when they come, so a clock that is
        wrong by seconds costs a question to the node and nothing else.
        """
        if self._block_time is None or not self.stream.fresh(HEAD_S):
            return False
        age_s = (self.clock.now() - self._block_time).total_seconds()
        return abs(age_s) <= HEAD_S

    def news_missing(self, address: str, number: int) -> bool:
        """Whether fills of a subaccount may have happened that the stream did not tell of."""
        return not self.stream.account_fresh(address, number, HEAD_S)

    async def wait_past(self, height: int, *, stop: asyncio.Event, within_s: float) -> bool:
        """Waits until node and indexer both passed `height`; False as soon as `stop` is set, or
        after `within_s` seconds.
        """
        until = self.clock.monotonic() + within_s
        while not stop.is_set():
            if await self._both_past(height):
                return True
            if self.clock.monotonic() >= until:
                return False
            moved = self._moved
            await first_of(self.clock, POLL_S, moved.wait, stop.wait)
        return False

    async def _both_past(self, height: int) -> bool:
        seen = self.stream.height
        if self.stream.fresh(FRESH_S) and seen is not None and seen <= height:
            return False
        try:
            if (await self.node.tip()).height <= height:
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
