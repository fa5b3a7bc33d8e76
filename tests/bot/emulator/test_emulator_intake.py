from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from tests.bot.emulator.emulator_kit import ALICE, TOKEN, Stage, stage


@pytest_asyncio.fixture
async def scene() -> AsyncIterator[Stage]:
    async with stage() as built:
        yield built


async def test_the_bot_learns_who_it_is(scene: Stage) -> None:
    me = await scene.bot.do("getMe")
    assert me["id"] == 4242
    assert me["is_bot"] is True
    assert me["username"] == "perpgram_bot"


async def test_another_token_is_unauthorized(scene: Stage) -> None:
    async with scene.bot.session.get(f"{scene.emulator.base_url}/bot1:x/getMe") as answer:
        assert answer.status == 401
        assert await answer.json() == {
            "ok": False,
            "error_code": 401,
            "description": "Unauthorized",
        }


async def test_an_unknown_method_is_not_found(scene: Stage) -> None:
    answer = await scene.bot.ask("fetchGold")
    assert answer["error_code"] == 404


@pytest.mark.parametrize("way", ["query", "form", "multipart", "json"])
async def test_parameters_arrive_whichever_way_they_are_sent(scene: Stage, way: str) -> None:
    scene.alice.start()
    url = f"{scene.emulator.base_url}/bot{TOKEN}/SENDmessage"
    keyboard = '{"inline_keyboard": [[{"text": "Go", "callback_data": "go"}]]}'
    fields = {"chat_id": str(ALICE), "text": "héllo", "reply_markup": keyboard}
    session = scene.bot.session
    if way == "query":
        response = await session.get(url, params=fields)
    elif way == "form":
        response = await session.post(url, data=fields)
    elif way == "multipart":
        with aiohttp.MultipartWriter("form-data") as writer:
            for name, value in fields.items():
                writer.append(value).set_content_disposition("form-data", name=name)
        response = await session.post(url, data=writer)
    else:
        response = await session.post(url, json={**fields, "chat_id": ALICE})
    assert response.status == 200, await response.text()
    shown = scene.alice.screen()[-1]
    assert shown.text == "héllo"
    assert shown.button("Go").data == "go"


async def test_updates_stay_until_a_higher_offset_confirms_them(scene: Stage) -> None:
    scene.alice.say("one")
    scene.alice.say("two")
    first = await scene.bot.do("getUpdates")
    assert [update["message"]["text"] for update in first] == ["one", "two"]
    assert await scene.bot.do("getUpdates") == first
    rest = await scene.bot.do("getUpdates", offset=first[1]["update_id"])
    assert [update["message"]["text"] for update in rest] == ["two"]
    assert await scene.bot.do("getUpdates", offset=first[1]["update_id"] + 1) == []
    assert scene.emulator.pending_updates == 0


async def test_limit_and_negative_offset_choose_what_comes(scene: Stage) -> None:
    for text in ("one", "two", "three"):
        scene.alice.say(text)
    assert len(await scene.bot.do("getUpdates", limit=2)) == 2
    last = await scene.bot.do("getUpdates", offset=-1)
    assert [update["message"]["text"] for update in last] == ["three"]
    assert scene.emulator.pending_updates == 1


async def test_a_long_poll_ends_with_the_first_update(scene: Stage) -> None:
    poll = asyncio.create_task(scene.bot.do("getUpdates", timeout=50))
    await scene.polling()
    scene.alice.say("here")
    updates = await asyncio.wait_for(poll, 5)
    assert updates[0]["message"]["text"] == "here"


async def test_a_second_poller_ends_the_first_with_a_conflict(scene: Stage) -> None:
    first = asyncio.create_task(scene.bot.ask("getUpdates", timeout=50))
    await scene.polling()
    second = asyncio.create_task(scene.bot.ask("getUpdates", timeout=50))
    answer = await asyncio.wait_for(first, 5)
    assert answer["error_code"] == 409
    assert answer["description"].startswith("Conflict: terminated by other getUpdates request")
    scene.alice.say("for the second")
    assert (await asyncio.wait_for(second, 5))["ok"]


async def test_only_allowed_kinds_of_updates_are_queued(scene: Stage) -> None:
    await scene.bot.do("getUpdates", allowed_updates=["message"])
    scene.alice.start()
    sent = await scene.bot.do(
        "sendMessage",
        chat_id=ALICE,
        text="x",
        reply_markup={"inline_keyboard": [[{"text": "Go", "callback_data": "go"}]]},
    )
    scene.alice.press(sent["message_id"], "Go")
    updates = await scene.bot.do("getUpdates")
    assert [set(update) - {"update_id"} for update in updates] == [{"message"}]


async def test_a_duplicate_fault_delivers_a_confirmed_update_once_more(scene: Stage) -> None:
    scene.emulator.faults.duplicate_updates = 1
    scene.alice.say("once")
    first = await scene.bot.do("getUpdates")
    again = await scene.bot.do("getUpdates", offset=first[0]["update_id"] + 1)
    assert again == first
    assert await scene.bot.do("getUpdates", offset=first[0]["update_id"] + 1) == []


