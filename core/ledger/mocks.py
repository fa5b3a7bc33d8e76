"""The book of mock orders: what would have been sent while no node could be reached. They never
count as positions.
"""

from __future__ import annotations

from uuid import UUID

from core.ledger.models import MockOrder


async def add(row: MockOrder) -> None:
    """Writes one down; at most one for each order that did not leave."""
    await row.save(force_create=True)


async def of_signal(signal_id: UUID) -> MockOrder | None:
    """The last mock order of a signal."""
    return await MockOrder.filter(signal_id=signal_id).order_by("-id").first()


async def of_accounts(account_ids: list[int], limit: int = 20) -> list[MockOrder]:
    """The newest first."""
    return await MockOrder.filter(account_id__in=account_ids).order_by("-id").limit(limit)
