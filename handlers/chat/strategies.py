"""/strategies: making, showing and deleting them; their secrets."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from aiogram import Bot, F, Router
from aiogram.filters import Command, CommandObject
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, InlineKeyboardMarkup, Message

from core.trading.views import AccountView, DeskError, NewSecret, TraderView
from handlers.chat import strategies_alerts, strategies_moving, strategies_values
from handlers.chat.buttons import AccountButton, MenuButton, SecretButton, StrategyButton
from handlers.chat.deps import ChatDeps
from handlers.chat.sending import answer, delete, edit, say, set_keyboard, show
from handlers.chat.states import NamingStrategy
from handlers.chat.strategies_screen import screen_of
from handlers.chat.texts import strategies as texts
from handlers.chat.texts import strategy_secrets as secrets
from handlers.chat.texts.general import refused
from handlers.chat.texts.screen import Screen, dead_button

SECRET_SHOWN_FOR: Final = dt.timedelta(minutes=15)
FIRST_NAME: Final = "main"


def build_router() -> Router:
    """Making, showing, changing and deleting strategies."""
    router = Router(name=__name__)
    router.message.register(list_command, Command("strategies"))
    router.message.register(one_command, Command("strategy"))
    router.callback_query.register(list_button, MenuButton.filter(F.what == "strategies"))
    router.callback_query.register(ask_name, AccountButton.filter(F.action == "strategy"))
    router.message.register(take_name, NamingStrategy.name, F.text)
    router.callback_query.register(copied, SecretButton.filter())
    by_action: dict[str, Any] = {
        "show": show_strategy,
        "test": send_test,
        "rotate": confirm_rotate,
        "rotate_yes": rotate,
        "delete": confirm_delete,
        "delete_yes": delete_strategy,
    }
    for action, handler in by_action.items():
        router.callback_query.register(handler, StrategyButton.filter(F.action == action))
    router.include_routers(
        strategies_values.build_router(),
        strategies_alerts.build_router(),
        strategies_moving.build_router(),
    )
    return router


# making one


async def first_strategy(
    bot: Bot, chat_id: int, deps: ChatDeps, trader: TraderView, account: AccountView
) -> None:
    """A strategy for a new account, named main or the next free name like it."""
    names = {strategy.name for strategy in await deps.desk.strategies(trader)}
    name = FIRST_NAME
    for number in range(2, len(names) + 2):
        if name not in names:
            break
        name = f"{FIRST_NAME}-{number}"
    await make_and_show(bot, chat_id, deps, trader, account.id, name)


async def make_and_show(
    bot: Bot, chat_id: int, deps: ChatDeps, trader: TraderView, account_id: int, name: str
) -> None:
    """Makes a strategy and shows its secret, once."""
    shown = await reserve_secret_message(bot, chat_id, deps, name)
    try:
        made = await deps.desk.create_strategy(trader, account_id, name)
    except DeskError as error:
        await edit(bot, chat_id, shown, texts.name_refused(error.text))
        await deps.deletions.done(chat_id, shown)
        raise
    await show_secret(bot, chat_id, shown, deps, made, renewed=False)


async def reserve_secret_message(bot: Bot, chat_id: int, deps: ChatDeps, name: str) -> int:
    """Sends the message that will hold a secret and stores when it is to go, before the secret is
    in it: so no crash leaves one behind.
    """
    shown = (await say(bot, chat_id, secrets.preparing(name))).message_id
    await deps.deletions.schedule(chat_id, shown, SECRET_SHOWN_FOR)
    return shown


async def show_secret(
    bot: Bot, chat_id: int, message_id: int, deps: ChatDeps, made: NewSecret, *, renewed: bool
) -> None:
    """Puts the secret into its message."""
    screen = secrets.secret_screen(made, deps.nonce(), deps.public_url_problem(), renewed=renewed)
    await edit(bot, chat_id, message_id, screen)


async def ask_name(
    query: CallbackQuery, bot: Bot, state: FSMContext, callback_data: AccountButton
) -> None:
    """The name of a new strategy for an account."""
    await answer(query)
    await state.set_data({"account_id": callback_data.account_id})
    await state.set_state(NamingStrategy.name)
    await show(bot, query, texts.ask_name())


async def take_name(
    message: Message, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> None:
    """Makes the strategy; a name that cannot be used is asked for again."""
    account_id = int((await state.get_data())["account_id"])
    try:
        await make_and_show(
            bot, message.chat.id, deps, trader, account_id, (message.text or "").strip()
        )
    except DeskError as error:
        if error.code not in ("name_taken", "name_invalid"):
            await state.clear()
            await say(bot, message.chat.id, refused(error.text))
        return
    await state.clear()


# looking at them


async def _list(deps: ChatDeps, trader: TraderView) -> Screen:
    strategies = await deps.desk.strategies(trader)
    accounts = await deps.desk.accounts(trader)
    return texts.strategy_list(strategies, has_account=bool(accounts))


async def list_command(message: Message, bot: Bot, deps: ChatDeps, trader: TraderView) -> None:
    """/strategies"""
    await say(bot, message.chat.id, await _list(deps, trader))


async def list_button(query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView) -> None:
    """The list, from a button."""
    await answer(query)
    await show(bot, query, await _list(deps, trader))


async def one_command(
    message: Message, bot: Bot, deps: ChatDeps, trader: TraderView, command: CommandObject
) -> None:
    """/strategy NAME"""
    wanted = (command.args or "").strip()
    for strategy in await deps.desk.strategies(trader):
        if strategy.name == wanted:
            await say(bot, message.chat.id, await screen_of(deps, trader, strategy))
            return
    await say(bot, message.chat.id, await _list(deps, trader))


async def show_strategy(
    query: CallbackQuery,
    bot: Bot,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: StrategyButton,
) -> None:
    """One strategy."""
    strategy = await deps.desk.strategy(trader, callback_data.strategy_id)
    await answer(query)
    await show(bot, query, await screen_of(deps, trader, strategy))


async def copied(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: SecretButton
) -> None:
    """[Copied, delete]: the message with the secret goes."""
    strategy = await deps.desk.strategy(trader, callback_data.strategy_id)
    await answer(query, "Deleting…")
    chat_id = query.from_user.id
    if query.message is not None:
        message_id = query.message.message_id
        if await delete(bot, chat_id, message_id):
            await deps.deletions.done(chat_id, message_id)
        else:
            await deps.deletions.schedule(chat_id, message_id, dt.timedelta(0))
    await say(bot, chat_id, secrets.secret_deleted(strategy))


async def send_test(
    query: CallbackQuery,
    bot: Bot,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: StrategyButton,
) -> None:
    """An alert from the inside; once per keyboard."""
    strategy = await deps.desk.strategy(trader, callback_data.strategy_id)
    await answer(query, "Sending…")
    await set_keyboard(bot, query, _without_test(query))
    key = f"test:{callback_data.strategy_id}:{callback_data.nonce}"
    outcome = await deps.desk.send_test_alert(trader, callback_data.strategy_id, key)
    await say(bot, query.from_user.id, secrets.test_sent(strategy, outcome))


def _without_test(query: CallbackQuery) -> InlineKeyboardMarkup | None:
    """The keyboard that was pressed, with the pressed button disabled."""
    message = query.message
    if not isinstance(message, Message) or message.reply_markup is None:
        return None
    rows = [
        [dead_button("Test sent") if one.callback_data == query.data else one for one in row]
        for row in message.reply_markup.inline_keyboard
    ]
    return InlineKeyboardMarkup(inline_keyboard=rows)


# changing them


async def confirm_rotate(
    query: CallbackQuery,
    bot: Bot,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: StrategyButton,
) -> None:
    """Before the secret changes."""
    strategy = await deps.desk.strategy(trader, callback_data.strategy_id)
    await answer(query)
    await show(bot, query, secrets.confirm_rotate(strategy, deps.nonce()))


async def rotate(
    query: CallbackQuery,
    bot: Bot,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: StrategyButton,
) -> None:
    """A new secret; the old one is refused from now on."""
    strategy = await deps.desk.strategy(trader, callback_data.strategy_id)
    if not deps.once.first(f"{trader.id}:{query.data}"):
        await answer(query, "A new secret was made already.")
        return
    await answer(query, "Making a new secret…")
    chat_id = query.from_user.id
    await show(bot, query, await screen_of(deps, trader, strategy))
    shown = await reserve_secret_message(bot, chat_id, deps, strategy.name)
    made = await deps.desk.rotate_secret(trader, callback_data.strategy_id)
    await show_secret(bot, chat_id, shown, deps, made, renewed=True)


async def confirm_delete(
    query: CallbackQuery,
    bot: Bot,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: StrategyButton,
) -> None:
    """Before a strategy goes."""
    strategy = await deps.desk.strategy(trader, callback_data.strategy_id)
    await answer(query)
    await show(bot, query, texts.confirm_delete(strategy, deps.nonce()))


async def delete_strategy(
    query: CallbackQuery,
    bot: Bot,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: StrategyButton,
) -> None:
    """Its webhook ends for good."""
    strategy = await deps.desk.strategy(trader, callback_data.strategy_id)
    await deps.desk.delete_strategy(trader, callback_data.strategy_id)
    await answer(query, "Deleted.")
    await show(bot, query, texts.deleted(strategy))
