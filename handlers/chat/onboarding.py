"""/start and connecting an account: network, then paper in one tap or a phrase by conversation."""

from __future__ import annotations

from aiogram import Bot, F, Router
from aiogram.filters import CommandStart
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, Message

from core.trading.views import DeskError, TraderView
from handlers.chat.buttons import MenuButton, NetworkButton, PreviewButton
from handlers.chat.deps import ChatDeps
from handlers.chat.middlewares import erase_for_good
from handlers.chat.sending import answer, edit, say, set_keyboard, show
from handlers.chat.states import Connecting
from handlers.chat.strategies import first_strategy
from handlers.chat.texts import onboarding as texts


def build_router() -> Router:
    """From /start to the first strategy."""
    router = Router(name=__name__)
    router.message.register(start, CommandStart())
    router.callback_query.register(connect, MenuButton.filter(F.what == "connect"))
    router.callback_query.register(open_paper, NetworkButton.filter(F.network == "paper"))
    router.callback_query.register(ask_phrase, NetworkButton.filter())
    router.message.register(take_phrase, Connecting.phrase)
    router.callback_query.register(confirm, Connecting.confirm, PreviewButton.filter(F.yes))
    router.callback_query.register(reject, Connecting.confirm, PreviewButton.filter())
    router.message.register(words_instead_of_tap, Connecting.confirm)
    return router


async def start(message: Message, bot: Bot, deps: ChatDeps, trader: TraderView) -> None:
    """/start: the choice of a network, or the menu of somebody who has an account."""
    networks = deps.desk.networks()
    if await deps.desk.accounts(trader):
        screen = texts.welcome_back(networks, admin=trader.role == "admin")
    else:
        screen = texts.welcome(networks)
    await say(bot, message.chat.id, screen)


async def connect(query: CallbackQuery, bot: Bot, deps: ChatDeps) -> None:
    """Another account."""
    await answer(query)
    await show(bot, query, texts.connect(deps.desk.networks()))


async def open_paper(query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView) -> None:
    """One tap: an account is made and funded, and its first strategy with it."""
    await answer(query, "Opening…")
    for account in await deps.desk.accounts(trader):
        if account.network == "paper":
            await show(bot, query, texts.paper_exists(account))
            if not await deps.desk.strategies(trader):  # a restart came between the two
                await first_strategy(bot, query.from_user.id, deps, trader, account)
            return
    shown = await show(bot, query, texts.opening_paper())
    chat_id = query.from_user.id
    try:
        account = await deps.desk.open_paper_account(trader)
    except DeskError:
        await edit(bot, chat_id, shown, texts.welcome(deps.desk.networks()))
        raise
    await edit(bot, chat_id, shown, texts.paper_ready(account))
    await first_strategy(bot, chat_id, deps, trader, account)


async def ask_phrase(
    query: CallbackQuery, bot: Bot, state: FSMContext, callback_data: NetworkButton, deps: ChatDeps
) -> None:
    """Says what the phrase can do and waits for it."""
    if callback_data.network not in deps.desk.networks():
        await answer(query, "This network is not offered.")
        return
    await answer(query)
    await state.set_data({"network": callback_data.network})
    await state.set_state(Connecting.phrase)
    await show(bot, query, texts.ask_phrase(callback_data.network))


async def take_phrase(
    message: Message, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> None:
    """Deletes the message before anything else is done with it, then looks the account up."""
    deleted = await erase_for_good(bot, deps, message)
    chat_id = message.chat.id
    if not message.text:
        await say(bot, chat_id, texts.phrase_needs_text(deleted=deleted))
        return
    network = (await state.get_data())["network"]
    shown = (await say(bot, chat_id, texts.looking_up(deleted=deleted))).message_id
    try:
        found = await deps.desk.preview_phrase(trader, network, message.text)
    except DeskError as error:
        await edit(bot, chat_id, shown, texts.phrase_refused(error.text, deleted=deleted))
        return
    await state.set_data({"network": network, "token": found.token})
    await state.set_state(Connecting.confirm)
    await edit(bot, chat_id, shown, texts.preview(found, deleted=deleted))


async def confirm(
    query: CallbackQuery, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> None:
    """Yes, this account: its key is sealed and the first strategy made."""
    await answer(query, "Connecting…")
    await set_keyboard(bot, query, None)
    data = await state.get_data()
    try:
        account = await deps.desk.confirm_phrase(trader, str(data.get("token", "")))
    except DeskError as error:
        if error.code != "preview_gone":
            await state.clear()
            raise
        await ask_phrase_again(bot, query.from_user.id, state, str(data["network"]))
        return
    await state.clear()
    await show(bot, query, texts.connected(account))
    await first_strategy(bot, query.from_user.id, deps, trader, account)


async def ask_phrase_again(bot: Bot, chat_id: int, state: FSMContext, network: str) -> None:
    """The phrase is not in memory any more: it is asked for once more."""
    await state.set_data({"network": network})
    await state.set_state(Connecting.phrase)
    await say(bot, chat_id, texts.ask_again())


async def reject(
    query: CallbackQuery, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> None:
    """No, another one."""
    await answer(query)
    data = await state.get_data()
    deps.desk.forget_preview(trader, str(data.get("token", "")))
    await state.set_data({"network": data["network"]})
    await state.set_state(Connecting.phrase)
    await show(bot, query, texts.preview_rejected())


async def words_instead_of_tap(message: Message, bot: Bot, deps: ChatDeps) -> None:
    """Words while a tap is awaited may be the phrase again: they go, too."""
    deleted = await erase_for_good(bot, deps, message)
    await say(bot, message.chat.id, texts.tap_instead(deleted=deleted))
