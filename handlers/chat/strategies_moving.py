"""Moving a strategy to another account or network."""

from __future__ import annotations

from aiogram import Bot, F, Router
from aiogram.types import CallbackQuery

from core.trading.views import AccountView, DeskError, TraderView
from handlers.chat.buttons import MoveButton, StrategyButton
from handlers.chat.deps import ChatDeps
from handlers.chat.sending import answer, show
from handlers.chat.texts import strategy_moving as texts


def build_router() -> Router:
    """Which account, whether really, then the move."""
    router = Router(name=__name__)
    router.callback_query.register(ask_account, StrategyButton.filter(F.action == "move"))
    router.callback_query.register(move, MoveButton.filter(F.sure))
    router.callback_query.register(confirm, MoveButton.filter())
    return router


async def ask_account(
    query: CallbackQuery,
    bot: Bot,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: StrategyButton,
) -> None:
    """The accounts that it may be moved to."""
    strategy = await deps.desk.strategy(trader, callback_data.strategy_id)
    await answer(query)
    await show(bot, query, texts.ask_account(strategy, await deps.desk.accounts(trader)))


async def confirm(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: MoveButton
) -> None:
    """Says where the next alert would trade."""
    strategy = await deps.desk.strategy(trader, callback_data.strategy_id)
    account = await _account(deps, trader, callback_data.account_id)
    await answer(query)
    await show(bot, query, texts.confirm_move(strategy, account))


async def move(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: MoveButton
) -> None:
    """Moves it; a second tap finds it there."""
    strategy_id, account_id = callback_data.strategy_id, callback_data.account_id
    try:
        strategy = await deps.desk.move_strategy(trader, strategy_id, account_id)
    except DeskError as error:
        if error.code != "same_account":
            raise
        strategy = await deps.desk.strategy(trader, strategy_id)
    await answer(query, "Moved.")
    await show(bot, query, texts.moved(strategy))


async def _account(deps: ChatDeps, trader: TraderView, account_id: int) -> AccountView:
    for account in await deps.desk.accounts(trader):
        if account.id == account_id:
            return account
    raise DeskError("unknown_account", "This account is not connected any more.")
