"""What the rest of the desk may ask of lanes.

Behind these two faces a lane may run in this process or elsewhere: all that is handed over is in
the ledger, and an answer that is lost costs a look into it.
"""

from __future__ import annotations

import asyncio
from typing import Protocol
from uuid import UUID

from core.dydx.network import NetworkName
from core.ledger.models import Account, Intent, Order


class LanePort(Protocol):
    """One account's lane. Each call is a hint about something that the ledger holds already."""

    def submit(self, intent: Intent) -> asyncio.Future[Order | None]:
        """Takes a stored intent; done with its first outcome: the order as soon as a node took it,
        else None once the ledger says what became of it.
        """

    async def cancel_resting(self, order_uuid: UUID) -> None:
        """Has an order cancelled; it is asked of the chain until it is gone."""

    async def refresh_watch(self) -> None:
        """The plan of a position was changed by its trader."""

    def plan_fits(self) -> bool | None:
        """Whether the chain has room for another stop of this account; None where nobody knows."""


class LanesPort(Protocol):
    """The lanes by account."""

    def get(self, account_id: int) -> LanePort | None:
        """An account's lane; None while it is not taken over: its intents wait in the ledger."""

    def is_reconciled(self, account_id: int) -> bool:
        """Whether the last comparison of an account with the chain was answered."""

    def network_of(self, account_id: int) -> NetworkName | None:
        """The network of an account that is connected."""

    async def open(self, account: Account) -> bool:
        """Takes an account over; False while the network cannot be read (tried again later)."""

    async def refresh(self, account_id: int) -> None:
        """What was decided or found about an account changed in the ledger."""

    async def shut(self, account_id: int) -> None:
        """Lets go of an account, as when its key is erased."""
