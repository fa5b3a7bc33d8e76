"""Updates come in by polling or webhook, once, in order, whatever one of them is like."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot import intake
from bot.intake import SECRET_HEADER, TelegramIntake
from handlers.chat.dispatcher import build_dispatcher
from tests.handlers.chat.chat_world import PHRASE, ChatWorld, chat_world, until


@pytest.fixture
async def world() -> AsyncIterator[ChatWorld]:
    async with chat_world() as made:
        yield made


@pytest.fixture
async def silent() -> AsyncIterator[ChatWorld]:
    """Without polling."""
    async with chat_world(polling=False) as made:
        yield made


async def test_an_update_that_cannot_be_decoded_stalls_nothing_and_is_not_logged(
    world: ChatWorld, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    ann = world.user(1)
    await world.start(ann)
    poison = world.emulator.poison_update(1, " ".join(PHRASE))
    assert "/positions" in (await world.say(ann, "/help")).text
    assert world.updates.states[poison] == "failed"
    out, err = capsys.readouterr()
    for word in PHRASE:
        assert word not in caplog.text + out + err


async def test_an_update_of_a_kind_from_the_future_is_passed_over(
    silent: ChatWorld, recwarn: pytest.WarningsRecorder
) -> None:
    task = await silent.intake.accept({"update_id": 9, "thought_reading": {"text": "secret"}})
    assert task is not None
    await task
    assert silent.updates.kinds == {9: "thought_reading"}
    assert silent.updates.states == {9: "done"}
    assert not recwarn.list


async def test_an_update_that_comes_twice_is_worked_once(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    world.emulator.faults.duplicate_updates = 1
    before = len(ann.screen())
    await world.say(ann, "hello")
    await world.say(ann, "/help")
    assert len([one for one in ann.screen()[before:] if "did not understand" in one.text]) == 1


async def test_messages_of_a_chat_are_worked_in_order(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    world.emulator.faults.delay(0.05, "sendMessage")
    for command in ("/help", "/positions", "/accounts", "/status"):
        ann.say(command)
    await world.quiet()
    texts = [one.text for one in ann.screen() if one.sender == "bot"][-4:]
    assert [text.split()[0] for text in texts] == ["Perpgram", "Positions", "No", "Status"]


async def test_an_update_waits_for_the_one_before_in_its_chat_and_for_no_other(
    silent: ChatWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, begun = asyncio.Event(), []

    async def feed(bot: Any, update: Any) -> None:
        begun.append(update.update_id)
        if update.update_id == 1:
            await gate.wait()

    monkeypatch.setattr(silent.intake._dispatcher, "feed_update", feed)
    other = update_of(silent, 3, "hello")
    other["message"]["chat"] = {"id": 2, "type": "private"}
    tasks = [
        await silent.intake.accept(raw)
        for raw in (update_of(silent, 1, "a"), update_of(silent, 2, "b"), other)
    ]
    await until(lambda: len(begun) == 2)
    assert begun == [1, 3]
    gate.set()
    for task in tasks:
        assert task is not None
        await task
    assert begun == [1, 3, 2]


async def test_a_slow_chat_holds_up_no_other(world: ChatWorld) -> None:
    ann, bob = world.user(1), world.user(2, "Bob")
    await world.start(ann)
    await world.start(bob)
    gate = asyncio.Event()
    real = world.desk.status

    async def slow(trader: Any) -> Any:
        await gate.wait()
        return await real(trader)

    world.desk.status = slow  # type: ignore[method-assign]
    ann.say("/status")
    bob.say("/help")
    await bob.wait_for_text("TradingView alert becomes")
    gate.set()
    await ann.wait_for_text("open positions")


async def test_polling_survives_telegram_being_out_of_reach(world: ChatWorld) -> None:
    problems: list[str] = []
    world.intake.health.on_problem = problems.append
    ann = world.user(1)
    await world.start(ann)
    await world.emulator.stop_listening()
    await until(lambda: "unreachable" in problems)
    assert world.intake.health.ready
    await world.emulator.resume_listening()
    assert "/positions" in (await world.say(ann, "/help")).text
    assert world.intake.health.problem is None


@pytest.mark.parametrize(
    ("code", "words", "problem"),
    [
        (409, "Conflict: terminated by other getUpdates request", "conflict"),
        (401, "Unauthorized", "unauthorized"),
        (404, "Not Found", "unauthorized"),
    ],
)
async def test_another_poller_or_a_refused_token_makes_it_unready_with_one_line(
    silent: ChatWorld, capsys: pytest.CaptureFixture[str], code: int, words: str, problem: str
) -> None:
    problems: list[str] = []
    states: list[bool] = []
    health = silent.intake.health

    def note(found: str) -> None:
        states.append(health.ready)
        problems.append(found)

    health.on_problem = note
    silent.emulator.faults.fail("getUpdates", code, words, times=4)
    poll = asyncio.create_task(silent.intake.run_polling())
    await until(lambda: health.problem is None and len(problems) == 4)
    assert states == [True, False, False, False]
    assert set(problems) == {problem}
    assert health.ready
    await silent.intake.close()
    await poll
    lines = [line for line in capsys.readouterr().out.splitlines() if "error" in line.lower()]
    assert len(lines) == 1


async def test_a_webhook_left_behind_is_removed_for_polling(silent: ChatWorld) -> None:
    await silent.bot.set_webhook("https://bot.example.com/tg")
    poll = asyncio.create_task(silent.intake.run_polling())
    ann = silent.user(1)
    ann.start()
    await ann.wait_for_text("Where do you want to start")
    await silent.intake.close()
    await poll


async def test_what_is_under_way_is_finished_at_the_end(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    started, gate = asyncio.Event(), asyncio.Event()
    real = world.desk.status

    async def slow(trader: Any) -> Any:
        started.set()
        await gate.wait()
        return await real(trader)

    world.desk.status = slow  # type: ignore[method-assign]
    ann.say("/status")
    await started.wait()
    closing = asyncio.create_task(world.intake.close())
    await asyncio.sleep(0)
    gate.set()
    assert await closing
    assert "open positions" in [one.text for one in ann.screen() if one.sender == "bot"][-1]


async def test_what_hangs_is_cut_off_at_the_end_and_worked_when_it_comes_again(
    world: ChatWorld,
) -> None:
    ann = world.user(1)
    await world.start(ann)
    started = asyncio.Event()
    real = world.desk.status

    async def hangs(trader: Any) -> Any:
        started.set()
        await asyncio.Event().wait()

    world.desk.status = hangs  # type: ignore[method-assign]
    ann.say("/status")
    await started.wait()
    assert not await world.intake.close(drain_s=0.05)
    [cut_off] = [number for number, state in world.updates.states.items() if state == "taken"]
    world.desk.status = real  # type: ignore[method-assign]
    again = TelegramIntake(world.bot, build_dispatcher(world.deps), world.updates, world.clock)
    for _ in range(2):
        task = await again.accept(update_of(world, cut_off, "/status"))
        if task is not None:
            await task
    assert world.updates.states[cut_off] == "done"
    assert len([one for one in ann.screen() if "open positions" in one.text]) == 1


async def test_what_is_worked_for_long_comes_again_after_a_crash(
    silent: ChatWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BATCH_GRACE_S", 0.01)
    monkeypatch.setattr(intake, "AGAIN_S", 0.01)
    ann, bob = silent.user(1), silent.user(2, "Bob")
    started = asyncio.Event()
    real = silent.desk.status

    async def hangs(trader: Any) -> Any:
        started.set()
        await asyncio.Event().wait()

    polling = asyncio.create_task(silent.intake.run_polling())
    await silent.start(ann)
    await silent.start(bob)
    silent.desk.status = hangs  # type: ignore[method-assign]
    ann.say("/status")
    await started.wait()
    for command, answer in (("/help", "TradingView alert"), ("/positions", "Positions")):
        bob.say(command)  # others are served meanwhile, and Telegram is asked for more
        await bob.wait_for_text(answer)
    assert not await silent.intake.close(drain_s=0.01)
    await polling
    silent.desk.status = real  # type: ignore[method-assign]
    again = TelegramIntake(silent.bot, build_dispatcher(silent.deps), silent.updates, silent.clock)
    polling = asyncio.create_task(again.run_polling())
    await ann.wait_for_text("open positions")
    await until(lambda: "taken" not in silent.updates.states.values())
    await again.close()
    await polling
    assert len([one for one in bob.screen() if one.sender == "bot"]) == 3


async def test_what_hangs_is_asked_for_no_more_after_a_while(
    world: ChatWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BATCH_GRACE_S", 0.01)
    monkeypatch.setattr(intake, "AGAIN_S", 0.01)
    ann, bob = world.user(1), world.user(2, "Bob")
    await world.start(ann)
    await world.start(bob)

    async def hangs(trader: Any) -> Any:
        await asyncio.Event().wait()

    world.desk.status = hangs  # type: ignore[method-assign]
    ann.say("/status")
    await until(lambda: len(world.intake._polled) == 1)
    world.clock.move(intake.HOLD_S)
    bob.say("/help")
    await bob.wait_for_text("TradingView alert")
    await until(lambda: not world.intake._polled)
    await world.intake.close(drain_s=0.01)


async def test_an_unwritable_ledger_loses_no_update(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    real, failures = world.updates.take, 3

    async def broken(*arguments: Any) -> bool:
        nonlocal failures
        if failures:
            failures -= 1
            raise OSError("disk full")
        return await real(*arguments)

    world.updates.take = broken  # type: ignore[method-assign,assignment]
    ann.say("/help")
    await ann.wait_for_text("TradingView alert becomes")


# webhook


@pytest.fixture
async def hook(silent: ChatWorld) -> AsyncIterator[tuple[ChatWorld, str]]:
    app = web.Application()
    app.router.add_post("/tg", silent.intake.webhook_handler("s3cret_Token"))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield silent, f"http://127.0.0.1:{runner.addresses[0][1]}/tg"
    await runner.cleanup()


def update_of(world: ChatWorld, number: int, text: str) -> dict[str, Any]:
    """An update as Telegram would post it."""
    person = world.user(1).person
    person.started = True
    return {
        "update_id": number,
        "message": {
            "message_id": 1,
            "date": 1,
            "chat": person.chat(),
            "from": person.to_api(),
            "text": text,
        },
    }


async def test_a_posted_update_is_worked_once(hook: tuple[ChatWorld, str]) -> None:
    world, url = hook
    headers = {SECRET_HEADER: "s3cret_Token"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for _ in range(2):
            async with session.post(url, json=update_of(world, 5, "/start")) as answer:
                assert answer.status == 200
                assert await answer.read() == b""
            await until(lambda: world.updates.states.get(5) == "done")
    assert len([one for one in world.user(1).screen() if one.sender == "bot"]) == 1


async def test_an_update_is_answered_when_it_was_worked(hook: tuple[ChatWorld, str]) -> None:
    world, url = hook
    async with (
        aiohttp.ClientSession(headers={SECRET_HEADER: "s3cret_Token"}) as session,
        session.post(url, json=update_of(world, 5, "/start")) as answer,
    ):
        assert answer.status == 200
        assert world.updates.states == {5: "done"}


async def test_an_update_that_the_end_cuts_off_is_asked_for_again(
    hook: tuple[ChatWorld, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, url = hook
    begun = asyncio.Event()

    async def hangs(*_: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(world.intake, "_feed", hangs)
    async with aiohttp.ClientSession(headers={SECRET_HEADER: "s3cret_Token"}) as session:
        asked = asyncio.create_task(session.post(url, json=update_of(world, 5, "/start")))
        await begun.wait()
        await world.intake.close(drain_s=0.01)
        async with await asked as answer:
            assert answer.status == 503
    assert world.updates.states[5] not in ("done", "failed")


@pytest.mark.parametrize("secret", [None, "", "wrong", "s3cret_Tokeñ", "s3cret_Token "])
async def test_without_the_secret_there_is_nothing_there(
    hook: tuple[ChatWorld, str], secret: str | None
) -> None:
    world, url = hook
    headers = {} if secret is None else {SECRET_HEADER: secret}
    body = update_of(world, 5, "/start")
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json=body, headers=headers) as answer,
    ):
        status = answer.status
    assert status == (200 if secret == "s3cret_Token " else 404)
    assert bool(world.updates.states) == (status == 200)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"update_id": "1"}', b"\xff\xfe"])
async def test_a_body_that_is_no_update_is_refused(
    hook: tuple[ChatWorld, str], body: bytes
) -> None:
    _, url = hook
    async with (
        aiohttp.ClientSession(headers={SECRET_HEADER: "s3cret_Token"}) as session,
        session.post(url, data=body) as answer,
    ):
        assert answer.status == 400


async def test_what_cannot_be_stored_is_asked_for_again(hook: tuple[ChatWorld, str]) -> None:
    world, url = hook

    async def broken(*_: Any) -> bool:
        raise OSError("disk full")

    real = world.updates.take
    world.updates.take = broken  # type: ignore[method-assign,assignment]
    async with aiohttp.ClientSession(headers={SECRET_HEADER: "s3cret_Token"}) as session:
        async with session.post(url, json=update_of(world, 5, "/start")) as answer:
            assert answer.status == 503
        world.updates.take = real  # type: ignore[method-assign]
        async with session.post(url, json=update_of(world, 5, "/start")) as answer:
            assert answer.status == 200
        await world.intake.close()
        async with session.post(url, json=update_of(world, 6, "/start")) as answer:
            assert answer.status == 503
