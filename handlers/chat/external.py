"""What was made by hand: the buttons that give it to a strategy."""

from __future__ import annotations

from aiogram import Bot, F, Router
from aiogram.types import CallbackQuery

from core.trading.views import DeskError, PositionView, TraderView
from handlers.chat.deps import ChatDeps
from handlers.chat.external_buttons import AdoptButton
from handlers.chat.sending import answer, show
from handlers.chat.texts import external as texts
from handlers.chat.texts import positions as position_texts
from handlers.chat.texts.screen import Screen, lines

STALE = frozenset({"position_changed", "position_closed", "nothing_by_hand"})


def build_router() -> Router:
    """Adopting positions."""
    router = Router(name=__name__)
    router.callback_query.register(ask, AdoptButton.filter(F.step == "ask"))
    router.callback_query.register(choose, AdoptButton.filter(F.step == "choose"))
    router.callback_query.register(adopt, AdoptButton.filter(F.step == "sure"))
    return router


def _screen(deps: ChatDeps, position: PositionView, note: str | None = None) -> Screen:
    return position_texts.position_screen(position, deps.clock.now(), deps.nonce(), note)


async def _fresh(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, pressed: AdoptButton
) -> PositionView | None:
    """The position if it is as the button's message shows it; else shows it and returns None."""
    position = await deps.desk.position(trader, pressed.position_id)
    if position.state == "open" and position.version == pressed.version:
        return position
    await _show_changed(query, bot, deps, position)
    return None


async def _show_changed(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, position: PositionView
) -> None:
    await answer(query, position_texts.CHANGED, alert=True)
    await show(bot, query, _screen(deps, position, position_texts.CHANGED))


async def ask(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: AdoptButton
) -> None:
    """Which strategy shall have it."""
    position = await _fresh(query, bot, deps, trader, callback_data)
    if position is None:
        return
    adopters = await deps.desk.adopters(trader, position.id)
    await answer(query)
    await show(bot, query, texts.ask_adopter(position, adopters))


async def choose(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: AdoptButton
) -> None:
    """What it would mean; a strategy whose limits or plan forbid it is refused here."""
    position = await _fresh(query, bot, deps, trader, callback_data)
    if position is None:
        return
    adopter = await deps.desk.check_adoption(trader, position.id, callback_data.strategy_id)
    strategy = await deps.desk.strategy(trader, adopter.strategy_id)
    await answer(query)
    await show(bot, query, texts.confirm_adoption(position, strategy))


async def adopt(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: AdoptButton
) -> None:
    """Gives it to the strategy."""
    pressed = callback_data
    try:
        await deps.desk.adopt_position(
            trader, pressed.position_id, pressed.version, pressed.strategy_id
        )
    except DeskError as error:
        if error.code not in STALE:
            raise
        position = await deps.desk.position(trader, pressed.position_id)
        await _show_changed(query, bot, deps, position)
        return
    strategy = await deps.desk.strategy(trader, pressed.strategy_id)
    position = await deps.desk.position(trader, pressed.position_id)
    await answer(query, "Adopted.")
    shown = _screen(deps, position)
    head = texts.adopted(position, strategy.name)
    await show(bot, query, Screen(lines(head, shown.content), shown.keyboard))