async def test_a_swap_fault_delivers_out_of_order(scene: Stage) -> None:
    scene.emulator.faults.swap_updates = 1
    scene.alice.say("one")
    scene.alice.say("two")
    updates = await scene.bot.do("getUpdates")
    assert [update["message"]["text"] for update in updates] == ["two", "one"]


async def test_unconfirmed_updates_survive_a_poller_that_hangs_up(scene: Stage) -> None:
    poll = asyncio.create_task(scene.bot.ask("getUpdates", timeout=50))
    await scene.polling()
    poll.cancel()
    await asyncio.gather(poll, return_exceptions=True)
    scene.alice.say("still here")
    updates = await scene.bot.do("getUpdates", timeout=5)
    assert updates[0]["message"]["text"] == "still here"


class _Hook:
    """A bot's webhook: answers with the statuses it was given, then 200."""

    def __init__(self) -> None:
        self.seen: list[tuple[str | None, str]] = []
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.reply: object = None
        self.arrived = asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.json()
        secret = request.headers.get("X-Telegram-Bot-Api-Secret-Token")
        self.seen.append((secret, body["message"]["text"]))
        self.arrived.set()
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200 and self.reply is not None:
            return web.json_response(self.reply)
        return web.Response(status=status, headers=self.headers if status != 200 else {})

    async def got(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.seen) < count:
                self.arrived.clear()
                await self.arrived.wait()


@pytest_asyncio.fixture
async def hook() -> AsyncIterator[tuple[_Hook, str]]:
    built = _Hook()
    app = web.Application()
    app.router.add_post("/tg", built.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield built, f"http://127.0.0.1:{runner.addresses[0][1]}/tg"
    await runner.cleanup()


async def test_a_webhook_gets_updates_with_its_secret(
    scene: Stage, hook: tuple[_Hook, str]
) -> None:
    seen, url = hook
    await scene.bot.do("setWebhook", url=url, secret_token="s3cret")
    scene.alice.say("hello")
    await seen.got(1)
    assert seen.seen == [("s3cret", "hello")]
    info = await scene.bot.do("getWebhookInfo")
    assert info["url"] == url


async def test_a_webhook_that_fails_gets_the_update_again_later_each_time(
    scene: Stage, hook: tuple[_Hook, str]
) -> None:
    seen, url = hook
    seen.statuses = [500, 500, 500]
    await scene.bot.do("setWebhook", url=url)
    scene.alice.say("hello")
    await seen.got(2)
    await scene.slept(2)
    scene.clock.move(2)
    await seen.got(3)
    await scene.slept(3)
    scene.clock.move(4)
    await seen.got(4)
    assert scene.clock.slept == [0, 2, 4]
    info = await scene.bot.do("getWebhookInfo")
    assert info["last_error_message"] == "Wrong response from the webhook: 500"


async def test_retry_after_of_a_webhook_is_honoured(scene: Stage, hook: tuple[_Hook, str]) -> None:
    seen, url = hook
    seen.statuses, seen.headers = [503], {"Retry-After": "7"}
    await scene.bot.do("setWebhook", url=url)
    scene.alice.say("hello")
    await seen.got(1)
    await scene.slept(1)
    assert scene.clock.slept == [7]
    scene.clock.move(7)
    await seen.got(2)


async def test_a_method_in_the_webhooks_reply_is_carried_out(
    scene: Stage, hook: tuple[_Hook, str]
) -> None:
    seen, url = hook
    seen.reply = {"method": "sendMessage", "chat_id": ALICE, "text": "from the reply"}
    await scene.bot.do("setWebhook", url=url)
    scene.alice.say("hello")
    assert (await scene.alice.wait_for_text("from the reply", 5)).sender == "bot"


async def test_polling_and_webhook_exclude_each_other(
    scene: Stage, hook: tuple[_Hook, str]
) -> None:
    _, url = hook
    poll = asyncio.create_task(scene.bot.ask("getUpdates", timeout=50))
    await scene.polling()
    await scene.bot.do("setWebhook", url=url)
    answer = await asyncio.wait_for(poll, 5)
    assert answer["description"] == "Conflict: terminated by setWebhook request"
    refusal = await scene.bot.refused("getUpdates")
    assert refusal.startswith("Conflict: can't use getUpdates method while webhook is active")
    await scene.bot.do("deleteWebhook")
    assert await scene.bot.do("getUpdates") == []


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"url": "http://bot.example.com/tg"}, "An HTTPS URL must be provided"),
        ({"url": "https://bot.example.com:9999/tg"}, "only on ports 80, 88, 443 or 8443"),
        ({"url": "ftp://x"}, "invalid webhook URL"),
        (
            {"url": "https://bot.example.com/", "secret_token": "ä"},
            "secret token contains unallowed characters",
        ),
    ],
)
async def test_a_bad_webhook_is_refused(
    scene: Stage, parameters: dict[str, str], reason: str
) -> None:
    assert reason in await scene.bot.refused("setWebhook", **parameters)


async def test_a_second_set_webhook_within_a_second_is_too_many(
    scene: Stage, hook: tuple[_Hook, str]
) -> None:
    _, url = hook
    await scene.bot.do("setWebhook", url=url)
    answer = await scene.bot.ask("setWebhook", url=url)
    assert answer["parameters"] == {"retry_after": 1}
    scene.clock.move(1)
    await scene.bot.do("setWebhook", url=url)
