"""/orders: what waits on chain, and the buttons that cancel it."""

from __future__ import annotations

import asyncio

from aiogram import Bot, F, Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery, Message

from core.trading.views import DeskError, TraderView
from handlers.chat.buttons import MenuButton, OrderButton
from handlers.chat.deps import ChatDeps
from handlers.chat.sending import answer, say, show
from handlers.chat.texts import orders as texts
from handlers.chat.texts.screen import Screen


def build_router() -> Router:
    """Waiting orders."""
    router = Router(name=__name__)
    router.message.register(list_command, Command("orders"))
    router.callback_query.register(list_button, MenuButton.filter(F.what == "orders"))
    router.callback_query.register(confirm_cancel, OrderButton.filter(F.action == "cancel"))
    router.callback_query.register(cancel, OrderButton.filter(F.action == "cancel_yes"))
    return router


async def _list(deps: ChatDeps, trader: TraderView) -> Screen:
    waiting, external, mocked = await asyncio.gather(
        deps.desk.open_orders(trader),
        deps.desk.external_orders(trader),
        deps.desk.mock_orders(trader),
    )
    return texts.order_list(waiting, external, mocked, deps.clock.now())


async def list_command(message: Message, bot: Bot, deps: ChatDeps, trader: TraderView) -> None:
    """/orders"""
    await say(bot, message.chat.id, await _list(deps, trader))


async def list_button(query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView) -> None:
    """The list, from a button."""
    await answer(query)
    await show(bot, query, await _list(deps, trader))


async def confirm_cancel(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: OrderButton
) -> None:
    """Says what cancelling would do."""
    found = await deps.desk.open_orders(trader)
    waiting = next((row for row in found if row.order.id == callback_data.order_id), None)
    if waiting is None:
        await answer(query, texts.OVER, alert=True)
        await show(bot, query, await _list(deps, trader))
        return
    await answer(query)
    await show(bot, query, texts.confirm_cancel(waiting))


async def cancel(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: OrderButton
) -> None:
    """Has an order cancelled; its own message tells when the chain has done it."""
    try:
        await deps.desk.cancel_order(trader, callback_data.order_id)
    except DeskError as error:
        if error.code != "order_over":
            raise
        await answer(query, texts.OVER, alert=True)  # a second tap, or it filled meanwhile
    else:
        await answer(query, "Cancelling…")
    await show(bot, query, await _list(deps, trader))
