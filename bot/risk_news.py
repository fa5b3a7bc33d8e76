"""Messages about limits and panics, as the notifier renders them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from core.ledger.models import OutgoingMessage
from core.trading.desk import NotifierDesk
from core.trading.risk.limits import ScopeKind
from core.trading.views import DeskError, TraderView
from handlers.chat.texts import limits, panic
from handlers.chat.texts.screen import Screen

PROGRESS: Final = frozenset({"panic_progress"})
"""Kinds that edit the message which their payload names."""


class RiskNews:
    """Renders them from what the desk says now."""

    def __init__(self, desk: NotifierDesk) -> None:
        self._desk = desk

    def makers(self) -> dict[str, Callable[[TraderView, OutgoingMessage], Awaitable[Screen]]]:
        """The renderers by kind of event."""
        return {
            "risk_breached": self._breached,
            "panic_progress": self._progress,
            "panic_told": self._told,
        }

    async def _breached(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        told = row.payload
        try:
            view = await self._desk.risk_scope(trader, ScopeKind(told["scope"]), int(told["ref"]))
        except DeskError:  # the account or strategy is not there any more
            view = None
        return limits.breached(view, str(told["code"]), str(told["text"]))

    async def _progress(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        return panic.progress(await self._desk.panic_view(int(row.payload["panic_id"])))

    async def _told(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        return panic.told(await self._desk.panic_view(int(row.payload["panic_id"])))
