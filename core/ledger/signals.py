"""Signals: alerts that proved both factors, stored before they are answered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from tortoise.expressions import F

from core.ledger import raw
from core.ledger.database import Ledger
from core.ledger.models import Intent, Signal


async def earlier(strategy_id: int, body_hash: str, since: dt.datetime) -> Signal | None:
    """The signal that the same body made at or after `since`, if any."""
    return (
        await Signal.filter(strategy_id=strategy_id, body_hash=body_hash, received_at__gte=since)
        .order_by("received_at")
        .first()
    )


async def accept(
    ledger: Ledger,
    signal: Signal,
    intent: Intent | None,
    messages: list[raw.Statement],
    since: dt.datetime,
) -> bool:
    """Stores a signal with its messages and its intent, which gets the next number of the account's
    lane, in one transaction. False, and nothing stored, when the same body came at or after
    `since`, or when the strategy was moved to another account meanwhile.
    """
    account_id = signal.account_id
    # first of all, as it makes the next statement see what another transaction stored before it
    numbered = raw.Statement(
        'UPDATE "account" SET "last_sequence" = "last_sequence" + 1 WHERE "id" = {} '
        'RETURNING "last_sequence"',
        (account_id,),
    )
    is_first = raw.Statement(
        'SELECT 1 AS "first" WHERE NOT EXISTS (SELECT 1 FROM "signal" WHERE "strategy_id" = {} '
        'AND "body_hash" = {} AND "received_at" >= {}) '
        'AND EXISTS (SELECT 1 FROM "strategy" WHERE "id" = {} AND "account_id" = {})',
        (signal.strategy_id, signal.body_hash, since, signal.strategy_id, account_id),
        required=True,
    )
    statements = [numbered, is_first, raw.insertion(signal), *messages]
    if intent is not None:
        number = raw.Statement(
            '(SELECT "last_sequence" FROM "account" WHERE "id" = {})', (account_id,)
        )
        statements.append(raw.insertion(intent, computed={"sequence": number}))
    try:
        told = await ledger.commit(statements)
    except raw.Unmet:
        return False
    if intent is not None:
        intent.id = int(told[-1][0]["id"])
        intent.sequence = int(told[0][0]["last_sequence"])
        intent._saved_in_db = True
    return True


async def count_duplicate(signal_id: UUID) -> None:
    await Signal.filter(id=signal_id).update(duplicates=F("duplicates") + 1)


async def get(signal_id: UUID) -> Signal | None:
    return await Signal.get_or_none(id=signal_id)


async def settle(signal_id: UUID, state: str, reason: tuple[str, str] | None = None) -> None:
    """Sets the signal's state and, where it was refused or missed, why."""
    await Signal.filter(id=signal_id).update(
        state=state,
        reason_code=reason[0] if reason else None,
        reason_text=reason[1] if reason else None,
    )


async def note_nearest(signal_id: UUID, nearest: Sequence[str]) -> None:
    """Tickers that the symbol of a refused signal may have meant."""
    row = await Signal.get(id=signal_id)
    await Signal.filter(id=signal_id).update(parsed={**row.parsed, "nearest": list(nearest)})


async def attach_position(signal_id: UUID, position_id: int) -> None:
    await Signal.filter(id=signal_id).update(position_id=position_id)


async def waiting_count(strategy_ids: list[int]) -> int:
    return await Signal.filter(strategy_id__in=strategy_ids, state="stored").count()
