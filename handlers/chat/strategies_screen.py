"""The page of a strategy, as several conversations end with it."""

from __future__ import annotations

from core.trading.views import StrategyView, TraderView
from handlers.chat.deps import ChatDeps
from handlers.chat.texts.screen import Screen
from handlers.chat.texts.strategies import strategy_screen


async def screen_of(deps: ChatDeps, trader: TraderView, strategy: StrategyView) -> Screen:
    """A strategy with fresh buttons."""
    result = await deps.desk.strategy_result(trader, strategy.id)
    return strategy_screen(strategy, deps.nonce(), deps.public_url_problem(), result)
