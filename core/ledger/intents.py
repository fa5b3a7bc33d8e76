"""Intents: what lanes have to do, in their order."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
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


async def in_state(account_id: int, state: str) -> list[Intent]:
    """The intents of an account in one state, in order."""
    return await Intent.filter(account_id=account_id, state=state).order_by("sequence")


async def of_signal(signal_id: UUID) -> Intent | None:
    """The intent that a signal made."""
    return await Intent.filter(signal_id=signal_id, source="signal").first()


async def strategies_of(
    intent_ids: Collection[int], source: str | None = None
) -> dict[int, int | None]:
    """The strategy for which each intent was made; None for what a person or the monitor asked.
    `source`: only of those that came from there.
    """
    if not intent_ids:
        return {}
    rows = await Intent.filter(id__in=list(intent_ids)).only("id", "source", "payload")
    return {row.id: row.payload.get("strategy_id") for row in rows if source in (None, row.source)}


async def resume(intent: Intent, payload: dict[str, Any], states: Collection[str]) -> bool:
    """Puts an intent that is in one of `states` back to work; False when it is in none any more."""
    state = "running" if intent.course is not None else "waiting"
    changed = await Intent.filter(id=intent.id, state__in=list(states)).update(
        state=state, payload=payload, done_at=None, reason_code=None, reason_text=None
    )
    if changed:
        intent.state, intent.payload = state, payload
    return bool(changed)


async def give_up(
    intent: Intent,
    now: dt.datetime,
    state: str,
    reason: tuple[str, str],
    states: Collection[str],
) -> bool:
    """Ends an intent that is in one of `states`; False when it is in none any more."""
    changed = await Intent.filter(id=intent.id, state__in=list(states)).update(
        state=state, done_at=now, reason_code=reason[0], reason_text=reason[1]
    )
    return bool(changed)


async def finish(
    intent_id: int, state: str, now: dt.datetime, reason: tuple[str, str] | None = None
) -> None:
    await Intent.filter(id=intent_id).update(
        state=state,
        done_at=now,
        reason_code=reason[0] if reason else None,
        reason_text=reason[1] if reason else None,
    )
