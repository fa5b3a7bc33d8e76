from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import pytest_asyncio
from aiohttp import web

from bot.emulator import Dashboard, ScreenTimeout
from tests.bot.emulator.emulator_kit import ALICE, TOKEN, Stage, stage


@pytest_asyncio.fixture
async def scene() -> AsyncIterator[Stage]:
    async with stage() as built:
        yield built


class World:
    """A paper network and a bot's webhook in one server, which remember what they were told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    async def markets(self, request: web.Request) -> web.Response:
        return web.json_response({"markets": {"BTC-USD": {"oraclePrice": "64212"}}})

    async def price(self, request: web.Request) -> web.Response:
        self.told.append(("price", await request.json()))
        return web.json_response({"ok": True})

    async def signal(self, request: web.Request) -> web.Response:
        self.told.append((request.content_type, await request.text()))
        return web.json_response({"success": True}, status=202)


@pytest_asyncio.fixture
async def world() -> AsyncIterator[tuple[World, str]]:
    built = World()
    app = web.Application()
    app.add_routes(
        [
            web.get("/v4/perpetualMarkets", built.markets),
            web.post("/paper/price", built.price),
            web.post("/api/webhooks/signal/{uuid}", built.signal),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield built, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_story_can_be_played_over_http(scene: Stage) -> None:
    bot = scene.bot
    _, made = await bot.post("/sim/users", {"id": 5, "name": "Eve", "language_code": "de"})
    assert made == {"id": 5, "name": "Eve"}
    await bot.post("/sim/users/5/start", {"payload": "invite-1"})
    update = (await bot.do("getUpdates"))[0]["message"]
    assert (update["text"], update["from"]["language_code"]) == ("/start invite-1", "de")
    sent = await bot.do(
        "sendMessage",
        chat_id=5,
        text="Ready?",
        reply_markup={"inline_keyboard": [[{"text": "Yes", "callback_data": "y"}]]},
    )
    status, pressed = await bot.post(
        "/sim/users/5/press", {"message_id": sent["message_id"], "label": "Yes"}
    )
    assert status == 200
    await bot.do("answerCallbackQuery", callback_query_id=pressed["callback_query_id"], text="Good")
    screen = await bot.get("/sim/users/5/screen")
    assert [answer["text"] for answer in screen["answers"]] == ["Good"]
    assert screen["messages"][-1]["buttons"][0][0]["label"] == "Yes"
    status, problem = await bot.post(
        "/sim/users/5/press", {"message_id": sent["message_id"], "label": "No"}
    )
    assert (status, "0 buttons" in problem["problem"]) == (409, True)


async def test_waiting_for_updates_ends_with_the_next_change(scene: Stage) -> None:
    version = (await scene.bot.get(f"/sim/users/{ALICE}/screen"))["version"]
    wait = asyncio.create_task(
        scene.bot.get(f"/sim/updates/wait?user={ALICE}&since={version}&timeout=20")
    )
    scene.alice.say("hello")
    screen = await asyncio.wait_for(wait, 5)
    assert screen["version"] > version
    assert screen["messages"][-1]["text"] == "hello"


async def test_wait_until_fails_with_the_screen_in_its_text(scene: Stage) -> None:
    scene.alice.say("anybody there")
    with pytest.raises(ScreenTimeout, match="anybody there"):
        await scene.alice.wait_for_text("answer", timeout_s=0.05)


async def test_faults_are_switched_over_http(scene: Stage) -> None:
    _, faults = await scene.bot.post("/sim/faults", {"action": "flood", "retry_after": 2})
    assert faults["queue"][0]["error"]["parameters"] == {"retry_after": 2}
    await scene.bot.post("/sim/faults", {"action": "limits", "on": True})
    assert scene.emulator.limits.enabled
    await scene.bot.post("/sim/faults", {"action": "clear"})
    assert scene.emulator.faults.queue == []
    status, _ = await scene.bot.post("/sim/faults", {"action": "melt"})
    assert status == 400


async def test_another_site_cannot_use_the_users_side(scene: Stage) -> None:
    session, url = scene.bot.session, scene.emulator.base_url
    cases: list[dict[str, Any]] = [
        {"json": {"text": "x"}, "headers": {"Origin": "http://evil.example"}},
        {"json": {"text": "x"}, "headers": {"Host": "evil.example"}},
        {"data": '{"text": "x"}', "headers": {"Content-Type": "text/plain"}},
    ]
    for case in cases:
        async with session.post(f"{url}/sim/users/{ALICE}/say", **case) as answer:
            assert answer.status in {403, 415}
    assert scene.alice.screen() == []


async def test_the_page_comes_with_a_strict_policy(scene: Stage) -> None:
    async with scene.bot.session.get(f"{scene.emulator.base_url}/") as answer:
        assert answer.status == 200
        policy = answer.headers["Content-Security-Policy"]
        page = await answer.text()
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<script>" not in page
    assert "style=" not in page


async def test_a_web_app_is_opened_with_signed_data(scene: Stage) -> None:
    scene.alice.start()
    sent = await scene.bot.do(
        "sendMessage",
        chat_id=ALICE,
        text="x",
        reply_markup={
            "inline_keyboard": [[{"text": "Form", "web_app": {"url": "https://a.example/form"}}]]
        },
    )
    opened = urlsplit(scene.alice.open_web_app(sent["message_id"], "Form"))
    fields = dict(parse_qsl(dict(parse_qsl(opened.fragment))["tgWebAppData"]))
    signature = fields.pop("hash")
    check = "\n".join(f"{name}={fields[name]}" for name in sorted(fields))
    key = hmac.new(b"WebAppData", TOKEN.encode(), hashlib.sha256).digest()
    assert hmac.new(key, check.encode(), hashlib.sha256).hexdigest() == signature


async def test_the_panel_reaches_the_paper_network_and_the_bot(world: tuple[World, str]) -> None:
    built, url = world
    port = url.rpartition(":")[2]
    async with stage(Dashboard(url, url)) as scene:
        markets = await scene.bot.get("/sim/world/markets")
        assert markets["markets"]["BTC-USD"]["oraclePrice"] == "64212"
        await scene.bot.post("/sim/world/price", {"ticker": "BTC-USD", "price": "65000"})
        alert = {"url": f"http://localhost:{port}/api/webhooks/signal/u", "body": '{"a": 1}'}
        _, answer = await scene.bot.post("/sim/world/alert", alert)
        assert answer["status"] == 202
        await scene.bot.post("/sim/world/alert", {**alert, "body": "plain words"})
        assert built.told == [
            ("price", {"ticker": "BTC-USD", "price": "65000"}),
            ("application/json", '{"a": 1}'),
            ("text/plain", "plain words"),
        ]
        problem = await scene.bot.get("/sim/world/blocks")
        assert problem["problem"] == "the paper network has no /paper/blocks"


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "http://127.0.0.1:1@evil.example/",
        "nonsense",
        "http://127.0.0.1:99999/",
    ],
)
async def test_alerts_go_to_the_bot_only(world: tuple[World, str], url: str) -> None:
    built, own = world
    async with stage(Dashboard(own, own)) as scene:
        status, answer = await scene.bot.post("/sim/world/alert", {"url": url, "body": "{}"})
    assert status == 400
    assert answer["problem"].startswith("alerts are sent to the bot only")
    assert built.told == []


async def test_the_panel_says_which_part_is_not_up() -> None:
    nowhere = "http://127.0.0.1:1"
    async with stage(Dashboard(nowhere, nowhere)) as scene:
        paper = await scene.bot.get("/sim/world/markets")
        assert paper["problem"] == f"the paper network does not answer at {nowhere}"
        _, alert = await scene.bot.post("/sim/world/alert", {"url": nowhere, "body": "{}"})
        assert alert["problem"] == f"the bot does not answer at {nowhere}"
