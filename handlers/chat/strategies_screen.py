"""The page of a strategy, as several conversations end with it, and the plain pages below it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiogram import Bot
from aiogram.types import CallbackQuery

from core.trading.views import StrategyView, TraderView
from handlers.chat.buttons import StrategyButton
from handlers.chat.deps import ChatDeps
from handlers.chat.sending import answer, show
from handlers.chat.texts.screen import Screen
from handlers.chat.texts.strategies import strategy_screen


async def screen_of(deps: ChatDeps, trader: TraderView, strategy: StrategyView) -> Screen:
    """A strategy with fresh buttons."""
    result = await deps.desk.strategy_result(trader, strategy.id)
    return strategy_screen(strategy, deps.nonce(), deps.public_url_problem(), result)


def page(render: Callable[[StrategyView], Screen]) -> Callable[..., Awaitable[None]]:
    """The handler of a button that only shows something of its strategy."""

    async def shown(
        query: CallbackQuery,
        bot: Bot,
        deps: ChatDeps,
        trader: TraderView,
        callback_data: StrategyButton,
    ) -> None:
        strategy = await deps.desk.strategy(trader, callback_data.strategy_id)
        await answer(query)
        await show(bot, query, render(strategy))

    return shown
