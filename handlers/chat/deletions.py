"""Messages that must go: those with a secret, after a while, whatever restarts in between.

Only chat, number and due time are kept, in one row of the conversations.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiogram import Bot
from aiogram.exceptions import TelegramAPIError, TelegramBadRequest, TelegramForbiddenError

from core import failpoints
from core.clock import Clock
from handlers.chat.storage import ConversationStore

log = structlog.get_logger(__name__)

KEY: Final = "messages-to-delete"
RETRY_S: Final = 30


@dataclass(frozen=True)
class Doomed:
    """A message and when it must be gone."""

    chat_id: int
    message_id: int
    due: dt.datetime

    def as_json(self) -> list[Any]:
        return [self.chat_id, self.message_id, self.due.isoformat()]


class Deletions:
    """Keeps the list and works it off in `sweep`."""

    def __init__(self, store: ConversationStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._doomed: list[Doomed] | None = None
        self._lock = asyncio.Lock()

    async def schedule(self, chat_id: int, message_id: int, after: dt.timedelta) -> None:
        """Has a message deleted after a while; stored before this returns."""
        async with self._lock:
            doomed = await self._loaded()
            due = self._clock.now() + after
            await self._keep([*doomed, Doomed(chat_id, message_id, due)])

    async def done(self, chat_id: int, message_id: int) -> None:
        """The message is gone already."""
        async with self._lock:
            doomed = await self._loaded()
            kept = [one for one in doomed if (one.chat_id, one.message_id) != (chat_id, message_id)]
            if len(kept) != len(doomed):
                await self._keep(kept)

    async def sweep(self, bot: Bot) -> int:
        """Deletes what is due and returns how many went; what Telegram cannot be told now is tried
        again.
        """
        async with self._lock:
            now = self._clock.now()
            due = [one for one in await self._loaded() if one.due <= now]
        gone = 0
        for one in due:
            if await self._delete(bot, one):
                gone += 1
                await self.done(one.chat_id, one.message_id)
            else:
                await self._later(one)
        return gone

    async def _delete(self, bot: Bot, one: Doomed) -> bool:
        try:
            await bot.delete_message(one.chat_id, one.message_id)
            failpoints.passed()
        except (TelegramBadRequest, TelegramForbiddenError):
            return True  # gone already, or out of reach for good
        except TelegramAPIError as error:
            log.warning("a message was not deleted yet", reason=type(error).__name__)
            return False
        return True

    async def _later(self, one: Doomed) -> None:
        async with self._lock:
            again = Doomed(
                one.chat_id, one.message_id, self._clock.now() + dt.timedelta(seconds=RETRY_S)
            )
            await self._keep([again if other == one else other for other in await self._loaded()])

    async def _loaded(self) -> list[Doomed]:
        if self._doomed is None:
            stored = (await self._store.get_data(KEY)).get("messages", [])
            self._doomed = [
                Doomed(int(chat), int(message), dt.datetime.fromisoformat(due))
                for chat, message, due in stored
            ]
        return self._doomed

    async def _keep(self, doomed: list[Doomed]) -> None:
        await self._store.set_data(
            KEY, {"messages": [one.as_json() for one in doomed]}, self._clock.now()
        )
        self._doomed = doomed
