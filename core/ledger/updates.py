"""Telegram updates that came in: number, kind and fate, never what was in them."""

from __future__ import annotations

import datetime as dt

from core.ledger import raw
from core.ledger.alone import alone
from core.ledger.models import TelegramUpdate


@alone
async def take(update_id: int, kind: str, now: dt.datetime) -> bool:
    """Notes an update before it is worked; False when it came in before."""
    row = TelegramUpdate(update_id=update_id, kind=kind[:32], state="taken", at=now)
    return await raw.insert_if_absent(row, conflict="update_id")


@alone
async def finish(update_id: int, state: str) -> None:
    """What became of it: done or failed."""
    await TelegramUpdate.filter(update_id=update_id).update(state=state)


async def unfinished() -> list[TelegramUpdate]:
    """Taken, but neither done nor failed: what a crash or a hard stop cut off."""
    return await TelegramUpdate.filter(state="taken").order_by("update_id")


@alone
async def purge(before: dt.datetime) -> int:
    """Forgets old updates; Telegram sends none again after 24 hours."""
    return await TelegramUpdate.filter(at__lt=before).delete()
