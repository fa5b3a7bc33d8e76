"""What every update passes before a conversation sees it."""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from aiogram import BaseMiddleware, Bot
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, Chat, Message, TelegramObject, User

from core.trading.desk import Desk
from core.trading.views import DeskError, TraderView
from handlers.chat import sending
from handlers.chat.deps import ChatDeps
from handlers.chat.phrases import looks_like_key, looks_like_secret
from handlers.chat.sending import answer, delete, say
from handlers.chat.states import SECRET_STATES
from handlers.chat.texts import general, onboarding

Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]

FLOOD_BURST: Final = 20
FLOOD_PER_S: Final = 2.0
MAX_REMEMBERED: Final = 10_000
ADMIN_PREFIX: Final = "admin-"
AT_ONCE: Final = dt.timedelta(0)
NAME_CHARACTERS: Final = 64


def chat_of(event: TelegramObject) -> Chat | None:
    """The chat of a message or of a button's message."""
    if isinstance(event, Message):
        return event.chat
    if isinstance(event, CallbackQuery) and event.message is not None:
        return event.message.chat
    return None


def user_of(event: TelegramObject) -> User | None:
    """Who wrote or tapped."""
    return event.from_user if isinstance(event, Message | CallbackQuery) else None


class PrivateOnly(BaseMiddleware):
    """Groups, channels, other bots and messages on others' behalf are not answered."""

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        chat, user = chat_of(event), user_of(event)
        if user is None or user.is_bot:
            return None
        if chat is not None and (chat.type != "private" or chat.id != user.id):
            return None
        return await handler(event, data)


class StrayPhrase(BaseMiddleware):
    """A secret phrase or private key that nobody asked for is deleted before anything else looks
    at it. With `always` also while one is awaited (edits are never an answer).
    """

    def __init__(self, *, always: bool = False) -> None:
        self._always = always

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        if not isinstance(event, Message):
            return await handler(event, data)
        words = event.text or event.caption or ""
        awaited = data.get("raw_state") in SECRET_STATES and not words.startswith("/")
        if (awaited and not self._always) or not looks_like_secret(words):
            return await handler(event, data)
        bot: Bot = data["bot"]
        deps: ChatDeps = data["deps"]
        deleted = await erase_for_good(bot, deps, event)
        await say(
            bot,
            event.chat.id,
            general.stray_secret(deleted=deleted, key=looks_like_key(words)),
        )
        return None


async def erase_for_good(bot: Bot, deps: ChatDeps, message: Message) -> bool:
    """Deletes a message with a secret; if that fails now it is tried again later."""
    if await delete(bot, message.chat.id, message.message_id):
        return True
    await deps.deletions.schedule(message.chat.id, message.message_id, AT_ONCE)
    return False


@dataclass
class Allowance:
    """How many updates a user may send now."""

    tokens: float
    at: float
    told: bool = False


class FloodGuard(BaseMiddleware):
    """Skips what one user sends too fast; he is told once. What may be a secret always passes, so
    that it is deleted.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._users: OrderedDict[int, Allowance] = OrderedDict()

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        user = user_of(event)
        if user is None or self._may(user.id) or data.get("raw_state") in SECRET_STATES:
            return await handler(event, data)
        allowance = self._users[user.id]
        if isinstance(event, CallbackQuery):
            await answer(event, "Too fast; wait a few seconds.")
        elif not allowance.told:
            allowance.told = True
            await say(data["bot"], user.id, general.too_fast())
        return None

    def _may(self, user_id: int) -> bool:
        now = self._monotonic()
        allowance = self._users.pop(user_id, None) or Allowance(FLOOD_BURST, now)
        self._users[user_id] = allowance
        if len(self._users) > MAX_REMEMBERED:
            self._users.popitem(last=False)
        gained = (now - allowance.at) * FLOOD_PER_S
        allowance.tokens, allowance.at = min(FLOOD_BURST, allowance.tokens + gained), now
        if allowance.tokens < 1:
            return False
        allowance.tokens -= 1
        if allowance.tokens > FLOOD_BURST / 2:
            allowance.told = False
        return True


class KnownTrader(BaseMiddleware):
    """Finds who it is. Those who were not let in see how to be, and reach no conversation."""

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        user = user_of(event)
        assert user is not None
        deps: ChatDeps = data["deps"]
        bot: Bot = data["bot"]
        token = admin_token(event)
        if token is not None:
            trader = await self._use_link(bot, deps.desk, user, token)
        else:
            trader = await deps.desk.trader_of(user.id, name_of(user))
        if trader.role not in ("trader", "admin"):
            await self._wait(bot, event, trader)
            return None
        data["trader"] = trader
        return await handler(event, data)

    async def _use_link(self, bot: Bot, desk: Desk, user: User, token: str) -> TraderView:
        try:
            trader = await desk.use_admin_link(user.id, name_of(user), token)
        except DeskError as error:
            await say(bot, user.id, general.refused(error.text))
            return await desk.trader_of(user.id, name_of(user))
        await say(bot, user.id, onboarding.now_admin())
        return trader

    async def _wait(self, bot: Bot, event: TelegramObject, trader: TraderView) -> None:
        pending = trader.role == "pending"
        if isinstance(event, CallbackQuery):
            await answer(event, "You were not let in yet." if pending else "Not open to you.")
        elif pending:
            await say(bot, trader.telegram_id, onboarding.waiting_for_approval(trader.telegram_id))
        elif trader.role == "refused":
            await say(bot, trader.telegram_id, onboarding.turned_away(trader.telegram_id))


def admin_token(event: TelegramObject) -> str | None:
    """The one-time token of an admin link: /start admin-TOKEN."""
    if not isinstance(event, Message) or not event.text:
        return None
    command, _, payload = event.text.partition(" ")
    if command.partition("@")[0] != "/start" or not payload.startswith(ADMIN_PREFIX):
        return None
    return payload.removeprefix(ADMIN_PREFIX).strip() or None


def name_of(user: User) -> str:
    """What a user calls himself."""
    return user.full_name[:NAME_CHARACTERS]


class CommandsLeave(BaseMiddleware):
    """Any command leaves the conversation that waits for an answer. A preview of an account is
    forgotten with it. `left` tells the handler that there was one.
    """

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        data["left"] = False
        state: FSMContext = data["state"]
        command = isinstance(event, Message) and (event.text or "").startswith("/")
        if command and data.get("raw_state") is not None:
            await leave(state, data["deps"], data["trader"])
            data["raw_state"] = None
            data["left"] = True
        return await handler(event, data)


async def leave(state: FSMContext, deps: ChatDeps, trader: TraderView) -> None:
    """Ends a conversation and drops what it held."""
    token = (await state.get_data()).get("token")
    if token:
        deps.desk.forget_preview(trader, str(token))
    await state.clear()


class TapsAreAnswered(BaseMiddleware):
    """A tap that no handler answered is answered without words: no button spins for ever."""

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        assert isinstance(event, CallbackQuery)
        mark = sending.tap_answered.set(False)
        try:
            return await handler(event, data)
        finally:
            if not sending.tap_answered.get():
                await answer(event)
            sending.tap_answered.reset(mark)
