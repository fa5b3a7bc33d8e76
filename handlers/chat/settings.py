"""/settings: what holds for all accounts of a trader."""

from __future__ import annotations

from aiogram import Bot, F, Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery, Message

from core.trading.views import TraderView
from handlers.chat.buttons import SettingButton
from handlers.chat.deps import ChatDeps
from handlers.chat.sending import answer, say, show
from handlers.chat.texts import settings as texts
from handlers.chat.texts.screen import Screen


def build_router() -> Router:
    """Settings of a trader."""
    router = Router(name=__name__)
    router.message.register(settings_command, Command("settings"))
    router.callback_query.register(settings_button, SettingButton.filter(F.what == "show"))
    router.callback_query.register(set_mock, SettingButton.filter())
    return router


async def _settings(deps: ChatDeps, trader: TraderView) -> Screen:
    return texts.settings_screen(mock=await deps.desk.mock_when_unreachable(trader))


async def settings_command(message: Message, bot: Bot, deps: ChatDeps, trader: TraderView) -> None:
    """/settings"""
    await say(bot, message.chat.id, await _settings(deps, trader))


async def settings_button(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView
) -> None:
    """The settings, from a button."""
    await answer(query)
    await show(bot, query, await _settings(deps, trader))


async def set_mock(
    query: CallbackQuery,
    bot: Bot,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: SettingButton,
) -> None:
    """Mock orders on or off; a second tap changes nothing."""
    on = callback_data.what == "mock"
    await deps.desk.set_mock_when_unreachable(trader, on)
    await answer(query, "Mock orders are on." if on else "Mock orders are off.")
    await show(bot, query, await _settings(deps, trader))
