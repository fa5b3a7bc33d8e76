"""Where conversations stand. Never holds a key, a phrase or a secret."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

from tortoise.transactions import in_transaction

from core.ledger import raw
from core.ledger.alone import alone
from core.ledger.models import Conversation


async def get_state(key: str) -> str | None:
    row = await Conversation.get_or_none(key=key).only("state")
    return row.state if row is not None else None


@alone
async def set_state(key: str, state: str | None, now: dt.datetime) -> None:
    """Keeps the data as it is."""
    await raw.insert_if_absent(
        Conversation(key=key, state=state, data={}, updated_at=now),
        conflict="key",
        otherwise='"state" = excluded."state", "updated_at" = excluded."updated_at"',
    )


async def get_data(key: str) -> dict[str, Any]:
    row = await Conversation.get_or_none(key=key).only("data")
    return row.data if row is not None else {}


@alone
async def set_data(key: str, data: dict[str, Any], now: dt.datetime) -> None:
    """Keeps the state as it is."""
    await raw.insert_if_absent(
        Conversation(key=key, state=None, data=data, updated_at=now),
        conflict="key",
        otherwise='"data" = excluded."data", "updated_at" = excluded."updated_at"',
    )


@alone
async def update_data(key: str, changes: dict[str, Any], now: dt.datetime) -> dict[str, Any]:
    """Merges `changes` into the data and returns the whole; of two merges at the same time neither
    is lost.
    """
    async with in_transaction():
        await raw.insert_if_absent(
            Conversation(key=key, state=None, data={}, updated_at=now), conflict="key"
        )
        row = await Conversation.select_for_update().get(key=key)
        data = {**row.data, **changes}
        await Conversation.filter(key=key).update(data=data, updated_at=now)
    return data


async def in_states(states: Collection[str], since: dt.datetime) -> list[str]:
    """The keys of conversations in one of these states that were touched since."""
    rows = await Conversation.filter(state__in=list(states), updated_at__gte=since).order_by("id")
    return [row.key for row in rows]


@alone
async def purge(before: dt.datetime) -> int:
    """Forgets conversations that nobody touched since."""
    return await Conversation.filter(updated_at__lt=before).delete()
