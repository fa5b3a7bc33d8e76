"""Looks every few seconds whether a limit was reached, tells it once, and keeps what a restart
needs: peaks, and prices of the moments at which days began.

A daily loss refuses new entries until the day ends. A drawdown halts its scope until it is resumed
by hand; what rests in the book of a halted scope and would open something is cancelled.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import structlog

from core.clock import Clock
from core.events import Bell, RiskBreached
from core.ledger import accounts, outbox, risk, strategies, traders
from core.ledger.database import Ledger
from core.trading.lane_port import LanesPort
from core.trading.risk.accounts import AccountBook
from core.trading.risk.days import Zone, day_of, settle
from core.trading.risk.entries import cancel_entries
from core.trading.risk.firewall import Firewall
from core.trading.risk.limits import BOT, Mode, ScopeKey, ScopeKind
from core.trading.risk.rules import daily_loss_text, drawdown_text
from core.trading.risk.scopes import Scope

log = structlog.get_logger(__name__)

EQUITY_FOR_S: Final = 600.0
PEAKS_EVERY_S: Final = 15.0


@dataclass
class RiskWatch:
    """`tick` is called by a job, one call after the other."""

    firewall: Firewall
    ledger: Ledger
    lanes: LanesPort
    clock: Clock
    bell: Bell
    _moved: int | None = None
    _told: set[str] = field(default_factory=set)
    _written: dict[ScopeKey, tuple[dict[str, Decimal], float]] = field(default_factory=dict)

    async def tick(self) -> None:
        """One look at everything that has a limit on its P&L."""
        await self._note_moves()
        await self._settle_zones()
        for scope in self.firewall.scopes.all():
            if scope.mode is Mode.HALTED:
                await self._attempt(scope, self._empty_book(scope))
            if scope.limits.daily_loss is None and scope.limits.drawdown is None:
                continue
            for book in await self._books(scope.key):
                await self._attempt(scope, self._look(scope.key, book))

    async def _attempt(self, scope: Scope, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception:
            log.exception("a limit could not be watched", scope=scope.key.kind, ref=scope.key.ref)

    async def _note_moves(self) -> None:
        """What was booked since the last look; orders that wait may have ended unseen."""
        if self._moved is None:
            self._moved = await risk.last_move_id()
        moved, self._moved = await risk.accounts_moved_after(self._moved)
        waiting = {book.account.id for book in self.firewall.books.known() if book.pending}
        for account_id in moved | waiting:
            self.firewall.note_change(account_id)

    async def _settle_zones(self) -> None:
        """Makes the zones final that have taken effect."""
        now = self.clock.now()
        for row in await traders.with_due_zone(now):
            zone = settle(now, Zone(row.zone, row.next_zone, row.next_zone_from))
            if zone.next_name is not None:
                continue  # its first day is not over
            async with self.ledger.executing():
                await traders.set_zone(row.id, zone.name, None, None)
            self.firewall.books.forget_zone(row.id)

    async def _books(self, key: ScopeKey) -> list[AccountBook]:
        """The account of a scope; for the whole bot one of each network, when all are read."""
        if key.kind is ScopeKind.BOT:
            await self.firewall.read_all()
            return list({book.network: book for book in self.firewall.books.known()}.values())
        account_id: int | None = key.ref
        if key.kind is ScopeKind.STRATEGY:
            row = await strategies.get(key.ref)
            account_id = row.account_id if row is not None and row.state != "deleted" else None
        if account_id is None or (await accounts.get(account_id)).state != "active":
            return []
        book = await self.firewall.books.get(account_id)
        return [] if book is None else [book]

    async def _look(self, key: ScopeKey, book: AccountBook) -> None:
        scope = self.firewall.scopes.get(key)
        if scope.limits.daily_loss is not None:
            await self._look_at_day(scope, scope.limits.daily_loss, book)
        if scope.limits.drawdown is not None:
            await self._look_at_peak(scope, scope.limits.drawdown, book)

    async def _look_at_day(self, scope: Scope, most: Decimal, book: AccountBook) -> None:
        await self.firewall.complete_day(scope.key, book)
        now = self.clock.now()
        zone = await self.firewall.zone_of(scope.key, book)
        day = day_of(now, zone)
        pnl = self.firewall.day_pnl(scope.key, book, day.begin).value
        waived = scope.waived_until is not None and scope.waived_until > now
        if pnl is None or pnl > -most or waived:
            return
        text = daily_loss_text(scope.key.kind, most, pnl, day.end, now, zone)
        await self._tell(scope, book, "daily_loss", text, f"{day.begin:%Y-%m-%dT%H:%M}:{most:f}")

    async def _look_at_peak(self, scope: Scope, most: Decimal, book: AccountBook) -> None:
        for one in self.firewall.books_of(scope.key, book):
            await self.firewall.read_equity(one, EQUITY_FOR_S)
        scope = await self._raise_peak(scope, book)
        found = self.firewall.drawdown(scope, book)
        if found is None or found < most or scope.mode is Mode.HALTED:
            return
        now = self.clock.now()
        text = drawdown_text(scope.key.kind, most, found)
        halted = {"mode": Mode.HALTED, "mode_reason": "drawdown", "mode_since": now}
        async with self.ledger.executing():
            await self.firewall.scopes.write([scope.key], **halted)
            await self._put(scope, book, "drawdown", text, now.isoformat())
        self.firewall.scopes.apply([scope.key], **halted)
        self.bell.ring()

    async def _raise_peak(self, scope: Scope, book: AccountBook) -> Scope:
        """Moves the peak up in memory at once, and in the ledger every so often."""
        pnl = self.firewall.pnl(scope.key, book)
        peak = scope.peaks.get(book.network)
        if peak is None or pnl > peak:
            peaks = {**scope.peaks, book.network: pnl}
            (scope,) = self.firewall.scopes.apply([scope.key], peaks=peaks)
        now = self.clock.monotonic()
        written, at = self._written.get(scope.key, ({}, -PEAKS_EVERY_S))
        if peak is None or (scope.peaks != written and now - at >= PEAKS_EVERY_S):
            self._written[scope.key] = (scope.peaks, now)
            async with self.ledger.executing():
                await self.firewall.scopes.write([scope.key], peaks=scope.peaks)
        return scope

    async def _empty_book(self, scope: Scope) -> None:
        """Cancels what waits in the book of a halted scope and would open something."""
        key = scope.key
        if key.kind is ScopeKind.STRATEGY:
            row = await strategies.get(key.ref)
            if row is not None:
                await cancel_entries(self.lanes, row.account_id, row.id)
            return
        rows = await accounts.active() if key == BOT else [await accounts.get(key.ref)]
        for account in rows:
            await cancel_entries(self.lanes, account.id)

    # telling

    async def _tell(self, scope: Scope, book: AccountBook, code: str, text: str, once: str) -> None:
        key = _key(scope, book, code, once)
        if key in self._told:
            return
        async with self.ledger.executing():
            await self._put(scope, book, code, text, once)
        self._told.add(key)
        self.bell.ring()

    async def _put(self, scope: Scope, book: AccountBook, code: str, text: str, once: str) -> None:
        """One message per trader concerned, inside the caller's transaction."""
        event = RiskBreached(scope.key.kind.value, scope.key.ref, code, text)
        to = [book.account.trader_id]
        if scope.key.kind is ScopeKind.BOT:
            to = [admin.id for admin in await traders.with_role("admin")]
        for trader_id in to:
            key = f"{_key(scope, book, code, once)}:{trader_id}"
            await outbox.put(trader_id, event, key=key, now=self.clock.now())


def _key(scope: Scope, book: AccountBook, code: str, once: str) -> str:
    return f"risk:{scope.key.kind.value}:{scope.key.ref}:{book.network}:{code}:{once}"
