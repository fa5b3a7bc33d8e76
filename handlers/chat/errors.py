"""What a trader is told when something could not be done, and what the log keeps of it: never any
content.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Final

import structlog
from aiogram import Bot, Router
from aiogram.exceptions import (
    TelegramAPIError,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramRetryAfter,
)
from aiogram.types import ErrorEvent, Update

from core.trading.views import DeskError
from handlers.chat.deps import ChatDeps
from handlers.chat.sending import answer, say
from handlers.chat.texts import general
from handlers.chat.texts.screen import Screen

UNREACHABLE: Final = (TelegramForbiddenError, TelegramNetworkError, TelegramRetryAfter)

log = structlog.get_logger(__name__)


def place_of(error: BaseException) -> str:
    """Where an error arose: file and line, without any value."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "unknown"
    ours = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"


def build_router() -> Router:
    """The last resort of all conversations."""
    router = Router(name=__name__)

    @router.error()
    async def on_error(event: ErrorEvent, bot: Bot, deps: ChatDeps) -> bool:
        """Says what the desk refused, or that something broke, with a number for the operator."""
        error = event.exception
        if isinstance(error, DeskError):
            await _tell(bot, event.update, general.refused(error.text))
            return True
        error_id = deps.random.token_bytes(3).hex().upper()
        log.error(
            "chat handler failed",
            error_id=error_id,
            error=type(error).__name__,
            at=place_of(error),
            update_id=event.update.update_id,
        )
        if not isinstance(error, UNREACHABLE):
            await _tell(bot, event.update, general.failed(error_id))
        return True

    return router


async def _tell(bot: Bot, update: Update, screen: Screen) -> None:
    query, message = update.callback_query, update.message
    try:
        if query is not None:
            await answer(query)
            await say(bot, query.from_user.id, screen)
        elif message is not None:
            await say(bot, message.chat.id, screen)
    except TelegramAPIError as error:
        log.warning("an error message was not delivered", error=type(error).__name__)
