"""The paper network put together: exchange, journal, block clock, nodes, and the indexer half."""

from __future__ import annotations

import asyncio
import importlib
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from core.clock import Clock, SystemClock
from core.paper.book import BookShape
from core.paper.chain import Chain
from core.paper.exchange import Exchange
from core.paper.governance import Governance, load_governance
from core.paper.journal import Journal
from core.paper.node import Gossip, Node
from core.paper.prices import PriceMode, PriceSettings
from core.paper.rpc import Rpc


@dataclass(frozen=True)
class PaperSettings:
    """How a paper network is set up. Port 0 takes any free port. `volatility` is the standard
    deviation of one minute's move as a fraction; `rest_limit` the indexer's requests per 10 s.
    Without `state_dir` nothing survives.
    """

    grpc_port: int = 9090
    rest_port: int = 3002
    ws_port: int = 3003
    rpc_port: int = 26657
    host: str = "127.0.0.1"
    state_dir: Path | None = None
    prices: PriceMode = "walk"
    seed: int = 1
    volatility: Decimal = Decimal("0.002")
    block_s: float = 1.0
    jitter: float = 0.0
    chain_id: str = "localdydxprotocol"
    book: BookShape = field(default_factory=BookShape)
    rest_limit: int = 100


class IndexerHalf(Protocol):
    """What the indexer half hands back when it is started."""

    async def close(self) -> None: ...


class PaperNetwork:
    """A running paper network. `grpc_port` and its kin are the real ports once it is started; the
    indexer half sets the others. With `indexer=False` only the chain half runs, with `blocks=False`
    blocks are made by `chain.make_block` alone.
    """

    def __init__(
        self,
        settings: PaperSettings,
        *,
        clock: Clock | None = None,
        governance: Governance | None = None,
        indexer: bool = True,
        blocks: bool = True,
    ) -> None:
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.grpc_port = settings.grpc_port
        self.rest_port = settings.rest_port
        self.ws_port = settings.ws_port
        self.rpc_port = settings.rpc_port
        self.exchange = Exchange(
            governance or load_governance(),
            chain_id=settings.chain_id,
            book=settings.book,
            prices=PriceSettings(
                settings.prices, settings.seed, settings.volatility, Decimal(str(settings.block_s))
            ),
            now=self.clock.now,
        )
        self.journal = Journal(settings.state_dir, settings.chain_id)
        self.chain = Chain(
            self.exchange,
            self.journal,
            self.clock,
            block_s=settings.block_s,
            jitter=settings.jitter,
            seed=settings.seed,
        )
        self.nodes: list[Node] = []
        self._gossip = Gossip()
        self._with_indexer = indexer
        self._with_blocks = blocks
        self._rpc: Rpc | None = None
        self._indexer: IndexerHalf | None = None
        self._blocks: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the state, listen, begin making blocks. Raises OSError for a taken port,
        StateUnusable for a state of another version.
        """
        try:
            tables = await self.journal.open()
            if tables is None:
                await self._genesis()
            else:
                self.exchange.restore(tables)
            if self._with_indexer:
                module: Any = importlib.import_module("core.paper.indexer")
                self._indexer = await module.start(self)
            node = await self.add_node(self.settings.grpc_port)
            self.grpc_port = node.port
            self._rpc = Rpc(node, self.exchange)
            await self._rpc.start(self.settings.host, self.settings.rpc_port)
            self.rpc_port = self._rpc.port
            if self._with_blocks:
                self._blocks = asyncio.create_task(self.chain.run(), name="paper-blocks")
        except BaseException:
            await self.close()
            raise

    async def add_node(self, port: int = 0) -> Node:
        """Another node over the same exchange, with a memory and faults of its own."""
        node = Node(self.exchange, self._gossip, self.clock, f"paper-{len(self.nodes)}")
        await node.start(self.settings.host, port)
        self.nodes.append(node)
        return node

    async def wait_stopped(self) -> None:
        """Wait until block making ends, which it does only by an error; raises that error."""
        if self._blocks is not None:
            await self._blocks

    async def close(self) -> None:
        """Stop everything; what was shown is stored already."""
        if self._blocks is not None:
            self._blocks.cancel()
            await asyncio.gather(self._blocks, return_exceptions=True)
            self._blocks = None
        if self._rpc is not None:
            await self._rpc.close()
            self._rpc = None
        for node in self.nodes:
            await node.close(0.5)
        if self._indexer is not None:
            await self._indexer.close()
            self._indexer = None
        await self.journal.close()

    async def _genesis(self) -> None:
        commit = self.exchange.genesis(self.clock.now())
        await self.journal.write(commit)
