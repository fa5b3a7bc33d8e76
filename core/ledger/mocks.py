"""The book of mock orders: what would have been sent while no node could be reached. They never
count as positions.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.ledger.models import MockOrder, Signal


async def standing(account_ids: Sequence[int], limit: int) -> list[MockOrder]:
    """The latest whose signal was not sent for real since, newest first."""
    rows = await MockOrder.filter(account_id__in=account_ids).order_by("-id").limit(limit)
    mocked = await Signal.filter(id__in=[row.signal_id for row in rows], state="mock").only("id")
    left = {signal.id for signal in mocked}
    return [row for row in rows if row.signal_id in left]


async def add(row: MockOrder) -> None:
    """Writes one down; at most one for each order that did not leave."""
    await row.save(force_create=True)
