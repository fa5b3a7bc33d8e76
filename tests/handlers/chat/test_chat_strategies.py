"""Strategies in the chat: making them, their secrets, their end."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from core.events import StrategySilent
from core.trading.views import Holding, LastAlert, StrategyResult
from tests.handlers.chat.chat_world import ChatWorld, chat_world
from tests.handlers.chat.strategy_kit import opened, ready


@pytest.fixture
async def world() -> AsyncIterator[ChatWorld]:
    async with chat_world() as made:
        yield made


async def test_the_secret_goes_when_it_was_copied(world: ChatWorld) -> None:
    ann = world.user(1)
    strategy, secret = await ready(world, ann)
    assert await world.tap(ann, secret, "Copied, delete") is None
    assert "is deleted" in (await world.latest(ann)).text
    assert all(world.desk.secrets[strategy.id] not in one.text for one in ann.screen())


async def test_the_secret_goes_by_itself_after_a_quarter_of_an_hour(world: ChatWorld) -> None:
    ann = world.user(1)
    _, secret = await ready(world, ann)
    world.clock.move(14 * 60)
    await world.notify()
    assert ann.message(secret.id)
    world.clock.move(70)
    await world.notify()
    assert all(one.id != secret.id for one in ann.screen())


async def test_a_restart_does_not_forget_to_delete_the_secret(world: ChatWorld) -> None:
    from handlers.chat.deletions import Deletions

    ann = world.user(1)
    strategy, secret = await ready(world, ann)
    stored = repr(world.conversations.data) + repr(world.conversations.written)
    assert world.desk.secrets[strategy.id] not in stored
    world.clock.move(16 * 60)
    world.emulator.faults.drop("deleteMessage", processed=False, times=2)
    restarted = Deletions(world.conversations, world.clock)
    assert await restarted.sweep(world.bot) == 0
    assert ann.message(secret.id)
    world.clock.move(60)
    assert await Deletions(world.conversations, world.clock).sweep(world.bot) == 1
    assert all(one.id != secret.id for one in ann.screen())


async def test_a_new_secret_is_shown_once_after_a_warning(world: ChatWorld) -> None:
    ann = world.user(1)
    strategy, _ = await ready(world, ann)
    old = world.desk.secrets[strategy.id]
    asked = await world.tap(ann, await opened(world, ann), "New secret")
    assert asked is not None
    assert "stops working at once" in asked.text
    data = asked.button("Make a new secret").data
    ann.press(asked.id, data=data, forged=True)
    ann.press(asked.id, data=data, forged=True)
    await world.quiet()
    new = world.desk.secrets[strategy.id]
    assert new != old
    assert len([one for one in ann.screen() if "has a new secret" in one.text]) == 1
    assert len([one for one in ann.screen() if new in one.text]) == 1


async def test_a_long_template_is_shown_as_code_without_a_copy_button(world: ChatWorld) -> None:
    from core.trading.views import NewSecret
    from handlers.chat.texts.strategy_secrets import secret_screen

    ann = world.user(1)
    strategy, _ = await ready(world, ann)
    made = NewSecret(strategy, "s", '{"secret": "' + "s" * 300 + '"}')
    screen = secret_screen(made, 1, None, renewed=False)
    assert screen.keyboard is not None
    labels = [one.text for row in screen.keyboard.inline_keyboard for one in row]
    assert "Copy message" not in labels
    assert made.template in screen.text


async def test_a_test_alert_is_sent_once_and_says_what_it_proves(world: ChatWorld) -> None:
    ann = world.user(1)
    _, secret = await ready(world, ann)
    data = secret.button("Send a test alert").data
    ann.press(secret.id, data=data, forged=True)
    ann.press(secret.id, data=data, forged=True)
    await world.quiet()
    assert len(world.desk.tests_sent) == 1
    said = [one.text for one in ann.screen() if "came from the inside" in one.text]
    assert "proves only that" in said[0]
    assert ann.message(secret.id).button("Test sent").disabled
    shown = await opened(world, ann)
    await world.tap(ann, shown, "Send a test alert")
    assert len(world.desk.tests_sent) == 2


async def test_the_first_alert_from_outside_is_shown(world: ChatWorld) -> None:
    ann = world.user(1)
    strategy, _ = await ready(world, ann)
    assert "no alert from outside yet" in (await opened(world, ann)).text
    owner, view = world.desk.strategy_rows[strategy.id]
    at = dt.datetime(2026, 5, 4, 10, 0, tzinfo=dt.UTC)
    world.desk.strategy_rows[strategy.id] = (owner, replace(view, first_outside_alert_at=at))
    shown = await opened(world, ann)
    assert "first alert from outside 2026-05-04 10:00 UTC" in shown.text
    assert shown.covered("date_time") == ["2026-05-04 10:00 UTC"]


async def test_a_strategy_shows_its_last_alert_and_what_it_holds(world: ChatWorld) -> None:
    ann = world.user(1)
    strategy, _ = await ready(world, ann)
    owner, view = world.desk.strategy_rows[strategy.id]
    at = dt.datetime(2026, 5, 4, 10, 0, tzinfo=dt.UTC)
    alert = LastAlert(at, "BTC-USD", "buy", "missed", "The alert was 90 s old.")
    held = (Holding("ETH-USD", "SHORT", Decimal("0.40")),)
    shown_now = replace(view, last_alert=alert, holdings=held)
    world.desk.results[strategy.id] = StrategyResult(
        strategy.id, Decimal("1.2"), Decimal("-12.3"), Decimal(1), Decimal(0), Decimal("0.5")
    )
    world.desk.strategy_rows[strategy.id] = (owner, shown_now)
    shown = await opened(world, ann)
    assert "last alert 2026-05-04 10:00 UTC: BTC-USD BUY" in shown.text
    assert "BUY · missed: The alert was 90 s old." in shown.text
    assert "holds ETH-USD SHORT 0.4" in shown.text
    assert "today +1.20 · closed −12.30 · open +0.50 USDC after fees" in shown.text


async def test_silence_is_told_with_the_last_alert(world: ChatWorld) -> None:
    ann = world.user(1)
    strategy, _ = await ready(world, ann)
    me = await world.trader(ann)
    world.desk._tell(me.id, StrategySilent(strategy.id, 24, "2026-05-04T10:00:00+00:00"))
    await world.notify()
    said = await world.latest(ann)
    assert "main: no alert for 24 h" in said.text
    assert said.labels() == ["Open the strategy"]


async def test_deleting_needs_a_second_tap(world: ChatWorld) -> None:
    ann = world.user(1)
    await ready(world, ann)
    asked = await world.tap(ann, await opened(world, ann), "Delete")
    assert asked is not None
    assert "for good" in asked.text
    assert len(await world.desk.strategies(await world.trader(ann))) == 1
    gone = await world.tap(ann, asked, "Delete the strategy")
    assert gone is not None
    assert "is deleted" in gone.text
    assert not await world.desk.strategies(await world.trader(ann))


async def test_a_second_strategy_gets_a_name_by_conversation(world: ChatWorld) -> None:
    ann = world.user(1)
    await ready(world, ann)
    accounts = await world.say(ann, "/accounts")
    account = await world.tap(ann, accounts, "paper ·")
    assert account is not None
    await world.tap(ann, account, "New strategy")
    taken = await world.say(ann, "main")
    assert "You have a strategy of this name" in taken.text
    assert "Send another name" in taken.text
    said = await world.say(ann, "trend-1")
    assert "Strategy trend-1 is ready" in said.text
    shown = await world.say(ann, "/strategies")
    assert [label for label in shown.labels() if label != "New strategy"] == ["main", "trend-1"]


async def test_disconnecting_erases_the_key_after_a_warning(world: ChatWorld) -> None:
    ann = world.user(1)
    await ready(world, ann)
    account = await world.tap(ann, await world.say(ann, "/accounts"), "paper ·")
    assert account is not None
    asked = await world.tap(ann, account, "Disconnect")
    assert asked is not None
    assert "erases the key" in asked.text
    assert len(await world.desk.accounts(await world.trader(ann))) == 1
    done = await world.tap(ann, asked, "Erase the key")
    assert done is not None
    assert "Disconnected" in done.text
    assert not await world.desk.accounts(await world.trader(ann))


async def test_status_and_help_answer(world: ChatWorld) -> None:
    ann = world.user(1)
    await ready(world, ann)
    status = await world.say(ann, "/status")
    assert "✅ testnet · block 1,234,567" in status.text
    assert "open positions 0" in status.text
    assert "/positions" in (await world.say(ann, "/help")).text
    assert "/help" in (await world.say(ann, "/nonsense")).text


async def test_the_commands_are_told_to_telegram_only_when_they_changed(world: ChatWorld) -> None:
    from handlers.chat.dispatcher import publish_commands

    assert await publish_commands(world.bot)
    assert not await publish_commands(world.bot)
