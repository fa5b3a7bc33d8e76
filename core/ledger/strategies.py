"""Strategies: webhooks with their account, sizing, plan and limits."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from core.ledger.models import Account, Strategy


async def add(
    *,
    trader_id: int,
    account: Account,
    name: str,
    webhook_uuid: UUID,
    secret_hash: str,
    now: dt.datetime,
    **defaults: Any,
) -> Strategy:
    return await Strategy.create(
        trader_id=trader_id,
        account_id=account.id,
        partition=account.partition,
        name=name,
        webhook_uuid=webhook_uuid,
        secret_hash=secret_hash,
        state="active",
        created_at=now,
        **defaults,
    )


async def living() -> list[Strategy]:
    return await Strategy.exclude(state="deleted").order_by("id")


async def of_trader(trader_id: int) -> list[Strategy]:
    return await Strategy.filter(trader_id=trader_id).exclude(state="deleted").order_by("id")


async def get(strategy_id: int) -> Strategy | None:
    return await Strategy.get_or_none(id=strategy_id)


async def change(strategy_id: int, **values: Any) -> None:
    await Strategy.filter(id=strategy_id).update(**values)


async def pause_of_account(account_id: int) -> None:
    await Strategy.filter(account_id=account_id, state="active").update(state="paused")


async def note_outside_alert(strategy_id: int, now: dt.datetime) -> bool:
    """True when this was the first alert from outside."""
    return (
        await Strategy.filter(id=strategy_id, first_outside_alert_at=None).update(
            first_outside_alert_at=now
        )
        == 1
    )
