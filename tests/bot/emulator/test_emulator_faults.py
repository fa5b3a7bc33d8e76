from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from tests.bot.emulator.emulator_kit import ALICE, Stage, stage


@pytest_asyncio.fixture
async def scene() -> AsyncIterator[Stage]:
    async with stage() as built:
        built.alice.start()
        yield built


def texts(scene: Stage) -> list[str]:
    return [shown.text for shown in scene.alice.screen() if shown.sender == "bot"]


async def test_a_queued_error_strikes_its_method_as_often_as_asked(scene: Stage) -> None:
    scene.emulator.faults.fail("sendMessage", 500, "Internal Server Error", times=2)
    await scene.bot.do("getMe")
    for _ in range(2):
        answer = await scene.bot.ask("sendMessage", chat_id=ALICE, text="x")
        assert answer["error_code"] == 500
    await scene.bot.do("sendMessage", chat_id=ALICE, text="through")
    assert texts(scene) == ["through"]


async def test_a_flood_answers_429_with_the_time_to_wait(scene: Stage) -> None:
    scene.emulator.faults.flood(7)
    assert (await scene.bot.ask("getUpdates"))["ok"]
    answer = await scene.bot.ask("sendMessage", chat_id=ALICE, text="x")
    assert answer == {
        "ok": False,
        "error_code": 429,
        "description": "Too Many Requests: retry after 7",
        "parameters": {"retry_after": 7},
    }
    assert texts(scene) == []


@pytest.mark.parametrize(("processed", "seen"), [(True, ["x"]), (False, [])])
async def test_a_dropped_connection_leaves_the_message_sent_or_not(
    scene: Stage, processed: bool, seen: list[str]
) -> None:
    scene.emulator.faults.drop("sendMessage", processed=processed)
    with pytest.raises(aiohttp.ClientError):
        await scene.bot.ask("sendMessage", chat_id=ALICE, text="x")
    assert texts(scene) == seen


async def test_a_delay_holds_calls_back_until_the_clock_moves(scene: Stage) -> None:
    scene.emulator.faults.delay(3, "sendMessage")
    call = asyncio.create_task(scene.bot.do("sendMessage", chat_id=ALICE, text="late"))
    await scene.slept(1)
    assert texts(scene) == []
    scene.clock.move(3)
    await asyncio.wait_for(call, 5)
    assert texts(scene) == ["late"]


async def test_a_revoked_token_is_unauthorized_until_restored(scene: Stage) -> None:
    scene.emulator.faults.token_revoked = True
    assert (await scene.bot.ask("getMe"))["error_code"] == 401
    scene.emulator.faults.clear()
    await scene.bot.do("getMe")


async def test_unreachable_cuts_the_bot_but_not_the_page(scene: Stage) -> None:
    scene.emulator.faults.unreachable = True
    with pytest.raises(aiohttp.ClientError):
        await scene.bot.ask("getMe")
    assert (await scene.bot.get(f"/sim/users/{ALICE}/screen"))["started"]


async def test_after_not_listening_the_same_port_and_state_are_back(scene: Stage) -> None:
    address = scene.emulator.base_url
    await scene.emulator.stop_listening()
    with pytest.raises(aiohttp.ClientError):
        await scene.bot.ask("getMe")
    await scene.emulator.resume_listening()
    assert scene.emulator.base_url == address
    updates = await scene.bot.do("getUpdates")
    assert updates[0]["message"]["text"] == "/start"


async def test_the_chat_limit_allows_a_burst_and_then_one_a_second(scene: Stage) -> None:
    scene.emulator.limits.enabled = True
    for _ in range(3):
        await scene.bot.do("sendMessage", chat_id=ALICE, text="x")
    answer = await scene.bot.ask("sendMessage", chat_id=ALICE, text="x")
    assert answer["parameters"] == {"retry_after": 1}
    scene.clock.move(1)
    await scene.bot.do("sendMessage", chat_id=ALICE, text="x")


async def test_the_overall_limit_is_thirty_a_second(scene: Stage) -> None:
    people = [scene.emulator.user(2000 + n, f"Person {n}") for n in range(31)]
    for one in people:
        one.start()
    scene.emulator.limits.enabled = True
    for _ in range(2):
        codes = [
            (await scene.bot.ask("sendMessage", chat_id=one.id, text="x")).get("error_code")
            for one in people
        ]
        assert codes == [None] * 30 + [429]
        scene.clock.move(1)


async def test_every_call_is_logged_with_its_parameters(scene: Stage) -> None:
    await scene.bot.do("sendMessage", chat_id=ALICE, text="hello")
    await scene.bot.refused("sendMessage", chat_id=1, text="lost")
    first, second = scene.emulator.calls
    assert (first.method, first.parameters["text"], first.error) == ("sendMessage", "hello", None)
    assert second.error == "Bad Request: chat not found"
    logged = (await scene.bot.get("/sim/calls?since=1&method=sendmessage"))["calls"]
    assert [call["parameters"]["text"] for call in logged] == ["lost"]
