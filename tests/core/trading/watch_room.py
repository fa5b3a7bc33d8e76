"""A ledger with traders, accounts and strategies, a clock that is moved by hand, markets of a
network that is not connected, and lanes that only write down what they are given.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.clock import SystemClock, SystemRandom
from core.dydx.authenticators import Authenticator
from core.dydx.indexer import Indexer
from core.dydx.indexer_types import MarketRow
from core.dydx.network import NetworkName, paper_network
from core.dydx.node import NodePool, NodeUnreachable
from core.dydx.stream import Stream, StreamEvent
from core.events import Bell
from core.ledger import accounts, strategies, traders
from core.ledger.database import Ledger, open_ledger
from core.ledger.models import Account, Intent, Order, OutgoingMessage, Position, Signal, Strategy
from core.trading.office import DeskSettings, Office, StrategyBook
from core.trading.parts import Parts
from core.trading.people import view_of_trader
from core.trading.risk.firewall import Firewall
from core.trading.venue import Venue
from core.trading.views import TraderView
from core.vault import MasterKey, MasterKeys, Vault

BEGIN = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)


class HandClock(SystemClock):
    """Moves by hand; a sleep moves it."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> dt.datetime:
        return BEGIN + dt.timedelta(seconds=self.seconds - 1000)

    def monotonic(self) -> float:
        return self.seconds

    def move(self, seconds: float) -> None:
        self.seconds += seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)


class ListingNode(NodePool):
    """A node that is out of reach, or tells which keys an address has."""

    listed: tuple[Authenticator, ...] | None = None

    async def authenticators(self, address: str) -> tuple[Authenticator, ...]:
        if self.listed is None:
            raise NodeUnreachable("down")
        return self.listed


@dataclass
class QuietLanes:
    """Lanes that do nothing but remember."""

    reconciled: dict[int, bool] = field(default_factory=dict)
    submitted: list[Intent] = field(default_factory=list)
    refreshed: list[int] = field(default_factory=list)

    def get(self, account_id: int) -> QuietLanes | None:
        return self if self.reconciled.get(account_id) else None

    def network_of(self, account_id: int) -> NetworkName | None:
        return "paper"

    def is_reconciled(self, account_id: int) -> bool:
        return self.reconciled.get(account_id, False)

    async def open(self, account: Account) -> bool:
        return True

    async def shut(self, account_id: int) -> None:
        return None

    async def refresh(self, account_id: int) -> None:
        self.refreshed.append(account_id)

    def submit(self, intent: Intent) -> asyncio.Future[Order | None]:
        self.submitted.append(intent)
        return asyncio.get_running_loop().create_future()

    async def cancel_resting(self, order_uuid: UUID) -> None:
        return None

    async def refresh_watch(self) -> None:
        return None

    def plan_fits(self) -> bool | None:
        return None


def market_row(ticker: str, status: str = "ACTIVE", market_type: str = "CROSS") -> MarketRow:
    return MarketRow.read(
        {
            "clobPairId": str(sum(ticker.encode())),
            "ticker": ticker,
            "status": status,
            "oraclePrice": "29000",
            "initialMarginFraction": "0.02",
            "maintenanceMarginFraction": "0.012",
            "atomicResolution": -10,
            "quantumConversionExponent": -9,
            "stepBaseQuantums": 1000000,
            "subticksPerTick": 100000,
            "marketType": market_type,
        }
    )


