"""/limits and /zone: what may be traded how much, and where a day begins."""

from __future__ import annotations

from typing import Any

from aiogram import Bot, F, Router
from aiogram.filters import Command
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, Message

from core.trading.risk.limits import Mode, ScopeKind
from core.trading.views import DeskError, TraderView
from handlers.chat.buttons import LimitButton, RiskButton
from handlers.chat.deps import ChatDeps
from handlers.chat.sending import answer, say, show
from handlers.chat.states import ChoosingZone, SettingLimit
from handlers.chat.texts import limits as texts
from handlers.chat.texts.screen import Screen


def build_router() -> Router:
    """Limits, modes and zones."""
    router = Router(name=__name__)
    router.message.register(list_command, Command("limits"))
    router.message.register(zone_command, Command("zone"))
    by_button: dict[str, Any] = {
        "list": list_button,
        "zone": zone_button,
        "show": show_scope,
        "edit": edit_menu,
        "reduce": reduce_only,
        "halt": confirm_halt,
        "halt_yes": halt,
        "resume": confirm_resume,
        "resume_yes": resume,
    }
    for do, handler in by_button.items():
        router.callback_query.register(handler, RiskButton.filter(F.do == do))
    router.callback_query.register(ask_value, LimitButton.filter())
    router.message.register(take_value, SettingLimit.value, F.text)
    router.message.register(take_zone, ChoosingZone.zone, F.text)
    return router


async def _list(deps: ChatDeps, trader: TraderView) -> Screen:
    return texts.scope_list(await deps.desk.risk_scopes(trader), await deps.desk.zone(trader))


async def list_command(message: Message, bot: Bot, deps: ChatDeps, trader: TraderView) -> None:
    """/limits"""
    await say(bot, message.chat.id, await _list(deps, trader))


async def list_button(query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView) -> None:
    """The list, from a button."""
    await answer(query)
    await show(bot, query, await _list(deps, trader))


async def show_scope(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: RiskButton
) -> None:
    """One scope with its limits."""
    view = await deps.desk.risk_scope(trader, ScopeKind(callback_data.kind), callback_data.ref)
    await answer(query)
    await show(bot, query, texts.scope_screen(view))


async def edit_menu(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: RiskButton
) -> None:
    """Which limit is to change."""
    view = await deps.desk.risk_scope(trader, ScopeKind(callback_data.kind), callback_data.ref)
    await answer(query)
    await show(bot, query, texts.edit_menu(view))


async def ask_value(
    query: CallbackQuery,
    bot: Bot,
    state: FSMContext,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: LimitButton,
) -> None:
    """Asks for one limit."""
    view = await deps.desk.risk_scope(trader, ScopeKind(callback_data.kind), callback_data.ref)
    await answer(query)
    await state.set_data(callback_data.model_dump())
    await state.set_state(SettingLimit.value)
    await show(bot, query, texts.ask_value(view, callback_data.field))


async def take_value(
    message: Message, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> None:
    """Stores the limit; one that cannot be used is asked for again."""
    asked = LimitButton.model_validate(await state.get_data())
    try:
        view = await deps.desk.change_limit(
            trader, ScopeKind(asked.kind), asked.ref, asked.field, message.text or ""
        )
    except DeskError as error:
        if error.code not in ("value_invalid", "symbol_unknown"):
            await state.clear()
            raise
        await say(bot, message.chat.id, texts.value_refused(error.text, asked.field))
        return
    await state.clear()
    await say(bot, message.chat.id, texts.edit_menu(view))


# modes


async def reduce_only(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: RiskButton
) -> None:
    """Nothing new is opened; what waits in the book stays."""
    kind = ScopeKind(callback_data.kind)
    view = await deps.desk.set_risk_mode(trader, kind, callback_data.ref, Mode.REDUCING)
    await answer(query, "Only reduces now.")
    await show(bot, query, texts.scope_screen(view))


async def confirm_halt(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: RiskButton
) -> None:
    """Says what halting does."""
    view = await deps.desk.risk_scope(trader, ScopeKind(callback_data.kind), callback_data.ref)
    await answer(query)
    await show(bot, query, texts.confirm_halt(view))


async def halt(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: RiskButton
) -> None:
    """Halts a scope."""
    kind = ScopeKind(callback_data.kind)
    view = await deps.desk.set_risk_mode(trader, kind, callback_data.ref, Mode.HALTED)
    await answer(query, "Halted.")
    await show(bot, query, texts.scope_screen(view))


async def confirm_resume(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: RiskButton
) -> None:
    """Says what resuming means for the limit that was reached."""
    view = await deps.desk.risk_scope(trader, ScopeKind(callback_data.kind), callback_data.ref)
    await answer(query)
    screen = texts.confirm_resume(view) if view.resumable else texts.scope_screen(view)
    await show(bot, query, screen)


async def resume(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: RiskButton
) -> None:
    """Opens a scope again."""
    view = await deps.desk.resume_risk(trader, ScopeKind(callback_data.kind), callback_data.ref)
    await answer(query, "Resumed.")
    await show(bot, query, texts.scope_screen(view))


# zones


async def zone_command(
    message: Message, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> None:
    """/zone"""
    await state.set_state(ChoosingZone.zone)
    await say(bot, message.chat.id, texts.ask_zone(await deps.desk.zone(trader)))


async def zone_button(
    query: CallbackQuery, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> None:
    """The same, from a button."""
    await answer(query)
    await state.set_state(ChoosingZone.zone)
    await show(bot, query, texts.ask_zone(await deps.desk.zone(trader)))


async def take_zone(
    message: Message, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> None:
    """Stores the zone; one that is not known is asked for again."""
    try:
        zone = await deps.desk.set_zone(trader, message.text or "")
    except DeskError as error:
        if error.code != "zone_unknown":
            await state.clear()
            raise
        await say(bot, message.chat.id, texts.zone_refused(error.text))
        return
    await state.clear()
    await say(bot, message.chat.id, texts.zone_saved(zone))
