"""What accounts hold and did, in memory. Read from the ledger when something moved, so that a
restart changes nothing.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import structlog

from core.clock import Clock
from core.ledger import accounts, intents, risk, tasks, traders
from core.ledger.models import Account
from core.trading import states
from core.trading.risk.days import UTC, Zone, day_of, settle
from core.trading.risk.figures import Flow, Line, Pending, Result, pnl_ever
from core.trading.risk.reading import flows_of, lines_of, pending_of, results_of
from core.trading.venue import Venue

log = structlog.get_logger(__name__)

MINUTE: Final = dt.timedelta(minutes=1)
RESULTS_KEPT: Final = 200
READ_AFTER_S: Final = 0.3


@dataclass
class AccountBook:
    """One account. `entries`: when orders that may open something went out, and for which strategy.
    `equity`: as it was read, with all P&L at that moment and when it was (monotonic).
    """

    account: Account
    venue: Venue
    lines: tuple[Line, ...] = ()
    flows: tuple[Flow, ...] = ()
    pending: tuple[Pending, ...] = ()
    results: tuple[Result, ...] = ()
    entries: deque[tuple[dt.datetime, int | None]] = field(default_factory=deque)
    equity: tuple[Decimal, Decimal, float] | None = None
    changes: int = 1
    read: int = 0
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def network(self) -> str:
        return self.account.network

    @property
    def stale(self) -> bool:
        """Whether something moved since it was read."""
        return self.read != self.changes

    def price(self, ticker: str) -> Decimal | None:
        """The oracle price as the stream told it last."""
        market = self.venue.stream.markets.get(ticker)
        return market.oracle_price if market is not None else None

    def lines_of(self, strategy_id: int | None) -> list[Line]:
        """All lines, or those of a strategy."""
        return [row for row in self.lines if strategy_id is None or row.strategy_id == strategy_id]

    def flows_of(self, strategy_id: int | None) -> list[Flow]:
        return [row for row in self.flows if strategy_id is None or row.strategy_id == strategy_id]

    def pending_of(self, strategy_id: int | None) -> list[Pending]:
        return [
            row for row in self.pending if strategy_id is None or row.strategy_id == strategy_id
        ]

    def results_of(self, strategy_id: int | None) -> list[Result]:
        return [
            row for row in self.results if strategy_id is None or row.strategy_id == strategy_id
        ]

    def entries_of(self, strategy_id: int | None, now: dt.datetime) -> list[dt.datetime]:
        """Within the last minute, oldest first."""
        while self.entries and now - self.entries[0][0] >= MINUTE:
            self.entries.popleft()
        return [at for at, owner in self.entries if strategy_id is None or owner == strategy_id]

    def equity_now(self) -> Decimal | None:
        """As it was read, moved by the P&L since; transfers show when it is read again."""
        if self.equity is None:
            return None
        read, before, _ = self.equity
        return read + pnl_ever(self.lines, self.price) - before


class AccountBooks:
    """The accounts that were asked for, and the zones of their traders."""

    def __init__(self, venues: dict[str, Venue], clock: Clock) -> None:
        self._venues = venues
        self._clock = clock
        self._books: dict[int, AccountBook] = {}
        self._zones: dict[int, Zone] = {}
        self._soon: dict[int, asyncio.Task[None]] = {}

    def note_change(self, account_id: int) -> None:
        """Something of an account moved; it is read again in a moment, so that the next order finds
        it read, and in any case before it is used.
        """
        book = self._books.get(account_id)
        if book is None:
            return
        book.changes += 1
        if account_id not in self._soon:
            self._soon[account_id] = tasks.spawn(self._read_soon(book))

    async def _read_soon(self, book: AccountBook) -> None:
        try:
            await self._clock.sleep(READ_AFTER_S)
        finally:
            self._soon.pop(book.account.id, None)
        try:
            await self.get(book.account.id)
        except Exception as error:  # it is read before it is used
            log.info("an account's figures could not be read", error=type(error).__name__)

    async def close(self) -> None:
        """Reads nothing by itself from here on."""
        waiting = list(self._soon.values())
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    def known(self) -> tuple[AccountBook, ...]:
        return tuple(self._books.values())

    async def get(self, account_id: int) -> AccountBook | None:
        """An account as the ledger has it now; None where its network is not offered."""
        book = self._books.get(account_id)
        if book is None:
            account = await accounts.get(account_id)
            venue = self._venues.get(account.network)
            if venue is None:
                return None
            book = self._books.setdefault(account_id, AccountBook(account, venue))
        if book.stale:
            async with book.reading:
                if book.stale:
                    await self._read(book)
        return book

    async def _read(self, book: AccountBook) -> None:
        changes, now = book.changes, self._clock.now()
        book.account = await accounts.get(book.account.id)
        zone = await self.zone_of(book.account.trader_id)
        since = min(day_of(now, zone).begin, day_of(now, UTC).begin)
        picture = await risk.picture(book.account.id, since, states.WORKING)
        made_for = await intents.strategies_of(
            {row.intent_id for row in picture.pending if row.intent_id is not None}
        )
        results = await risk.results(book.account.id, RESULTS_KEPT)
        if not book.read:
            recent = await risk.entries_since(book.account.id, now - MINUTE)
            owners = await intents.strategies_of(
                {row.intent_id for row in recent if row.intent_id is not None}
            )
            book.entries.extend((row.created_at, owners.get(row.intent_id or 0)) for row in recent)
        book.lines = lines_of(picture.shares, picture.positions)
        book.flows = flows_of(picture.moves, picture.shares, picture.fills)
        book.pending = pending_of(picture.pending, made_for)
        book.results = results_of(results)
        book.read = changes

    # days

    async def zone_of(self, trader_id: int) -> Zone:
        """Where a trader's days begin now."""
        zone = self._zones.get(trader_id)
        if zone is None:
            row = await traders.get(trader_id)
            zone = self._zones[trader_id] = Zone(row.zone, row.next_zone, row.next_zone_from)
        return settle(self._clock.now(), zone)

    def forget_zone(self, trader_id: int) -> None:
        """A trader chose another zone."""
        self._zones.pop(trader_id, None)
        for book in self._books.values():
            if book.account.trader_id == trader_id:
                book.changes += 1
