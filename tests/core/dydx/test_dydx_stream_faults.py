"""Whatever a websocket drops, repeats, reorders or cuts: with the back-fills nothing is missing.

A real server tells the life of two accounts and does to its messages what Hypothesis thinks of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.clock import SystemRandom
from core.dydx.indexer_types import IndexerFill, Subaccount
from core.dydx.stream import NeedsBackfill, Stream, StreamEvent, SubaccountUpdate
from core.dydx.stream_types import StreamFill
from tests.core.dydx.dydx_kit import FastClock, until
from tests.core.dydx.stream_kit import (
    TRADER,
    Client,
    IndexerSocket,
    first,
    height_message,
    recorded,
)

START = 2_000_000
OVERLAP_BLOCKS = 3
NUMBERS = (0, 1)
TICKERS = ("ETH-USD", "SOL-USD")
FAULTS = ("drop", "double", "late", "cut")


@dataclass(frozen=True)
class Trade:
    """One fill: which account, market and signed size."""

    number: int
    ticker: str
    size: int


@dataclass
class Fill:
    id: str
    height: int
    trade: Trade


@dataclass
class Chain:
    """What really happened."""

    height: int = START
    fills: list[Fill] = field(default_factory=list)

    def add(self, trades: Sequence[Trade]) -> list[Fill]:
        """One more block."""
        self.height += 1
        made = [
            Fill(f"{self.height}-{n:04d}", self.height, trade) for n, trade in enumerate(trades)
        ]
        self.fills += made
        return made

    def sizes(self, number: int) -> dict[str, Decimal]:
        found: dict[str, Decimal] = {}
        for fill in self.fills:
            if fill.trade.number == number:
                ticker = fill.trade.ticker
                found[ticker] = found.get(ticker, Decimal(0)) + fill.trade.size
        return {ticker: size for ticker, size in found.items() if size}

    def since(self, number: int, height: int) -> list[Fill]:
        return [f for f in self.fills if f.trade.number == number and f.height >= height]


EXAMPLE = next(m["contents"] for m in recorded("accounts") if "fills" in m.get("contents", {}))
SNAPSHOT = first("allowed-geo", "subscribed", "v4_subaccounts")["contents"]["subaccount"]
HELD = next(
    m["contents"]["subaccount"]["openPerpetualPositions"]
    for m in recorded("snapshot-3")
    if m["type"] == "subscribed"
    and m["channel"] == "v4_subaccounts"
    and m["contents"]["subaccount"]["openPerpetualPositions"]
)


def subaccount(chain: Chain, number: int) -> dict[str, Any]:
    """What a request answers of an account now."""
    row = next(iter(HELD.values()))
    held = {
        ticker: row | {"market": ticker, "size": format(size, "f")}
        for ticker, size in chain.sizes(number).items()
    }
    state: dict[str, Any] = SNAPSHOT | {
        "address": TRADER,
        "subaccountNumber": number,
        "openPerpetualPositions": held,
        "updatedAtHeight": str(max([f.height for f in chain.since(number, 0)], default=START)),
        "latestProcessedBlockHeight": str(chain.height),
    }
    return state


def fill_row(fill: Fill) -> StreamFill:
    row = {
        "id": fill.id,
        "ticker": fill.trade.ticker,
        "size": str(abs(fill.trade.size)),
        "createdAtHeight": str(fill.height),
    }
    return StreamFill.read(EXAMPLE["fills"][0] | row)


class FaultyIndexer(IndexerSocket):
    """Tells the chain's life with one fault after the other, as the plan says."""

    def __init__(self, chain: Chain, plan: Sequence[str | None], races: Sequence[Trade]) -> None:
        super().__init__()
        self.chain = chain
        self._plan = list(plan)
        self._races = list(races)
        self._held: dict[Client, list[tuple[dict[str, Any], int]]] = {}
        self.registered: dict[Client, set[int]] = {}

    async def answer(self, client: Client, request: dict[str, Any]) -> None:
        """The snapshot is read first; a trade may happen before the news are passed on."""
        if request["channel"] == "v4_block_height":
            contents = {"height": str(self.chain.height), "time": "2026-11-22T15:00:00.000Z"}
            self.snapshots["v4_block_height"] = self.snapshots["v4_block_height"] | {
                "contents": contents
            }
        if request["channel"] != "v4_subaccounts" or request["type"] != "subscribe":
            await super().answer(client, request)
            return
        number = int(request["id"].rpartition("/")[2])
        snapshot = self.snapshots["v4_subaccounts"] | {
            "id": request["id"],
            "contents": self._state(number),
        }
        if self._races:
            await self.block([self._races.pop()])
        self.registered.setdefault(client, set()).add(number)
        await client.send(snapshot)

    def _state(self, number: int) -> dict[str, Any]:
        state = subaccount(self.chain, number)
        return {"subaccount": state, "orders": [], "blockHeight": str(self.chain.height)}

    async def block(self, trades: Sequence[Trade]) -> None:
        """One more block, told to everybody who listens; per fill first the old position."""
        before = {number: self.chain.sizes(number) for number in NUMBERS}
        fills = self.chain.add(trades)
        after = dict(before)
        for client in self.open:
            for fill in fills:
                number, ticker = fill.trade.number, fill.trade.ticker
                if number not in self.registered.get(client, ()):
                    continue
                old = before[number].get(ticker, Decimal(0))
                await self._pass(client, self._update(fill, old, with_fill=False))
                after[number] = self._size_after(fill)
                await self._pass(
                    client,
                    self._update(fill, after[number].get(ticker, Decimal(0)), with_fill=True),
                )
            await self._pass(client, height_message(self.chain.height))

    def _size_after(self, fill: Fill) -> dict[str, Decimal]:
        seen = Chain(fills=self.chain.fills[: self.chain.fills.index(fill) + 1])
        return seen.sizes(fill.trade.number)

    def _update(self, fill: Fill, size: Decimal, *, with_fill: bool) -> dict[str, Any]:
        trade = fill.trade
        position = EXAMPLE["perpetualPositions"][0] | {
            "market": trade.ticker,
            "size": format(size, "f"),
            "subaccountNumber": trade.number,
        }
        contents: dict[str, Any] = {
            "perpetualPositions": [position],
            "blockHeight": str(fill.height),
        }
        if with_fill:
            contents["fills"] = [fill_row(fill).wire()]
        return {
            "type": "channel_data",
            "connection_id": "c",
            "channel": "v4_subaccounts",
            "id": f"{TRADER}/{trade.number}",
            "version": "3.0.0",
            "contents": contents,
        }

    async def _pass(self, client: Client, message: dict[str, Any]) -> None:
        """Sends, or does what the plan has for this message."""
        fault = self._plan.pop(0) if self._plan else None
        message_id, client.next_id = client.next_id, client.next_id + 1
        if fault == "late":
            self._held.setdefault(client, []).append((message, message_id))
            return
        if fault == "cut":
            await client.socket.close(1012, "Service restarting")
            return
        for _ in range({"drop": 0, "double": 2}.get(fault or "", 1)):
            await client.send(message, message_id)
        for late, late_id in self._held.pop(client, []):
            await client.send(late, late_id)


