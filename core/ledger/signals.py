"""Signals: alerts that proved both factors, stored before they are answered."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from tortoise.expressions import F

from core.ledger.models import Signal


async def earlier(strategy_id: int, body_hash: str, since: dt.datetime) -> Signal | None:
    """The signal that the same body made at or after `since`, if any."""
    return (
        await Signal.filter(strategy_id=strategy_id, body_hash=body_hash, received_at__gte=since)
        .order_by("received_at")
        .first()
    )


async def count_duplicate(signal_id: UUID) -> None:
    await Signal.filter(id=signal_id).update(duplicates=F("duplicates") + 1)


async def add(
    *,
    signal_id: UUID,
    strategy_id: int,
    account_id: int,
    partition: int,
    received_at: dt.datetime,
    body_hash: str,
    dedupe_key: str,
    body: str,
    parsed: dict[str, Any],
    outside: bool,
    state: str,
    reason: tuple[str, str] | None = None,
) -> Signal:
    return await Signal.create(
        id=signal_id,
        strategy_id=strategy_id,
        account_id=account_id,
        partition=partition,
        received_at=received_at,
        body_hash=body_hash,
        dedupe_key=dedupe_key,
        body=body,
        parsed=parsed,
        outside=outside,
        state=state,
        reason_code=reason[0] if reason else None,
        reason_text=reason[1] if reason else None,
    )


async def get(signal_id: UUID) -> Signal | None:
    return await Signal.get_or_none(id=signal_id)


async def settle(signal_id: UUID, state: str, reason: tuple[str, str] | None = None) -> None:
    """Sets the signal's state and, where it was refused or missed, why."""
    await Signal.filter(id=signal_id).update(
        state=state,
        reason_code=reason[0] if reason else None,
        reason_text=reason[1] if reason else None,
    )


async def attach_position(signal_id: UUID, position_id: int) -> None:
    await Signal.filter(id=signal_id).update(position_id=position_id)


async def waiting_count(strategy_ids: list[int]) -> int:
    return await Signal.filter(strategy_id__in=strategy_ids, state="stored").count()
