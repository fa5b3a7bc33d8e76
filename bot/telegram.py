"""The connection to Telegram: one bot, its base URL, and a pace that Telegram accepts.

Limits: about 30 messages a second overall, about one a second in a chat with short bursts, edits
counted like messages; 429 names the seconds to wait (core.telegram.org/bots/faq).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiogram import Bot
from aiogram.client.default import DefaultBotProperties
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.session.middlewares.base import (
    BaseRequestMiddleware,
    NextRequestMiddlewareType,
)
from aiogram.client.telegram import PRODUCTION, TelegramAPIServer
from aiogram.exceptions import TelegramNetworkError, TelegramRetryAfter, TelegramServerError
from aiogram.methods import Response, TelegramMethod
from aiogram.methods.base import TelegramType

from core.clock import Clock

log = structlog.get_logger(__name__)

OVERALL_PER_S: Final = 25.0
OVERALL_BURST: Final = 25
CHAT_PER_S: Final = 1.0
CHAT_BURST: Final = 3
PATIENCE_S: Final = 5.0
REQUEST_TIMEOUT_S: Final = 15.0
MAX_CHATS: Final = 10_000

PACED: Final = frozenset(
    {
        "sendMessage",
        "sendPhoto",
        "sendDocument",
        "editMessageText",
        "editMessageReplyMarkup",
        "editMessageCaption",
        "editMessageMedia",
    }
)
REPEATABLE: Final = frozenset(
    {
        "editMessageText",
        "editMessageReplyMarkup",
        "deleteMessage",
        "answerCallbackQuery",
        "getMe",
        "getMyCommands",
        "setMyCommands",
        "setWebhook",
        "deleteWebhook",
    }
)
# What waits for nothing: deleting a secret, and ending the spinner on a button.
URGENT: Final = frozenset({"deleteMessage", "answerCallbackQuery"})


@dataclass
class Bucket:
    """Tokens that grow with time; below zero is a queue."""

    tokens: float
    at: float

    def take(self, now: float, per_s: float, burst: int) -> float:
        """Takes one token and returns the seconds until it is there."""
        self.tokens = min(float(burst), self.tokens + (now - self.at) * per_s) - 1
        self.at = now
        return max(0.0, -self.tokens / per_s)


class Pace(BaseRequestMiddleware):
    """Holds requests back as Telegram asks.

    A 429 freezes its chat, and everything when a second chat is refused meanwhile. Short waits are
    waited for, longer ones raise TelegramRetryAfter at once, without asking Telegram again. What
    may be repeated without harm is tried once more after a network failure.
    """

    def __init__(self, clock: Clock, on_slow_down: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        self._on_slow_down = on_slow_down
        self._overall = Bucket(OVERALL_BURST, clock.monotonic())
        self._chats: OrderedDict[int, Bucket] = OrderedDict()
        self._frozen: dict[int, float] = {}
        self._all_frozen_until = 0.0

    async def __call__(
        self,
        make_request: NextRequestMiddlewareType[TelegramType],
        bot: Bot,
        method: TelegramMethod[TelegramType],
    ) -> Response[TelegramType]:
        name = method.__api_method__
        if name == "getUpdates":
            return await make_request(bot, method)
        chat_id = _chat_of(method)
        await self._wait_turn(method, name, chat_id)
        try:
            return await self._asked(make_request, bot, method, name)
        except TelegramRetryAfter as error:
            self._freeze(chat_id, error.retry_after)
            if error.retry_after > PATIENCE_S:
                raise
        await self._wait_turn(method, name, chat_id)
        try:
            return await make_request(bot, method)
        except TelegramRetryAfter as error:
            self._freeze(chat_id, error.retry_after)
            raise

    async def _asked(
        self,
        make_request: NextRequestMiddlewareType[TelegramType],
        bot: Bot,
        method: TelegramMethod[TelegramType],
        name: str,
    ) -> Response[TelegramType]:
        try:
            return await make_request(bot, method)
        except (TelegramNetworkError, TelegramServerError):
            if name not in REPEATABLE:
                raise
        await self._clock.sleep(0.5)
        return await make_request(bot, method)

    async def _wait_turn(self, method: TelegramMethod[Any], name: str, chat_id: int | None) -> None:
        frozen_for = 0.0 if name in URGENT else self._frozen_for(chat_id)
        if frozen_for > PATIENCE_S:
            raise TelegramRetryAfter(method, "held back here", int(frozen_for) + 1)
        if frozen_for > 0:
            await self._clock.sleep(frozen_for)
        if name not in PACED:
            return
        now = self._clock.monotonic()
        wait = self._overall.take(now, OVERALL_PER_S, OVERALL_BURST)
        if chat_id is not None:
            wait = max(wait, self._bucket(chat_id, now).take(now, CHAT_PER_S, CHAT_BURST))
        if wait > 0:
            await self._clock.sleep(wait)

    def _bucket(self, chat_id: int, now: float) -> Bucket:
        bucket = self._chats.pop(chat_id, None) or Bucket(CHAT_BURST, now)
        self._chats[chat_id] = bucket
        if len(self._chats) > MAX_CHATS:
            self._chats.popitem(last=False)
        return bucket

    def _frozen_for(self, chat_id: int | None) -> float:
        now = self._clock.monotonic()
        until = self._all_frozen_until
        if chat_id is not None:
            until = max(until, self._frozen.get(chat_id, 0.0))
        return max(0.0, until - now)

    def _freeze(self, chat_id: int | None, retry_after: float) -> None:
        now = self._clock.monotonic()
        until = now + retry_after
        self._frozen = {chat: end for chat, end in self._frozen.items() if end > now}
        if chat_id is None or any(chat != chat_id for chat in self._frozen):
            self._all_frozen_until = max(self._all_frozen_until, until)
        if chat_id is not None:
            self._frozen[chat_id] = max(self._frozen.get(chat_id, 0.0), until)
        self._on_slow_down()
        log.warning("Telegram asked to slow down", seconds=retry_after, chat=chat_id is not None)


def _chat_of(method: TelegramMethod[Any]) -> int | None:
    chat_id = getattr(method, "chat_id", None)
    return chat_id if isinstance(chat_id, int) else None


def create_bot(
    token: str,
    clock: Clock,
    api_url: str | None = None,
    on_slow_down: Callable[[], None] = lambda: None,
) -> Bot:
    """The bot with its own HTTP session; close it with `await bot.session.close()`.

    `api_url`: base URL of another Bot API server. Raises aiogram's TokenValidationError for what
    cannot be a token.
    """
    api = TelegramAPIServer.from_base(api_url) if api_url else PRODUCTION
    session = AiohttpSession(api=api, timeout=REQUEST_TIMEOUT_S)
    session.middleware(Pace(clock, on_slow_down))
    return Bot(
        token,
        session=session,
        default=DefaultBotProperties(link_preview_is_disabled=True),
    )