class Desk:
    """What a consumer does: it books fills once, and reads what may be missing."""

    def __init__(self, chain: Chain, pause_s: float) -> None:
        self.chain = chain
        self._pause_s = pause_s
        self._reads: set[asyncio.Task[None]] = set()
        self.booked: dict[int, set[str]] = {number: set() for number in NUMBERS}
        self.stream: Stream | None = None

    async def __call__(self, event: StreamEvent) -> None:
        if isinstance(event, SubaccountUpdate):
            self.booked[event.number] |= {fill.id for fill in event.fills}
            assert all(isinstance(fill, IndexerFill) for fill in event.fills)
        elif isinstance(event, NeedsBackfill):
            task = asyncio.create_task(self.read(event))
            self._reads.add(task)
            task.add_done_callback(self._reads.discard)

    async def read(self, event: NeedsBackfill) -> None:
        """At once, or so late that a second look may have shown that there is no need."""
        assert self.stream is not None
        await asyncio.sleep(0 if event.since_height is None else self._pause_s)
        if self.stream.needs_backfill(event.address, event.number) != event:
            return
        since = 0 if event.since_height is None else event.since_height - OVERLAP_BLOCKS
        read = self.chain.since(event.number, since)
        self.booked[event.number] |= {fill.id for fill in read}
        if event.outdates_snapshot([fill_row(fill) for fill in read]):
            self.stream.take_read(Subaccount.read(subaccount(self.chain, event.number)))
        self.stream.backfilled(event)

    async def close(self) -> None:
        for task in self._reads:
            task.cancel()
        await asyncio.gather(*self._reads, return_exceptions=True)


async def live(
    blocks: Sequence[Sequence[Trade]], plan: Sequence[Any], races: Any, pause_s: float, idle: int
) -> None:
    """`idle` blocks without a trade follow every block."""
    chain = Chain()
    server, desk = FaultyIndexer(chain, plan, races), Desk(chain, pause_s)
    await server.start()
    stream = Stream(
        server.network,
        FastClock(),
        SystemRandom(),
        desk,
        gap_timeout_s=0.05,
        healthy_after_s=0.0,
        per_connection=1,
    )
    desk.stream = stream
    try:
        await stream.start()
        for number in NUMBERS:
            await stream.subscribe(TRADER, number)
        for trades in blocks:
            for each in (trades, *[()] * idle):
                await server.block(each)
                await asyncio.sleep(0.005)
        server._plan.clear()

        async def settle() -> None:
            """Fresh for longer than it takes to find that a message was lost."""
            fresh = 0
            while fresh < 6:
                await server.block([])
                await asyncio.sleep(0.02)
                current = stream.height is not None and stream.height >= chain.height - 1
                fresh = fresh + 1 if current and not stream.stale_accounts(30) else 0

        async with asyncio.timeout(10):
            await settle()
        assert stream.unreadable == 0
        await until(lambda: stream.height == chain.height and not stream.delay_s())
        for number in NUMBERS:
            assert desk.booked[number] == {fill.id for fill in chain.since(number, 0)}
            mirror = stream.account(TRADER, number)
            assert mirror is not None
            held = {ticker: row.size for ticker, row in mirror.positions().items()}
            assert held == chain.sizes(number)
    finally:
        await desk.close()
        await stream.close()
        await server.stop()


trades = st.builds(
    Trade,
    st.sampled_from(NUMBERS),
    st.sampled_from(TICKERS),
    st.integers(-3, 3).filter(bool),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.lists(trades, max_size=3), min_size=1, max_size=12),
    st.lists(st.none() | st.sampled_from(FAULTS), max_size=60),
    st.lists(trades, max_size=3),
    st.sampled_from([0.0, 0.2]),
    st.sampled_from([0, 5]),
)
def test_any_faults_with_the_back_fills_end_with_all_fills_and_the_newest_positions(
    blocks: list[list[Trade]],
    plan: list[str | None],
    races: list[Trade],
    pause_s: float,
    idle: int,
) -> None:
    asyncio.run(live(blocks, plan, races, pause_s, idle))
