"""For admins: letting people in."""

from __future__ import annotations

from aiogram import Bot, Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery, Message

from core.trading.views import TraderView
from handlers.chat.buttons import AccessButton
from handlers.chat.deps import ChatDeps
from handlers.chat.sending import answer, say, set_keyboard, show
from handlers.chat.texts import admin as texts
from handlers.chat.texts.events import access_settled


def build_router() -> Router:
    """Requests to be let in."""
    router = Router(name=__name__)
    router.message.register(requests, Command("requests"))
    router.callback_query.register(answer_access, AccessButton.filter())
    return router


async def requests(message: Message, bot: Bot, deps: ChatDeps, trader: TraderView) -> None:
    """/requests"""
    if trader.role != "admin":
        await say(bot, message.chat.id, texts.not_admin())
        return
    waiting = await deps.desk.pending_traders(trader)
    await say(bot, message.chat.id, texts.requests(waiting))


async def answer_access(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: AccessButton
) -> None:
    """Lets somebody in or turns him away; he is told by the desk's event."""
    waiting = {one.id for one in await deps.desk.pending_traders(trader)}
    if callback_data.asker_id not in waiting:
        await answer(query, "This was answered already.", alert=True)
        await set_keyboard(bot, query, None)
        return
    asker = await deps.desk.answer_access(trader, callback_data.asker_id, callback_data.granted)
    await answer(query, "Let in." if callback_data.granted else "Declined.")
    await show(bot, query, access_settled(asker))
