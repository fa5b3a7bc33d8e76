"""Answers to signals: one that was not carried out yet, one whose symbol is not known."""

from __future__ import annotations

from uuid import UUID

from aiogram import Bot, F, Router
from aiogram.types import CallbackQuery

from core.trading.views import DeskError, SignalView, TraderView
from handlers.chat.buttons import AliasButton, SignalButton
from handlers.chat.deps import ChatDeps
from handlers.chat.sending import answer, answer_soon, say, set_keyboard
from handlers.chat.texts.events import signal_mocked
from handlers.chat.texts.signals import SETTLED, ask_keyboard, executing_keyboard
from handlers.chat.texts.strategy_aliases import alias_made


def build_router() -> Router:
    """[Execute], [Ignore] and the nearest markets."""
    router = Router(name=__name__)
    router.callback_query.register(execute, SignalButton.filter(F.do == "execute"))
    router.callback_query.register(ignore, SignalButton.filter(F.do == "ignore"))
    router.callback_query.register(show_mock, SignalButton.filter(F.do == "show"))
    router.callback_query.register(make_alias, AliasButton.filter())
    return router


async def _own(deps: ChatDeps, trader: TraderView, signal_id: UUID) -> SignalView:
    signal = await deps.desk.signal(signal_id)
    if signal.trader_id != trader.id:
        raise DeskError("unknown_signal", "This signal does not exist.")
    return signal


async def execute(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: SignalButton
) -> None:
    """Carries out a signal that was not; what comes of it shows on its card."""
    signal = await _own(deps, trader, callback_data.signal_id)
    await set_keyboard(bot, query, executing_keyboard())
    key = f"execute:{signal.id}"
    try:
        await answer_soon(query, deps.desk.execute_signal(trader, signal.id, key), "Executing…")
    except DeskError as error:
        await _refused(query, bot, deps, signal, error)


async def ignore(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: SignalButton
) -> None:
    """Lets a signal go that was not carried out."""
    signal = await _own(deps, trader, callback_data.signal_id)
    try:
        await answer_soon(query, deps.desk.ignore_signal(trader, signal.id), "Ignored.")
    except DeskError as error:
        await _refused(query, bot, deps, signal, error)
        return
    await set_keyboard(bot, query, None)


async def show_mock(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: SignalButton
) -> None:
    """What was only noted, with its buttons, as a new message."""
    signal = await _own(deps, trader, callback_data.signal_id)
    if signal.state != "mock":
        await answer(query, SETTLED, alert=True)
        return
    await answer(query)
    await say(bot, query.from_user.id, signal_mocked(signal))


async def _refused(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, signal: SignalView, error: DeskError
) -> None:
    """Says why not; the buttons stay as long as they mean something."""
    await answer(query, error.text, alert=True)
    await set_keyboard(bot, query, ask_keyboard(await deps.desk.signal(signal.id)))


async def make_alias(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: AliasButton
) -> None:
    """Gives the unknown symbol a meaning for next time; the alert itself stays refused."""
    signal = await _own(deps, trader, callback_data.signal_id)
    if callback_data.choice >= len(signal.nearest):
        raise DeskError("alias_invalid", "This market was not offered for the alert.")
    ticker = signal.nearest[callback_data.choice]
    strategy = await deps.desk.add_alias(trader, signal.id, ticker)
    await answer(query, "Noted for next time.")
    await set_keyboard(bot, query, None)
    await say(bot, query.from_user.id, alias_made(strategy, signal.symbol, ticker))
