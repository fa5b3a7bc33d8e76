"""/start and connecting an account: network, way, then paper in one tap, a key or a phrase."""

from __future__ import annotations

from aiogram import Bot, F, Router
from aiogram.filters import CommandStart
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, Message

from core.trading.views import DeskError, TraderView
from handlers.chat.buttons import MenuButton, NetworkButton, PreviewButton, WayButton
from handlers.chat.deps import ChatDeps
from handlers.chat.keys import offer_for_phrase
from handlers.chat.middlewares import erase_for_good
from handlers.chat.sending import answer, edit, say, set_keyboard, show
from handlers.chat.states import Connecting
from handlers.chat.strategies import first_strategy
from handlers.chat.texts import keys as key_texts
from handlers.chat.texts import onboarding as texts


def build_router() -> Router:
    """From /start to the first strategy."""
    router = Router(name=__name__)
    router.message.register(start, CommandStart())
    router.callback_query.register(connect, MenuButton.filter(F.what == "connect"))
    router.callback_query.register(open_paper, NetworkButton.filter(F.network == "paper"))
    router.callback_query.register(choose_way, NetworkButton.filter())
    router.callback_query.register(choose_way, WayButton.filter(F.way == "choose"))
    router.callback_query.register(explain_ways, WayButton.filter(F.way == "why"))
    router.callback_query.register(ask_trading_key, WayButton.filter(F.way == "key"))
    router.callback_query.register(ask_phrase, WayButton.filter())
    router.message.register(take_trading_key, Connecting.trading_key)
    router.message.register(take_phrase, Connecting.phrase)
    router.callback_query.register(confirm, Connecting.confirm, PreviewButton.filter(F.yes))
    router.callback_query.register(reject, Connecting.confirm, PreviewButton.filter())
    router.message.register(words_instead_of_tap, Connecting.confirm)
    router.message.register(words_instead_of_tap, Connecting.offer)
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


async def _offered(
    query: CallbackQuery, deps: ChatDeps, callback_data: NetworkButton | WayButton
) -> bool:
    if callback_data.network in deps.desk.networks():
        return True
    await answer(query, "This network is not offered.")
    return False


async def choose_way(
    query: CallbackQuery,
    bot: Bot,
    state: FSMContext,
    callback_data: NetworkButton | WayButton,
    deps: ChatDeps,
    trader: TraderView,
) -> None:
    """A trading key, a phrase used once, or a phrase whose key is kept."""
    if not await _offered(query, deps, callback_data):
        return
    await answer(query)
    await forget(state, deps, trader)
    await show(bot, query, key_texts.ways(callback_data.network))


async def forget(state: FSMContext, deps: ChatDeps, trader: TraderView) -> None:
    """Leaves what was begun, and drops the key of it."""
    token = (await state.get_data()).get("token")
    if token:
        deps.desk.forget_preview(trader, str(token))
    await state.clear()


async def explain_ways(query: CallbackQuery, bot: Bot, callback_data: WayButton) -> None:
    """What each way stores."""
    await answer(query)
    await show(bot, query, key_texts.difference(callback_data.network))


async def ask_trading_key(
    query: CallbackQuery, bot: Bot, state: FSMContext, callback_data: WayButton, deps: ChatDeps
) -> None:
    """Waits for a trading key and the address of its account."""
    if not await _offered(query, deps, callback_data):
        return
    await answer(query)
    await state.set_data({"network": callback_data.network, "way": "key"})
    await state.set_state(Connecting.trading_key)
    await show(bot, query, key_texts.ask_key(callback_data.network))


async def ask_phrase(
    query: CallbackQuery, bot: Bot, state: FSMContext, callback_data: WayButton, deps: ChatDeps
) -> None:
    """Says what the phrase can do and waits for it."""
    if not await _offered(query, deps, callback_data):
        return
    await answer(query)
    await state.set_data({"network": callback_data.network, "way": callback_data.way})
    await state.set_state(Connecting.phrase)
    once = callback_data.way == "once"
    await show(bot, query, texts.ask_phrase(callback_data.network, once=once))


async def take_phrase(
    message: Message, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> None:
    """Deletes the message before anything else is done with it, then looks the account up."""
    deleted = await erase_for_good(bot, deps, message)
    chat_id = message.chat.id
    if not message.text:
        await say(bot, chat_id, texts.secret_needs_text(deleted=deleted))
        return
    data = await state.get_data()
    network = data["network"]
    shown = (await say(bot, chat_id, texts.looking_up(deleted=deleted))).message_id
    try:
        if data.get("way") == "once":
            await offer_for_phrase(bot, chat_id, shown, state, deps, trader, message.text, deleted)
            return
        found = await deps.desk.preview_phrase(trader, network, message.text)
    except DeskError as error:
        await edit(bot, chat_id, shown, texts.phrase_refused(error.text, deleted=deleted))
        return
    await state.set_data({**data, "token": found.token})
    await state.set_state(Connecting.confirm)
    await edit(bot, chat_id, shown, texts.preview(found, deleted=deleted))


async def take_trading_key(
    message: Message, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> None:
    """Deletes the message first; then has the chain say what the key can do."""
    deleted = await erase_for_good(bot, deps, message)
    chat_id = message.chat.id
    if not message.text:
        await say(bot, chat_id, texts.secret_needs_text(deleted=deleted))
        return
    data = await state.get_data()
    line = texts.deletion_line(deleted=deleted)
    shown = (await say(bot, chat_id, texts.looking_up(deleted=deleted))).message_id
    try:
        found = await deps.desk.preview_trading_key(
            trader, data["network"], message.text, data.get("address")
        )
    except DeskError as error:
        address = deps.desk.address_in(message.text) if error.code == "key_missing" else None
        if address is not None:
            await state.set_data({**data, "address": address})
            await edit(bot, chat_id, shown, key_texts.address_noted(address))
            return
        await edit(bot, chat_id, shown, key_texts.key_refused(error.text, deleted_line=line))
        return
    await state.set_data({**data, "token": found.token})
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
        account = await deps.desk.confirm_preview(trader, str(data.get("token", "")))
    except DeskError as error:
        if error.code != "preview_gone":
            await state.clear()
            raise
        await ask_secret_again(bot, query.from_user.id, state, data)
        return
    await state.clear()
    await show(bot, query, texts.connected(account))
    await first_strategy(bot, query.from_user.id, deps, trader, account)


async def ask_secret_again(
    bot: Bot, chat_id: int, state: FSMContext, data: dict[str, object]
) -> None:
    """The phrase or key is not in memory any more: it is asked for once more."""
    key = await wait_again(state, data)
    await say(bot, chat_id, texts.ask_again(key=key))


async def wait_again(state: FSMContext, data: dict[str, object]) -> bool:
    """Back to waiting for the secret; True when that is a trading key."""
    key = data.get("way") == "key"
    await state.set_data({"network": data["network"], "way": data.get("way", "keep")})
    await state.set_state(Connecting.trading_key if key else Connecting.phrase)
    return key


async def reject(
    query: CallbackQuery, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> None:
    """No, another one."""
    await answer(query)
    data = await state.get_data()
    deps.desk.forget_preview(trader, str(data.get("token", "")))
    key = await wait_again(state, data)
    await show(bot, query, texts.preview_rejected(key=key))


async def words_instead_of_tap(message: Message, bot: Bot, deps: ChatDeps) -> None:
    """Words while a tap is awaited may be the secret again: they go, too."""
    deleted = await erase_for_good(bot, deps, message)
    await say(bot, message.chat.id, texts.tap_instead(deleted=deleted))
