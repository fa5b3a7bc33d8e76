"""Adjust: a position's plan, one part at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from bot.emulator.screen import Shown
from bot.emulator.user import User
from core.signals.alert import BreakEven, Level, Trailing
from core.trading.plan_change import EvenAt, PlaceAgain, StopTo, TargetTo, ToEntry, TrailBy
from core.trading.views import PositionView, TargetView
from handlers.chat.texts import plans as texts
from tests.handlers.chat.chat_world import ChatWorld, chat_world
from tests.handlers.chat.fake_plans import A_TARGET

D = Decimal


@pytest.fixture
async def world() -> AsyncIterator[ChatWorld]:
    async with chat_world() as made:
        yield made


async def adjusting(world: ChatWorld, user: User, side: str = "LONG") -> tuple[PositionView, Shown]:
    """A trader with an open position, and the menu of its plan."""
    await world.start(user)
    position = world.desk.open_position(await world.trader(user), side=side)
    shown = await world.tap(user, await world.say(user, "/positions"), "BTC")
    assert shown is not None
    await world.tap(user, shown, "Adjust")
    return position, await world.latest(user)


async def test_the_menu_names_every_part_of_the_plan(world: ChatWorld) -> None:
    _, menu = await adjusting(world, world.user(1))
    assert "stop 62,928 (−2.0 %)" in menu.text
    assert "target 66,138 (+3.0 %)" in menu.text
    assert {"Stop 62,928", "Target 66,138", "Add a target", "Trailing", "Break-even rule"} <= set(
        menu.labels()
    )


@pytest.mark.parametrize(
    ("label", "typed", "preview", "change"),
    [
        (
            "Stop 6",
            "63,000",
            "stop 63,000 (−1.9 %)",
            StopTo(Level(price=D(63000))),
        ),
        ("Stop 6", "1%", "stop 63,570 (−1.0 %)", StopTo(Level(percent=D(1)))),
        (
            "Target 66",
            "5% 50%",
            "target 67,423 (+5.0 %), closes 50 %",
            TargetTo(71, Level(percent=D(5)), D("0.5")),
        ),
        (
            "Target 66",
            "68000",
            "target 68,000 (+5.9 %)",
            TargetTo(71, Level(price=D(68000))),
        ),
        ("Target 66", "none", "the target is taken out", TargetTo(71, None)),
        (
            "Add a target",
            "70,000 25%",
            "target 70,000 (+9.0 %), closes 25 %",
            TargetTo(None, Level(price=D(70000)), D("0.25")),
        ),
        (
            "Trailing",
            "1.5%",
            "trailing: 1.5 % behind the best price",
            TrailBy(Trailing(Level(percent=D("1.5")))),
        ),
        (
            "Trailing",
            "200 after 66,000",
            "trailing: 200 USD behind the best price, once 66,000 is met",
            TrailBy(Trailing(Level(offset=D(200)), Level(price=D(66000)))),
        ),
        ("Trailing", "none", "trailing: off", TrailBy(None)),
        (
            "Break-even rule",
            "2% + 0.1%",
            "break-even: stop to entry +0.1 % once +2 % is met",
            EvenAt(BreakEven(Level(percent=D(2)), Level(percent=D("0.1")))),
        ),
        (
            "Break-even rule",
            "target",
            "break-even: stop to the entry once the first target fills",
            EvenAt(BreakEven()),
        ),
    ],
)
async def test_each_part_is_changed_by_a_typed_answer(
    world: ChatWorld, label: str, typed: str, preview: str, change: object
) -> None:
    ann = world.user(1)
    position, menu = await adjusting(world, ann)
    asked = await world.tap(ann, menu, label)
    assert asked is not None
    assert "/cancel" in asked.text
    shown = await world.say(ann, typed)
    assert preview in shown.text.replace("66000", "66,000")
    assert not world.desk.plans
    saved = await world.tap(ann, shown, "Save")
    assert saved is not None
    assert saved.text.startswith("✅ Saved.")
    assert world.desk.plans == [(position.id, change)]


async def test_a_short_has_its_stop_above(world: ChatWorld) -> None:
    ann = world.user(1)
    position, menu = await adjusting(world, ann, "SHORT")
    await world.tap(ann, menu, "Stop 6")
    shown = await world.say(ann, "2%")
    assert "stop 65,496 (+2.0 %)" in shown.text
    await world.tap(ann, shown, "Save")
    assert world.desk.plans == [(position.id, StopTo(Level(percent=D(2))))]


async def test_no_stop_is_one_button_and_the_preview_warns(world: ChatWorld) -> None:
    ann = world.user(1)
    position, menu = await adjusting(world, ann)
    asked = await world.tap(ann, menu, "Stop 6")
    assert asked is not None
    shown = await world.tap(ann, asked, "No stop")
    assert shown is not None
    assert "nothing limits the loss" in shown.text
    await world.tap(ann, shown, "Save")
    assert world.desk.plans == [(position.id, StopTo(None))]


async def test_stop_to_entry_is_one_tap(world: ChatWorld) -> None:
    ann = world.user(1)
    position, menu = await adjusting(world, ann)
    saved = await world.tap(ann, menu, "Stop to entry")
    assert saved is not None
    assert "stop 64,212" in saved.text
    assert "break-even" in saved.text
    assert world.desk.plans == [(position.id, ToEntry())]
    assert "Stop to entry" not in saved.labels()


async def test_it_is_not_offered_where_it_would_close_at_once(world: ChatWorld) -> None:
    ann = world.user(1)
    _, menu = await adjusting(world, ann, "SHORT")
    assert "Stop to entry" not in menu.labels()


async def test_a_price_on_the_wrong_side_is_asked_for_again(world: ChatWorld) -> None:
    ann = world.user(1)
    _, menu = await adjusting(world, ann)
    await world.tap(ann, menu, "Target 66")
    shown = await world.say(ann, "60000")
    again = await world.tap(ann, shown, "Save")
    assert again is not None
    assert "close the position at once" in again.text
    assert "target now" in again.text
    assert not world.desk.plans


@pytest.mark.parametrize("typed", ["abc", "3,5", "-3", "1e5", "0", "150%x"])
async def test_a_level_that_is_no_price_is_asked_for_again(world: ChatWorld, typed: str) -> None:
    ann = world.user(1)
    _, menu = await adjusting(world, ann)
    await world.tap(ann, menu, "Stop 6")
    said = await world.say(ann, typed)
    assert said.text.startswith("⚠️")
    assert "stop 62,928" in said.text


@pytest.mark.parametrize("label", ["Stop 62", "Target 66", "Add a target", "Stop to entry"])
async def test_an_old_button_of_the_plan_changes_nothing(world: ChatWorld, label: str) -> None:
    ann = world.user(1)
    position, menu = await adjusting(world, ann)
    world.desk.change_position(position.id, size=D("0.03"), max_size=D("0.03"))
    answer = await ann.wait_answer(ann.press(menu.id, label))
    assert answer.answer == "This position has changed; here is the current one."
    assert not world.desk.plans


async def test_a_position_that_changes_meanwhile_ends_the_talk_about_its_plan(
    world: ChatWorld,
) -> None:
    ann = world.user(1)
    position, menu = await adjusting(world, ann)
    await world.tap(ann, menu, "Stop 62")
    world.desk.change_position(position.id, size=D("0.02"))
    said = await world.say(ann, "5%")
    assert "has changed" in said.text
    assert "0.0200 BTC" in said.text
    assert "did not understand" in (await world.say(ann, "5%")).text


async def test_a_stop_cancelled_again_by_hand_is_asked_for_with_a_button(
    world: ChatWorld,
) -> None:
    ann = world.user(1)
    position, _ = await adjusting(world, ann)
    asking = replace(position, stop_asks=True)
    first = texts.stop_removed(asking, 1)
    assert "I placed it again." in first.content.render()[0]
    screen = texts.stop_removed(asking, 2)
    assert "second time" in screen.content.render()[0]
    assert screen.keyboard is not None
    again = screen.keyboard.inline_keyboard[0][0]
    assert again.text == "Place it again"
    shown = await world.latest(ann)
    await world.forge(ann, shown.id, again.callback_data or "")
    assert world.desk.plans == [(position.id, PlaceAgain())]


# the plan in words


def ladder(*on_chain: bool) -> tuple[TargetView, ...]:
    return tuple(
        replace(
            A_TARGET,
            id=number,
            number=number,
            price=D(65000 + 1000 * number),
            size=D("0.005"),
            on_chain=rests,
        )
        for number, rests in enumerate(on_chain, start=1)
    )


@pytest.mark.parametrize(
    ("stop_on_chain", "targets", "expected"),
    [
        (True, ladder(True, True), "🛡 protected on chain"),
        (True, ladder(True, False), "🛡 stop and 1 of 2 targets on chain · 👁 the rest watched"),
        (True, ladder(False, False), "🛡 stop on chain · 👁 targets watched by the bot"),
        (False, ladder(True, False), "👁 stop watched by the bot · 🛡 1 of 2 targets on chain"),
        (False, ladder(False), "👁 watched by the bot, not on chain"),
        (True, (), "🛡 protected on chain"),
    ],
)
async def test_who_holds_which_part_of_a_plan_is_said(
    world: ChatWorld, stop_on_chain: bool, targets: tuple[TargetView, ...], expected: str
) -> None:
    ann = world.user(1)
    position, _ = await adjusting(world, ann)
    view = replace(position, stop_on_chain=stop_on_chain, targets=targets)
    assert expected in "\n".join(texts.plan_lines(view))


async def test_a_merged_target_is_named(world: ChatWorld) -> None:
    ann = world.user(1)
    position, _ = await adjusting(world, ann)
    first, second = ladder(True, True)
    view = replace(position, targets=(replace(first, size=D(0), state="merged"), second))
    assert "66,000: its part is below one step" in "\n".join(texts.plan_lines(view))
