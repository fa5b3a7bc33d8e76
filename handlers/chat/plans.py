"""Adjust: the conversation about a position's plan, one part at a time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from aiogram import Bot, F, Router
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, Message

from core.signals.alert import Level
from core.trading.plan import (
    break_even_from_json,
    break_even_json,
    level_from_json,
    level_json,
    level_price,
    trailing_from_json,
    trailing_json,
)
from core.trading.plan_change import (
    EvenAt,
    PlaceAgain,
    PlanChange,
    StopTo,
    TargetTo,
    ToEntry,
    TrailBy,
)
from core.trading.views import DeskError, PositionView, TargetView, TraderView
from handlers.chat.buttons import PlanAnswer, PlanButton, PlanPart, PositionButton
from handlers.chat.deps import ChatDeps
from handlers.chat.parsing import Unreadable, is_nothing
from handlers.chat.plan_parsing import break_even_rule, stop_level, target_level, trailing_rule
from handlers.chat.sending import answer, say, show
from handlers.chat.states import AdjustingPlan
from handlers.chat.texts import plans as texts
from handlers.chat.texts.positions import CHANGED, position_screen
from handlers.chat.texts.screen import Screen

STALE: Final = frozenset({"position_changed", "position_closed", "unknown_target"})
REFUSED: Final = frozenset({"price_side", "price_tick", "price_not_of_paper", "fraction_invalid"})


def build_router() -> Router:
    """Plans of open positions."""
    router = Router(name=__name__)
    router.callback_query.register(menu, PositionButton.filter(F.action == "adjust"))
    router.callback_query.register(at_once, PlanButton.filter(F.what.in_({"entry", "again"})))
    router.callback_query.register(ask, PlanButton.filter())
    router.message.register(take_part, AdjustingPlan.value, F.text)
    router.callback_query.register(
        without, AdjustingPlan.value, PlanAnswer.filter(F.answer == "none")
    )
    router.callback_query.register(
        save, AdjustingPlan.confirm, PlanAnswer.filter(F.answer == "save")
    )
    return router


async def _fresh(
    query: CallbackQuery,
    bot: Bot,
    deps: ChatDeps,
    trader: TraderView,
    pressed: PositionButton | PlanButton,
) -> PositionView | None:
    """The position if the button was made for how it is now; else shows it and returns None."""
    position = await deps.desk.position(trader, pressed.position_id)
    if position.state == "open" and position.version == pressed.version:
        return position
    await answer(query, CHANGED, alert=True)
    await show(bot, query, _changed(deps, position))
    return None


def _changed(deps: ChatDeps, position: PositionView) -> Screen:
    return position_screen(position, deps.clock.now(), deps.nonce(), CHANGED)


async def menu(
    query: CallbackQuery,
    bot: Bot,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: PositionButton,
) -> None:
    """The plan and its parts, in a message of their own."""
    position = await _fresh(query, bot, deps, trader, callback_data)
    if position is not None:
        await answer(query)
        await say(bot, query.from_user.id, texts.plan_menu(position))


async def at_once(
    query: CallbackQuery,
    bot: Bot,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: PlanButton,
) -> None:
    """[Stop to entry] and [Place it again] ask nothing."""
    position = await _fresh(query, bot, deps, trader, callback_data)
    if position is None:
        return
    change = ToEntry() if callback_data.what == "entry" else PlaceAgain()
    try:
        saved = await deps.desk.adjust_plan(trader, position.id, position.version, change)
    except DeskError as error:
        if error.code not in STALE | REFUSED:
            raise
        await answer(query, error.text, alert=True)
        return
    await answer(query, "Saved.")
    await show(bot, query, texts.plan_menu(saved, texts.SAVED))


async def ask(
    query: CallbackQuery,
    bot: Bot,
    state: FSMContext,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: PlanButton,
) -> None:
    """Begins with one part of the plan."""
    position = await _fresh(query, bot, deps, trader, callback_data)
    if position is None:
        return
    await answer(query)
    await state.set_data(
        {
            "position_id": position.id,
            "version": position.version,
            "what": callback_data.what,
            "target_id": callback_data.target_id,
        }
    )
    await state.set_state(AdjustingPlan.value)
    target = _target(position, callback_data.target_id)
    await show(bot, query, texts.ask_part(position, callback_data.what, target))


def _target(position: PositionView, target_id: int) -> TargetView | None:
    return next((row for row in position.targets if row.id == target_id), None)


async def _talked_about(
    bot: Bot, chat_id: int, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> PositionView | None:
    """The position that is talked about; when it has changed it is shown and the talk ends."""
    data = await state.get_data()
    position = await deps.desk.position(trader, int(data["position_id"]))
    if position.state == "open" and position.version == data["version"]:
        return position
    await state.clear()
    await say(bot, chat_id, _changed(deps, position))
    return None


async def take_part(
    message: Message, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> None:
    """The new value, typed."""
    position = await _talked_about(bot, message.chat.id, state, deps, trader)
    if position is None:
        return
    data = await state.get_data()
    what: PlanPart = data["what"]
    target = _target(position, int(data["target_id"]))
    typed = message.text or ""
    try:
        if is_nothing(typed) and what == "new":
            raise Unreadable("A new target needs a price or a distance.")
        value = None if is_nothing(typed) else _read(typed, position, what)
    except Unreadable as error:
        refused = texts.part_refused(error.text, position, what, target)
        await say(bot, message.chat.id, refused)
        return
    await say(bot, message.chat.id, await _confirm(state, position, what, value))


async def without(
    query: CallbackQuery, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> None:
    """[No stop], [Off] instead of typing."""
    await answer(query)
    position = await _talked_about(bot, query.from_user.id, state, deps, trader)
    if position is not None:
        data = await state.get_data()
        if data["what"] != "new":
            await show(bot, query, await _confirm(state, position, data["what"], None))


def _read(text: str, position: PositionView, what: PlanPart) -> dict[str, Any] | None:
    """What was typed, as the conversation keeps it. Raises Unreadable."""
    if what == "stop":
        return level_json(stop_level(text, position))
    if what == "trail":
        return trailing_json(trailing_rule(text, position))
    if what == "even":
        return break_even_json(break_even_rule(text, position))
    asked = target_level(text, position)
    share = None if asked.fraction is None else str(asked.fraction)
    return {"level": level_json(asked.level), "fraction": share}


async def _confirm(
    state: FSMContext, position: PositionView, what: PlanPart, value: dict[str, Any] | None
) -> Screen:
    await state.update_data({"value": value})
    await state.set_state(AdjustingPlan.confirm)
    warns = what == "stop" and value is None
    return texts.confirm_part(position, _words(position, what, value), warns=warns)


def _words(position: PositionView, what: PlanPart, value: dict[str, Any] | None) -> str:
    """The change as a line."""
    if what == "stop":
        if value is None:
            return "no stop, no trailing, no break-even"
        price = _price(level_from_json(value), position, above=False)
        return texts.price_change(position, "stop", price, None)
    if what == "trail":
        trailing = trailing_from_json(value)
        return f"trailing: {'off' if trailing is None else texts.trailing_words(trailing)}"
    if what == "even":
        rule = break_even_from_json(value)
        return f"break-even: {'off' if rule is None else texts.break_even_words(rule)}"
    if value is None:
        return "the target is taken out"
    share = Decimal(value["fraction"]) if value["fraction"] else None
    price = _price(level_from_json(value["level"]), position, above=True)
    return texts.price_change(position, "target", price, share)


def _price(level: Level | None, position: PositionView, *, above: bool) -> Decimal:
    price = level_price(
        level,
        long=position.side == "LONG",
        above=above,
        entry=position.entry_price,
        tick=position.tick_size,
    )
    assert price is not None
    return price


def _change(data: dict[str, Any]) -> PlanChange:
    """What the conversation came to."""
    what, value = data["what"], data.get("value")
    if what == "stop":
        return StopTo(level_from_json(value))
    if what == "trail":
        return TrailBy(trailing_from_json(value))
    if what == "even":
        return EvenAt(break_even_from_json(value))
    target_id = int(data["target_id"]) or None
    if value is None:
        return TargetTo(target_id, None)
    share = Decimal(value["fraction"]) if value["fraction"] else None
    return TargetTo(target_id, level_from_json(value["level"]), share)


async def save(
    query: CallbackQuery, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> None:
    """Stores the plan as it was shown."""
    position = await _talked_about(bot, query.from_user.id, state, deps, trader)
    if position is None:
        await answer(query, CHANGED)
        return
    data = await state.get_data()
    try:
        saved = await deps.desk.adjust_plan(trader, position.id, position.version, _change(data))
    except DeskError as error:
        await answer(query)
        if error.code in REFUSED:
            await state.set_state(AdjustingPlan.value)
            target = _target(position, int(data["target_id"]))
            refused = texts.part_refused(error.text, position, data["what"], target)
            await show(bot, query, refused)
            return
        await state.clear()
        if error.code in STALE:
            current = await deps.desk.position(trader, position.id)
            await show(bot, query, _changed(deps, current))
            return
        raise
    await state.clear()
    await answer(query, "Saved.")
    await show(bot, query, texts.plan_menu(saved, texts.SAVED))
