"""Messages about what was found and not asked for: gaps, drift, markets, lost keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from core.ledger.models import OutgoingMessage
from core.trading.desk import NotifierDesk
from core.trading.views import AccountView, PositionView, TraderView
from handlers.chat.texts.drift import drift_found
from handlers.chat.texts.gaps import gap_found
from handlers.chat.texts.key_loss import key_back, key_lost
from handlers.chat.texts.market_news import market_changed
from handlers.chat.texts.screen import Screen

Maker = Callable[[TraderView, OutgoingMessage], Awaitable[Screen]]


class WatchNews:
    """Makes them as the ledger has it when they are sent."""

    def __init__(self, desk: NotifierDesk, nonce: Callable[[], int]) -> None:
        self._desk = desk
        self._nonce = nonce

    def makers(self) -> dict[str, Maker]:
        """By the kind of their event."""
        return {
            "gap_found": self._gap_found,
            "drift_found": self._drift_found,
            "market_changed": self._market_changed,
            "key_lost": self._key_lost,
            "key_back": self._key_back,
        }

    async def _gap_found(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        return gap_found(
            row.payload,
            await self._desk.positions(trader),
            await self._desk.chart_positions(trader),
            self._nonce(),
        )

    async def _drift_found(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        view = await self._desk.chart_position(
            trader, int(row.payload["strategy_id"]), str(row.payload["ticker"])
        )
        return drift_found(view, self._nonce())

    async def _market_changed(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        return market_changed(row.payload)

    async def _key_lost(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        account, held = await self._stake(trader, row.payload)
        return key_lost(account, held, row.payload)

    async def _key_back(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        account, _ = await self._stake(trader, row.payload)
        return key_back(account, row.payload)

    async def _stake(
        self, trader: TraderView, payload: dict[str, Any]
    ) -> tuple[AccountView | None, list[PositionView]]:
        """The account that an event names and what is open on it."""
        account_id = int(payload["account_id"])
        accounts = [row for row in await self._desk.accounts(trader) if row.id == account_id]
        held = [row for row in await self._desk.positions(trader) if row.account_id == account_id]
        return (accounts[0] if accounts else None), held
