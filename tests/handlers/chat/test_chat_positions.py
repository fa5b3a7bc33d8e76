"""Positions in the chat: closing, halves, plans, and buttons that grew old."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from bot.emulator.screen import Shown
from bot.emulator.user import User
from core.trading.views import DeskError, PositionView
from tests.handlers.chat.chat_world import ChatWorld, chat_world


@pytest.fixture
async def world() -> AsyncIterator[ChatWorld]:
    async with chat_world() as made:
        yield made


async def holding(world: ChatWorld, user: User, side: str = "LONG") -> tuple[PositionView, Shown]:
    """A trader with an open position, and its message."""
    await world.start(user)
    position = world.desk.open_position(await world.trader(user), side=side)
    shown = await world.tap(user, await world.say(user, "/positions"), "BTC")
    assert shown is not None
    return position, shown


async def test_the_list_shows_size_and_result(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    world.desk.open_position(await world.trader(ann))
    shown = await world.say(ann, "/positions")
    assert "BTC-USD  LONG  0.0150  +12.30  👁" in shown.text
    assert "equity 1,204.11 USDC\nfree 982.40 USDC" in shown.text


async def test_a_position_shows_its_plan_and_who_holds_it(world: ChatWorld) -> None:
    _, shown = await holding(world, world.user(1))
    assert "0.0150 BTC · entry 64,212" in shown.text
    assert "mark 65,032" in shown.text
    assert "+12.30 USDC (+1.3 %)" in shown.text
    assert "watched by the bot, not on chain" in shown.text
    assert "stop 62,928 (−2.0 %)" in shown.text
    assert "target 66,138 (+3.0 %)" in shown.text


async def test_closing_says_what_it_does_and_acts_once(world: ChatWorld) -> None:
    ann = world.user(1)
    position, shown = await holding(world, ann)
    asked = await world.tap(ann, shown, "Close…")
    assert asked is not None
    button = asked.button("Close 0.0150 BTC at market (≈ +12.30)")
    assert button.style == "danger"
    assert not world.desk.closes
    first = ann.press(asked.id, data=button.data)
    ann.press(asked.id, data=button.data, forged=True)
    await world.quiet()
    assert (await ann.wait_answer(first)).answer == "Closing…"
    assert [(one.position_id, one.fraction) for one in world.desk.closes] == [
        (position.id, Decimal(1))
    ]
    assert ann.message(asked.id).button("Closing 0.0150 BTC…").disabled


async def test_half_is_one_tap(world: ChatWorld) -> None:
    ann = world.user(1)
    position, shown = await holding(world, ann)
    await world.tap(ann, shown, "½ Close 0.0075 BTC")
    assert [(one.position_id, one.fraction) for one in world.desk.closes] == [
        (position.id, Decimal("0.5"))
    ]


async def test_after_an_order_that_did_not_fill_it_can_be_closed_again(world: ChatWorld) -> None:
    ann = world.user(1)
    _, shown = await holding(world, ann)
    await world.tap(ann, shown, "½")
    again = await world.tap(ann, ann.message(shown.id), "Refresh")
    assert again is not None
    await world.tap(ann, again, "½")
    assert len(world.desk.closes) == 2


@pytest.mark.parametrize("label", ["Close…", "½", "Adjust"])
async def test_an_old_button_shows_the_current_position_instead(
    world: ChatWorld, label: str
) -> None:
    ann = world.user(1)
    position, shown = await holding(world, ann)
    world.desk.change_position(position.id, size=Decimal("0.03"), max_size=Decimal("0.03"))
    query = ann.press(shown.id, label)
    answer = await ann.wait_answer(query)
    assert answer.answer == "This position has changed; here is the current one."
    await world.quiet()
    assert "0.0300 BTC" in ann.message(shown.id).text
    assert not world.desk.closes


async def test_a_change_between_check_and_close_is_shown(world: ChatWorld) -> None:
    ann = world.user(1)
    _, shown = await holding(world, ann)
    world.desk.fail_next = None
    real = world.desk.close_position

    async def late(*_: object) -> None:
        raise DeskError("position_changed", "This position has changed.")

    world.desk.close_position = late  # type: ignore[method-assign,assignment]
    await world.tap(ann, shown, "½")
    world.desk.close_position = real  # type: ignore[method-assign]
    now = ann.message(shown.id)
    assert "has changed" in now.text
    assert "½ Close 0.0075 BTC" in now.labels()


async def test_a_refused_close_is_explained_and_the_buttons_come_back(world: ChatWorld) -> None:
    ann = world.user(1)
    _, shown = await holding(world, ann)

    async def refused(*_: object) -> None:
        raise DeskError("below_step", "That is less than the market's smallest size.")

    world.desk.close_position = refused  # type: ignore[method-assign,assignment]
    await world.tap(ann, shown, "½")
    assert "smallest size" in (await world.latest(ann)).text
    assert "½ Close 0.0075 BTC" in ann.message(shown.id).labels()


async def test_a_broken_bot_says_so_without_a_class_name(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    world.desk.fail_next = RuntimeError("boom with /secret/path")
    shown = await world.say(ann, "/positions")
    assert "failed inside the bot" in shown.text
    assert len(shown.covered("code")[0]) == 6
    assert "RuntimeError" not in shown.text
    assert "boom" not in shown.text


async def test_half_is_not_offered_where_it_is_below_a_step(world: ChatWorld) -> None:
    ann = world.user(1)
    position, shown = await holding(world, ann)
    world.desk.change_position(position.id, size=Decimal("0.0001"))
    again = await world.tap(ann, shown, "↻ Refresh")
    assert again is not None
    assert not [label for label in again.labels() if "½" in label]
