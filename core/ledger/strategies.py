"""Strategies: webhooks with their account, sizing, plan and limits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

from core.ledger import intents
from core.ledger.models import Account, Intent, Order, Position, Signal, Strategy

WAITING_SIGNALS: Final = ("stored", "asking")


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


async def lock(strategy_id: int) -> Strategy:
    """The strategy under a row lock, until the transaction ends."""
    return await Strategy.select_for_update().get(id=strategy_id)


async def change(strategy_id: int, **values: Any) -> None:
    await Strategy.filter(id=strategy_id).update(**values)


async def pause_of_account(account_id: int) -> None:
    await Strategy.filter(account_id=account_id, state="active").update(state="paused")


# alerts


async def note_alert(strategy_id: int, now: dt.datetime, *, first: bool) -> None:
    """When an alert came last, and that it was the first from outside; a silence is over."""
    values: dict[str, Any] = {"last_alert_at": now, "silence_told_at": None}
    if first:
        values["first_outside_alert_at"] = now
    await Strategy.filter(id=strategy_id).update(**values)


async def last_signal(strategy_id: int) -> Signal | None:
    """The signal of the latest alert from outside."""
    return (
        await Signal.filter(strategy_id=strategy_id, outside=True).order_by("-received_at").first()
    )


async def may_be_silent() -> list[Strategy]:
    """Active strategies whose silence is to be told and was not yet."""
    return await Strategy.filter(
        state="active", silent_after_h__isnull=False, silence_told_at=None
    ).order_by("id")


# what is under way


async def held(strategy_id: int, account_id: int) -> list[Position]:
    """The open positions that belong to a strategy."""
    return await Position.filter(
        strategy_id=strategy_id, account_id=account_id, state="open"
    ).order_by("id")


async def is_busy(strategy_id: int, account_id: int, working: Collection[str]) -> bool:
    """Whether a signal, an intent or an order of a strategy is not over yet; `working` are the
    states of an order that lives or may live.
    """
    if await Signal.filter(strategy_id=strategy_id, state__in=list(WAITING_SIGNALS)).exists():
        return True
    if await _any_of(strategy_id, await intents.open_of(account_id)):
        return True
    orders = await Order.filter(account_id=account_id, state__in=list(working))
    made = await Intent.filter(id__in=[one.intent_id for one in orders if one.intent_id])
    if await _any_of(strategy_id, made):
        return True
    positions = [one.position_id for one in orders if one.position_id]
    if await Position.filter(id__in=positions, strategy_id=strategy_id).exists():
        return True
    signals = [one.signal_id for one in orders if one.signal_id]
    return await Signal.filter(id__in=signals, strategy_id=strategy_id).exists()


async def _any_of(strategy_id: int, found: Collection[Intent]) -> bool:
    """Whether any of these intents is one of a strategy."""
    if any(one.payload.get("strategy_id") == strategy_id for one in found):
        return True
    signals = [one.signal_id for one in found if one.signal_id is not None]
    return await Signal.filter(id__in=signals, strategy_id=strategy_id).exists()
