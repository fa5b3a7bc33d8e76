"""Outgoing messages: written in the transaction of the change they report, sent later, in order."""

from __future__ import annotations

import datetime as dt
from typing import Final
from uuid import UUID

from core.events import Event, SignalChanged
from core.ledger import raw
from core.ledger.alone import alone
from core.ledger.models import OutgoingMessage

LIVE: Final = "live"
SENT: Final = "sent"
DEAD: Final = "dead"
# How many messages of one trader a call of `due` may bring, so that no backlog hides the others.
PER_TRADER: Final = 20

# A card that changed is due again with a higher revision, also when it was given up before.
_CHANGED: Final = (
    '"revision" = "outgoing_message"."revision" + 1, "changed_at" = excluded."changed_at", '
    '"attempts" = CASE WHEN "outgoing_message"."state" = \'dead\' THEN 0 '
    'ELSE "outgoing_message"."attempts" END, "state" = \'live\''
)

# Each trader's queue in order: by id, but a reply stands behind its card while that has never been
# sent. Whoever stands behind a message that has to wait waits too.
_DUE: Final = """
WITH live AS (
    SELECT m.id, m.trader_id, m.not_before,
        CASE WHEN m.kind = 'card' THEN 0 ELSE 1 END AS behind,
        CASE WHEN m.kind = 'card' OR m.signal_id IS NULL THEN NULL ELSE (
            SELECT c.id FROM outgoing_message c
            WHERE c.key = 'card:' || CAST(m.signal_id AS TEXT)
                AND c.state = 'live' AND c.telegram_message_id IS NULL
        ) END AS card_id
    FROM outgoing_message m
    WHERE m.state = 'live'
), turns AS (
    SELECT id, trader_id, not_before, behind,
        CASE WHEN card_id > id THEN card_id ELSE id END AS turn
    FROM live
), queues AS (
    SELECT id, turn,
        ROW_NUMBER() OVER queue AS place,
        MAX(CASE WHEN not_before > {} THEN 1 ELSE 0 END) OVER queue AS held
    FROM turns
    WINDOW queue AS (PARTITION BY trader_id ORDER BY turn, behind, id)
)
SELECT id FROM queues WHERE held = 0 AND place <= {} ORDER BY turn, place LIMIT {}
"""


async def put(
    trader_id: int,
    event: Event,
    *,
    key: str,
    now: dt.datetime,
    signal_id: UUID | None = None,
) -> None:
    """Adds a message, inside the caller's transaction.

    An ordinary event is added once per `key`. A `SignalChanged` is the one card of its signal: it
    lies under `card:{signal_id}`, whatever `key` says, and putting it again makes it due again.
    """
    statement = putting(trader_id, event, key=key, now=now, signal_id=signal_id)
    await raw.run(statement.sql, *statement.values)


def putting(
    trader_id: int,
    event: Event,
    *,
    key: str,
    now: dt.datetime,
    signal_id: UUID | None = None,
) -> raw.Statement:
    """What `put` does, as a statement of a batch."""
    card = isinstance(event, SignalChanged)
    values = {
        "trader_id": trader_id,
        "kind": event.kind,
        "key": card_key(event.signal_id) if isinstance(event, SignalChanged) else key,
        "payload": event.payload(),
        "signal_id": event.signal_id if isinstance(event, SignalChanged) else signal_id,
        "state": LIVE,
        "created_at": now,
        "changed_at": now,
    }
    otherwise = _CHANGED if card else None
    return raw.insertion_of(OutgoingMessage, values, conflict="key", otherwise=otherwise)


def card_key(signal_id: UUID) -> str:
    """The key of a signal's card."""
    return f"card:{signal_id}"


async def due(now: dt.datetime, limit: int = 50) -> list[OutgoingMessage]:
    """What can be sent now, each trader's messages in their order, the longest waiting first.

    At most `PER_TRADER` of one trader. Messages behind a postponed one of the same trader are not
    among them, and a reply stands behind its signal's card until that was sent.
    """
    order = [found["id"] for found in await raw.run(_DUE, now, PER_TRADER, limit)]
    rows = await OutgoingMessage.in_bulk(order, "id")
    return [rows[message_id] for message_id in order if message_id in rows]


@alone
async def sent(
    message_id: int, revision: int, telegram_message_id: int | None, now: dt.datetime
) -> None:
    """Telegram took this revision; a card that changed meanwhile stays due."""
    await raw.run(
        "UPDATE outgoing_message SET "
        '"sent_revision" = CASE WHEN "sent_revision" > {} THEN "sent_revision" ELSE {} END, '
        "\"state\" = CASE WHEN \"revision\" > {} THEN 'live' ELSE 'sent' END, "
        '"telegram_message_id" = COALESCE({}, "telegram_message_id"), '
        '"attempts" = 0, "not_before" = NULL, "sent_at" = {} WHERE "id" = {} RETURNING "id"',
        revision,
        revision,
        revision,
        telegram_message_id,
        now,
        message_id,
    )


@alone
async def postpone(message_id: int, not_before: dt.datetime, attempts: int) -> None:
    """Has it tried again at `not_before`; the trader's later messages wait behind it."""
    await OutgoingMessage.filter(id=message_id, state=LIVE).update(
        not_before=not_before, attempts=attempts
    )


@alone
async def dead(message_id: int) -> None:
    """Gives a message up for good; it holds up nothing any more."""
    await OutgoingMessage.filter(id=message_id).update(state=DEAD)


async def card_of(signal_id: UUID) -> int | None:
    """Telegram's number of the signal's card, once it was sent."""
    row = await OutgoingMessage.get_or_none(key=card_key(signal_id)).only("telegram_message_id")
    return row.telegram_message_id if row is not None else None


async def oldest_due(now: dt.datetime) -> dt.timedelta:
    """How long the message that waits longest has been waiting; zero when none does."""
    row = await OutgoingMessage.filter(state=LIVE).order_by("changed_at").first()
    return max(now - row.changed_at, dt.timedelta()) if row is not None else dt.timedelta()


@alone
async def purge(before: dt.datetime) -> int:
    """Forgets messages that were settled before; a signal's card stays, as later news edit it."""
    return await OutgoingMessage.filter(
        state__in=[SENT, DEAD], changed_at__lt=before, kind__not=SignalChanged.kind
    ).delete()
