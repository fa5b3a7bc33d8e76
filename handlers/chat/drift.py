"""Sync and Ignore: where a strategy and its chart stand apart."""

from __future__ import annotations

from aiogram import Bot, F, Router
from aiogram.types import CallbackQuery

from core.trading.views import DeskError, TraderView
from handlers.chat.deps import ChatDeps
from handlers.chat.drift_buttons import SyncButton
from handlers.chat.sending import answer, say, show
from handlers.chat.texts import drift as texts


def build_router() -> Router:
    """Differences between chart and chain."""
    router = Router(name=__name__)
    router.callback_query.register(sync, SyncButton.filter(F.action == "sync"))
    router.callback_query.register(ignore, SyncButton.filter(F.action == "ignore"))
    return router


async def sync(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: SyncButton
) -> None:
    """Brings the strategy to where its chart stands; the message that showed it stays, as it may
    name other strategies too.
    """
    view = await deps.desk.chart_by_id(trader, callback_data.chart_id)
    key = f"sync:{view.id}:{callback_data.nonce}"
    try:
        asked = await deps.desk.sync_strategy(trader, view.strategy_id, view.ticker, key)
    except DeskError as error:
        if error.code != "in_sync":
            raise
        await answer(query, error.text, alert=True)
        return
    await answer(query, "Syncing…")
    if deps.once.first(key):
        await say(bot, query.from_user.id, texts.syncing(asked))


async def ignore(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: SyncButton
) -> None:
    """Leaves it as it is."""
    view = await deps.desk.chart_by_id(trader, callback_data.chart_id)
    kept = await deps.desk.ignore_drift(trader, view.strategy_id, view.ticker)
    await answer(query, "Left as it is.")
    await show(bot, query, texts.ignored(kept))
