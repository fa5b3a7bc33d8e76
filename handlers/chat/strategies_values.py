"""The values of a strategy: size, plan and limits, each a short conversation."""

from __future__ import annotations

from aiogram import Bot, F, Router
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, Message

from core.trading.views import DeskError, TraderView
from handlers.chat.buttons import FieldButton, StrategyButton
from handlers.chat.deps import ChatDeps
from handlers.chat.parsing import Unreadable
from handlers.chat.sending import answer, say, show
from handlers.chat.states import EditingStrategy
from handlers.chat.strategies_parsing import emptied, strategy_value
from handlers.chat.strategies_screen import page
from handlers.chat.texts import strategy_values as texts

ASKED_AGAIN = frozenset({"value_invalid", "symbol_unknown", "stop_missing", "target_missing"})


def build_router() -> Router:
    """From the menu of values to the changed one."""
    router = Router(name=__name__)
    router.callback_query.register(page(texts.edit_menu), StrategyButton.filter(F.action == "edit"))
    router.callback_query.register(empty_value, FieldButton.filter(F.empty))
    router.callback_query.register(ask_value, FieldButton.filter())
    router.message.register(take_value, EditingStrategy.value, F.text)
    return router


async def ask_value(
    query: CallbackQuery,
    bot: Bot,
    state: FSMContext,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: FieldButton,
) -> None:
    """Asks for one value."""
    strategy = await deps.desk.strategy(trader, callback_data.strategy_id)
    await answer(query)
    await state.set_data({"strategy_id": strategy.id, "field": callback_data.field})
    await state.set_state(EditingStrategy.value)
    await show(bot, query, texts.ask_value(strategy, callback_data.field))


async def empty_value(
    query: CallbackQuery,
    bot: Bot,
    state: FSMContext,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: FieldButton,
) -> None:
    """The value shall be none: a tap instead of the word."""
    field = callback_data.field
    try:
        change = emptied(field)
        strategy = await deps.desk.change_strategy(trader, callback_data.strategy_id, change)
    except Unreadable as error:
        await answer(query, error.text, alert=True)
        return
    except DeskError as error:
        if error.code not in ASKED_AGAIN:
            raise
        await answer(query)
        refusal = texts.value_refused(error.text, field, callback_data.strategy_id)
        await show(bot, query, refusal)
        return
    await answer(query, "Saved.")
    await state.clear()
    await show(bot, query, texts.edit_menu(strategy))


async def take_value(
    message: Message, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> None:
    """Stores the value; one that cannot be used is asked for again."""
    data = await state.get_data()
    field, strategy_id = str(data["field"]), int(data["strategy_id"])
    try:
        change = strategy_value(field, message.text or "")
        strategy = await deps.desk.change_strategy(trader, strategy_id, change)
    except Unreadable as error:
        await say(bot, message.chat.id, texts.value_refused(error.text, field, strategy_id))
        return
    except DeskError as error:
        if error.code not in ASKED_AGAIN:
            await state.clear()
            raise
        await say(bot, message.chat.id, texts.value_refused(error.text, field, strategy_id))
        return
    await state.clear()
    await say(bot, message.chat.id, texts.edit_menu(strategy))
