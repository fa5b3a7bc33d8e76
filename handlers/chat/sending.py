"""Showing screens and answering taps, with Telegram's harmless refusals swallowed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from aiogram import Bot
from aiogram.exceptions import TelegramAPIError, TelegramBadRequest
from aiogram.types import CallbackQuery, InlineKeyboardMarkup, Message

from core import failpoints
from handlers.chat.texts.screen import Screen

MAX_TOAST_CHARACTERS: Final = 200
ANSWER_WITHIN_S: Final = 0.8

T = TypeVar("T")

tap_answered: ContextVar[bool] = ContextVar("tap_answered", default=True)


def is_unchanged(error: TelegramBadRequest) -> bool:
    """An edit that would change nothing; harmless."""
    return "message is not modified" in error.message


def is_gone(error: TelegramBadRequest) -> bool:
    """The message to edit is not there any more or cannot be edited."""
    return any(
        words in error.message
        for words in (
            "message to edit not found",
            "message can't be edited",
            "MESSAGE_ID_INVALID",
            "there is no text in the message to edit",
        )
    )


async def say(bot: Bot, chat_id: int, screen: Screen) -> Message:
    """Sends a new message."""
    message = await bot.send_message(chat_id, **screen.kwargs())
    failpoints.passed()
    return message


async def edit(bot: Bot, chat_id: int, message_id: int, screen: Screen) -> bool:
    """Puts a screen into a message; False when the message is gone."""
    try:
        await bot.edit_message_text(chat_id=chat_id, message_id=message_id, **screen.kwargs())
        failpoints.passed()
    except TelegramBadRequest as error:
        if is_unchanged(error):
            return True
        if is_gone(error):
            return False
        raise
    return True


async def show(bot: Bot, query: CallbackQuery, screen: Screen) -> int:
    """Shows a screen in the message whose button was pressed, or in a new one; its number."""
    if query.message is not None:
        message_id = query.message.message_id
        if await edit(bot, query.message.chat.id, message_id, screen):
            return message_id
    return (await say(bot, query.from_user.id, screen)).message_id


async def set_keyboard(
    bot: Bot, query: CallbackQuery, keyboard: InlineKeyboardMarkup | None
) -> None:
    """Changes the buttons under the message whose button was pressed."""
    if query.message is None:
        return
    try:
        await bot.edit_message_reply_markup(
            chat_id=query.message.chat.id,
            message_id=query.message.message_id,
            reply_markup=keyboard,
        )
        failpoints.passed()
    except TelegramBadRequest as error:
        if not is_unchanged(error) and not is_gone(error):
            raise


async def answer(query: CallbackQuery, text: str | None = None, *, alert: bool = False) -> None:
    """Answers a tap; a tap that is too old to be answered is let be."""
    tap_answered.set(True)
    try:
        await query.answer(text[:MAX_TOAST_CHARACTERS] if text else None, show_alert=alert or None)
    except TelegramAPIError:
        return  # the toast is a courtesy; what matters is in messages


async def answer_soon(query: CallbackQuery, work: Coroutine[Any, Any, T], text: str) -> T:
    """Answers a tap as soon as the work is done, or without it when it takes long; then waits for
    it. Raises what the work raises; if it failed quickly the tap is still to be answered.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=ANSWER_WITHIN_S)
        if not task.done() or task.exception() is None:
            await answer(query, text)
        return await task
    finally:
        if not task.done():
            task.cancel()


async def delete(bot: Bot, chat_id: int, message_id: int) -> bool:
    """Deletes a message; False when Telegram would not or could not be reached."""
    try:
        deleted = bool(await bot.delete_message(chat_id, message_id))
        failpoints.passed()
        return deleted
    except TelegramAPIError:
        return False
