"""/accounts: what is connected, and disconnecting it."""

from __future__ import annotations

from aiogram import Bot, F, Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery, Message

from core.trading.views import AccountView, DeskError, TraderView, WithoutStopRoom
from handlers.chat.buttons import AccountButton, MenuButton
from handlers.chat.deps import ChatDeps
from handlers.chat.sending import answer, say, show
from handlers.chat.texts import accounts as texts
from handlers.chat.texts.account_settings import settings_screen
from handlers.chat.texts.key_work import progress
from handlers.chat.texts.screen import Screen


def build_router() -> Router:
    """Accounts of a trader."""
    router = Router(name=__name__)
    router.message.register(list_command, Command("accounts"))
    router.callback_query.register(list_button, MenuButton.filter(F.what == "accounts"))
    router.callback_query.register(show_account, AccountButton.filter(F.action == "show"))
    router.callback_query.register(
        confirm_disconnect, AccountButton.filter(F.action == "disconnect")
    )
    router.callback_query.register(disconnect, AccountButton.filter(F.action == "erase"))
    router.callback_query.register(show_settings, AccountButton.filter(F.action == "settings"))
    router.callback_query.register(
        set_sharing, AccountButton.filter(F.action.in_({"share", "share_not"}))
    )
    router.callback_query.register(
        set_stop_room, AccountButton.filter(F.action.in_({"room_refuse", "room_watch"}))
    )
    return router


async def list_command(message: Message, bot: Bot, deps: ChatDeps, trader: TraderView) -> None:
    """/accounts"""
    await say(bot, message.chat.id, await _list(deps, trader))


async def list_button(query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView) -> None:
    """The list, from a button."""
    await answer(query)
    await show(bot, query, await _list(deps, trader))


async def _list(deps: ChatDeps, trader: TraderView) -> Screen:
    """Accounts, and the keys that are on their way."""
    accounts = await deps.desk.accounts(trader)
    return texts.account_list(accounts, await deps.desk.open_key_work(trader))


async def _account(deps: ChatDeps, trader: TraderView, account_id: int) -> AccountView:
    for account in await deps.desk.accounts(trader):
        if account.id == account_id:
            return account
    raise DeskError("unknown_account", "This account is not connected.")


async def show_account(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: AccountButton
) -> None:
    """One account."""
    account = await _account(deps, trader, callback_data.account_id)
    await answer(query)
    await show(bot, query, texts.account_screen(account))


async def confirm_disconnect(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: AccountButton
) -> None:
    """Before the key is erased."""
    account = await _account(deps, trader, callback_data.account_id)
    await answer(query)
    await show(bot, query, texts.confirm_disconnect(account))


async def disconnect(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: AccountButton
) -> None:
    """Cancels its orders, then erases the key; the end is told as a message of its own."""
    await answer(query, "Disconnecting…")
    shown = query.message.message_id if query.message is not None else None
    work = await deps.desk.disconnect_account(trader, callback_data.account_id, shown)
    await show(bot, query, progress(work))


async def show_settings(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: AccountButton
) -> None:
    """What its trader decides of an account."""
    account = await _account(deps, trader, callback_data.account_id)
    await answer(query)
    await show(bot, query, settings_screen(account))


async def set_sharing(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: AccountButton
) -> None:
    """Whether several strategies may hold one market; a second tap changes nothing."""
    sharing = callback_data.action == "share"
    account = await deps.desk.set_sharing(trader, callback_data.account_id, sharing)
    await answer(query, "Sharing is on." if sharing else "Sharing is off.")
    await show(bot, query, settings_screen(account))


async def set_stop_room(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: AccountButton
) -> None:
    """What becomes of an entry whose stop cannot rest on chain; a second tap changes nothing."""
    choice: WithoutStopRoom = "watch" if callback_data.action == "room_watch" else "refuse"
    account = await deps.desk.set_without_stop_room(trader, callback_data.account_id, choice)
    await answer(query, "Saved.")
    await show(bot, query, settings_screen(account))
