"""The typed client of the bot understands every answer of the emulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from aiogram import Bot, types
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)
from aiogram.utils.formatting import Bold, Code, ExpandableBlockQuote, Pre, Text

from tests.bot.emulator.emulator_kit import ALICE, TOKEN, Stage, stage
from tests.bot.emulator.test_emulator_messages import png


@dataclass
class Scene:
    stage: Stage
    bot: Bot


@pytest_asyncio.fixture
async def scene() -> AsyncIterator[Scene]:
    async with stage() as built:
        built.alice.start()
        api = TelegramAPIServer.from_base(built.emulator.base_url)
        bot = Bot(TOKEN, session=AiohttpSession(api=api))
        try:
            yield Scene(built, bot)
        finally:
            await bot.session.close()


def markup(*buttons: types.InlineKeyboardButton) -> types.InlineKeyboardMarkup:
    return types.InlineKeyboardMarkup(inline_keyboard=[list(buttons)])


async def test_updates_of_every_kind_decode(scene: Scene) -> None:
    me = await scene.bot.get_me()
    assert me.is_bot
    sent = await scene.bot.send_message(
        ALICE, "x", reply_markup=markup(types.InlineKeyboardButton(text="Go", callback_data="g"))
    )
    alice = scene.stage.alice
    alice.press(sent.message_id, "Go")
    alice.press(999, data="old", forged=True)
    await scene.bot.pin_chat_message(ALICE, sent.message_id)
    alice.block()
    alice.unblock()
    updates = await scene.bot.get_updates(timeout=1)
    assert [update.event_type for update in updates] == [
        "message",
        "callback_query",
        "callback_query",
        "message",
        "my_chat_member",
        "my_chat_member",
    ]
    assert updates[1].callback_query is not None
    assert isinstance(updates[1].callback_query.message, types.Message)
    assert updates[2].callback_query is not None
    assert isinstance(updates[2].callback_query.message, types.InaccessibleMessage)
    await scene.bot.answer_callback_query(updates[1].callback_query.id, "Closing…")
    assert alice.answers()[0].answer == "Closing…"


async def test_messages_of_every_kind_are_sent_edited_and_deleted(scene: Scene) -> None:
    bot, alice = scene.bot, scene.stage.alice
    content = Text(
        Bold("BTC-USD"), " 🚀 ", Code("4F2A"), "\n", Pre("{}", language="json"), "\n",
        ExpandableBlockQuote("log"),
    )  # fmt: skip
    sent = await bot.send_message(
        ALICE,
        **content.as_kwargs(),
        link_preview_options=types.LinkPreviewOptions(is_disabled=True),
        reply_markup=markup(
            types.InlineKeyboardButton(text="Close", callback_data="c", style="danger"),
            types.InlineKeyboardButton(text="URL", copy_text=types.CopyTextButton(text="u")),
            types.InlineKeyboardButton(text="Closing…", disabled=types.DisabledButton()),
        ),
    )
    shown = alice.message(sent.message_id)
    assert shown.covered("bold") == ["BTC-USD"]
    assert shown.covered("code") == ["4F2A"]
    assert shown.button("Closing…").disabled
    assert shown.button("URL").copy_text == "u"
    edited = await bot.edit_message_text("new", chat_id=ALICE, message_id=sent.message_id)
    assert isinstance(edited, types.Message)
    assert edited.edit_date is not None
    await bot.edit_message_reply_markup(
        chat_id=ALICE,
        message_id=sent.message_id,
        reply_markup=markup(types.InlineKeyboardButton(text="Go", callback_data="g")),
    )
    reply = await bot.send_message(
        ALICE, "reply", reply_parameters=types.ReplyParameters(message_id=sent.message_id)
    )
    assert reply.reply_to_message is not None
    photo = await bot.send_photo(
        ALICE, types.BufferedInputFile(png(30, 20), "chart.png"), caption="chart"
    )
    await bot.edit_message_caption(chat_id=ALICE, message_id=photo.message_id, caption="chart 2")
    await bot.edit_message_media(
        types.InputMediaPhoto(media=types.BufferedInputFile(png(60, 20), "c2.png"), caption="c3"),
        chat_id=ALICE,
        message_id=photo.message_id,
    )
    assert (alice.screen()[-1].text, alice.screen()[-1].photo_width) == ("c3", 60)
    document = await bot.send_document(ALICE, types.BufferedInputFile(b"a,b\n1,2\n", "trades.csv"))
    assert document.document is not None
    loaded = await bot.download(document.document)
    assert loaded is not None
    assert loaded.read() == b"a,b\n1,2\n"
    album = await bot.send_media_group(
        ALICE,
        [
            types.InputMediaPhoto(media=types.BufferedInputFile(png(10, 10), "1.png")),
            types.InputMediaPhoto(media=types.BufferedInputFile(png(10, 10), "2.png")),
        ],
    )
    await bot.delete_message(ALICE, sent.message_id)
    await bot.delete_messages(ALICE, [one.message_id for one in album])
    assert [one.text for one in alice.screen()] == ["/start", "reply", "c3", ""]


async def test_the_bots_profile_is_set_and_read(scene: Scene) -> None:
    bot = scene.bot
    commands = [types.BotCommand(command="help", description="Help")]
    scope = types.BotCommandScopeAllPrivateChats()
    assert await bot.set_my_commands(commands, scope=scope, language_code="de")
    (kept,) = await bot.get_my_commands(scope=scope, language_code="de")
    assert (kept.command, kept.description) == ("help", "Help")
    assert await bot.get_my_commands() == []
    assert await bot.delete_my_commands(scope=scope, language_code="de")
    assert await bot.set_my_commands(commands, scope=types.BotCommandScopeChat(chat_id=ALICE))
    assert await bot.set_my_description("what it can do")
    assert (await bot.get_my_description()).description == "what it can do"
    assert await bot.set_my_short_description("short")
    assert (await bot.get_my_short_description()).short_description == "short"
    assert await bot.set_my_name("Desk")
    assert (await bot.get_my_name()).name == "Desk"
    assert await bot.set_chat_menu_button(menu_button=types.MenuButtonCommands())
    assert isinstance(await bot.get_chat_menu_button(), types.MenuButtonCommands)
    assert (await bot.get_chat(ALICE)).first_name == "Alice"
    assert await bot.send_chat_action(ALICE, "typing")
    assert await bot.unpin_all_chat_messages(ALICE)
    assert (await bot.get_webhook_info()).url == ""
    assert await bot.set_webhook(
        "http://127.0.0.1:1/tg", secret_token="s", allowed_updates=["message"]
    )
    assert (await bot.get_webhook_info()).allowed_updates == ["message"]
    assert await bot.delete_webhook(drop_pending_updates=True)


async def test_errors_arrive_as_the_clients_own_kinds(scene: Scene) -> None:
    bot, emulator = scene.bot, scene.stage.emulator
    with pytest.raises(TelegramBadRequest, match="chat not found"):
        await bot.send_message(5, "x")
    emulator.faults.flood(3)
    with pytest.raises(TelegramRetryAfter) as flood:
        await bot.send_message(ALICE, "x")
    assert flood.value.retry_after == 3
    emulator.faults.drop("sendMessage", processed=True)
    with pytest.raises(TelegramNetworkError):
        await bot.send_message(ALICE, "arrived all the same")
    assert scene.stage.alice.screen()[-1].text == "arrived all the same"
    scene.stage.alice.block()
    with pytest.raises(TelegramForbiddenError, match="blocked"):
        await bot.send_message(ALICE, "x")
    emulator.faults.token_revoked = True
    with pytest.raises(TelegramUnauthorizedError):
        await bot.get_me()
    emulator.faults.clear()
    first = asyncio.create_task(bot.get_updates(offset=1 << 40, timeout=30))
    await scene.stage.polling()
    await bot.get_updates(offset=1 << 40, timeout=0)
    with pytest.raises(TelegramConflictError):
        await first


async def test_a_poison_update_cannot_be_decoded(scene: Scene) -> None:
    scene.stage.emulator.poison_update(ALICE, "from the future")
    with pytest.raises(ClientDecodeError):
        await scene.bot.get_updates()
