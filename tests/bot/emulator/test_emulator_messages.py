from __future__ import annotations

import json
import struct
import zlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.bot.emulator.emulator_kit import ALICE, TOKEN, Stage, stage

BOB = 1002


def png(width: int, height: int) -> bytes:
    """A black picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * (height * (width + 1)))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


@pytest_asyncio.fixture
async def scene() -> AsyncIterator[Stage]:
    async with stage() as built:
        built.alice.start()
        yield built


def keyboard(*buttons: dict[str, Any]) -> dict[str, Any]:
    return {"inline_keyboard": [list(buttons)]}


async def send(scene: Stage, text: str = "hello", **more: Any) -> Any:
    return await scene.bot.do("sendMessage", chat_id=ALICE, text=text, **more)


async def post_form(scene: Stage, method: str, form: aiohttp.FormData) -> dict[str, Any]:
    url = f"{scene.emulator.base_url}/bot{TOKEN}/{method}"
    async with scene.bot.session.post(url, data=form) as answer:
        body: dict[str, Any] = await answer.json()
        return body


async def test_the_bot_cannot_write_first(scene: Stage) -> None:
    scene.emulator.user(BOB, "Bob")
    for chat_id in (BOB, 999, "@someone"):
        refusal = await scene.bot.refused("sendMessage", chat_id=chat_id, text="hi")
        assert refusal == "Bad Request: chat not found"


async def test_a_bot_that_was_blocked_is_forbidden_to_write(scene: Stage) -> None:
    scene.alice.block()
    answer = await scene.bot.ask("sendMessage", chat_id=ALICE, text="hi")
    assert answer["error_code"] == 403
    assert answer["description"] == "Forbidden: bot was blocked by the user"
    scene.alice.unblock()
    await send(scene)
    statuses = [
        update["my_chat_member"]["new_chat_member"]["status"]
        for update in await scene.bot.do("getUpdates")
        if "my_chat_member" in update
    ]
    assert statuses == ["kicked", "member"]


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"text": ""}, "message text is empty"),
        ({"text": " \n "}, "text must be non-empty"),
        ({"text": "x" * 4097}, "message is too long"),
        ({"text": "🚀" * 2049}, "message is too long"),
        ({"text": "x", "parse_mode": "Wiki"}, "unsupported parse_mode"),
        (
            {"text": "<b>x", "parse_mode": "HTML"},
            "can't parse entities: Can't find end tag corresponding to start tag \"b\"",
        ),
        (
            {"text": "a < b", "parse_mode": "HTML"},
            'can\'t parse entities: Unsupported start tag "" at byte offset 2',
        ),
        (
            {"text": "<b><i>x</b></i>", "parse_mode": "HTML"},
            'can\'t parse entities: Unmatched end tag at byte offset 7, expected "</i>", '
            'found "</b>"',
        ),
        (
            {"text": "é<h1>x</h1>", "parse_mode": "HTML"},
            'can\'t parse entities: Unsupported start tag "h1" at byte offset 2',
        ),
        (
            {"text": "abc", "entities": [{"type": "bold", "offset": 1, "length": 3}]},
            "entity beginning at UTF-16 offset 1 ends after the end of the text at UTF-16 offset 3",
        ),
        (
            {"text": "🚀a", "entities": [{"type": "bold", "offset": 1, "length": 2}]},
            "entity begins in a middle of a UTF-16 symbol at offset 1",
        ),
        (
            {"text": "abc", "entities": [{"type": "shiny", "offset": 0, "length": 1}]},
            "can't parse MessageEntity: Unsupported type specified",
        ),
        ({"text": "x", "reply_markup": "{"}, "can't parse reply keyboard markup JSON object"),
        ({"text": "x", "reply_parameters": {"message_id": 99}}, "message to be replied not found"),
    ],
)
async def test_a_message_that_telegram_would_not_take_is_refused(
    scene: Stage, parameters: dict[str, Any], reason: str
) -> None:
    refusal = await scene.bot.refused("sendMessage", chat_id=ALICE, **parameters)
    assert refusal == f"Bad Request: {reason}"
    assert [shown.sender for shown in scene.alice.screen()] == ["user"]


@pytest.mark.parametrize(
    ("button", "reason"),
    [
        ({"text": "Go"}, "Text buttons are unallowed in the inline keyboard"),
        ({"text": " ", "callback_data": "x"}, "button text must be non-empty"),
        ({"callback_data": "x"}, 'Can\'t find field "text"'),
        ({"text": "Go", "callback_data": ""}, "BUTTON_DATA_INVALID"),
        ({"text": "Go", "callback_data": "x" * 65}, "BUTTON_DATA_INVALID"),
        ({"text": "Go", "callback_data": "é" * 33}, "BUTTON_DATA_INVALID"),
        ({"text": "Go", "callback_data": "x", "url": "https://a.example"}, "exactly one action"),
        ({"text": "Go", "url": "http://localhost:8080/x"}, "Wrong HTTP URL"),
        ({"text": "Go", "web_app": {"url": "http://a.example/"}}, "Only HTTPS links are allowed"),
        ({"text": "Go", "copy_text": {"text": "x" * 257}}, "BUTTON_COPY_TEXT_INVALID"),
        ({"text": "Go", "copy_text": {"text": ""}}, "BUTTON_COPY_TEXT_INVALID"),
        ({"text": "Go", "callback_data": "x", "style": "red"}, "invalid button style specified"),
    ],
)
async def test_a_button_that_telegram_would_not_take_is_refused(
    scene: Stage, button: dict[str, Any], reason: str
) -> None:
    refusal = await scene.bot.refused(
        "sendMessage", chat_id=ALICE, text="x", reply_markup=keyboard(button)
    )
    assert reason in refusal


async def test_limits_are_counted_in_utf16_units_and_bytes(scene: Stage) -> None:
    await send(scene, "🚀" * 2048)
    await send(
        scene,
        reply_markup=keyboard(
            {"text": "a", "callback_data": "é" * 32},
            {"text": "b", "copy_text": {"text": "x" * 256}},
            {"text": "c", "disabled": {}},
            {"text": "d", "callback_data": "d", "style": "danger"},
        ),
    )
    assert scene.alice.screen()[-1].labels() == ["a", "b", "c", "d"]


async def test_html_becomes_entities(scene: Stage) -> None:
    sent = await send(
        scene,
        '🚀 <b>big &lt;<i>win</i></b> <a href="https://a.example/?x=1&amp;y=2">link</a> '
        '<pre><code class="language-json">{}</code></pre><tg-spoiler>s</tg-spoiler>',
        parse_mode="HTML",
    )
    assert sent["text"] == "🚀 big <win link {}s"
    assert sent["entities"] == [
        {"type": "bold", "offset": 3, "length": 8},
        {"type": "italic", "offset": 8, "length": 3},
        {"type": "text_link", "offset": 12, "length": 4, "url": "https://a.example/?x=1&y=2"},
        {"type": "pre", "offset": 17, "length": 2, "language": "json"},
        {"type": "spoiler", "offset": 19, "length": 1},
    ]


async def test_text_is_trimmed_and_its_entities_move_along(scene: Stage) -> None:
    sent = await send(
        scene, "\n ab /help \n", entities=[{"type": "bold", "offset": 2, "length": 10}]
    )
    assert sent["text"] == "ab /help"
    assert sent["entities"] == [
        {"type": "bold", "offset": 0, "length": 8},
        {"type": "bot_command", "offset": 3, "length": 5},
    ]


async def test_an_edit_changes_the_message_in_place(scene: Stage) -> None:
    sent = await send(scene, "one", reply_markup=keyboard({"text": "Go", "callback_data": "x"}))
    edited = await scene.bot.do(
        "editMessageText", chat_id=ALICE, message_id=sent["message_id"], text="two"
    )
    assert "edit_date" in edited
    assert "reply_markup" not in edited
    shown = scene.alice.message(sent["message_id"])
    assert (shown.text, shown.buttons, shown.edited) == ("two", [], True)


async def test_an_edit_without_a_change_is_refused(scene: Stage) -> None:
    markup = keyboard({"text": "Go", "callback_data": "x"})
    sent = await send(scene, "one", reply_markup=markup)
    same = {"chat_id": ALICE, "message_id": sent["message_id"]}
    for method, more in (
        ("editMessageText", {"text": "one", "reply_markup": markup}),
        ("editMessageReplyMarkup", {"reply_markup": json.dumps(markup)}),
    ):
        refusal = await scene.bot.refused(method, **same, **more)
        assert refusal.startswith("Bad Request: message is not modified: specified new message")


async def test_what_cannot_be_edited_says_so(scene: Stage) -> None:
    own = scene.alice.say("mine")
    board = await send(scene, reply_markup={"keyboard": [["A", "B"]]})
    text = await send(scene, "text")
    cases = [
        ("editMessageText", 999, {"text": "x"}, "message to edit not found"),
        ("editMessageText", own, {"text": "x"}, "message can't be edited"),
        ("editMessageText", board["message_id"], {"text": "x"}, "message can't be edited"),
        (
            "editMessageCaption",
            text["message_id"],
            {"caption": "x"},
            "there is no caption in the message to edit",
        ),
    ]
    for method, message_id, more, reason in cases:
        refusal = await scene.bot.refused(method, chat_id=ALICE, message_id=message_id, **more)
        assert refusal == f"Bad Request: {reason}"


async def test_messages_of_both_sides_can_be_deleted_within_48_hours(scene: Stage) -> None:
    secret = scene.alice.say("abandon abandon about")
    assert await scene.bot.do("deleteMessage", chat_id=ALICE, message_id=secret)
    assert "abandon" not in scene.alice.told()
    refusal = await scene.bot.refused("deleteMessage", chat_id=ALICE, message_id=secret)
    assert refusal == "Bad Request: message to delete not found"
    old = await send(scene)
    scene.clock.move(48 * 3600 + 1)
    refusal = await scene.bot.refused("deleteMessage", chat_id=ALICE, message_id=old["message_id"])
    assert refusal == "Bad Request: message can't be deleted for everyone"


async def test_many_messages_are_deleted_at_once_and_missing_ones_skipped(scene: Stage) -> None:
    ids = [(await send(scene, text))["message_id"] for text in ("a", "b")]
    assert await scene.bot.do("deleteMessages", chat_id=ALICE, message_ids=[*ids, 999])
    assert [shown.text for shown in scene.alice.screen()] == ["/start"]
    refusal = await scene.bot.refused(
        "deleteMessages", chat_id=ALICE, message_ids=list(range(1, 102))
    )
    assert refusal == "Bad Request: too many message identifiers specified"


async def test_messages_of_one_chat_are_not_found_in_another(scene: Stage) -> None:
    bob = scene.emulator.user(BOB, "Bob")
    bob.start()
    sent = await send(scene)
    for method, more in (("deleteMessage", {}), ("editMessageText", {"text": "x"})):
        refusal = await scene.bot.refused(
            method, chat_id=BOB, message_id=sent["message_id"], **more
        )
        assert refusal.endswith("not found")


async def test_a_press_is_answered_once_and_shown(scene: Stage) -> None:
    sent = await send(scene, reply_markup=keyboard({"text": "Close", "callback_data": "c:1"}))
    query_id = scene.alice.press(sent["message_id"], "close")
    query = (await scene.bot.do("getUpdates", offset=-1))[0]["callback_query"]
    assert (query["id"], query["data"]) == (query_id, "c:1")
    assert query["message"]["message_id"] == sent["message_id"]
    assert query["chat_instance"]
    await scene.bot.do(
        "answerCallbackQuery", callback_query_id=query_id, text="Closing…", show_alert=True
    )
    answer = await scene.alice.wait_answer(query_id, 5)
    assert (answer.answer, answer.alert) == ("Closing…", True)
    refusal = await scene.bot.refused("answerCallbackQuery", callback_query_id=query_id)
    assert refusal.startswith("Bad Request: query is too old and response timeout expired")


async def test_a_press_is_too_old_after_fifteen_seconds(scene: Stage) -> None:
    sent = await send(scene, reply_markup=keyboard({"text": "Close", "callback_data": "c:1"}))
    query_id = scene.alice.press(sent["message_id"], data="c:1")
    assert scene.alice.screen()[-1].button("Close").pending
    scene.clock.move(15.5)
    assert not scene.alice.screen()[-1].button("Close").pending
    for asked in (query_id, "12345"):
        refusal = await scene.bot.refused("answerCallbackQuery", callback_query_id=asked)
        assert "query ID is invalid" in refusal


async def test_only_buttons_on_the_screen_can_be_pressed_unless_forged(scene: Stage) -> None:
    sent = await send(
        scene,
        reply_markup=keyboard(
            {"text": "Copy", "copy_text": {"text": "https://x.example"}},
            {"text": "Closing…", "disabled": {}},
        ),
    )
    message_id = sent["message_id"]
    for label in ("Copy", "Closing…", "Open"):
        with pytest.raises(LookupError):
            scene.alice.press(message_id, label)
    assert scene.alice.copy(message_id, "Copy") == "https://x.example"
    scene.alice.press(message_id, data="admin:1", forged=True)
    update = (await scene.bot.do("getUpdates", offset=-1))[0]
    assert update["callback_query"]["data"] == "admin:1"


async def test_a_photo_keeps_its_bytes_and_cannot_be_edited_as_text(scene: Stage) -> None:
    picture = png(40, 20)
    form = aiohttp.FormData()
    form.add_field("chat_id", str(ALICE))
    form.add_field("caption", "a chart")
    form.add_field("photo", picture, filename="chart.png", content_type="image/png")
    sent = (await post_form(scene, "sendPhoto", form))["result"]
    assert (sent["photo"][0]["width"], sent["photo"][0]["height"]) == (40, 20)
    file = await scene.bot.do("getFile", file_id=sent["photo"][-1]["file_id"])
    url = f"{scene.emulator.base_url}/file/bot{TOKEN}/{file['file_path']}"
    async with scene.bot.session.get(url) as answer:
        assert await answer.read() == picture
    refusal = await scene.bot.refused(
        "editMessageText", chat_id=ALICE, message_id=sent["message_id"], text="x"
    )
    assert refusal == "Bad Request: there is no text in the message to edit"
    await scene.bot.do(
        "editMessageCaption", chat_id=ALICE, message_id=sent["message_id"], caption="better"
    )
    assert scene.alice.screen()[-1].text == "better"
    again = await scene.bot.do("sendPhoto", chat_id=ALICE, photo=sent["photo"][0]["file_id"])
    assert again["photo"] == sent["photo"]


async def test_what_is_no_picture_is_no_photo(scene: Stage) -> None:
    form = aiohttp.FormData()
    form.add_field("chat_id", str(ALICE))
    form.add_field("photo", b"not a picture", filename="x.png")
    answer = await post_form(scene, "sendPhoto", form)
    assert answer["description"] == "Bad Request: IMAGE_PROCESS_FAILED"
    refusal = await scene.bot.refused("sendPhoto", chat_id=ALICE, photo="nonsense")
    assert "wrong remote file identifier" in refusal
    refusal = await scene.bot.refused("sendPhoto", chat_id=ALICE)
    assert refusal == "Bad Request: there is no photo in the request"


async def test_an_album_is_sent_from_attachments(scene: Stage) -> None:
    form = aiohttp.FormData()
    form.add_field("chat_id", str(ALICE))
    form.add_field(
        "media",
        json.dumps(
            [
                {"type": "photo", "media": "attach://one", "caption": "first"},
                {"type": "photo", "media": "attach://two"},
            ]
        ),
    )
    form.add_field("one", png(10, 10), filename="1.png")
    form.add_field("two", png(20, 10), filename="2.png")
    sent = (await post_form(scene, "sendMediaGroup", form))["result"]
    assert len({message["media_group_id"] for message in sent}) == 1
    assert [shown.text for shown in scene.alice.screen()[-2:]] == ["first", ""]


async def test_a_pin_is_told_to_the_bot_as_a_service_message(scene: Stage) -> None:
    sent = await send(scene, "pin me")
    await scene.bot.do("pinChatMessage", chat_id=ALICE, message_id=sent["message_id"])
    update = (await scene.bot.do("getUpdates", offset=-1))[0]
    assert update["message"]["pinned_message"]["message_id"] == sent["message_id"]
    chat = await scene.bot.do("getChat", chat_id=ALICE)
    assert chat["pinned_message"]["text"] == "pin me"
    await scene.bot.do("unpinAllChatMessages", chat_id=ALICE)
    assert "pinned_message" not in await scene.bot.do("getChat", chat_id=ALICE)


async def test_commands_are_kept_by_scope_and_language(scene: Stage) -> None:
    commands = [{"command": "help", "description": "Help"}]
    await scene.bot.do("setMyCommands", commands=commands)
    german = [{"command": "hilfe", "description": "Hilfe"}]
    await scene.bot.do(
        "setMyCommands", commands=german, scope={"type": "all_private_chats"}, language_code="de"
    )
    assert await scene.bot.do("getMyCommands") == commands
    assert await scene.bot.do("getMyCommands", language_code="de") == []
    scope = {"type": "all_private_chats"}
    assert await scene.bot.do("getMyCommands", scope=scope, language_code="de") == german
    await scene.bot.do("deleteMyCommands")
    assert await scene.bot.do("getMyCommands") == []
    for command, reason in (("Help", "BOT_COMMAND_INVALID"), ("a" * 33, "BOT_COMMAND_INVALID")):
        refusal = await scene.bot.refused(
            "setMyCommands", commands=[{"command": command, "description": "x"}]
        )
        assert refusal == f"Bad Request: {reason}"


async def test_strings_that_are_no_utf8_are_refused(scene: Stage) -> None:
    url = f"{scene.emulator.base_url}/bot{TOKEN}/sendMessage"
    bad = {
        "application/json": b'{"chat_id": 1001, "text": "\\ud800"}',
        "application/x-www-form-urlencoded": b"chat_id=1001&text=x&reply_markup=%7B",
    }
    for kind, body in bad.items():
        headers = {"Content-Type": kind}
        async with scene.bot.session.post(url, data=body, headers=headers) as answer:
            assert answer.status == 400
            assert (await answer.json())["ok"] is False
    refusal = await scene.bot.refused(
        "sendMessage", chat_id=ALICE, text='<tg-time unix="soon">x</tg-time>', parse_mode="HTML"
    )
    assert "Invalid date-time" in refusal
    sent = await send(scene, "&#xD800;&#65;", parse_mode="HTML")
    assert sent["text"] == "&#xD800;A"


async def test_a_reply_keyboard_stays_until_it_is_removed(scene: Stage) -> None:
    await send(scene, reply_markup={"keyboard": [[{"text": "Yes"}, "No"]]})
    assert scene.alice.person.reply_keyboard == [["Yes", "No"]]
    await send(scene, reply_markup={"remove_keyboard": True})
    assert scene.alice.person.reply_keyboard == []
