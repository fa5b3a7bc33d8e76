"""The book of mock orders: what would have been sent while no node could be reached. They never
count as positions.
"""

from __future__ import annotations

from core.ledger.models import MockOrder


async def add(row: MockOrder) -> None:
    """Writes one down; at most one for each order that did not leave."""
    await row.save(force_create=True)
