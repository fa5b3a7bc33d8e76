"""The paper network put together: exchange, journal, block clock, nodes, and the indexer half."""

from __future__ import annotations

import asyncio
import importlib
import json
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Protocol

from core.clock import Clock, SystemClock
from core.paper.book import BookShape
from core.paper.chain import Chain
from core.paper.exchange import Exchange
from core.paper.governance import Governance, load_governance
from core.paper.journal import Journal
from core.paper.mainnet_markets import Row, merged_rows, with_markets
from core.paper.mainnet_prices import MainnetPrices, Unreachable, fetch_markets
from core.paper.node import Gossip, Node
from core.paper.prices import PriceMode, PriceSettings
from core.paper.rpc import Rpc


@dataclass(frozen=True)
class PaperSettings:
    """How a paper network is set up. Port 0 takes any free port. `volatility` is the standard
    deviation of one minute's move as a fraction; `rest_limit` the indexer's requests per 10 s; of
    several `nodes` each further one takes the next gRPC port. `governance` is a file in place of
    the recorded one. With `prices` mainnet the indexer at `mainnet_rest` (without /v4) and
    `mainnet_ws` gives markets, when the chain begins, and prices.
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
    nodes: int = 1
    governance: Path | None = None
    mainnet_rest: str = "https://indexer.dydx.trade"
    mainnet_ws: str = "wss://indexer.dydx.trade/v4/ws"


_MARKETS: Final = "markets"


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
        self.journal = Journal(settings.state_dir, settings.chain_id)
        self._governance = governance or load_governance(settings.governance)
        self._build(self._governance)
        self.nodes: list[Node] = []
        self._gossip = Gossip()
        self._with_indexer = indexer
        self._with_blocks = blocks
        self._rpc: Rpc | None = None
        self._indexer: IndexerHalf | None = None
        self._blocks: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None

    def _build(self, governance: Governance) -> None:
        settings = self.settings
        self.exchange = Exchange(
            governance,
            chain_id=settings.chain_id,
            book=settings.book,
            prices=PriceSettings(
                settings.prices, settings.seed, settings.volatility, Decimal(str(settings.block_s))
            ),
            now=self.clock.now,
        )
        self.chain = Chain(
            self.exchange,
            self.journal,
            self.clock,
            block_s=settings.block_s,
            jitter=settings.jitter,
            seed=settings.seed,
        )

    async def start(self) -> None:
        """Open the state, listen, begin making blocks. Raises OSError for a taken port,
        StateUnusable for a state of another version. Waits some seconds where the markets of
        another network are wanted and do not come.
        """
        try:
            tables = await self.journal.open()
            await self._take_markets_over(is_new=tables is None)
            if tables is None:
                await self._genesis()
            else:
                self.exchange.restore(tables)
            if self._with_indexer:
                module: Any = importlib.import_module("core.paper.indexer")
                self._indexer = await module.start(self)
            node = await self.add_node(self.settings.grpc_port)
            self.grpc_port = node.port
            for number in range(1, self.settings.nodes):
                await self.add_node(self.settings.grpc_port and self.settings.grpc_port + number)
            self._rpc = Rpc(node)
            await self._rpc.start(self.settings.host, self.settings.rpc_port)
            self.rpc_port = self._rpc.port
            if self.settings.prices == "mainnet":
                source = MainnetPrices(self.settings.mainnet_ws, self.clock)
                self.exchange.prices.source = source
                self._following = asyncio.create_task(source.run(), name="paper-mainnet")
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
        for task in (self._blocks, self._following):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._blocks = self._following = None
        if self._rpc is not None:
            await self._rpc.close()
            self._rpc = None
        for node in self.nodes:
            await node.close(0.5)
        if self._indexer is not None:
            await self._indexer.close()
            self._indexer = None
        await self.journal.close()

    async def _take_markets_over(self, *, is_new: bool) -> None:
        """The markets of the followed network, and those that this chain took over before; a chain
        that began with the governance's own keeps them.
        """
        saved = await self.journal.note(_MARKETS)
        if saved is None and not is_new:
            return
        rows: list[Row] = json.loads(saved) if saved else []
        if self.settings.prices == "mainnet":
            with suppress(Unreachable):
                rows = merged_rows(rows, await fetch_markets(self.settings.mainnet_rest))
                await self.journal.save_note(_MARKETS, json.dumps(rows))
        if rows:
            self._build(with_markets(self._governance, rows))

    async def _genesis(self) -> None:
        commit = self.exchange.genesis(self.clock.now())
        await self.journal.write(commit)
