"""The dispatcher: conversations in their order, and what every update passes before them."""

from __future__ import annotations

from typing import Final

from aiogram import BaseMiddleware, Bot, Dispatcher
from aiogram.dispatcher.event.telegram import TelegramEventObserver
from aiogram.types import BotCommand, BotCommandScopeAllPrivateChats

from handlers.chat import (
    accounts,
    admin,
    drift,
    errors,
    external,
    keys,
    limits,
    onboarding,
    orders,
    panic,
    plans,
    positions,
    settings,
    signals,
    status,
    strategies,
)
from handlers.chat import help as helping
from handlers.chat.deps import ChatDeps
from handlers.chat.middlewares import (
    CommandsLeave,
    FloodGuard,
    KnownTrader,
    PrivateOnly,
    StrayPhrase,
    TapsAreAnswered,
)
from handlers.chat.storage import ChatIsolation, LedgerStorage
from handlers.chat.texts.general import COMMANDS

ALLOWED_UPDATES: Final = ("message", "edited_message", "callback_query", "my_chat_member")


def build_dispatcher(deps: ChatDeps) -> Dispatcher:
    """A dispatcher with all conversations; feed it updates one by one, in order per chat."""
    dispatcher = Dispatcher(
        storage=LedgerStorage(deps.conversations, deps.clock),
        events_isolation=ChatIsolation(),
        deps=deps,
    )
    flood = FloodGuard(deps.clock.monotonic)
    layers: tuple[tuple[TelegramEventObserver, tuple[BaseMiddleware, ...]], ...] = (
        (
            dispatcher.message,
            (PrivateOnly(), StrayPhrase(), flood, KnownTrader(), CommandsLeave()),
        ),
        (dispatcher.edited_message, (PrivateOnly(), StrayPhrase(always=True))),
        (dispatcher.callback_query, (PrivateOnly(), TapsAreAnswered(), flood, KnownTrader())),
    )
    for observer, middlewares in layers:
        for middleware in middlewares:
            observer.outer_middleware(middleware)
    dispatcher.include_routers(
        helping.build_router(),
        onboarding.build_router(),
        keys.build_router(),
        accounts.build_router(),
        strategies.build_router(),
        signals.build_router(),
        settings.build_router(),
        positions.build_router(),
        plans.build_router(),
        orders.build_router(),
        external.build_router(),
        limits.build_router(),
        panic.build_router(),
        drift.build_router(),
        status.build_router(),
        admin.build_router(),
        helping.build_fallback_router(),
        errors.build_router(),
    )
    return dispatcher


async def publish_commands(bot: Bot) -> bool:
    """Tells Telegram the list of commands, only if it has another; True when it was told."""
    wanted = [
        BotCommand(command=name, description=text) for name, text in (("start", "Begin"), *COMMANDS)
    ]
    scope = BotCommandScopeAllPrivateChats()
    known = await bot.get_my_commands(scope=scope)
    if [(one.command, one.description) for one in known] == [
        (one.command, one.description) for one in wanted
    ]:
        return False
    await bot.set_my_commands(wanted, scope=scope)
    return True
