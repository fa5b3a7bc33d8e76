"""Panic in the chat: one confirmation, one message that proves each step, one way back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.handlers.chat.chat_world import ChatWorld, chat_world


@pytest.fixture
async def world() -> AsyncIterator[ChatWorld]:
    async with chat_world() as made:
        yield made


async def test_panic_is_confirmed_once_and_its_message_edits_itself(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    asked = await world.say(ann, "/panic")
    assert "2 open positions, 1 of them not the bot's" in asked.text
    assert "That includes what you made by hand" in asked.text
    assert world.desk.panics == {}
    begun = await world.tap(ann, asked, "Panic: cancel, close, halt")
    assert begun is not None
    assert "✅ halted: nothing new is opened" in begun.text
    assert "⏳ orders: 1 of 3 cancelled, 1 not made by the bot" in begun.text
    assert "still open: ETH-USD −1" in begun.text
    world.desk.end_panic(1)
    await world.notify()
    shown = {one.id: one for one in ann.screen()}[asked.id]
    assert "✅ orders: 3 of 3 cancelled, 1 not made by the bot" in shown.text
    assert "✅ positions: 2 of 2 closed, 1 not made by the bot" in shown.text
    assert "✅ no order and no position, as committed in block 12,345" in shown.text
    told = await world.latest(ann)
    assert told.id != asked.id  # the end makes a sound
    resumed = await world.tap(ann, told, "Resume")
    assert resumed is not None
    assert "1 account is active again" in (await world.latest(ann)).text


async def test_a_second_tap_begins_no_second_panic(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    asked = await world.say(ann, "/panic")
    query = ann.press(asked.id, "Panic: cancel, close, halt")
    again = ann.press(asked.id, "Panic: cancel, close, halt")
    await ann.wait_answer(query)
    await ann.wait_answer(again)
    await world.quiet()
    assert len(world.desk.panics) == 1


async def test_keeping_everything_does_nothing(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    kept = await world.tap(ann, await world.say(ann, "/panic"), "Keep everything")
    assert kept is not None
    assert kept.text == "Nothing was changed."
    assert world.desk.panics == {}


async def test_only_an_admin_is_offered_the_whole_bot(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    asked = await world.say(ann, "/panic")
    assert "The whole bot…" not in asked.labels()
    await world.forge(ann, asked.id, "pn:yes:1:5")
    assert world.desk.panics == {}
    trader = await world.trader(ann)
    world.desk.traders[trader.id] = replace(trader, role="admin")
    house = await world.tap(ann, await world.say(ann, "/panic"), "The whole bot…")
    assert house is not None
    assert "Each of them is told." in house.text
    begun = await world.tap(ann, house, "Panic on the whole bot")
    assert begun is not None
    assert "halted: nothing new is opened by anybody" in begun.text
