"""The indexer of the paper network: REST, websocket, faucet and control routes.

Like the real one it keeps its own rows from what the exchange publishes and shows them a moment
later than they happen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.paper.indexer.controls import Controls, NodeFaults, OrderRefusal, Refused
from core.paper.indexer.running import RunningIndexer, Servers
from core.paper.indexer.service import Indexer, IndexerSettings

if TYPE_CHECKING:
    from core.paper.network import PaperNetwork

__all__ = [
    "Controls",
    "Indexer",
    "IndexerSettings",
    "NodeFaults",
    "OrderRefusal",
    "Refused",
    "RunningIndexer",
    "Servers",
    "start",
]


async def start(network: PaperNetwork) -> RunningIndexer:
    """Start the indexer of a network whose state is open; sets `network.rest_port` and
    `network.ws_port`. Raises OSError for a taken port.
    """
    running = RunningIndexer(network)
    try:
        await running.start()
    except BaseException:
        await running.servers.close()
        raise
    return running
