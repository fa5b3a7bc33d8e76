"""How an order's fill is found when no websocket tells of it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from uuid import uuid4

import pytest

from core.clock import SystemClock, SystemRandom
from core.dydx.enums import FillType, Liquidity
from core.dydx.indexer import Indexer
from core.dydx.indexer_types import Height, IndexerFill
from core.dydx.network import Network, paper_network
from core.dydx.node import NodePool
from core.dydx.node_types import Tip
from core.dydx.protocol import Side
from core.dydx.stream import Stream, StreamEvent
from core.events import Bell
from core.ledger.database import open_ledger
from core.ledger.models import Account, Order
from core.trading.parts import Parts
from core.trading.proof import Working, prove
from core.trading.venue import Venue
from core.vault import MasterKey, MasterKeys, Vault

NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)
GOOD_TIL_BLOCK = 110


class LeapClock(SystemClock):
    """Sleeping takes no time and moves the clock."""

    seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)


class StandingNode(NodePool):
    """A chain that is still inside the order's life."""

    async def tip(self) -> Tip:
        return Tip(GOOD_TIL_BLOCK - 5, NOW)


class AskedIndexer(Indexer):
    """Shows the fill on the third look."""

    looks = 0
    rows: Sequence[IndexerFill] = ()

    def urgently(self) -> AskedIndexer:
        return self

    async def height(self) -> Height:
        return Height(height=GOOD_TIL_BLOCK - 5, time=NOW)

    async def all_fills_since(self, address: str, number: int, height: int) -> list[IndexerFill]:
        self.looks += 1
        return list(self.rows) if self.looks >= 3 else []


class Room:
    def __init__(self, network: Network, parts: Parts, indexer: AskedIndexer) -> None:
        self.parts = parts
        self.indexer = indexer
        self.account = Account(address="dydx1test", subaccount_number=0)
        self.working = Working(
            Order(order_uuid=uuid4(), good_til_block=GOOD_TIL_BLOCK, state="accepted")
        )
        self.booked: list[IndexerFill] = []

    async def book(self, fills: Sequence[IndexerFill]) -> None:
        """What the lane does: the order is settled once its fill is booked."""
        self.booked += fills
        if fills:
            self.working.settled.set()


@pytest.fixture
async def room(sqlite_ledger_url: str) -> AsyncIterator[Room]:
    async with contextlib.AsyncExitStack() as stack:
        clock, random, network = LeapClock(), SystemRandom(), paper_network()
        ledger = await stack.enter_async_context(
            open_ledger(
                sqlite_ledger_url,
                clock=SystemClock(),
                random=random,
                copies_dir=None,
                holder="t",
            )
        )

        async def unheard(event: StreamEvent) -> None:
            raise AssertionError(f"nothing is connected, and yet {event}")

        indexer = AskedIndexer(network, clock)
        venue = Venue(
            network,
            StandingNode(network, clock),
            indexer,
            Stream(network, clock, random, unheard),
            clock,
        )
        stack.push_async_callback(venue.close)
        vault = Vault(MasterKeys(MasterKey.parse("11" * 32, "test"), ()), random)
        yield Room(network, Parts(ledger, vault, venue, clock, random, Bell()), indexer)


async def test_without_a_websocket_a_fill_is_asked_for_and_not_waited_for(room: Room) -> None:
    fill = IndexerFill(
        id=str(uuid4()),
        ticker="BTC-USD",
        side=Side.BUY,
        liquidity=Liquidity.TAKER,
        type=FillType.LIMIT,
        size=Decimal("0.01"),
        price=Decimal(99000),
        fee=Decimal("0.49"),
        created_at=NOW,
        created_at_height=GOOD_TIL_BLOCK - 6,
        order_id=str(room.working.order.order_uuid),
    )
    room.indexer.rows = [fill]
    async with asyncio.timeout(10):
        end = await prove(room.working, room.account, room.parts, room.book)
    assert end is None
    assert room.booked == [fill]
    assert room.indexer.looks == 3
