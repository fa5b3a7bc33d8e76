"""/status"""

from __future__ import annotations

from aiogram import Bot, F, Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery, Message

from core.trading.views import TraderView
from handlers.chat.buttons import MenuButton
from handlers.chat.deps import ChatDeps
from handlers.chat.sending import answer, say, show
from handlers.chat.texts.status import status_screen


def build_router() -> Router:
    """What works right now."""
    router = Router(name=__name__)

    @router.message(Command("status"))
    async def status_command(
        message: Message, bot: Bot, deps: ChatDeps, trader: TraderView
    ) -> None:
        status = await deps.desk.status(trader)
        await say(bot, message.chat.id, status_screen(status, deps.clock.now()))

    @router.callback_query(MenuButton.filter(F.what == "status"))
    async def status_button(
        query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView
    ) -> None:
        await answer(query)
        status = await deps.desk.status(trader)
        await show(bot, query, status_screen(status, deps.clock.now()))

    return router
