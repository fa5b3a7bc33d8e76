"""The gate before everything that opens something: limits and modes, checked from memory.

`look` is asked before the lane's lock and uses the network only where a limit needs it (a book, the
equity, a price of the day's begin); `check` is asked under the lock, right before the order is
signed. After it has let an order pass the account is read again before the next one, so that two
orders never pass on the same figures.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Final

import structlog

from core.clock import Clock
from core.dydx.indexer import IndexerError
from core.dydx.network import NetworkName
from core.dydx.node import NodeUnreachable
from core.ledger import accounts, strategies
from core.ledger.database import Ledger
from core.ledger.models import Strategy
from core.trading.risk import rules
from core.trading.risk.accounts import MINUTE, AccountBook, AccountBooks
from core.trading.risk.ask import PRECISION, Ask, notional
from core.trading.risk.days import UTC, Zone, day_of
from core.trading.risk.figures import (
    ZERO,
    DayPnl,
    cooling_until,
    drawdown_percent,
    pnl_ever,
    pnl_since,
    sizes_at,
)
from core.trading.risk.limits import (
    BOT,
    Limits,
    ScopeKey,
    ScopeKind,
    account_scope,
    strategy_scope,
)
from core.trading.risk.liquidity import Liquidity, liquidity_of
from core.trading.risk.marks import DayPrices
from core.trading.risk.scopes import Scope, ScopeBook
from core.trading.venue import Venue

log = structlog.get_logger(__name__)

EQUITY_FOR_S: Final = 60.0
BOOK_FOR_S: Final = 5.0
LOOK_WITHIN_S: Final = 2.0


class Firewall:
    """Limits and modes of the whole process. `strategy_of` finds a strategy in memory."""

    def __init__(
        self,
        ledger: Ledger,
        venues: dict[NetworkName, Venue],
        clock: Clock,
        strategy_of: Callable[[int], Strategy | None],
    ) -> None:
        self._clock = clock
        self._strategy_of = strategy_of
        self.scopes = ScopeBook(ledger)
        self.books = AccountBooks({str(name): venue for name, venue in venues.items()}, clock)
        self.prices = DayPrices(ledger, clock)
        self._liquidity: dict[tuple[str, str], tuple[Liquidity | None, float]] = {}

    async def start(self) -> None:
        """Reads what is set and kept; accounts are read when they are first asked for."""
        await self.scopes.load()
        await self.prices.load()
        if self.scopes.get(BOT).matters:
            await self.read_all()

    async def close(self) -> None:
        """Ends what reads by itself."""
        await self.books.close()

    async def read_all(self) -> None:
        """Reads every account: a limit of the whole bot counts them all."""
        for account in await accounts.active():
            await self.books.get(account.id)

    def note_change(self, account_id: int) -> None:
        """Fills, funding or orders of an account changed; call it after each such commit."""
        self.books.note_change(account_id)

    # before the lock

    async def look(self, ask: Ask) -> None:
        """Reads what a limit of this order needs and is not in memory. Never raises for a network
        that cannot be read: the rule that needs it refuses then.
        """
        if ask.reduces:
            return
        cases = await self._concerned(ask)
        limits = [limits for _, limits in cases]
        book = await self.books.get(ask.account_id)
        if book is None:
            return
        try:
            async with asyncio.timeout(LOOK_WITHIN_S):
                if any(one.needs_book for one in limits):
                    await self._read_liquidity(book.venue, ask.ticker)
                if any(one.needs_equity for one in limits):
                    await self.read_equity(book, EQUITY_FOR_S)
                for scope, one in cases:
                    if one.daily_loss is not None:
                        await self.complete_day(scope.key, book)
        except TimeoutError:
            log.info("a limit's figures could not be read in time", account=ask.account_id)

    async def _read_liquidity(self, venue: Venue, ticker: str) -> None:
        key = (venue.network.name, ticker)
        try:
            found = liquidity_of(await venue.indexer.urgently().orderbook(ticker))
        except IndexerError:
            found = None
        self._liquidity[key] = (found, self._clock.monotonic())

    async def read_equity(self, book: AccountBook, max_age_s: float) -> None:
        """The account's equity, read again where it is older. It stays as it was where neither
        indexer nor node can be read.
        """
        now = self._clock.monotonic()
        if book.equity is not None and now - book.equity[2] < max_age_s:
            return
        account = book.account
        address, number = account.address, account.subaccount_number
        equity: Decimal | None = None
        try:
            row = await book.venue.indexer.subaccount(address, number)
            equity = row.equity if row is not None else ZERO
        except IndexerError:
            equity = await self._committed_equity(book)
        if equity is not None:
            book.equity = (equity, pnl_ever(book.lines, book.price), now)

    async def _committed_equity(self, book: AccountBook) -> Decimal | None:
        """USDC and positions as a node has committed them, at the oracle's prices."""
        account = book.account
        try:
            held = await book.venue.node.subaccount(account.address, account.subaccount_number)
        except NodeUnreachable:
            return None
        equity = held.usdc
        for pair, quantums in held.positions.items():
            market = book.venue.stream.markets.by_pair(pair)
            if market is None or market.oracle_price is None:
                return None
            with localcontext() as context:
                context.prec = PRECISION
                equity += market.scale.size_of(quantums) * market.oracle_price
        return equity

    async def complete_day(self, key: ScopeKey, book: AccountBook) -> None:
        """Finds the prices of the scope's day's begin that its P&L needs."""
        begin = day_of(self._clock.now(), await self.zone_of(key, book)).begin
        for one in self.books_of(key, book):
            strategy_id = _strategy_of(key)
            held = sizes_at(begin, one.lines_of(strategy_id), one.flows_of(strategy_id))
            await self.prices.complete(one.venue, begin, held)

    # under the lock

    async def check(self, ask: Ask) -> None:
        """Raises Refusal (or Missed) where a limit or mode does not allow an order. What only
        reduces passes. No network call.
        """
        if ask.reduces:
            return
        cases = await self._concerned(ask)
        book = await self.books.get(ask.account_id)
        if book is not None and book.pending:  # what waited may have ended meanwhile
            self.books.note_change(ask.account_id)
            book = await self.books.get(ask.account_id)
        if book is None:
            return
        for scope, limits in cases:
            figures = await self._figures(scope, limits, ask, book)
            rules.check(
                rules.Case(scope.key.kind, limits, scope.mode, scope.mode_reason, ask, figures)
            )
        book.entries.append((ask.now, ask.strategy_id))
        self.books.note_change(ask.account_id)

    async def _concerned(self, ask: Ask) -> list[tuple[Scope, Limits]]:
        """The scopes of an order that can refuse it, with their limits; the widest first."""
        keys = [BOT, account_scope(ask.account_id)]
        if ask.strategy_id is not None:
            keys.append(strategy_scope(ask.strategy_id))
        found = []
        for key in keys:
            scope = self.scopes.get(key)
            limits = await self.limits_of(scope)
            if scope.matters or limits != scope.limits:
                found.append((scope, limits))
        return found

    async def limits_of(self, scope: Scope) -> Limits:
        """A strategy's own fields are limits, too."""
        if scope.key.kind is not ScopeKind.STRATEGY:
            return scope.limits
        row = self._strategy_of(scope.key.ref) or await strategies.get(scope.key.ref)
        if row is None:
            return scope.limits
        allowed = row.allowed_symbols
        return replace(
            scope.limits,
            max_position=row.max_position_usd,
            markets=None if allowed is None else tuple(allowed),
            max_alert_age_s=row.max_alert_age_s,
        )

    async def _figures(
        self, scope: Scope, limits: Limits, ask: Ask, book: AccountBook
    ) -> rules.Figures:
        key, now = scope.key, ask.now
        zone = await self.zone_of(key, book)
        day = day_of(now, zone)
        exposure = _Exposure(key, ask, book, self.books_of(key, book))
        paced = [
            at for one in self.books_of(key, book) for at in one.entries_of(_strategy_of(key), now)
        ]
        most = limits.max_orders_per_minute
        free_at = sorted(paced)[-most] + MINUTE if most and len(paced) >= most else now
        return rules.Figures(
            position=exposure.position,
            account_notional=exposure.total,
            equity=self.equity(key, book) if limits.needs_equity else None,
            positions=exposure.markets,
            orders_in_minute=len(paced),
            order_free_at=free_at,
            day=day,
            day_pnl=self.day_pnl(key, book, day.begin).value
            if limits.daily_loss is not None
            else None,
            day_waived=scope.waived_until is not None and scope.waived_until > now,
            drawdown=self.drawdown(scope, book) if limits.drawdown is not None else None,
            cooling_until=self.cooling_until(scope, limits, book),
            liquidity=self._known_liquidity(book.network, ask.ticker),
            zone=zone,
        )

    # figures of a scope, from memory

    def books_of(self, key: ScopeKey, book: AccountBook) -> list[AccountBook]:
        """The accounts that a scope counts: its own, or all of the same network for the bot."""
        if key.kind is not ScopeKind.BOT:
            return [book]
        return [one for one in self.books.known() if one.network == book.network]

    async def zone_of(self, key: ScopeKey, book: AccountBook) -> Zone:
        """Where the days of a scope begin."""
        return (
            UTC if key.kind is ScopeKind.BOT else await self.books.zone_of(book.account.trader_id)
        )

    def day_pnl(self, key: ScopeKey, book: AccountBook, begin: dt.datetime) -> DayPnl:
        """What a scope made or lost since its day began."""
        total, missing = ZERO, frozenset[str]()
        for one in self.books_of(key, book):
            strategy_id = _strategy_of(key)

            def then(ticker: str, network: str = one.network) -> Decimal | None:
                return self.prices.get(network, ticker, begin)

            found = pnl_since(
                begin, one.lines_of(strategy_id), one.flows_of(strategy_id), one.price, then
            )
            missing |= found.missing
            total += found.value or ZERO
        return DayPnl(None if missing else total, missing)

    def pnl(self, key: ScopeKey, book: AccountBook) -> Decimal:
        """All P&L of a scope so far, less fees, with funding."""
        return sum(
            (
                pnl_ever(one.lines_of(_strategy_of(key)), one.price)
                for one in self.books_of(key, book)
            ),
            ZERO,
        )

    def equity(self, key: ScopeKey, book: AccountBook) -> Decimal | None:
        """The equity that a scope trades with; a strategy trades with its account's."""
        found = ZERO
        for one in self.books_of(key, book):
            equity = one.equity_now()
            if equity is None:
                if key.kind is ScopeKind.BOT and not any(line.size for line in one.lines):
                    continue
                return None
            found += equity
        return found

    def drawdown(self, scope: Scope, book: AccountBook) -> Decimal | None:
        """In percent; None while the equity is not known."""
        equity = self.equity(scope.key, book)
        if equity is None:
            return None
        pnl = self.pnl(scope.key, book)
        return drawdown_percent(scope.peaks.get(book.network, pnl), pnl, equity)

    def cooling_until(self, scope: Scope, limits: Limits, book: AccountBook) -> dt.datetime | None:
        """When the last cool-down of a scope ends; None where it has none."""
        if limits.losses is None or limits.cool_down_min is None:
            return None
        results = [
            result
            for one in self.books_of(scope.key, book)
            for result in one.results_of(_strategy_of(scope.key))
        ]
        return cooling_until(results, limits.losses, limits.cool_down_min, scope.losses_from)

    def _known_liquidity(self, network: str, ticker: str) -> Liquidity | None:
        found, at = self._liquidity.get((network, ticker), (None, 0.0))
        return found if self._clock.monotonic() - at <= BOOK_FOR_S else None


