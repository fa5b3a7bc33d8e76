"""The networks of this process: their connections, built from settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from core.clock import Clock, Random
from core.dydx.indexer import Indexer
from core.dydx.network import Network
from core.dydx.node import NodePool
from core.dydx.stream import Stream, StreamEvent
from core.trading.venue import Venue

OnEvent = Callable[[Venue, StreamEvent], Awaitable[None]]


def build_venue(network: Network, clock: Clock, random: Random, on_event: OnEvent) -> Venue:
    """Node pool, indexer and stream of one network; nothing is connected yet."""

    async def routed(event: StreamEvent) -> None:
        await on_event(venue, event)

    stream = Stream(network, clock, random, routed)
    venue = Venue(network, NodePool(network, clock), Indexer(network, clock), stream, clock)
    return venue


async def start_venue(venue: Venue) -> None:
    """Warms the node channels and starts the stream; a network that is down is tried on and on."""
    await venue.node.start()
    await venue.stream.start()
