"""A bookkeeper of one account, on a real ledger and a network that is not connected."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from core.clock import SystemClock, SystemRandom
from core.dydx.enums import FillType, Liquidity
from core.dydx.indexer import Indexer
from core.dydx.indexer_types import IndexerFill
from core.dydx.network import paper_network
from core.dydx.node import NodePool
from core.dydx.protocol import Side
from core.dydx.stream import Stream, StreamEvent
from core.events import Bell
from core.ledger import books, positions
from core.ledger.database import open_ledger
from core.ledger.models import (
    Account,
    Intent,
    Order,
    OutgoingMessage,
    Position,
    ShareMove,
    Strategy,
    Trader,
)
from core.trading.bookkeeper import Bookkeeper
from core.trading.parts import Parts
from core.trading.share_keeper import parts_in
from core.trading.venue import Venue
from core.trading.workbench import Workbench
from core.vault import MasterKey, MasterKeys, Vault

CONNECTED = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)
BTC = "BTC-USD"
PLAN: dict[str, Any] = {
    "take_profit": [],
    "stop_loss": {"percent": "2"},
    "trailing": None,
    "break_even": None,
}


def after(seconds: float) -> dt.datetime:
    return CONNECTED + dt.timedelta(seconds=seconds)


class SetClock(SystemClock):
    """Shows the time that it was set to; its counter goes with it."""

    def __init__(self, at: dt.datetime) -> None:
        self.at = at

    def now(self) -> dt.datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


class Room:
    """An account with its bookkeeper. Fills follow each other second by second."""

    def __init__(self, account: Account, parts: Parts, clock: SetClock) -> None:
        self.account = account
        self.parts = parts
        self.bench = Workbench(account, parts)
        self.bookkeeper = Bookkeeper(account, parts)
        self.clock = clock
        self._numbers = 0

    async def strategy(self, name: str, **values: Any) -> Strategy:
        return await Strategy.create(
            trader_id=self.account.trader_id,
            account_id=self.account.id,
            partition=1,
            name=name,
            webhook_uuid=uuid4(),
            secret_hash="x",
            state="active",
            created_at=CONNECTED,
            **values,
        )

    async def intent(
        self, strategy_id: int | None, *, source: str = "signal", **payload: Any
    ) -> Intent:
        self._numbers += 1
        return await Intent.create(
            account_id=self.account.id,
            partition=1,
            sequence=self._numbers,
            key=f"test:{self._numbers}",
            source=source,
            kind="trade",
            payload={"strategy_id": strategy_id, **payload},
            state="running",
            created_at=CONNECTED,
        )

    async def order(self, *, broadcast_at: dt.datetime = CONNECTED, **values: Any) -> Order:
        """An accepted order of 0.01 BTC-USD."""
        self._numbers += 1
        given: dict[str, Any] = {
            "account_id": self.account.id,
            "partition": 1,
            "purpose": "open",
            "order_uuid": uuid4(),
            "client_id": self._numbers,
            "order_flags": 0,
            "clob_pair_id": 0,
            "ticker": BTC,
            "side": "BUY",
            "size": "0.01",
            "limit_price": "100000",
            "reference_price": "99000",
            "quantums": "100000000",
            "subticks": "10000000000",
            "reduce_only": False,
            "good_til_block": 100,
            "tx": b"\x01",
            "tx_hash": "AB",
            "state": "accepted",
            "filled_size": Decimal(0),
            "filled_quote": Decimal(0),
            "epoch": 1,
            "created_at": broadcast_at,
            "broadcast_at": broadcast_at,
            "accepted_at": broadcast_at,
        }
        return await Order.create(**(given | values))

    async def trade(
        self,
        side: str,
        size: str,
        price: str = "100000",
        *,
        strategy: Strategy | None = None,
        source: str = "signal",
        fee: str = "0",
        kind: FillType = FillType.LIMIT,
        plan: dict[str, Any] | None = None,
        by_hand: bool = False,
        **order: Any,
    ) -> IndexerFill:
        """A whole order and its one fill, booked. Without a strategy it is the position's."""
        made = None
        if not by_hand and kind is FillType.LIMIT:
            asked = await self.intent(strategy.id if strategy else None, source=source, plan=plan)
            made = await self.order(side=side, size=size, intent_id=asked.id, **order)
        self._numbers += 1
        fill = a_fill(
            made.order_uuid if made is not None else None,
            after(self._numbers),
            side=side,
            size=size,
            price=price,
            fee=fee,
            kind=kind,
            height=100 + self._numbers,
        )
        await self.bookkeeper.book([fill])
        return fill

    async def position(self) -> Position:
        row = await positions.open_in(self.account.id, BTC)
        assert row is not None
        return row

    async def shares(self) -> dict[int, Decimal]:
        return await parts_in(self.account.id, BTC)

    async def told(self, kind: str) -> list[dict[str, Any]]:
        """The events of a kind in the outbox."""
        rows = await OutgoingMessage.filter(kind=kind).order_by("id")
        return [row.payload for row in rows]

    async def money(self) -> tuple[Decimal, Decimal]:
        """What the positions and what the shares say that the account's USDC changed by."""
        of_positions = Decimal(0)
        for row in await Position.filter(account_id=self.account.id):
            signed = row.size if row.side == "LONG" else -row.size
            of_positions += row.realized_pnl - row.fees + row.funding - signed * row.entry_price
        shares = await books.shares_of([self.account.id])
        of_shares = sum(
            (s.realized_pnl - s.fees + s.funding - s.size * s.entry_price for s in shares),
            Decimal(0),
        )
        return of_positions, of_shares

    async def moves(self) -> list[ShareMove]:
        return await ShareMove.filter(account_id=self.account.id).order_by("id")


@contextlib.asynccontextmanager
async def open_room(
    url: str,
    *,
    rest_port: int = 1,
    address: str = "dydx1test",
    now: dt.datetime | None = None,
    created_at: dt.datetime = CONNECTED,
) -> AsyncIterator[Room]:
    async with contextlib.AsyncExitStack() as stack:
        clock, random = SetClock(now or after(1)), SystemRandom()
        network = paper_network(rest_port=rest_port)
        ledger = await stack.enter_async_context(
            open_ledger(url, clock=clock, random=random, copies_dir=None, holder="t")
        )
        trader = await Trader.create(telegram_id=1, name="Ann", role="trader", created_at=CONNECTED)
        account = await Account.create(
            trader_id=trader.id,
            network="paper",
            address=address,
            subaccount_number=0,
            partition=1,
            next_client_id=7,
            state="active",
            created_at=created_at,
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
        yield Room(account, Parts(ledger, vault, venue, clock, random, Bell()), clock)


def a_fill(
    order_id: UUID | None,
    at: dt.datetime,
    *,
    side: str = "BUY",
    size: str = "0.01",
    price: str = "99000",
    fee: str = "0.49",
    kind: FillType = FillType.LIMIT,
    height: int = 90,
) -> IndexerFill:
    return IndexerFill(
        id=str(uuid4()),
        ticker=BTC,
        side=Side(side),
        liquidity=Liquidity.TAKER,
        type=kind,
        size=Decimal(size),
        price=Decimal(price),
        fee=Decimal(fee),
        created_at=at,
        created_at_height=height,
        order_id=str(order_id) if order_id else None,
    )
