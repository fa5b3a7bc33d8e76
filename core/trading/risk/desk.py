"""The counter for limits, modes and zones."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

from core.ledger import accounts, strategies, traders
from core.ledger.models import Account, Strategy
from core.trading.office import Office
from core.trading.risk.accounts import AccountBook
from core.trading.risk.days import UTC, Zone, ZoneUnknown, change_of_zone, day_of, local, zone_named
from core.trading.risk.entries import cancel_entries
from core.trading.risk.firewall import LOOK_WITHIN_S, Firewall
from core.trading.risk.limits import (
    BOT,
    LimitUnreadable,
    Mode,
    ScopeKey,
    ScopeKind,
    account_scope,
    changed,
    strategy_scope,
)
from core.trading.risk.views import ScopeView, ZoneView
from core.trading.views import DeskError, TraderView


class RiskDesk:
    """Limits of a trader's accounts and strategies; those of the whole bot for admins."""

    def __init__(self, office: Office) -> None:
        self._office = office

    @property
    def _firewall(self) -> Firewall:
        return self._office.firewall

    # scopes

    async def risk_scopes(self, trader: TraderView) -> list[ScopeView]:
        """All that this trader may set limits for: his accounts, then their strategies; for an
        admin first the whole bot.
        """
        keys = [BOT] if await self._is_risk_admin(trader) else []
        keys += [account_scope(row.id) for row in await accounts.of_trader(trader.id)]
        keys += [strategy_scope(row.id) for row in await strategies.of_trader(trader.id)]
        return [await self._scope_view(trader, key) for key in keys]

    async def risk_scope(self, trader: TraderView, kind: ScopeKind, ref: int) -> ScopeView:
        """One of them. Codes: unknown_scope, not_admin."""
        key = ScopeKey(kind, ref)
        await self._check_scope_owner(trader, key)
        return await self._scope_view(trader, key)

    async def change_limit(
        self, trader: TraderView, kind: ScopeKind, ref: int, field: str, text: str
    ) -> ScopeView:
        """Sets one limit (a name of `limits.FIELDS`) from what its owner wrote; none lifts it. A
        strategy's position and markets are fields of the strategy itself. Codes: unknown_scope,
        not_admin, value_invalid, symbol_unknown.
        """
        key = ScopeKey(kind, ref)
        await self._check_scope_owner(trader, key)
        scope = self._firewall.scopes.get(key)
        try:
            limits = changed(scope.limits, field, text)
        except LimitUnreadable as error:
            raise DeskError("value_invalid", str(error)) from None
        if limits.markets is not None and field == "markets":
            limits = replace(limits, markets=self._known_tickers(limits.markets))
        if kind is ScopeKind.STRATEGY and field in _OWN_FIELDS:
            async with self._office.ledger.executing():
                await strategies.change(ref, **{_OWN_FIELDS[field]: _own_value(limits, field)})
            await self._office.strategy_book.load()
            return await self._scope_view(trader, key)
        values: dict[str, Any] = {"limits": limits}
        if field == "drawdown":
            values["peaks"] = {}  # the peak is sought from now on
        if field == "losses":
            values["losses_from"] = self._office.clock.now()
        await self._firewall.scopes.change(key, **values)
        if key == BOT:
            await self._firewall.read_all()
        return await self._scope_view(trader, key)

    def _known_tickers(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """Each must be a market of one of the networks, where their markets are known."""
        venues = self._office.venues.values()
        known = {ticker for venue in venues for ticker in venue.stream.markets.tickers()}
        unknown = [ticker for ticker in wanted if known and ticker not in known]
        if unknown:
            raise DeskError("symbol_unknown", f"dYdX has no market {', '.join(unknown)}.")
        return wanted

    # modes

    async def set_risk_mode(
        self, trader: TraderView, kind: ScopeKind, ref: int, mode: Mode
    ) -> ScopeView:
        """Lets a scope open nothing new (reducing), or halts it, which also cancels what waits in
        the book and would open something; active resumes it. Codes: unknown_scope, not_admin.
        """
        key = ScopeKey(kind, ref)
        await self._check_scope_owner(trader, key)
        if mode is Mode.ACTIVE:
            return await self.resume_risk(trader, kind, ref)
        await self._firewall.scopes.change(
            key, mode=mode, mode_reason="by_hand", mode_since=self._office.clock.now()
        )
        if mode is Mode.HALTED:
            for account, strategy_id in await self._risk_accounts(key):
                await cancel_entries(self._office.lanes, account.id, strategy_id)
        return await self._scope_view(trader, key)

    async def resume_risk(self, trader: TraderView, kind: ScopeKind, ref: int) -> ScopeView:
        """Opens a scope again, whatever closed it: a reached daily loss does not count until the
        day ends, losses in a row are forgiven, a drawdown is counted from here on. Codes:
        unknown_scope, not_admin.
        """
        key = ScopeKey(kind, ref)
        await self._check_scope_owner(trader, key)
        scope = self._firewall.scopes.get(key)
        now = self._office.clock.now()
        values: dict[str, Any] = {"mode": Mode.ACTIVE, "mode_reason": None, "mode_since": now}
        view = await self._scope_view(trader, key)
        if "daily_loss" in view.over:
            values["waived_until"] = view.day_ends
        if "cool_down" in view.over:
            values["losses_from"] = now
        if "drawdown" in view.over or scope.mode_reason == "drawdown":
            values["peaks"] = {}
        await self._firewall.scopes.change(key, **values)
        return await self._scope_view(trader, key)

    # zones

    async def zone(self, trader: TraderView) -> ZoneView:
        """Where this trader's days begin."""
        return self._zone_view(await self._firewall.books.zone_of(trader.id))

    async def set_zone(self, trader: TraderView, text: str) -> ZoneView:
        """Another zone, from the next day on. Code: zone_unknown."""
        try:
            name = zone_named(text).key
        except ZoneUnknown as unknown:
            near = f" Nearest: {', '.join(unknown.nearest)}." if unknown.nearest else ""
            raise DeskError(
                "zone_unknown", f"There is no such zone.{near} Write it like Europe/Berlin."
            ) from None
        now = self._office.clock.now()
        zone = change_of_zone(now, await self._firewall.books.zone_of(trader.id), name)
        async with self._office.ledger.executing():
            await traders.set_zone(trader.id, zone.name, zone.next_name, zone.next_from)
        self._firewall.books.forget_zone(trader.id)
        return self._zone_view(zone)

    def _zone_view(self, zone: Zone) -> ZoneView:
        now = self._office.clock.now()
        return ZoneView(zone.at(now), local(now, zone), zone.next_name, zone.next_from)

    # views

    async def _scope_view(self, trader: TraderView, key: ScopeKey) -> ScopeView:
        firewall, now = self._firewall, self._office.clock.now()
        scope = firewall.scopes.get(key)
        limits = await firewall.limits_of(scope)
        zone = UTC if key.kind is ScopeKind.BOT else await firewall.books.zone_of(trader.id)
        day = day_of(now, zone)
        name, network = await self._scope_name(key)
        today = drawdown = None
        over: dict[str, dt.datetime | None] = {}
        waived = scope.waived_until is not None and scope.waived_until > now
        for book in await self._risk_books(key):
            pnl = (
                await self._scope_today(key, book, day.begin)
                if limits.daily_loss is not None
                else None
            )
            today = pnl if today is None else min(today, pnl if pnl is not None else today)
            lost = limits.daily_loss is not None and pnl is not None and pnl <= -limits.daily_loss
            if lost and not waived:
                over["daily_loss"] = day.end
            if limits.drawdown is not None:
                found = firewall.drawdown(scope, book)
                drawdown = found if drawdown is None else max(drawdown, found or drawdown)
                if found is not None and found >= limits.drawdown:
                    over["drawdown"] = None
            until = firewall.cooling_until(scope, limits, book)
            if until is not None and until > now:
                over["cool_down"] = until
        frees = [at for at in over.values() if at is not None]
        by_itself = scope.mode is Mode.ACTIVE and len(frees) == len(over)
        return ScopeView(
            kind=key.kind,
            ref=key.ref,
            name=name,
            network=network,
            limits=limits,
            mode=scope.mode,
            mode_reason=scope.mode_reason,
            mode_since=scope.mode_since,
            today=today,
            day_ends=day.end,
            drawdown=drawdown,
            over=tuple(over),
            until=max(frees) if frees and by_itself else None,
            waived=waived,
            zone=self._zone_view(zone),
        )

    async def _scope_today(
        self, key: ScopeKey, book: AccountBook, begin: dt.datetime
    ) -> Decimal | None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_WITHIN_S):
                await self._firewall.complete_day(key, book)
        return self._firewall.day_pnl(key, book, begin).value

    async def _risk_books(self, key: ScopeKey) -> list[AccountBook]:
        if key == BOT:
            known = self._firewall.books.known()
            return list({book.network: book for book in known}.values())
        (concerned,) = await self._risk_accounts(key)
        book = await self._firewall.books.get(concerned[0].id)
        return [] if book is None else [book]

    async def _scope_name(self, key: ScopeKey) -> tuple[str, str | None]:
        if key == BOT:
            return "the whole bot", None
        ((account, _),) = await self._risk_accounts(key)
        if key.kind is ScopeKind.STRATEGY:
            row = await strategies.get(key.ref)
            return (row.name if row is not None else "strategy"), account.network
        return f"{account.address} · subaccount {account.subaccount_number}", account.network

    async def _risk_accounts(self, key: ScopeKey) -> list[tuple[Account, int | None]]:
        """The accounts of a scope, and the strategy where it is one."""
        if key == BOT:
            return [(row, None) for row in await accounts.active()]
        if key.kind is ScopeKind.STRATEGY:
            row = await self._risk_strategy(key.ref)
            return [(await accounts.get(row.account_id), row.id)]
        return [(await accounts.get(key.ref), None)]

    async def _risk_strategy(self, strategy_id: int) -> Strategy:
        row = await strategies.get(strategy_id)
        if row is None or row.state == "deleted":
            raise _unknown()
        return row

    # who may

    async def _check_scope_owner(self, trader: TraderView, key: ScopeKey) -> None:
        if key.kind is ScopeKind.BOT:
            if not await self._is_risk_admin(trader):
                raise DeskError("not_admin", "Only an admin can do this.")
            return
        if key.kind is ScopeKind.STRATEGY:
            if (await self._risk_strategy(key.ref)).trader_id != trader.id:
                raise _unknown()
            return
        if key.ref not in {row.id for row in await accounts.of_trader(trader.id)}:
            raise _unknown()

    async def _is_risk_admin(self, trader: TraderView) -> bool:
        row = await traders.find(trader.id)
        return row is not None and row.role == "admin"


_OWN_FIELDS = {"max_position": "max_position_usd", "markets": "allowed_symbols"}


def _own_value(limits: Any, field: str) -> Any:
    value = getattr(limits, field)
    return list(value) if isinstance(value, tuple) else value


def _unknown() -> DeskError:
    return DeskError("unknown_scope", "This account or strategy is not there any more.")
