"""Positions and their protection plans."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from core.ledger.models import Position


async def open_in(account_id: int, ticker: str) -> Position | None:
    return await Position.filter(account_id=account_id, ticker=ticker, state="open").first()


async def open_of(account_ids: list[int]) -> list[Position]:
    return await Position.filter(account_id__in=account_ids, state="open").order_by("id")


async def recent_of(account_ids: list[int], limit: int = 20) -> list[Position]:
    return await Position.filter(account_id__in=account_ids).order_by("-id").limit(limit)


async def get(position_id: int) -> Position | None:
    return await Position.get_or_none(id=position_id)


async def add(**values: Any) -> Position:
    return await Position.create(**values)


async def change(position: Position, **values: Any) -> None:
    """Updates the row and the value in hand; every change raises the version."""
    version = position.version + 1
    await Position.filter(id=position.id).update(version=version, **values)
    position.version = version
    for name, value in values.items():
        setattr(position, name, value)


async def of_signal(signal_id: UUID) -> Position | None:
    return await Position.filter(signal_id=signal_id).order_by("-id").first()
