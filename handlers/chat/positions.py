"""/positions: what is open, and the buttons that close or protect it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Final, Literal

from aiogram import Bot, F, Router
from aiogram.filters import Command
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, Message

from core.trading.views import DeskError, PositionView, TraderView
from handlers.chat.buttons import MenuButton, PlanButton, PositionButton
from handlers.chat.deps import ChatDeps
from handlers.chat.parsing import Unreadable, is_nothing, level
from handlers.chat.sending import answer, answer_soon, say, set_keyboard, show
from handlers.chat.states import AdjustingPlan
from handlers.chat.texts import positions as texts
from handlers.chat.texts.screen import Screen
from handlers.chat.texts.signals import card as card_screen

HALF: Final = Decimal("0.5")
WHOLE: Final = Decimal(1)
STALE: Final = frozenset({"position_changed", "position_closed"})
REFUSED_PLAN: Final = frozenset({"price_side", "price_tick"})


def build_router() -> Router:
    """Positions and their plans."""
    router = Router(name=__name__)
    router.message.register(list_command, Command("positions"))
    router.callback_query.register(list_button, MenuButton.filter(F.what == "positions"))
    router.callback_query.register(show_position, PositionButton.filter(F.action == "show"))
    router.callback_query.register(confirm_close, PositionButton.filter(F.action == "close"))
    router.callback_query.register(
        close, PositionButton.filter(F.action.in_({"close_yes", "half"}))
    )
    router.callback_query.register(adjust, PositionButton.filter(F.action == "adjust"))
    for name, state in (
        ("take_profit", AdjustingPlan.take_profit),
        ("stop_loss", AdjustingPlan.stop_loss),
    ):
        router.message.register(take_level, state, F.text)
        router.callback_query.register(
            keep_level, state, PlanButton.filter((F.level == name) & (F.answer != "save"))
        )
    router.callback_query.register(
        save_plan, AdjustingPlan.confirm, PlanButton.filter(F.answer == "save")
    )
    return router


async def _list(deps: ChatDeps, trader: TraderView) -> Screen:
    positions, accounts = await asyncio.gather(
        deps.desk.positions(trader), deps.desk.accounts(trader)
    )
    return texts.position_list(positions, accounts, deps.clock.now())


async def list_command(message: Message, bot: Bot, deps: ChatDeps, trader: TraderView) -> None:
    """/positions"""
    await say(bot, message.chat.id, await _list(deps, trader))


async def list_button(query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView) -> None:
    """The list, from a button."""
    await answer(query)
    await show(bot, query, await _list(deps, trader))


async def _current(
    deps: ChatDeps, position: PositionView, *, card: bool, note: str | None = None
) -> Screen:
    """The screen of the message under which a button was pressed, as it is now."""
    if card and position.signal_id is not None:
        return card_screen(await deps.desk.signal(position.signal_id), deps.nonce())
    return texts.position_screen(position, deps.clock.now(), deps.nonce(), note)


async def show_position(
    query: CallbackQuery,
    bot: Bot,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: PositionButton,
) -> None:
    """A position, or the card it belongs to, as it is now."""
    position = await deps.desk.position(trader, callback_data.position_id)
    await answer(query)
    await show(bot, query, await _current(deps, position, card=callback_data.card))


async def _fresh(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, pressed: PositionButton
) -> PositionView | None:
    """The position if the button was made for how it is now; else shows it and returns None."""
    position = await deps.desk.position(trader, pressed.position_id)
    if position.state == "open" and position.version == pressed.version:
        return position
    await _show_changed(query, bot, deps, trader, pressed)
    return None


async def _show_changed(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, pressed: PositionButton
) -> None:
    await answer(query, texts.CHANGED, alert=True)
    position = await deps.desk.position(trader, pressed.position_id)
    note = None if pressed.card else texts.CHANGED
    await show(bot, query, await _current(deps, position, card=pressed.card, note=note))


async def confirm_close(
    query: CallbackQuery,
    bot: Bot,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: PositionButton,
) -> None:
    """Says what closing would do."""
    position = await _fresh(query, bot, deps, trader, callback_data)
    if position is None:
        return
    await answer(query)
    keyboard = texts.confirm_close_keyboard(position, deps.nonce(), card=callback_data.card)
    await set_keyboard(bot, query, keyboard)


async def close(
    query: CallbackQuery,
    bot: Bot,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: PositionButton,
) -> None:
    """Closes a position or half of it at market; the outcome follows as events."""
    position = await _fresh(query, bot, deps, trader, callback_data)
    if position is None:
        return
    fraction = WHOLE if callback_data.action == "close_yes" else HALF
    key = f"tap:{position.id}:{position.version}:{callback_data.nonce}"
    submit = deps.desk.close_position(trader, position.id, position.version, fraction, key)
    waiting = texts.closing_keyboard(position, fraction, deps.nonce(), card=callback_data.card)
    disabled = asyncio.ensure_future(set_keyboard(bot, query, waiting))
    try:
        await answer_soon(query, submit, "Closing…")
    except DeskError as error:
        await asyncio.wait({disabled})
        if error.code in STALE:
            await _show_changed(query, bot, deps, trader, callback_data)
            return
        await show(bot, query, await _current(deps, position, card=callback_data.card))
        raise
    finally:
        await asyncio.wait({disabled})
    disabled.result()


# take profit and stop loss


async def adjust(
    query: CallbackQuery,
    bot: Bot,
    state: FSMContext,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: PositionButton,
) -> None:
    """Begins the conversation about the plan, in a message of its own."""
    position = await _fresh(query, bot, deps, trader, callback_data)
    if position is None:
        return
    await answer(query)
    await state.set_data({"position_id": position.id, "version": position.version})
    await state.set_state(AdjustingPlan.take_profit)
    await say(bot, query.from_user.id, texts.ask_level(position, stop=False))


async def _position_of(
    bot: Bot, chat_id: int, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> PositionView | None:
    """The position that is talked about; when it has changed it is shown and the talk ends."""
    data = await state.get_data()
    position = await deps.desk.position(trader, int(data["position_id"]))
    if position.state == "open" and position.version == data["version"]:
        return position
    await state.clear()
    await say(bot, chat_id, await _current(deps, position, card=False, note=texts.CHANGED))
    return None


async def take_level(
    message: Message, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> None:
    """A price or percentage, typed."""
    position = await _position_of(bot, message.chat.id, state, deps, trader)
    if position is None:
        return
    stop = await state.get_state() == AdjustingPlan.stop_loss.state
    try:
        value = (
            None
            if is_nothing(message.text or "")
            else level(
                message.text or "",
                entry=position.entry_price,
                tick=position.tick_size,
                long=position.side == "LONG",
                stop=stop,
            )
        )
    except Unreadable as error:
        await say(bot, message.chat.id, texts.level_refused(error.text, position, stop=stop))
        return
    await say(bot, message.chat.id, await _next_question(state, position, value, stop=stop))


async def keep_level(
    query: CallbackQuery,
    bot: Bot,
    state: FSMContext,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: PlanButton,
) -> None:
    """[Keep] or [No target] instead of typing."""
    await answer(query)
    position = await _position_of(bot, query.from_user.id, state, deps, trader)
    if position is None:
        return
    stop = await state.get_state() == AdjustingPlan.stop_loss.state
    current = position.stop_loss if stop else position.take_profit
    value = current if callback_data.answer == "keep" else None
    await show(bot, query, await _next_question(state, position, value, stop=stop))


async def _next_question(
    state: FSMContext, position: PositionView, value: Decimal | None, *, stop: bool
) -> Screen:
    name: Literal["stop_loss", "take_profit"] = "stop_loss" if stop else "take_profit"
    data = await state.update_data({name: None if value is None else str(value)})
    if not stop:
        await state.set_state(AdjustingPlan.stop_loss)
        return texts.ask_level(position, stop=True)
    await state.set_state(AdjustingPlan.confirm)
    take_profit = data.get("take_profit")
    return texts.confirm_plan(position, Decimal(take_profit) if take_profit else None, value)


async def save_plan(
    query: CallbackQuery, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> None:
    """Stores the plan as it was shown."""
    position = await _position_of(bot, query.from_user.id, state, deps, trader)
    if position is None:
        await answer(query, texts.CHANGED)
        return
    data = await state.get_data()
    take_profit, stop_loss = data.get("take_profit"), data.get("stop_loss")
    await state.clear()
    try:
        saved = await deps.desk.adjust_protection(
            trader,
            position.id,
            position.version,
            Decimal(take_profit) if take_profit else None,
            Decimal(stop_loss) if stop_loss else None,
        )
    except DeskError as error:
        await answer(query)
        if error.code in REFUSED_PLAN:
            await state.set_data({"position_id": position.id, "version": position.version})
            await state.set_state(AdjustingPlan.take_profit)
            await show(bot, query, texts.level_refused(error.text, position, stop=False))
            return
        if error.code in STALE:
            current = await deps.desk.position(trader, position.id)
            await show(bot, query, await _current(deps, current, card=False, note=texts.CHANGED))
            return
        raise
    await answer(query, "Saved.")
    await show(bot, query, texts.plan_saved(saved))
