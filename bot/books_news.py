"""Messages about what hands and the chain did, and about books that do not agree."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from core.ledger.models import OutgoingMessage
from core.trading.desk import NotifierDesk
from core.trading.views import AccountView, PositionView, TraderView
from handlers.chat.texts import external
from handlers.chat.texts.positions import position_keyboard
from handlers.chat.texts.screen import Screen

Maker = Callable[[TraderView, OutgoingMessage], Awaitable[Screen]]


class BooksNews:
    """Makes them as the ledger has it when they are sent."""

    def __init__(self, desk: NotifierDesk, nonce: Callable[[], int]) -> None:
        self._desk = desk
        self._nonce = nonce

    def makers(self) -> dict[str, Maker]:
        """By the kind of their event."""
        return {
            "position_by_hand": self._by_hand,
            "position_forced": self._forced,
            "position_left": self._left,
            "shares_differ": self._shares,
            "balance_differs": self._balance,
        }

    async def _position(self, row: OutgoingMessage) -> PositionView:
        return await self._desk.position_by_id(int(row.payload["position_id"]))

    async def _by_hand(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        position = await self._position(row)
        buttons = position_keyboard(position, self._nonce(), card=False)
        return external.position_by_hand(position, str(row.payload["change"]), buttons)

    async def _forced(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        position = await self._position(row)
        buttons = position_keyboard(position, self._nonce(), card=False)
        return external.position_forced(position, str(row.payload["what"]), buttons)

    async def _left(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        return external.position_left(await self._position(row))

    async def _shares(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        return external.shares_differ(await self._account(trader, row), row.payload)

    async def _balance(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        return external.balance_differs(await self._account(trader, row), row.payload)

    async def _account(self, trader: TraderView, row: OutgoingMessage) -> AccountView | None:
        account_id = int(row.payload["account_id"])
        found = [one for one in await self._desk.accounts(trader) if one.id == account_id]
        return found[0] if found else None
