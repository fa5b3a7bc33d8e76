"""Fills that come with a block's time, which is older than the order that they belong to."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from core.clock import SystemClock, SystemRandom
from core.dydx.enums import FillType, Liquidity
from core.dydx.indexer import Indexer
from core.dydx.indexer_types import IndexerFill
from core.dydx.network import paper_network
from core.dydx.node import NodePool
from core.dydx.protocol import Side
from core.dydx.stream import Stream, StreamEvent
from core.events import Bell
from core.ledger import orders, positions
from core.ledger.database import open_ledger
from core.ledger.models import Account, Order, Trader
from core.trading.bookkeeper import Bookkeeper
from core.trading.parts import Parts
from core.trading.venue import Venue
from core.vault import MasterKey, MasterKeys, Vault

CONNECTED = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)


def after(seconds: float) -> dt.datetime:
    return CONNECTED + dt.timedelta(seconds=seconds)


class SetClock(SystemClock):
    """Shows the time that it was set to."""

    def __init__(self, at: dt.datetime) -> None:
        self.at = at

    def now(self) -> dt.datetime:
        return self.at


class Room:
    """A bookkeeper of one account, with a ledger and a network that is not connected."""

    def __init__(self, account: Account, bookkeeper: Bookkeeper, clock: SetClock) -> None:
        self.account = account
        self.bookkeeper = bookkeeper
        self.clock = clock

    async def order(self, *, broadcast_at: dt.datetime) -> Order:
        """An accepted order of 0.01 BTC-USD."""
        return await Order.create(
            account_id=self.account.id,
            partition=1,
            purpose="open",
            order_uuid=uuid4(),
            client_id=1,
            order_flags=0,
            clob_pair_id=0,
            ticker="BTC-USD",
            side="BUY",
            size="0.01",
            limit_price="100000",
            reference_price="99000",
            quantums="100000000",
            subticks="10000000000",
            reduce_only=False,
            good_til_block=100,
            tx=b"\x01",
            tx_hash="AB",
            state="accepted",
            filled_size=Decimal(0),
            filled_quote=Decimal(0),
            epoch=1,
            created_at=broadcast_at,
            broadcast_at=broadcast_at,
            accepted_at=broadcast_at,
        )


@pytest.fixture
async def room(sqlite_ledger_url: str) -> AsyncIterator[Room]:
    async with contextlib.AsyncExitStack() as stack:
        clock, random, network = SetClock(after(1)), SystemRandom(), paper_network()
        ledger = await stack.enter_async_context(
            open_ledger(sqlite_ledger_url, clock=clock, random=random, copies_dir=None, holder="t")
        )
        trader = await Trader.create(telegram_id=1, name="Ann", role="trader", created_at=CONNECTED)
        account = await Account.create(
            trader_id=trader.id,
            network="paper",
            address="dydx1test",
            subaccount_number=0,
            partition=1,
            next_client_id=7,
            state="active",
            created_at=CONNECTED,
        )

        async def unheard(event: StreamEvent) -> None:
            raise AssertionError(f"nothing is connected, and yet {event}")

        venue = Venue(
            network,
            NodePool(network, clock),
            Indexer(network, clock),
            Stream(network, clock, random, unheard),
            clock,
        )
        stack.push_async_callback(venue.close)
        vault = Vault(MasterKeys(MasterKey.parse("11" * 32, "test"), ()), random)
        parts = Parts(ledger, vault, venue, clock, random, Bell())
        yield Room(account, Bookkeeper(account, parts), clock)


def a_fill(order_id: UUID | None, at: dt.datetime) -> IndexerFill:
    return IndexerFill(
        id=str(uuid4()),
        ticker="BTC-USD",
        side=Side.BUY,
        liquidity=Liquidity.TAKER,
        type=FillType.LIMIT,
        size=Decimal("0.01"),
        price=Decimal(99000),
        fee=Decimal("0.49"),
        created_at=at,
        created_at_height=90,
        order_id=str(order_id) if order_id else None,
    )


async def test_an_order_sent_right_after_connecting_is_booked_though_its_block_is_older(
    room: Room,
) -> None:
    order = await room.order(broadcast_at=after(0.5))
    await room.bookkeeper.book([a_fill(order.order_uuid, after(-0.4))])
    position = await positions.open_in(room.account.id, "BTC-USD")
    assert position is not None
    assert (position.size, position.external) == (Decimal("0.01"), False)


async def test_a_fill_from_before_the_account_was_connected_is_not_booked(room: Room) -> None:
    await room.bookkeeper.book([a_fill(uuid4(), after(-0.4)), a_fill(None, after(-3))])
    assert await positions.open_in(room.account.id, "BTC-USD") is None


@pytest.mark.parametrize("block", [0.2, 1.0, 7.0])
async def test_an_order_counts_as_filled_when_its_fill_was_proved_not_at_the_blocks_time(
    room: Room, block: float
) -> None:
    order = await room.order(broadcast_at=after(0.5))
    room.clock.at = after(1.1)
    await room.bookkeeper.book([a_fill(order.order_uuid, after(block))])
    stored = await orders.get(order.id)
    assert stored is not None
    assert (stored.state, stored.resolved_at) == ("filled", after(1.1))
