"""Limits, modes and zones in the chat."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from bot.emulator.user import User
from core.events import RiskBreached
from core.trading.risk.limits import Limits, Mode, ScopeKind
from core.trading.risk.views import ScopeView
from tests.handlers.chat.chat_world import ChatWorld, chat_world

ADDRESS = "dydx1kvs2jpgq0j8ka8kfwsezwh5a8ywtl8yj7xytr5 · subaccount 0"


@pytest.fixture
async def world() -> AsyncIterator[ChatWorld]:
    async with chat_world() as made:
        yield made


async def with_scopes(world: ChatWorld, user: User) -> ScopeView:
    """A trader with an account and a strategy; the account's scope."""
    await world.start(user)
    trader = await world.trader(user)
    world.desk.add_scope(trader, ScopeKind.STRATEGY, 3, "trend-1")
    return world.desk.add_scope(trader, ScopeKind.ACCOUNT, 2, ADDRESS)


async def test_limits_are_listed_with_what_is_shut_and_when_the_day_begins(
    world: ChatWorld,
) -> None:
    ann = world.user(1)
    account = await with_scopes(world, ann)
    world.desk.set_scope(replace(account, mode=Mode.HALTED, mode_reason="panic"))
    shown = await world.say(ann, "/limits")
    assert "✅ 🧪 strategy trend-1 · active" in shown.text
    assert "⛔ 🧪 paper dydx1kvs2…7xytr5 · subaccount 0 · halted by panic" in shown.text
    assert "Your day: UTC, now 09:41" in shown.text


async def test_a_limit_is_asked_for_and_asked_again_until_it_can_be_read(world: ChatWorld) -> None:
    ann = world.user(1)
    await with_scopes(world, ann)
    one = await world.tap(ann, await world.say(ann, "/limits"), "trend-1")
    assert one is not None
    assert "Nothing is limited." in one.text
    menu = await world.tap(ann, one, "Change a limit")
    assert menu is not None
    question = await world.tap(ann, menu, "Daily loss")
    assert question is not None
    assert "It is not limited now." in question.text
    again = await world.say(ann, "a lot")
    assert "That is not a plain number" in again.text
    saved = await world.say(ann, "100")
    assert "daily loss: 100.00 USDC" in saved.text
    view = await world.desk.risk_scope(await world.trader(ann), ScopeKind.STRATEGY, 3)
    assert view.limits == Limits(daily_loss=Decimal(100))


async def test_cancel_leaves_a_question_and_changes_nothing(world: ChatWorld) -> None:
    ann = world.user(1)
    await with_scopes(world, ann)
    one = await world.tap(ann, await world.say(ann, "/limits"), "trend-1")
    assert one is not None
    menu = await world.tap(ann, one, "Change a limit")
    assert menu is not None
    await world.tap(ann, menu, "Hours")
    await world.say(ann, "/cancel")
    await world.say(ann, "09:00-17:00")
    view = await world.desk.risk_scope(await world.trader(ann), ScopeKind.STRATEGY, 3)
    assert view.limits == Limits()


async def test_halting_is_confirmed_and_resuming_says_what_it_means(world: ChatWorld) -> None:
    ann = world.user(1)
    await with_scopes(world, ann)
    one = await world.tap(ann, await world.say(ann, "/limits"), "trend-1")
    assert one is not None
    asked = await world.tap(ann, one, "Halt…")
    assert asked is not None
    assert "closing still works" in asked.text
    halted = await world.tap(ann, asked, "Halt")
    assert halted is not None
    assert "halted by hand" in halted.text
    sure = await world.tap(ann, halted, "Resume…")
    assert sure is not None
    assert "Alerts will open positions again." in sure.text
    active = await world.tap(ann, sure, "Resume")
    assert active is not None
    assert "✅ active" in active.text


async def test_a_reached_daily_loss_is_told_and_can_be_resumed_anyway(world: ChatWorld) -> None:
    ann = world.user(1)
    account = await with_scopes(world, ann)
    trader = await world.trader(ann)
    limits = Limits(daily_loss=Decimal(100))
    world.desk.set_scope(
        replace(account, limits=limits, today=Decimal("-100.40"), over=("daily_loss",))
    )
    text = (
        "daily loss limit of the account. Today −100.40 of −100.00 USDC. New entries are off "
        "until 00:00 (UTC); closing still works."
    )
    world.outbox.put(trader.id, RiskBreached("account", 2, "daily_loss", text), world.clock.now())
    await world.notify()
    told = await world.latest(ann)
    assert told.text.startswith("⛔ Daily loss limit of the account reached")
    assert "Today −100.40 of −100.00 USDC." in told.text
    sure = await world.tap(ann, told, "Resume anyway…")
    assert sure is not None
    assert "The daily loss will not count until 00:00 (UTC)." in sure.text
    resumed = await world.tap(ann, sure, "Resume")
    assert resumed is not None
    assert "you resumed: the daily loss does not count until 00:00 (UTC)" in resumed.text


async def test_nobody_sees_or_changes_the_limits_of_others(world: ChatWorld) -> None:
    ann, bob = world.user(1), world.user(2, "Bob")
    account = await with_scopes(world, ann)
    shown = await world.start(bob)
    await world.forge(bob, shown.id, "rk:halt_yes:account:2")
    assert world.desk.scopes[ScopeKind.ACCOUNT, 2][1] == account
    assert "not there any more" in (await world.latest(bob)).text


async def test_a_zone_takes_effect_with_the_next_day(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    asked = await world.say(ann, "/zone")
    assert "Your day: UTC" in asked.text
    assert "There is no such zone." in (await world.say(ann, "Mars")).text
    saved = await world.say(ann, "Europe/Berlin")
    assert "From 2026-05-05 00:00 UTC on: Europe/\u2060Berlin" in saved.text
