"""Signals: alerts that proved both factors, stored before they are answered."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from tortoise.expressions import F

from core.ledger import raw
from core.ledger.models import Intent, Signal


async def earlier(
    account_id: int, strategy_id: int, body_hash: str, since: dt.datetime
) -> tuple[int, UUID | None]:
    """Locks the account's lane; its last sequence, and the signal that the same body made at or
    after `since`, if any.
    """
    lane, found = await raw.batch(
        [
            raw.Statement(
                f'SELECT "last_sequence" FROM "account" WHERE "id" = {{}}{raw.row_lock()}',  # noqa: S608
                (account_id,),
            ),
            raw.Statement(
                'SELECT "id" FROM "signal" WHERE "strategy_id" = {} AND "body_hash" = {} '
                'AND "received_at" >= {} ORDER BY "received_at" LIMIT 1',
                (strategy_id, body_hash, since),
            ),
        ]
    )
    sequence = int(lane[0]["last_sequence"])
    return sequence, UUID(str(found[0]["id"])) if found else None


async def count_duplicate(signal_id: UUID) -> None:
    await Signal.filter(id=signal_id).update(duplicates=F("duplicates") + 1)


async def accept(signal: Signal, intent: Intent | None, messages: list[raw.Statement]) -> None:
    """Stores a signal with its intent and messages in one step, after `earlier` locked the lane."""
    statements = [raw.insertion(signal), *messages]
    if intent is not None:
        statements += [
            raw.Statement(
                'UPDATE "account" SET "last_sequence" = {} WHERE "id" = {}',
                (intent.sequence, intent.account_id),
            ),
            raw.insertion(intent),
        ]
    rows = await raw.batch(statements)
    if intent is not None:
        intent.id = int(rows[-1][0]["id"])
        intent._saved_in_db = True


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
