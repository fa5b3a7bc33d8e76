"""A firewall on a real ledger, with prices and a clock that tests move."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

from core.clock import SystemRandom
from core.dydx.indexer import IndexerUnreachable
from core.dydx.indexer_types import Candle, Level, Orderbook
from core.dydx.markets import Market
from core.dydx.node import NodeUnreachable
from core.dydx.protocol import Side
from core.dydx.quantums import Scale
from core.events import Bell
from core.ledger.database import Ledger, open_ledger
from core.ledger.models import (
    Account,
    Fill,
    Funding,
    OutgoingMessage,
    Position,
    Share,
    ShareMove,
    Strategy,
    Trader,
)
from core.trading.decision import Refusal
from core.trading.risk.ask import Ask
from core.trading.risk.firewall import Firewall
from core.trading.risk.watch import RiskWatch

D = Decimal
ZERO = Decimal(0)
NOON = dt.datetime(2026, 7, 1, 12, 0, tzinfo=dt.UTC)


class HandClock:
    """Moved by hand."""

    def __init__(self, now: dt.datetime) -> None:
        self._now = now
        self._seconds = 0.0

    def now(self) -> dt.datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)

    def move(self, **span: float) -> None:
        delta = dt.timedelta(**span)
        self._now += delta
        self._seconds += delta.total_seconds()


def market(ticker: str, price: str) -> Market:
    return Market(
        ticker=ticker,
        clob_pair_id=0,
        status="ACTIVE",
        oracle_price=D(price),
        market_type="CROSS",
        initial_margin_fraction=D("0.05"),
        maintenance_margin_fraction=D("0.03"),
        scale=Scale(-10, -9, 1_000_000, 100_000),
    )


@dataclass
class Place:
    """A venue whose prices, candles, book and equity are set by hand; it counts what is asked."""

    prices: dict[str, str] = field(default_factory=lambda: {"BTC-USD": "100", "ETH-USD": "10"})
    candles_: dict[str, list[tuple[dt.datetime, str, str]]] = field(default_factory=dict)
    equity: str | None = "1000"
    node_usdc: str | None = None
    book: Orderbook | None = None
    asked: list[str] = field(default_factory=list)
    prices_fresh: bool = True

    @property
    def network(self) -> Any:
        return _Named("paper")

    @property
    def stream(self) -> Any:
        return self

    @property
    def markets(self) -> Any:
        return self

    @property
    def indexer(self) -> Any:
        return self

    @property
    def node(self) -> Any:
        return _Node(self)

    def urgently(self) -> Any:
        return self

    def get(self, ticker: str) -> Market | None:
        price = self.prices.get(ticker)
        return None if price is None else market(ticker, price)

    def by_pair(self, pair: int) -> Market | None:
        return self.get("BTC-USD")

    async def orderbook(self, ticker: str) -> Orderbook:
        self.asked.append("book")
        if self.book is None:
            raise IndexerUnreachable("no book")
        return self.book

    async def subaccount(self, address: str, number: int) -> Any:
        self.asked.append("equity")
        if self.equity is None:
            raise IndexerUnreachable("no equity")
        return _Equity(D(self.equity))

    async def candles(self, ticker: str, resolution: str, **query: Any) -> list[Candle]:
        self.asked.append("candles")
        until = query.get("until")
        rows = [row for row in self.candles_.get(ticker, []) if until is None or row[0] < until]
        return [_candle(ticker, *row) for row in sorted(rows, reverse=True)]


@dataclass(frozen=True)
class _Named:
    name: str


@dataclass(frozen=True)
class _Equity:
    equity: Decimal


@dataclass(frozen=True)
class _Node:
    place: Place

    async def subaccount(self, address: str, number: int) -> Any:
        if self.place.node_usdc is None:
            raise NodeUnreachable("no node")
        return _Committed(D(self.place.node_usdc), {0: 1_000_000_000})


@dataclass(frozen=True)
class _Committed:
    usdc: Decimal
    positions: dict[int, int]


def _candle(ticker: str, at: dt.datetime, opened: str, closed: str) -> Candle:
    return Candle.read(
        {
            "startedAt": at.isoformat().replace("+00:00", "Z"),
            "ticker": ticker,
            "resolution": "1MIN",
            "low": opened,
            "high": opened,
            "open": opened,
            "close": closed,
            "baseTokenVolume": "1",
            "usdVolume": "1",
            "trades": 1,
            "startingOpenInterest": "1",
        }
    )


def order_book(*, bid: str = "99.9", ask: str = "100.1", size: str = "10") -> Orderbook:
    return Orderbook(
        bids=[Level(price=D(bid), size=D(size))], asks=[Level(price=D(ask), size=D(size))]
    )


class NoLanes:
    """Lanes of an account that is not taken over."""

    def __init__(self) -> None:
        self.lanes: dict[int, Any] = {}

    def get(self, account_id: int) -> Any:
        return self.lanes.get(account_id)


@dataclass
class Room:
    """One trader with an account and a strategy."""

    ledger: Ledger
    clock: HandClock
    place: Place
    trader: Trader
    account: Account
    strategy: Strategy
    firewall: Firewall
    watch: RiskWatch
    lanes: NoLanes
    fills: int = 0

    async def restart(self) -> None:
        """All that was in memory is gone."""
        rows = {self.strategy.id: self.strategy}
        self.firewall = Firewall(self.ledger, {"paper": self.place}, self.clock, rows.get)  # type: ignore[dict-item]
        await self.firewall.start()
        lanes: Any = self.lanes
        self.watch = RiskWatch(self.firewall, self.ledger, lanes, self.clock, Bell())

    async def fill(
        self,
        size: str,
        price: str,
        *,
        ticker: str = "BTC-USD",
        fee: str = "0",
        strategy_id: int | None = None,
        account: Account | None = None,
    ) -> None:
        """A fill as the books keep it: it, the share that it moves, and the move."""
        owner = self.strategy.id if strategy_id is None else strategy_id
        account = account or self.account
        share = await Share.get_or_none(account_id=account.id, ticker=ticker, strategy_id=owner)
        if share is None:
            share = await Share.create(
                account_id=account.id,
                partition=1,
                ticker=ticker,
                strategy_id=owner,
                size=D(0),
                entry_price=D(0),
                realized_pnl=D(0),
                fees=D(0),
                funding=D(0),
            )
        signed, paid, realized = D(size), D(price), D(0)
        before = share.size
        if before * signed < 0:
            closing = min(abs(before), abs(signed))
            realized = (paid - share.entry_price) * closing * (1 if before > 0 else -1)
        share.size = before + signed
        if before * share.size <= 0:
            share.entry_price = paid if share.size else D(0)
        elif before * signed > 0:
            share.entry_price = (share.entry_price * before + paid * signed) / share.size
        share.realized_pnl += realized
        share.fees += D(fee)
        await share.save()
        uuid = uuid4()
        self.fills += 1
        await Fill.create(
            fill_uuid=uuid,
            account_id=account.id,
            ticker=ticker,
            side="BUY" if signed > 0 else "SELL",
            kind="LIMIT",
            liquidity="TAKER",
            size=abs(signed),
            price=paid,
            fee=D(fee),
            height=self.fills,
            at=self.clock.now(),
        )
        await self._move(share, "order", signed, realized=realized, fee=D(fee), uuid=uuid)

    async def funding(self, payment: str, *, ticker: str = "BTC-USD") -> None:
        """A funding payment of the strategy's share."""
        share = await Share.get(
            account_id=self.account.id, ticker=ticker, strategy_id=self.strategy.id
        )
        share.funding += D(payment)
        await share.save()
        await Funding.create(
            partition=0,
            account_id=self.account.id,
            ticker=ticker,
            size=share.size,
            rate=D("0.001"),
            oracle_price=D(100),
            payment=D(payment),
            height=1,
            at=self.clock.now(),
        )
        await self._move(share, "funding", D(0), funding=D(payment))

    async def _move(
        self,
        share: Share,
        cause: str,
        change: Decimal,
        *,
        realized: Decimal = ZERO,
        fee: Decimal = ZERO,
        funding: Decimal = ZERO,
        uuid: Any = None,
    ) -> None:
        await ShareMove.create(
            partition=0,
            share_id=share.id,
            account_id=share.account_id,
            strategy_id=share.strategy_id,
            cause=cause,
            fill_uuid=uuid,
            change=change,
            size=share.size,
            realized_pnl=realized,
            fee=fee,
            funding=funding,
            at=self.clock.now(),
        )
        self.firewall.note_change(share.account_id)

    async def closed(self, net: str) -> None:
        """A closed trade."""
        await Position.create(
            account_id=self.account.id,
            partition=1,
            strategy_id=self.strategy.id,
            ticker="BTC-USD",
            side="LONG",
            state="closed",
            size=D(0),
            max_size=D(1),
            entry_price=D(100),
            realized_pnl=D(net),
            fees=D(0),
            opened_at=self.clock.now(),
            enlarged_at=self.clock.now(),
            closed_at=self.clock.now(),
        )
        self.firewall.note_change(self.account.id)

    def ask(self, size: str = "1", **changes: Any) -> Ask:
        """An order of the strategy that opens something, unless told otherwise."""
        signed = D(size)
        ticker = changes.pop("ticker", "BTC-USD")
        before = D(changes.pop("before", "0"))
        plain = Ask(
            trader_id=self.trader.id,
            account_id=self.account.id,
            strategy_id=self.strategy.id,
            ticker=ticker,
            side=Side.BUY if signed > 0 else Side.SELL,
            size=abs(signed),
            price=None,
            before=before,
            after=before + signed,
            reduce_only=False,
            kind="market",
            market=market(ticker, self.place.prices[ticker]),
            now=self.clock.now(),
        )
        return replace(plain, **changes)

    async def code(self, ask: Ask | None = None) -> str | None:
        """Why an order is refused; None where it passes."""
        ask = ask or self.ask()
        await self.firewall.look(ask)
        try:
            await self.firewall.check(ask)
        except Refusal as refusal:
            return refusal.code
        return None

    async def told(self, kind: str) -> list[dict[str, Any]]:
        """The payloads of the messages of a kind."""
        rows = await OutgoingMessage.filter(kind=kind).order_by("id")
        return [row.payload for row in rows]


@contextlib.asynccontextmanager
async def risk_room(url: str, *, zone: str = "UTC", now: dt.datetime = NOON) -> AsyncIterator[Room]:
    clock = HandClock(now)
    async with open_ledger(
        url, clock=clock, random=SystemRandom(), copies_dir=None, holder="a test"
    ) as ledger:
        trader = await Trader.create(
            telegram_id=1, name="Ann", role="trader", zone=zone, created_at=now
        )
        account = await an_account(trader, 0, now)
        strategy = await Strategy.create(
            trader_id=trader.id,
            account_id=account.id,
            partition=1,
            name="trend",
            webhook_uuid=uuid4(),
            secret_hash="0" * 64,
            state="active",
            created_at=now,
        )
        nothing: Any = None
        room = Room(ledger, clock, Place(), trader, account, strategy, nothing, nothing, NoLanes())
        await room.restart()
        yield room


async def an_account(trader: Trader, number: int, now: dt.datetime) -> Account:
    return await Account.create(
        trader_id=trader.id,
        network="paper",
        address="dydx1test",
        subaccount_number=number,
        partition=1,
        next_client_id=7,
        state="active",
        created_at=now,
    )
