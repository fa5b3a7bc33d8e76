"""The paper network in the same loop, and the truth: what its chain did and holds."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.dydx.protocol import order_uuid
from core.paper.book import BookShape
from core.paper.governance import load_governance
from core.paper.happenings import (
    BlockCommitted,
    Filled,
    Happening,
    StatefulChanged,
    SubaccountChanged,
    SubaccountKey,
)
from core.paper.indexer import RunningIndexer
from core.paper.journal import Journal
from core.paper.network import PaperNetwork, PaperSettings
from core.paper.node import Node
from tests.sim.virtual import SimClock, VirtualLoop, WorldTime
from tests.sim.wires import NodeWire, RestWire, StreamWire

TICKERS = ("BTC-USD", "ETH-USD", "SOL-USD")
NODES = 2
USDC = 1_000_000


class NoJournal(Journal):
    """The chain of a simulation dies with it."""

    def __init__(self) -> None:
        super().__init__(None, "")

    async def write(self, commit: Any) -> None:
        """Nothing is kept."""

    async def part(self, name: str) -> None:
        return None

    async def blocks_after(self, height: int) -> list[BlockCommitted]:
        return []

    async def save_part(self, name: str, height: int, value: bytes) -> None:
        """Nothing is kept."""


@dataclass(frozen=True)
class TrueFill:
    """A fill as the chain committed it, in the chain's integers; signed by side."""

    key: SubaccountKey
    client_id: int | None
    order_flags: int | None
    clob_pair_id: int
    ticker: str
    side: str
    kind: str
    quantums: int
    size: Decimal
    before: Decimal
    quote: Decimal
    fee: Decimal
    reduce_only: bool
    height: int
    at: float
    event_id: bytes


class PaperChain:
    """Exchange, nodes and indexer, with the wires to them."""

    def __init__(self, loop: VirtualLoop, time: WorldTime, seed: int, block_s: float = 1.0) -> None:
        self.loop = loop
        self.clock = SimClock(time)
        governance = load_governance()
        markets = {row.id: row for row in governance.markets.values() if row.ticker in TICKERS}
        self.network = PaperNetwork(
            PaperSettings(
                prices="still",
                seed=seed,
                block_s=block_s,
                jitter=0.2,
                book=BookShape(levels=6, level_usd=Decimal(20_000), spacing_bps=Decimal(5)),
            ),
            clock=self.clock,
            governance=dataclasses.replace(governance, markets=markets),
            indexer=False,
            blocks=False,
        )
        journal = NoJournal()
        self.network.journal = journal
        self.network.chain._journal = journal
        self.exchange = self.network.exchange
        self.markets = {row.ticker: row for row in markets.values()}
        self.fills: list[TrueFill] = []
        self.deposits: dict[SubaccountKey, int] = defaultdict(int)
        self.funding: dict[SubaccountKey, Decimal] = defaultdict(Decimal)
        self.placed: dict[tuple[SubaccountKey, int, int], StatefulChanged] = {}
        self.halted_since: float | None = None
        self.moved: dict[str, list[dt.datetime]] = defaultdict(list)
        self._tasks: list[asyncio.Task[Any]] = []

    async def start(self) -> None:
        """Genesis, nodes, indexer, blocks."""
        exchange, network = self.exchange, self.network
        exchange.genesis(self.clock.now())
        for number in range(NODES):
            node = Node(exchange, network._gossip, self.clock, f"paper-{number}")
            exchange.follow(node._on_block)
            network.nodes.append(node)
        running = RunningIndexer(network)
        await running._restore()
        self.indexer = running.indexer
        network.chain.subscribe(self.indexer.on)
        network.chain.subscribe(self._note)
        self.indexer.feed.start()
        stream = running.servers.stream
        from core.paper.indexer.rest import rest_application

        self.nodes = [NodeWire(node) for node in network.nodes]
        self.rest = RestWire(rest_application(self.indexer, stream.close_connections), self.loop)
        self.stream = StreamWire(stream._handle, self.loop)
        self.sockets = stream
        self._tasks.append(asyncio.create_task(network.chain.run()))

    async def close(self) -> None:
        for task in [*self._tasks, *self.indexer.feed._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # the world's hands

    def fund(self, address: str, usd: int) -> SubaccountKey:
        """A subaccount with money, in the next block."""
        key = SubaccountKey(address, 0)
        self.exchange.give(address, 0, usd * USDC)
        self.deposits[key] += usd * USDC
        return key

    def price(self, ticker: str) -> Decimal:
        """The committed oracle price."""
        market = self.markets[ticker]
        return market.price_usd(self.exchange.oracle_price(market))

    def move(self, ticker: str, factor: Decimal) -> None:
        """Moves an oracle price in the next block."""
        self.moved[ticker].append(self.clock.now())
        self.exchange.set_price(ticker, self.price(ticker) * factor)

    # the truth

    def _note(self, happening: Happening) -> None:
        if not isinstance(happening, BlockCommitted):
            return
        for event in happening.events:
            if isinstance(event, Filled) and event.subaccount in self.deposits:
                self.fills.append(self._fill(event, happening.height))
            elif isinstance(event, SubaccountChanged) and event.subaccount in self.deposits:
                for _, quantums in event.funding:
                    self.funding[event.subaccount] += Decimal(quantums) / USDC
            elif isinstance(event, StatefulChanged):
                key = event.order.key
                if key.subaccount in self.deposits:
                    self.placed[key.subaccount, key.client_id, key.order_flags] = event

    def _fill(self, event: Filled, height: int) -> TrueFill:
        market = self.exchange.governance.markets[event.clob_pair_id]
        order = event.order
        return TrueFill(
            key=event.subaccount,
            client_id=None if order is None else order.key.client_id,
            order_flags=None if order is None else order.key.order_flags,
            clob_pair_id=event.clob_pair_id,
            ticker=market.ticker,
            side=event.side,
            kind=event.kind,
            quantums=event.quantums,
            size=market.scale.size_of(event.quantums),
            before=Decimal(event.quantums_before) * market.scale.size_of(1),
            quote=Decimal(event.quote_quantums) / USDC,
            fee=Decimal(event.fee_quote_quantums) / USDC,
            reduce_only=order is not None and order.reduce_only,
            height=height,
            at=self.loop.passed,
            event_id=event.event_id,
        )

    def positions(self, key: SubaccountKey) -> dict[str, Decimal]:
        """Signed committed sizes by ticker, without zeros."""
        found = {}
        for perpetual_id, quantums in self.exchange.subaccount(key).positions:
            market = self.exchange.governance.markets[perpetual_id]
            found[market.ticker] = Decimal(quantums) * market.scale.size_of(1)
        return found

    def usdc(self, key: SubaccountKey) -> Decimal:
        """The committed USDC balance."""
        return Decimal(self.exchange.subaccount(key).usdc) / USDC

    def resting(self, key: SubaccountKey) -> list[Any]:
        """The stateful orders of a subaccount in committed state."""
        held = self.exchange.state.stateful.committed
        return [row for order_key, row in held.items() if order_key.subaccount == key]

    @property
    def height(self) -> int:
        return self.exchange.height


def uuid_of(fill: TrueFill) -> UUID | None:
    """The id of a fill's order; None for one that no order made."""
    if fill.client_id is None or fill.order_flags is None:
        return None
    return order_uuid(
        fill.key.owner, fill.key.number, fill.client_id, fill.clob_pair_id, fill.order_flags
    )
