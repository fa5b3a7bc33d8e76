"""/panic: everything cancelled, everything closed, everything halted, after one confirmation."""

from __future__ import annotations

from aiogram import Bot, F, Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery, Message

from core.trading.views import DeskError, TraderView
from handlers.chat.buttons import PanicButton
from handlers.chat.deps import ChatDeps
from handlers.chat.sending import answer, say, set_keyboard, show
from handlers.chat.texts import panic as texts
from handlers.chat.texts.general import refused
from handlers.chat.texts.screen import Screen


def build_router() -> Router:
    """Panic and "close all"."""
    router = Router(name=__name__)
    router.message.register(panic_command, Command("panic"))
    router.callback_query.register(ask, PanicButton.filter(F.do.in_({"ask", "close_all"})))
    router.callback_query.register(begin, PanicButton.filter(F.do.in_({"yes", "close_all_yes"})))
    router.callback_query.register(resume, PanicButton.filter(F.do == "resume"))
    router.callback_query.register(keep, PanicButton.filter(F.do == "keep"))
    return router


async def _question(deps: ChatDeps, trader: TraderView, *, house: bool) -> Screen:
    preview = await deps.desk.panic_preview(trader, house=house)
    if house:
        return texts.confirm_house(preview, deps.nonce())
    return texts.confirm(preview, deps.nonce(), admin=trader.role == "admin")


async def panic_command(message: Message, bot: Bot, deps: ChatDeps, trader: TraderView) -> None:
    """/panic"""
    await say(bot, message.chat.id, await _question(deps, trader, house=False))


async def ask(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: PanicButton
) -> None:
    """Says what will be done."""
    if callback_data.do == "close_all":
        preview = await deps.desk.panic_preview(trader)
        screen = texts.confirm_close_all(preview, deps.nonce())
    else:
        screen = await _question(deps, trader, house=callback_data.house)
    await answer(query)
    await show(bot, query, screen)


async def begin(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: PanicButton
) -> None:
    """Begins it; this message shows the progress from here on. A second tap changes nothing."""
    message_id = query.message.message_id if query.message is not None else None
    key = str(callback_data.nonce)
    try:
        if callback_data.do == "close_all_yes":
            view = await deps.desk.close_all(trader, key, message_id)
        else:
            view = await deps.desk.panic(trader, key, message_id, house=callback_data.house)
    except DeskError as error:
        await answer(query)
        await show(bot, query, refused(error.text))
        return
    await answer(query, "Closing…" if callback_data.do == "close_all_yes" else "Stopping…")
    await show(bot, query, texts.progress(view))


async def resume(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: PanicButton
) -> None:
    """Opens what the panic halted; the message with the proofs stays."""
    scopes = await deps.desk.resume_after_panic(trader, house=callback_data.house)
    await answer(query, "Resumed." if scopes else None)
    await set_keyboard(bot, query, None)
    await say(bot, query.from_user.id, texts.resumed(scopes, house=callback_data.house))


async def keep(query: CallbackQuery, bot: Bot) -> None:
    """Nothing is done."""
    await answer(query)
    await show(bot, query, texts.kept())
