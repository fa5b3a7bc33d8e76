"""/help, /cancel, and what to say to anything else."""

from __future__ import annotations

from aiogram import Bot, F, Router
from aiogram.filters import Command
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, ChatMemberUpdated, Message

from core.trading.views import TraderView
from handlers.chat.buttons import CancelButton
from handlers.chat.deps import ChatDeps
from handlers.chat.middlewares import leave
from handlers.chat.sending import answer, say, show
from handlers.chat.texts import general


def build_router() -> Router:
    """Help and leaving."""
    router = Router(name=__name__)

    @router.message(Command("help"))
    async def help_command(message: Message, bot: Bot, trader: TraderView) -> None:
        await say(bot, message.chat.id, general.help_screen(admin=trader.role == "admin"))

    @router.message(Command("cancel"))
    async def cancel_command(message: Message, bot: Bot, left: bool) -> None:
        await say(bot, message.chat.id, general.cancelled(something=left))

    @router.callback_query(CancelButton.filter())
    async def cancel_button(
        query: CallbackQuery, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
    ) -> None:
        await answer(query)
        await leave(state, deps, trader)
        await show(bot, query, general.cancelled(something=True))

    return router


def build_fallback_router() -> Router:
    """Comes last: what nobody else took."""
    router = Router(name=f"{__name__}.fallback")

    @router.my_chat_member(F.chat.type == "private")
    async def blocked_or_back(event: ChatMemberUpdated, deps: ChatDeps) -> None:
        """The trader blocked the bot, or lets it write again."""
        user = event.from_user
        trader = await deps.desk.trader_of(user.id, user.full_name[:64])
        await deps.note_reachable(trader.id, event.new_chat_member.status == "member")

    @router.message(F.text)
    async def unknown_text(message: Message, bot: Bot) -> None:
        await say(bot, message.chat.id, general.hint())

    @router.message(F.pinned_message)
    async def pinned(message: Message) -> None:
        """Pinning is reported as a message; there is nothing to say to it."""

    @router.message()
    async def not_text(message: Message, bot: Bot) -> None:
        await say(bot, message.chat.id, general.text_only())

    @router.callback_query()
    async def unknown_button(query: CallbackQuery) -> None:
        await answer(query, general.stale_button())

    return router