class _Exposure:
    """What a scope would hold after an order, with what waits in the book and could still fill."""

    def __init__(
        self, key: ScopeKey, ask: Ask, book: AccountBook, books: Iterable[AccountBook]
    ) -> None:
        strategy_id = _strategy_of(key)
        price = ask.oracle or ask.reference
        self.position = self.total = ZERO
        self.markets = 0
        for one in books:
            net = _net(one, strategy_id)
            if one is book:
                if key.kind is ScopeKind.STRATEGY:
                    net[ask.ticker] = ask.after
                else:
                    net[ask.ticker] += ask.after - ask.before
            waiting = _waiting(one, strategy_id)
            for ticker in net.keys() | waiting.keys():
                at = price if ticker == ask.ticker else one.price(ticker)
                worth = _worth(net.get(ticker, ZERO), waiting.get(ticker), at)
                if not worth:
                    continue
                self.total += worth
                self.markets += 1
                if ticker == ask.ticker:
                    self.position += worth


def _net(book: AccountBook, strategy_id: int | None) -> dict[str, Decimal]:
    """Signed sizes by market."""
    net: dict[str, Decimal] = defaultdict(Decimal)
    for line in book.lines_of(strategy_id):
        net[line.ticker] += line.size
    return net


def _waiting(book: AccountBook, strategy_id: int | None) -> dict[str, tuple[Decimal, Decimal]]:
    """What unfilled orders could still buy and sell, by market, in base units."""
    found: dict[str, tuple[Decimal, Decimal]] = {}
    for row in book.pending_of(strategy_id):
        buys, sells = found.get(row.ticker, (ZERO, ZERO))
        found[row.ticker] = (buys + max(row.size, ZERO), sells + max(-row.size, ZERO))
    return found


def _worth(net: Decimal, waiting: tuple[Decimal, Decimal] | None, price: Decimal | None) -> Decimal:
    """The larger of the two positions that could come of it, in USD."""
    buys, sells = waiting or (ZERO, ZERO)
    return notional(max(abs(net + buys), abs(net - sells)), price or ZERO)


def _strategy_of(key: ScopeKey) -> int | None:
    return key.ref if key.kind is ScopeKind.STRATEGY else None
