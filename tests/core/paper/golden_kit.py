"""The recorded story of a real network, played again on the paper network.

Every recorded transaction is taken apart, its addresses and keys are replaced by fresh ones, it is
signed anew and sent at the recorded height; faucets and oracle moves happen where they happened,
and what was asked over REST is asked again.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import functools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import httpx
from aiohttp import web

from core.clock import SystemClock
from core.dydx.protocol import Side
from core.paper.book import BookShape
from core.paper.exchange import CheckResult, Exchange
from core.paper.happenings import BlockCommitted, Happening, OrderKey, SubaccountKey
from core.paper.indexer import Indexer, IndexerSettings, channels
from core.paper.indexer.controls import Book
from core.paper.indexer.records import order_id_of
from core.paper.indexer.rest import rest_application
from core.paper.indexer.rows import Rows
from core.paper.indexer.updates import Update
from core.paper.node import Gossip, Node
from core.paper.prices import PriceSettings
from tests.core.paper.chain_kit import GOVERNANCE
from tests.core.paper.golden_cast import UUID, Cast, signed_anew, signer_of
from tests.core.paper.golden_recordings import (
    Line,
    faucet_height,
    height_at,
    is_memory,
    opening_prices,
    oracle_moves,
    questions,
    recorded_lines,
    snapshots,
    step_at,
    step_of,
    story,
    time_of,
)
from tests.core.paper.indexer_kit import FakeControls

Json = dict[str, Any]


@dataclass
class Answer:
    """What the paper network's REST answered to a recorded question."""

    row: Json
    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass
