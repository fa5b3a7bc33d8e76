"""All that is sealed, as a whole: for the rotation of the master key."""

from __future__ import annotations

from collections.abc import Callable

from core.ledger.models import Credential, SealedKey

SealedRow = Credential | SealedKey


async def rewrap_all(
    is_current: Callable[[bytes], bool], rewrap: Callable[[SealedRow], bytes]
) -> int:
    """Replaces what is not current and returns how many there were; inside a transaction."""
    changed = 0
    for table in (Credential, SealedKey):
        for row in await table.all().order_by("id"):
            if not is_current(row.sealed):
                await table.filter(id=row.id).update(sealed=rewrap(row))
                changed += 1
    return changed
