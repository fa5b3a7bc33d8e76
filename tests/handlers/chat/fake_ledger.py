"""Rows in memory: outbox, conversations and updates, with the promises of the ledger's own."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Collection
from typing import Any
from uuid import UUID

from core.events import Event
from core.ledger.models import OutgoingMessage, TelegramUpdate


class FakeOutbox:
    """Outgoing messages. A card's row is used again: its revision grows."""

    def __init__(self) -> None:
        self.rows: list[OutgoingMessage] = []

    def put(
        self, trader_id: int, event: Event, now: dt.datetime, signal_id: UUID | None = None
    ) -> OutgoingMessage:
        for row in self.rows:
            if event.kind == "card" and row.kind == "card" and row.signal_id == signal_id:
                row.revision += 1
                return row
        row = OutgoingMessage(
            id=len(self.rows) + 1,
            trader_id=trader_id,
            kind=event.kind,
            key=f"{event.kind}:{len(self.rows) + 1}",
            payload=event.payload(),
            signal_id=signal_id,
            state="live",
            revision=1,
            sent_revision=0,
            attempts=0,
            created_at=now,
        )
        self.rows.append(row)
        return row

    async def due(self, now: dt.datetime, limit: int) -> list[OutgoingMessage]:
        found = [
            row
            for row in self.rows
            if row.state == "live"
            and row.revision > row.sent_revision
            and (row.not_before is None or row.not_before <= now)
        ]
        return [copy.copy(row) for row in found[:limit]]

    def row(self, message_id: int) -> OutgoingMessage:
        return self.rows[message_id - 1]

    async def sent(
        self, message_id: int, revision: int, telegram_message_id: int | None, now: dt.datetime
    ) -> None:
        row = self.row(message_id)
        row.sent_revision, row.sent_at, row.attempts = revision, now, 0
        row.not_before = None
        row.telegram_message_id = telegram_message_id

    async def postpone(self, message_id: int, not_before: dt.datetime, attempts: int) -> None:
        row = self.row(message_id)
        row.not_before, row.attempts = not_before, attempts

    async def dead(self, message_id: int) -> None:
        self.row(message_id).state = "dead"

    async def card_of(self, signal_id: UUID) -> int | None:
        for row in self.rows:
            if row.kind == "card" and row.signal_id == signal_id:
                number: int | None = row.telegram_message_id
                return number
        return None

    def unsettled(self) -> list[OutgoingMessage]:
        """What is still to be sent."""
        return [
            row for row in self.rows if row.state == "live" and row.revision > row.sent_revision
        ]


class FakeConversations:
    """States and data by key; `written` keeps everything that was ever stored."""

    def __init__(self) -> None:
        self.states: dict[str, str | None] = {}
        self.data: dict[str, dict[str, Any]] = {}
        self.written: list[str] = []

    async def get_state(self, key: str) -> str | None:
        return self.states.get(key)

    async def set_state(self, key: str, state: str | None, now: dt.datetime) -> None:
        self.written.append(f"{key} {state}")
        self.states[key] = state

    async def get_data(self, key: str) -> dict[str, Any]:
        return copy.deepcopy(self.data.get(key, {}))

    async def set_data(self, key: str, data: dict[str, Any], now: dt.datetime) -> None:
        self.written.append(f"{key} {data}")
        self.data[key] = copy.deepcopy(data)

    async def update_data(
        self, key: str, changes: dict[str, Any], now: dt.datetime
    ) -> dict[str, Any]:
        data = {**await self.get_data(key), **changes}
        await self.set_data(key, data, now)
        return data

    async def in_states(self, states: Collection[str], since: dt.datetime) -> list[str]:
        return [key for key, state in self.states.items() if state in states]


class FakeUpdates:
    """Numbers, kinds and fates of updates."""

    def __init__(self) -> None:
        self.kinds: dict[int, str] = {}
        self.states: dict[int, str] = {}

    async def take(self, update_id: int, kind: str, now: dt.datetime) -> bool:
        if update_id in self.states:
            return False
        self.kinds[update_id], self.states[update_id] = kind, "taken"
        return True

    async def finish(self, update_id: int, state: str) -> None:
        self.states[update_id] = state

    async def unfinished(self) -> list[TelegramUpdate]:
        return [
            TelegramUpdate(update_id=number, kind=self.kinds[number], state=state)
            for number, state in self.states.items()
            if state == "taken"
        ]