@dataclass
class Room:
    """What a test arranges and looks at."""

    ledger: Ledger
    clock: HandClock
    venue: Venue
    node: ListingNode
    lanes: QuietLanes
    office: Office
    parts: Parts

    def markets(self, *rows: MarketRow) -> tuple[str, ...]:
        """These are the network's markets from here on."""
        self.venue.stream.markets.replace({row.ticker: row for row in rows})
        return tuple(row.ticker for row in rows)

    async def trader(self, number: int, role: str = "trader") -> TraderView:
        async with self.ledger.executing():
            row = await traders.add(number, f"T{number}", role, self.clock.now())
        return view_of_trader(row)

    async def account(self, trader: TraderView, number: int = 0) -> Account:
        async with self.ledger.executing():
            account = await accounts.add(
                trader_id=trader.id,
                network="paper",
                address=f"dydx1{trader.telegram_id}",
                number=number,
                chain_account_number=1,
                first_client_id=1,
                fills_height=1,
                now=self.clock.now(),
            )
        self.lanes.reconciled[account.id] = True
        return account

    async def ledger_account(self, account_id: int) -> Account:
        """An account as the ledger has it."""
        return await accounts.get(account_id)

    async def strategy(self, account: Account, name: str = "trend-1", **values: Any) -> Strategy:
        async with self.ledger.executing():
            return await strategies.add(
                trader_id=account.trader_id,
                account=account,
                name=name,
                webhook_uuid=self.office.random.uuid4(),
                secret_hash="0" * 64,
                now=self.clock.now(),
                **values,
            )

    async def signal(
        self,
        strategy: Strategy,
        position: str | None,
        *,
        symbol: str = "BTCUSD",
        size: str | None = None,
        state: str = "executed",
    ) -> Signal:
        """An alert that said where the chart stands, or (None) did not."""
        target = {"position": position, "size": size} if position else None
        signal_id = self.office.random.uuid4()
        return await Signal.create(
            id=signal_id,
            strategy_id=strategy.id,
            account_id=strategy.account_id,
            partition=strategy.partition,
            received_at=self.clock.now(),
            body_hash=str(signal_id),
            dedupe_key=str(signal_id),
            body="{}",
            parsed={"symbol": symbol, "target": target, "time": None, "action": "buy"},
            outside=True,
            state=state,
        )

    async def holds(
        self,
        account: Account,
        ticker: str,
        size: str,
        strategy: Strategy | None = None,
    ) -> Position:
        """An open position in the books; `size` is signed."""
        signed, now = Decimal(size), self.clock.now()
        return await Position.create(
            account_id=account.id,
            partition=account.partition,
            strategy_id=strategy.id if strategy else None,
            ticker=ticker,
            side="LONG" if signed > 0 else "SHORT",
            state="open",
            external=strategy is None,
            size=abs(signed),
            max_size=abs(signed),
            entry_price=Decimal(29000),
            realized_pnl=Decimal(0),
            fees=Decimal(0),
            opened_at=now,
            enlarged_at=now,
        )

    async def told(self, trader: TraderView, kind: str | None = None) -> list[dict[str, Any]]:
        """The messages for a trader, oldest first."""
        rows = await OutgoingMessage.filter(trader_id=trader.id).order_by("id")
        return [{"kind": row.kind, **row.payload} for row in rows if kind in (None, row.kind)]


@contextlib.asynccontextmanager
async def watch_room(ledger_url: str) -> AsyncIterator[Room]:
    """A room over a fresh ledger."""
    async with contextlib.AsyncExitStack() as stack:
        clock, random, network = HandClock(), SystemRandom(), paper_network(rest_port=1)
        ledger = await stack.enter_async_context(
            open_ledger(ledger_url, clock=clock, random=random, copies_dir=None, holder="t")
        )

        async def unheard(event: StreamEvent) -> None:
            raise AssertionError(f"nothing is connected, and yet {event}")

        node = ListingNode(network, clock)
        venue = Venue(
            network,
            node,
            Indexer(network, clock),
            Stream(network, clock, random, unheard),
            clock,
        )
        stack.push_async_callback(venue.close)
        vault = Vault(MasterKeys(MasterKey.parse("11" * 32, "test"), ()), random)
        lanes, bell, book = QuietLanes(), Bell(), StrategyBook()
        office = Office(
            ledger=ledger,
            vault=vault,
            venues={"paper": venue},
            lanes=lanes,
            clock=clock,
            random=random,
            outbox_bell=bell,
            settings=DeskSettings(public_url="http://localhost"),
            firewall=Firewall(ledger, {"paper": venue}, clock, book.by_id),
            strategy_book=book,
        )
        parts = Parts(ledger, vault, venue, clock, random, bell)
        yield Room(ledger, clock, venue, node, lanes, office, parts)
