"""After a restart: who was about to send a key is asked again, as nothing of it was kept."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiogram import Bot
from aiogram.exceptions import TelegramAPIError

from handlers.chat.deps import ChatDeps
from handlers.chat.sending import say
from handlers.chat.states import SECRET_STATES, Connecting
from handlers.chat.texts.onboarding import ask_again

log = structlog.get_logger(__name__)

REMEMBERED: Final = dt.timedelta(days=1)


KEPT: Final = ("network", "way", "work_id")
_WAITING: Final = {"key": Connecting.trading_key, "remove": Connecting.removal}


@dataclass(frozen=True)
class Interrupted:
    """A chat that has to send its secret again; `key`: a trading key, else a phrase."""

    chat_id: int
    key: bool


async def find_interrupted(deps: ChatDeps) -> list[Interrupted]:
    """The chats that were about to send a key, or had sent one, when the last process ended. Their
    conversations are put back to waiting for it. Call it before updates are taken.
    """
    now = deps.clock.now()
    chats = []
    for key in await deps.conversations.in_states(SECRET_STATES, now - REMEMBERED):
        data = await deps.conversations.get_data(key)
        if data.get("network") is None:
            continue
        way = data.get("way", "keep")
        kept: dict[str, Any] = {name: data[name] for name in KEPT if name in data}
        await deps.conversations.set_data(key, kept, now)
        await deps.conversations.set_state(key, _WAITING.get(way, Connecting.phrase).state, now)
        chats.append(Interrupted(int(key.split(":")[1]), way == "key"))
    return chats


async def ask_them_again(bot: Bot, chats: list[Interrupted]) -> None:
    """Tells those chats; one that cannot be told now learns it when he answers."""
    for chat in chats:
        try:
            await say(bot, chat.chat_id, ask_again(key=chat.key))
        except TelegramAPIError as error:
            log.warning("an interrupted chat was not told", error=type(error).__name__)