class Played:
    """All that came out of a play."""

    checks: list[tuple[Json, CheckResult]] = field(default_factory=list)
    delivered: list[tuple[Json, tuple[str, int] | None]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    markets: list[Update] = field(default_factory=list)
    snapshots: list[tuple[Json, Json]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    rows: Rows | None = None


class BookControls(FakeControls):
    """The exchange's books for the indexer."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self.exchange = exchange

    def book(self, clob_pair_id: int) -> Book:
        scale = GOVERNANCE.markets[clob_pair_id].scale
        bids, asks = (
            tuple(
                (scale.price_of(subticks), scale.size_of(quantums))
                for subticks, quantums in self.exchange.book_levels(clob_pair_id, side)
            )
            for side in (Side.BUY, Side.SELL)
        )
        return Book(bids, asks)


class Stage:
    """A paper network whose blocks are those of the recording."""

    def __init__(self) -> None:
        self.cast = Cast()
        self.exchange = Exchange(
            GOVERNANCE, book=BookShape(), prices=PriceSettings(mode="still"), now=self._now
        )
        self.played = Played()
        self.indexer = Indexer(
            GOVERNANCE, BookControls(self.exchange), IndexerSettings(rest_limit=1_000_000)
        )
        self.node = Node(self.exchange, Gossip(), SystemClock(), "golden")
        self.step = 0
        self._heard: list[Happening] = []
        self._oracle = oracle_moves()
        self._sent: list[tuple[Json, str]] = []
        self._names: dict[str, str] = {}
        self.begin()

    def begin(self) -> None:
        """The chain as it stood before the first step."""
        exchange, first = self.exchange, story()[0].height
        exchange.genesis(time_of(first - 8))
        for ticker in ("LINK-USD", "EIGEN-USD"):
            exchange.shape_book(BookShape(levels=0), ticker)
        for ticker, usd in opening_prices().items():
            if any(market.ticker == ticker for market in GOVERNANCE.markets.values()):
                exchange.set_price(ticker, Decimal(usd))
        exchange.publish(exchange.commit(time_of(first - 7)))
        last = exchange.state.header.working["last"]
        exchange.state.header.put("last", replace(last, height=first - 8))
        for _ in range(8):
            self.block()
        rows = self.indexer.rows
        rows.height = exchange.height
        for market in GOVERNANCE.markets.values():
            price = market.price_usd(exchange.oracle_price(market))
            rows.oracles[market.market_id].price = price
        exchange.subscribe(self._hear)

    def _now(self) -> dt.datetime:
        return time_of(self.exchange.height + 1)

    def block(self) -> None:
        """Make the next block at its recorded time and with its recorded prices."""
        height = self.exchange.state.header.working["last"].height + 1
        for ticker, usd in self._oracle.get(height, ()):
            self.exchange.set_price(ticker, Decimal(usd))
        self.exchange.publish(self.exchange.commit(time_of(height + 1)))
        # The node's memory speaks sooner than the block comes through.
        for happening in sorted(self._heard, key=lambda row: isinstance(row, BlockCommitted)):
            self._show(happening, step_of(height))
        self._heard = []

    def until(self, height: int) -> None:
        """Make blocks up to a height."""
        while self.exchange.height < height:
            self.block()

    def _hear(self, happening: Happening) -> None:
        self._heard.append(happening)

    def _show(self, happening: Happening, step: int) -> None:
        for update in self.indexer.rows.on(happening):
            self._note(update, step)

    def flush(self) -> None:
        """Show what the node's memory said since the last block."""
        heard, self._heard = self._heard, []
        for happening in heard:
            self._show(happening, self.step)

    def _note(self, update: Update, step: int) -> None:
        if update.channel != "v4_subaccounts":
            self.played.markets.append(update)
            return
        contents = update.contents
        if update.id.endswith("/128") and update.parent_contents is not None:
            contents = update.parent_contents
        source = "memory" if is_memory(contents) else "block"
        height = int(contents["blockHeight"])
        self.played.lines.append(Line(step, update.id, source, height, contents))

    def play(self, event: Json) -> None:
        """One recorded event."""
        if event["kind"] == "oracle":
            return
        if event["kind"] == "faucet":
            sent = event["sent"]
            address = self.cast.address(sent["address"])
            amount = int(Decimal(str(sent["amount"])).scaleb(6))
            self.until(faucet_height(event) - 1)
            self.exchange.give(address, sent["subaccountNumber"], amount)
            self.block()
            return
        self.until(event["height"])
        for message in event["messages"]:
            self.cast.address(signer_of(message))
        signer = self.cast.address(signer_of(event["messages"][0]))
        account = self.exchange.account(signer)
        raw = signed_anew(event, self.cast, account.number if account else 0)
        result = self.node.submit(raw)
        self.flush()
        self._map_orders(event)
        self.played.checks.append((event, result))
        self._sent.append((event, result.tx_hash))

    def _map_orders(self, event: Json) -> None:
        """Note which of our order ids stand for the recorded ones."""
        ids = event.get("order_uuids") or []
        for recorded, message in zip(ids, event["messages"], strict=False):
            name = message["order"]["order_id"] if "order" in message else message["order_id"]
            owner = name["subaccount_id"]
            key = OrderKey(
                SubaccountKey(self.cast.address(owner["owner"]), owner["number"]),
                name["client_id"],
                name["order_flags"],
                name["clob_pair_id"],
            )
            self._names[recorded] = order_id_of(key)

    def translated(self, path: str) -> str:
        """A recorded path with our addresses and order ids."""
        return UUID.sub(
            lambda found: self._names.get(found[0], found[0]), self.cast.translated(path)
        )

    def finish(self) -> None:
        """Look up what became of the transactions in their blocks."""
        self.played.addresses, self.played.rows = self.cast.addresses, self.indexer.rows
        for event, identity in self._sent:
            included = self.exchange.transaction(identity)
            outcome = None if included is None else (included.codespace, included.code)
            self.played.delivered.append((event, outcome))


@contextlib.asynccontextmanager
async def rest_of(stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    """The paper indexer's REST on a real port."""
    runner = web.AppRunner(rest_application(stage.indexer, lambda: None), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with httpx.AsyncClient(base_url=address, verify=False) as client:
            yield client
    finally:
        await runner.cleanup()


async def play_story(*, ask: bool = True) -> Played:
    """Play the whole story: what was sent and, with `ask`, what was asked in between."""
    stage = Stage()
    lines = [(row["t_ms"], "event", row) for step in story() for row in step.events]
    lines += [(row["t_ms"], "question", row) for row in questions() if ask]
    lines += [(row["t_ms"], "snapshot", row) for row in snapshots() if ask]
    lines.sort(key=lambda line: line[0])
    heights = [row["height"] for _, kind, row in lines if kind == "event" and "height" in row]
    async with rest_of(stage) as client:
        for t_ms, kind, row in lines:
            stage.step = step_at(t_ms)
            if kind == "event":
                stage.play(row)
                heights = heights[1:] if "height" in row else heights
                continue
            stage.until(min([height_at(t_ms), *heights[:1]]))
            if kind == "snapshot":
                id_ = stage.translated(row["id"])
                contents = channels.snapshot(stage.indexer, row["channel"], id_)
                stage.played.snapshots.append((row, contents))
                continue
            response = await client.get("/v4" + stage.translated(row["path"]))
            answer = Answer(row, response.status_code, response.headers, response.json())
            stage.played.answers.append(answer)
    stage.until(max(int(line.contents["blockHeight"]) for line in recorded_lines()))
    stage.finish()
    return stage.played


@functools.cache
def played() -> Played:
    """The story, played once for all tests."""
    return asyncio.run(play_story())
