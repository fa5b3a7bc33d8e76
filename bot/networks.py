"""The networks of this process: their connections, built from settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from core.clock import Clock, Random
from core.dydx.indexer import Indexer
from core.dydx.network import Network
from core.dydx.node import NodePool, NodeUnreachable, WrongChain
from core.dydx.stream import Stream, StreamEvent
from core.trading.venue import Venue

log = structlog.get_logger(__name__)

OnEvent = Callable[[Venue, StreamEvent], Awaitable[None]]


def build_venue(network: Network, clock: Clock, random: Random, on_event: OnEvent) -> Venue:
    """Node pool, indexer and stream of one network; nothing is connected yet."""

    async def routed(event: StreamEvent) -> None:
        await on_event(venue, event)

    stream = Stream(network, clock, random, routed)
    venue = Venue(network, NodePool(network, clock), Indexer(network, clock), stream, clock)
    return venue


async def start_venue(venue: Venue) -> None:
    """Warms the node channels and starts the stream; a network that is down is tried on and on.

    Raises WrongChain where a node is of another chain than the settings name: nothing that was
    signed for it would be taken.
    """
    await venue.node.start()
    try:
        await venue.node.verify_chain()
    except WrongChain:
        raise
    except NodeUnreachable as error:
        log.warning("no node answers yet", network=venue.network.name, error=str(error))
    await venue.stream.start()
