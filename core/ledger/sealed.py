"""Sealed credentials as a whole, for the rotation of the master key."""

from __future__ import annotations

from collections.abc import Callable

from core.ledger.models import Credential


async def rewrap_all(
    is_current: Callable[[bytes], bool], rewrap: Callable[[Credential], bytes]
) -> int:
    """Replaces what is not current and returns how many there were; inside a transaction."""
    changed = 0
    for row in await Credential.all().order_by("id"):
        if not is_current(row.sealed):
            await Credential.filter(id=row.id).update(sealed=rewrap(row))
            changed += 1
    return changed
