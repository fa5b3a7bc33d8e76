"""The part of the desk in memory that is about limits, zones and panic."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from decimal import Decimal

from core.events import PanicProgress, PanicTold
from core.trading.risk.days import UTC, Zone, ZoneUnknown, change_of_zone, local, zone_named
from core.trading.risk.limits import NONE, LimitUnreadable, Mode, ScopeKind, changed
from core.trading.risk.views import (
    Found,
    PanicAccountView,
    PanicPreview,
    PanicView,
    ScopeView,
    ZoneView,
)
from core.trading.views import DeskError, TraderView
from tests.handlers.chat.fake_keys import FakeKeys


@dataclass
class FakeRisk(FakeKeys):
    """Scopes are made by the test with `add_scope`; panics end when it says so."""

    scopes: dict[tuple[ScopeKind, int], tuple[int, ScopeView]] = field(default_factory=dict)
    zones: dict[int, Zone] = field(default_factory=dict)
    panics: dict[int, PanicView] = field(default_factory=dict)
    panic_keys: dict[str, int] = field(default_factory=dict)
    halted_by_panic: int = 0

    def add_scope(self, trader: TraderView, kind: ScopeKind, ref: int, name: str) -> ScopeView:
        """A scope without limits."""
        view = ScopeView(
            kind=kind,
            ref=ref,
            name=name,
            network=None if kind is ScopeKind.BOT else "paper",
            limits=NONE,
            mode=Mode.ACTIVE,
            mode_reason=None,
            mode_since=None,
            today=None,
            day_ends=dt.datetime(2026, 5, 5, tzinfo=dt.UTC),
            drawdown=None,
            over=(),
            until=None,
            waived=False,
            zone=self._zone_view(UTC),
        )
        self.scopes[kind, ref] = (trader.id, view)
        return view

    def set_scope(self, view: ScopeView) -> None:
        """Another state of a scope."""
        owner, _ = self.scopes[view.kind, view.ref]
        self.scopes[view.kind, view.ref] = (owner, view)

    async def risk_scopes(self, trader: TraderView) -> list[ScopeView]:
        return [view for owner, view in self.scopes.values() if owner == trader.id]

    async def risk_scope(self, trader: TraderView, kind: ScopeKind, ref: int) -> ScopeView:
        owner, view = self.scopes.get((kind, ref), (None, None))
        if view is None or owner != trader.id:
            raise DeskError("unknown_scope", "This account or strategy is not there any more.")
        return view

    async def change_limit(
        self, trader: TraderView, kind: ScopeKind, ref: int, field: str, text: str
    ) -> ScopeView:
        view = await self.risk_scope(trader, kind, ref)
        try:
            limits = changed(view.limits, field, text)
        except LimitUnreadable as error:
            raise DeskError("value_invalid", str(error)) from None
        self.set_scope(replace(view, limits=limits))
        return await self.risk_scope(trader, kind, ref)

    async def set_risk_mode(
        self, trader: TraderView, kind: ScopeKind, ref: int, mode: Mode
    ) -> ScopeView:
        view = await self.risk_scope(trader, kind, ref)
        self.set_scope(replace(view, mode=mode, mode_reason="by_hand"))
        return await self.risk_scope(trader, kind, ref)

    async def resume_risk(self, trader: TraderView, kind: ScopeKind, ref: int) -> ScopeView:
        view = await self.risk_scope(trader, kind, ref)
        waived = "daily_loss" in view.over
        self.set_scope(
            replace(view, mode=Mode.ACTIVE, mode_reason=None, over=(), until=None, waived=waived)
        )
        return await self.risk_scope(trader, kind, ref)

    async def zone(self, trader: TraderView) -> ZoneView:
        return self._zone_view(self.zones.get(trader.id, UTC))

    async def set_zone(self, trader: TraderView, text: str) -> ZoneView:
        try:
            name = zone_named(text).key
        except ZoneUnknown:
            raise DeskError("zone_unknown", "There is no such zone.") from None
        now = self.clock.now()
        self.zones[trader.id] = change_of_zone(now, self.zones.get(trader.id, UTC), name)
        return await self.zone(trader)

    def _zone_view(self, zone: Zone) -> ZoneView:
        now = self.clock.now()
        return ZoneView(zone.at(now), local(now, zone), zone.next_name, zone.next_from)

    # panic

    async def panic_preview(self, trader: TraderView, *, house: bool = False) -> PanicPreview:
        if house and trader.role != "admin":
            raise DeskError("not_admin", "Only an admin can do this.")
        return PanicPreview(accounts=1, positions=2, foreign_positions=1, traders=1)

    async def panic(
        self, trader: TraderView, key: str, message_id: int | None, *, house: bool = False
    ) -> PanicView:
        await self.panic_preview(trader, house=house)
        return self._begin(trader, "house" if house else "panic", key, message_id)

    async def close_all(self, trader: TraderView, key: str, message_id: int | None) -> PanicView:
        return self._begin(trader, "close_all", key, message_id)

    def _begin(self, trader: TraderView, kind: str, key: str, message_id: int | None) -> PanicView:
        whole = f"{kind}:{trader.id}:{key}"
        if whole not in self.panic_keys:
            number = len(self.panics) + 1
            self.panic_keys[whole] = number
            self.panics[number] = PanicView(
                id=number,
                trader_id=trader.id,
                kind=kind,  # type: ignore[arg-type]
                done=False,
                by_admin=False,
                message_id=message_id,
                created_at=self.clock.now(),
                done_at=None,
                accounts=(self._account("working"),),
            )
            self.halted_by_panic += 1
        return self.panics[self.panic_keys[whole]]

    def _account(self, state: str) -> PanicAccountView:
        over = state == "empty"
        held = (Found("BTC-USD", Decimal("0.01"), True), Found("ETH-USD", Decimal("-1"), False))
        return PanicAccountView(
            account_id=1,
            network="paper",
            address="dydx1kvs2jpgq0j8ka8kfwsezwh5a8ywtl8yj7xytr5",
            subaccount_number=0,
            state=state,
            orders=3,
            foreign_orders=1,
            orders_gone=3 if over else 1,
            positions=held,
            still_open=() if over else held[1:],
            height=12_345 if over else None,
            trouble=None,
        )

    def end_panic(self, panic_id: int) -> None:
        """It is proved, and told as the keeper tells it."""
        view = self.panics[panic_id]
        self.panics[panic_id] = replace(
            view, done=True, done_at=self.clock.now(), accounts=(self._account("empty"),)
        )
        now = self.clock.now()
        if view.message_id is not None:
            self.outbox.put(view.trader_id, PanicProgress(panic_id, view.message_id), now)
        self.outbox.put(view.trader_id, PanicTold(panic_id), now)

    async def panic_view(self, panic_id: int) -> PanicView:
        return self.panics[panic_id]

    async def resume_after_panic(self, trader: TraderView, *, house: bool = False) -> int:
        found, self.halted_by_panic = self.halted_by_panic, 0
        return found
