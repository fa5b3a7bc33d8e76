"""What a strategy does with its alerts and how it reads them: mode, format, sync, aliases."""

from __future__ import annotations

from typing import Any

from aiogram import Bot, F, Router
from aiogram.types import CallbackQuery

from core.signals.body import NAMES
from core.trading.desk import StrategyChange
from core.trading.views import TraderView
from handlers.chat.buttons import ModeButton, PresetButton, StrategyButton, UnaliasButton
from handlers.chat.deps import ChatDeps
from handlers.chat.sending import answer, show
from handlers.chat.strategies_screen import page, screen_of
from handlers.chat.texts import strategy_modes as texts
from handlers.chat.texts.strategy_aliases import alias_list, mark_of


def build_router() -> Router:
    """Pages below a strategy's own."""
    router = Router(name=__name__)
    by_action: dict[str, Any] = {
        "modes": page(texts.mode_screen),
        "alerts": page(texts.alerts_screen),
        "presets": page(lambda strategy: texts.preset_screen(strategy, NAMES)),
        "template": show_template,
        "sync": page(texts.sync_screen),
        "sync_on": switch_sync,
        "sync_off": switch_sync,
        "aliases": page(alias_list),
    }
    for action, handler in by_action.items():
        router.callback_query.register(handler, StrategyButton.filter(F.action == action))
    router.callback_query.register(set_mode, ModeButton.filter())
    router.callback_query.register(choose_preset, PresetButton.filter())
    router.callback_query.register(remove_alias, UnaliasButton.filter())
    return router


async def set_mode(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: ModeButton
) -> None:
    """Another mode, or out of a pause; a second tap changes nothing."""
    mode = callback_data.mode
    strategy = await deps.desk.set_strategy_mode(trader, callback_data.strategy_id, mode)
    await answer(query, texts.TOASTS[mode])
    await show(bot, query, await screen_of(deps, trader, strategy))


async def choose_preset(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: PresetButton
) -> None:
    """Another form: its message is shown, to be pasted into the alert."""
    change = StrategyChange(preset=callback_data.preset)
    strategy = await deps.desk.change_strategy(trader, callback_data.strategy_id, change)
    await answer(query, f"Format: {texts.preset_name(strategy.preset)}.")
    template = await deps.desk.alert_template(trader, strategy.id)
    await show(bot, query, texts.template_screen(strategy, template, deps.public_url_problem()))


async def show_template(
    query: CallbackQuery,
    bot: Bot,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: StrategyButton,
) -> None:
    """The message again, without the secret."""
    strategy = await deps.desk.strategy(trader, callback_data.strategy_id)
    await answer(query)
    template = await deps.desk.alert_template(trader, strategy.id)
    await show(bot, query, texts.template_screen(strategy, template, deps.public_url_problem()))


async def switch_sync(
    query: CallbackQuery,
    bot: Bot,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: StrategyButton,
) -> None:
    """Sync on or off; a second tap changes nothing."""
    on = callback_data.action == "sync_on"
    change = StrategyChange(sync=on)
    strategy = await deps.desk.change_strategy(trader, callback_data.strategy_id, change)
    await answer(query, "Sync is on." if on else "Sync is off.")
    await show(bot, query, texts.sync_screen(strategy))


async def remove_alias(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: UnaliasButton
) -> None:
    """A symbol has no meaning any more; a second tap finds none to remove."""
    strategy = await deps.desk.strategy(trader, callback_data.strategy_id)
    named = [one for one, _ in strategy.aliases if mark_of(one) == callback_data.mark]
    if len(named) != 1:
        await answer(query, "This alias was removed already.")
    else:
        strategy = await deps.desk.remove_alias(trader, strategy.id, named[0])
        await answer(query, "Removed.")
    await show(bot, query, alias_list(strategy))
