"""Positions and their protection plans."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from core.ledger.models import Position, Protection


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


async def protection(position_id: int) -> Protection | None:
    return await Protection.get_or_none(position_id=position_id)


async def protections(position_ids: list[int]) -> dict[int, Protection]:
    rows = await Protection.filter(position_id__in=position_ids)
    return {row.position_id: row for row in rows}


async def set_plan(
    position_id: int, take_profit: Decimal | None, stop_loss: Decimal | None
) -> Protection:
    """Sets the plan's prices and arms it."""
    row = await Protection.get_or_none(position_id=position_id)
    if row is None:
        return await Protection.create(
            position_id=position_id,
            take_profit=take_profit,
            stop_loss=stop_loss,
            state="armed",
        )
    row.take_profit, row.stop_loss = take_profit, stop_loss
    row.state = "armed"
    await row.save()
    return row


async def set_protection_state(position_id: int, state: str, attempts: int | None = None) -> None:
    values: dict[str, Any] = {"state": state}
    if attempts is not None:
        values["attempts"] = attempts
    await Protection.filter(position_id=position_id).update(**values)
