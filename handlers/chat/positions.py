"""/positions: what is open, and the buttons that close or protect it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Final

from aiogram import Bot, F, Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery, Message

from core.trading.views import DeskError, PositionView, TraderView
from handlers.chat.buttons import MenuButton, PositionButton
from handlers.chat.deps import ChatDeps
from handlers.chat.sending import answer, answer_soon, say, set_keyboard, show
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
