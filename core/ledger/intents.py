"""Intents: what lanes have to do, in their order."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from core.ledger import accounts
from core.ledger.models import Account, Intent

OPEN_STATES = ("waiting", "running")


async def add(
    *,
    account: Account,
    key: str,
    source: str,
    kind: str,
    payload: dict[str, Any],
    now: dt.datetime,
    signal_id: UUID | None = None,
    position_id: int | None = None,
) -> Intent | None:
    """Appends to the lane of an account that this transaction has locked (`accounts.lock`).

    None when this key was used before.
    """
    if source != "signal" and await Intent.filter(key=key).exists():
        return None
    return await Intent.create(
        account_id=account.id,
        partition=account.partition,
        sequence=await accounts.take_sequence(account),
        key=key,
        source=source,
        kind=kind,
        payload=payload,
        signal_id=signal_id,
        position_id=position_id,
        state="waiting",
        created_at=now,
    )


async def get(intent_id: int) -> Intent | None:
    return await Intent.get_or_none(id=intent_id)


async def open_of(account_id: int) -> list[Intent]:
    """What the lane has not finished, in order."""
    return await Intent.filter(account_id=account_id, state__in=list(OPEN_STATES)).order_by(
        "sequence"
    )


async def finish(
    intent_id: int, state: str, now: dt.datetime, reason: tuple[str, str] | None = None
) -> None:
    await Intent.filter(id=intent_id).update(
        state=state,
        done_at=now,
        reason_code=reason[0] if reason else None,
        reason_text=reason[1] if reason else None,
    )
