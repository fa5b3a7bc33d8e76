"""The counter for what a trader decides of his accounts and of himself."""

from __future__ import annotations

from core.ledger import accounts, books, intents, orders, positions, traders
from core.ledger.models import Account
from core.trading import states
from core.trading.key_desk import KeyDesk
from core.trading.views import AccountView, DeskError, TraderView, WithoutStopRoom


class SettingsDesk(KeyDesk):
    """Sharing of markets, entries without room for a stop, mock orders."""

    async def set_sharing(self, trader: TraderView, account_id: int, sharing: bool) -> AccountView:
        """Codes: unknown_account, position_open, account_busy."""
        account = await self._own_account(trader, account_id)
        async with self._office.ledger.executing():
            await accounts.lock(account.id)
            shares = await books.shares_of([account.id])
            if await positions.open_of([account.id]) or any(one.size for one in shares):
                raise DeskError(
                    "position_open",
                    "A position is open on this account. Sharing is changed only while it is flat, "
                    "so that each coin has one owner.",
                )
            if await intents.open_of(account.id) or await orders.in_states(
                account.id, states.WORKING
            ):
                raise DeskError(
                    "account_busy",
                    "An order of this account is not over yet. Cancel it or wait for its end; then "
                    "sharing can be changed.",
                )
            await accounts.set_sharing(account.id, sharing)
        return await self._changed_view(account.id)

    async def set_without_stop_room(
        self, trader: TraderView, account_id: int, choice: WithoutStopRoom
    ) -> AccountView:
        """Code: unknown_account."""
        account = await self._own_account(trader, account_id)
        async with self._office.ledger.executing():
            await accounts.set_without_stop_room(account.id, choice)
        return await self._changed_view(account.id)

    async def mock_when_unreachable(self, trader: TraderView) -> bool:
        """Whether an order that no node could be given becomes a mock order."""
        return bool((await traders.get(trader.id)).mock_when_unreachable)

    async def set_mock_when_unreachable(self, trader: TraderView, on: bool) -> None:
        async with self._office.ledger.executing():
            await traders.set_mock_when_unreachable(trader.id, on)

    async def _own_account(self, trader: TraderView, account_id: int) -> Account:
        for row in await accounts.of_trader(trader.id):
            if row.id == account_id:
                return row
        raise DeskError("unknown_account", "This account is not connected any more.")

    async def _changed_view(self, account_id: int) -> AccountView:
        """The account as it is now, which its lane is told too."""
        await self._office.lanes.refresh(account_id)
        return await self.view(await accounts.get(account_id))
