"""The counter for orders that wait in the chain's state."""

from __future__ import annotations

from typing import Final

from core.ledger import accounts, mocks, orders
from core.ledger.models import Account, MockOrder, Order
from core.trading import states
from core.trading.guard_rows import is_guard
from core.trading.holdings import view_of_order
from core.trading.office import Office
from core.trading.views import DeskError, MockOrderView, OpenOrderView, TraderView

MOCKS_LOOKED_AT: Final = 50


class OrderDesk:
    """Shows waiting orders and has them cancelled."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def open_orders(self, trader: TraderView) -> list[OpenOrderView]:
        """The orders that wait in the chain's state, oldest first."""
        found = []
        for account in await accounts.of_trader(trader.id):
            rows = await orders.stateful_in_states(account.id, states.WORKING)
            found += [_view(row, account) for row in rows]
        return sorted(found, key=lambda row: row.order.id)

    async def mock_orders(self, trader: TraderView) -> list[MockOrderView]:
        """The latest mock orders that were not sent for real since, newest first."""
        owned = {row.id: row for row in await accounts.of_trader(trader.id)}
        rows = await mocks.standing(list(owned), MOCKS_LOOKED_AT)
        return [_mock_view(row, owned[row.account_id]) for row in rows]

    async def cancel_order(self, trader: TraderView, order_id: int) -> OpenOrderView:
        """Codes: unknown_order, order_over, order_protects, not_ready."""
        row = await orders.get(order_id)
        account = await accounts.get(row.account_id) if row is not None else None
        if row is None or account is None or account.trader_id != trader.id:
            raise DeskError("unknown_order", "This order does not exist.")
        if row.state in states.TERMINAL or not row.order_flags:
            raise DeskError("order_over", "This order is over already.")
        if is_guard(row):
            raise DeskError(
                "order_protects",
                "This order is the stop or target of a position. Change it with Adjust.",
            )
        lane = self._office.lanes.get(account.id)
        if lane is None:
            raise DeskError(
                "not_ready", "The bot is still checking this account on chain. Try again shortly."
            )
        await lane.cancel_resting(row.order_uuid)
        return _view(await orders.get(order_id) or row, account)


def _mock_view(row: MockOrder, account: Account) -> MockOrderView:
    return MockOrderView(
        signal_id=row.signal_id,
        network=account.network,  # type: ignore[arg-type]
        account_id=account.id,
        ticker=row.ticker,
        side=row.side,
        size=row.size,
        price=row.price,
        created_at=row.created_at,
    )


def _view(row: Order, account: Account) -> OpenOrderView:
    return OpenOrderView(
        order=view_of_order(row),
        network=account.network,  # type: ignore[arg-type]
        account_id=account.id,
        protects=is_guard(row),
        cancel_asked=row.cancel_asked_at is not None,
    )
