"""After a restart: who was about to send a key is asked again, as nothing of it was kept."""

from __future__ import annotations

import datetime as dt
from typing import Final

import structlog
from aiogram import Bot
from aiogram.exceptions import TelegramAPIError

from handlers.chat.deps import ChatDeps
from handlers.chat.sending import say
from handlers.chat.states import SECRET_STATES, Connecting
from handlers.chat.texts.onboarding import ask_again

log = structlog.get_logger(__name__)

REMEMBERED: Final = dt.timedelta(days=1)


async def find_interrupted(deps: ChatDeps) -> list[int]:
    """The chats that were about to send a key, or had sent one, when the last process ended. Their
    conversations are put back to waiting for it. Call it before updates are taken.
    """
    now = deps.clock.now()
    chats = []
    for key in await deps.conversations.in_states(SECRET_STATES, now - REMEMBERED):
        network = (await deps.conversations.get_data(key)).get("network")
        if network is None:
            continue
        await deps.conversations.set_data(key, {"network": network}, now)
        await deps.conversations.set_state(key, Connecting.phrase.state, now)
        chats.append(int(key.split(":")[1]))
    return chats


async def ask_them_again(bot: Bot, chats: list[int]) -> None:
    """Tells those chats; one that cannot be told now learns it when he answers."""
    for chat_id in chats:
        try:
            await say(bot, chat_id, ask_again())
        except TelegramAPIError as error:
            log.warning("an interrupted chat was not told", error=type(error).__name__)
