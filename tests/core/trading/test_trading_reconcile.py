"""What is read after an interruption, and what counts as read."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from core.clock import SystemClock, SystemRandom
from core.dydx.account_mirror import AccountMirror
from core.dydx.indexer import Indexer, IndexerUnreachable
from core.dydx.indexer_types import Height, IndexerFill, Subaccount
from core.dydx.network import paper_network
from core.dydx.node import NodePool
from core.dydx.stream import NeedsBackfill, Stream, StreamEvent
from core.events import Bell
from core.ledger.database import open_ledger
from core.ledger.models import Account, Trader
from core.trading.parts import Parts
from core.trading.reconcile import OVERLAP_BLOCKS, Reconciler
from core.trading.venue import Venue
from core.trading.workbench import Workbench
from core.vault import MasterKey, MasterKeys, Vault
from tests.core.dydx.dydx_kit import recording

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
HEIGHT = 5_000
READ_TO = 4_000
STATE: dict[str, Any] = next(
    line["body"]["subaccount"]
    for line in recording("rest")
    if "/subaccountNumber/0" in line["path"]
    and line["status"] == 200
    and line["body"]["subaccount"]["openPerpetualPositions"]
)
FILL = IndexerFill.read(
    {
        "id": "5f3f6c1e-0f2b-5c57-9d62-1c3f6a6b2f11",
        "ticker": "ETH-USD",
        "side": "BUY",
        "liquidity": "TAKER",
        "type": "LIMIT",
        "size": "1",
        "price": "3000",
        "fee": "0.1",
        "createdAt": "2026-11-24T11:59:59.000Z",
        "createdAtHeight": str(HEIGHT),
    }
)


class AskedIndexer(Indexer):
    """Notes what is asked of it, also through its views."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked: list[str] = []
        self.rows: list[IndexerFill] = []
        self.down = False

    async def height(self) -> Height:
        return Height(height=HEIGHT, time=NOW)

    async def all_fills_since(self, address: str, number: int, height: int) -> list[IndexerFill]:
        self.asked.append(f"fills since {height} {self._urgency.name}")
        if self.down:
            raise IndexerUnreachable("down")
        return list(self.rows)

    async def subaccount(self, address: str, number: int) -> Subaccount | None:
        self.asked.append("positions")
        return Subaccount.read(STATE)


class InterruptedStream(Stream):
    """Its news of the account are not complete, and its snapshot is of block 4,990."""

    def begin(self) -> None:
        self.needs: NeedsBackfill | None = NeedsBackfill("dydx1test", 0, 4_000, 4_990, 1)
        self.mirror = AccountMirror()
        self.mirror.take_state(None, [], (4_990, 1, 1))
        self.reads: list[Subaccount] = []

    def needs_backfill(self, address: str, number: int) -> NeedsBackfill | None:
        return self.needs

    def account(self, address: str, number: int) -> AccountMirror | None:
        return self.mirror

    def take_read(self, subaccount: Subaccount) -> None:
        self.reads.append(subaccount)

    def backfilled(self, done: NeedsBackfill) -> None:
        assert done == self.needs
        self.needs = None


class Room:
    def __init__(self, account: Account, parts: Parts) -> None:
        self.booked: list[IndexerFill] = []
        self.account = account
        self.reconciler = Reconciler(Workbench(account, parts), self.book)
        assert isinstance(parts.venue.indexer, AskedIndexer)
        assert isinstance(parts.venue.stream, InterruptedStream)
        self.indexer, self.stream = parts.venue.indexer, parts.venue.stream

    async def book(self, fills: Sequence[IndexerFill]) -> None:
        self.booked += fills
        if self.stream.needs is None:
            raise AssertionError("it was called complete before the fills were booked")


@pytest.fixture
async def room(sqlite_ledger_url: str) -> AsyncIterator[Room]:
    async with contextlib.AsyncExitStack() as stack:
        clock, random, network = SystemClock(), SystemRandom(), paper_network(rest_port=1)
        ledger = await stack.enter_async_context(
            open_ledger(sqlite_ledger_url, clock=clock, random=random, copies_dir=None, holder="t")
        )
        trader = await Trader.create(telegram_id=1, name="Ann", role="trader", created_at=NOW)
        account = await Account.create(
            trader_id=trader.id,
            network="paper",
            address="dydx1test",
            subaccount_number=0,
            partition=1,
            next_client_id=7,
            state="active",
            fills_height=READ_TO,
            created_at=NOW,
        )

        async def unheard(event: StreamEvent) -> None:
            raise AssertionError(f"nothing is connected, and yet {event}")

        stream = InterruptedStream(network, clock, random, unheard)
        stream.begin()
        venue = Venue(
            network,
            NodePool(network, clock),
            AskedIndexer(network, clock),
            stream,
            clock,
        )
        stack.push_async_callback(venue.close)
        vault = Vault(MasterKeys(MasterKey.parse("11" * 32, "test"), ()), random)
        yield Room(account, Parts(ledger, vault, venue, clock, random, Bell()))


FILLS = f"fills since {READ_TO - OVERLAP_BLOCKS}"


async def test_a_quiet_account_costs_one_request_and_its_news_are_complete_then(room: Room) -> None:
    assert await room.reconciler.run()

    assert room.indexer.asked == [f"{FILLS} BULK"]
    assert room.stream.needs is None
    assert room.account.fills_height == HEIGHT


async def test_who_holds_something_does_not_wait_behind_the_others(room: Room) -> None:
    room.stream.urgent = lambda address, number: True
    await room.reconciler.run()
    assert room.indexer.asked == [f"{FILLS} NORMAL"]


async def test_an_account_that_somebody_waits_for_is_read_before_all_others(room: Room) -> None:
    assert await room.reconciler.catch_up()
    assert room.indexer.asked == [f"{FILLS} URGENT"]


async def test_positions_are_asked_for_when_fills_outdate_the_snapshot(room: Room) -> None:
    room.indexer.rows = [FILL]
    assert await room.reconciler.run()

    assert room.booked == [FILL]
    assert room.indexer.asked == [f"{FILLS} BULK", "positions"]
    assert [row.size for row in room.stream.reads[0].open_perpetual_positions.values()]
    assert room.stream.needs is None


async def test_without_a_snapshot_to_rely_on_positions_are_asked_for(room: Room) -> None:
    room.stream.needs = NeedsBackfill("dydx1test", 0, None, None, 1)
    room.stream.mirror = AccountMirror()
    assert await room.reconciler.run()
    assert room.indexer.asked == [f"{FILLS} BULK", "positions"]


async def test_what_could_not_be_read_stays_to_be_read(room: Room) -> None:
    room.indexer.down = True
    assert not await room.reconciler.run()

    assert room.stream.needs is not None
    assert room.account.fills_height == READ_TO
    assert not room.booked
