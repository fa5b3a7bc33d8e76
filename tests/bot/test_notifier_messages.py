"""From the outbox to the chat, over the emulated Bot API."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from core.events import (
    AccountUnseen,
    AlertUnreadable,
    IntentRefused,
    MismatchFound,
    OrderUnfilled,
    OrderUnknown,
    PositionChangedByHand,
    ProtectionFailing,
    ProtectionMissing,
    SignalChanged,
    SignalMissed,
    SignalRefused,
    StopRemoved,
)
from core.ledger.models import OutgoingMessage
from core.trading.views import IntentView, TraderView
from tests.handlers.chat.chat_world import ChatWorld, chat_world


@pytest.fixture
async def world() -> AsyncIterator[ChatWorld]:
    async with chat_world() as made:
        yield made


async def test_a_signal_has_one_card_that_is_edited_and_a_reply_when_it_ends(
    world: ChatWorld,
) -> None:
    ann = world.user(1)
    await world.start(ann)
    me = await world.trader(ann)
    position = world.desk.open_position(me)
    signal_id = position.signal_id
    assert signal_id is not None
    filled = world.desk.signal_rows[signal_id]
    world.desk.signal_rows[signal_id] = replace(filled, state="stored", orders=())
    world.desk.position_rows.clear()
    await world.notify()
    shown = await world.latest(ann)
    assert "BTC-USD  BUY  · trend-1" in shown.text
    assert "✅ received  09:41:03 UTC" in shown.text
    assert "⏳ waiting for its turn" in shown.text
    order = filled.orders[0]
    sending = replace(order, state="broadcasting", accepted_at=None, filled_size=Decimal(0))
    for step, words in (
        (sending, "⏳ sending"),
        (replace(sending, state="unknown"), "❔ no answer from the node"),
        (replace(order, state="accepted", filled_size=Decimal(0)), "⏳ waiting for the fill"),
        (
            replace(order, state="unknown", filled_size=Decimal(0)),
            "🛡 stop and target go on chain as soon as it fills",
        ),
    ):
        world.desk.signal_rows[signal_id] = replace(filled, state="stored", orders=(step,))
        world.outbox.put(me.id, SignalChanged(signal_id), world.clock.now(), signal_id)
        await world.notify()
        assert words in ann.message(shown.id).text
    assert "✅ accepted  +12 ms · tx 4F2A…9C1E" in ann.message(shown.id).text
    world.desk.signal_rows[signal_id] = filled
    world.desk.position_rows[position.id] = position
    world.outbox.put(me.id, SignalChanged(signal_id), world.clock.now(), signal_id)
    await world.notify()
    card = ann.message(shown.id)
    assert "BTC-USD  LONG" in card.text
    assert "✅ filled  0.0150 at 64,212\n+1.1 s · slippage +0.02 %" in card.text
    assert "👁 watched by the bot, not on chain" in card.text
    assert "stop 62,928 (−2.0 %)" in card.text
    assert [label for label in card.labels() if "½" in label] == ["½ Close 0.0075 BTC"]
    assert card.edited
    world.desk.finish_position(position.id)
    await world.notify()
    assert not ann.message(shown.id).buttons
    end = await world.latest(ann)
    assert end.reply_to == shown.id
    assert end.text.startswith("✳️ BTC-USD  LONG closed: take profit")
    assert "+27.96 USDC after fees (+2.9 %)" in end.text
    assert "64,212 → 66,140 · 0.0150 · 2 h 14 min" in end.text
    assert "fees −0.96 · before fees +28.92 USDC" in end.text
    assert len([one for one in ann.screen() if one.sender == "bot"]) == 3


async def test_the_buttons_of_a_card_act_on_its_version_only(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    position = world.desk.open_position(await world.trader(ann))
    await world.notify()
    card = await world.latest(ann)
    old = card.button("½").data
    world.desk.change_position(position.id, size=Decimal("0.02"))
    await world.notify()
    ann.press(card.id, data=old, forged=True)
    await world.quiet()
    assert not world.desk.closes
    await world.tap(ann, ann.message(card.id), "½ Close 0.0100 BTC")
    assert [one.version for one in world.desk.closes] == [2]
    again = await world.tap(ann, ann.message(card.id), "Refresh")
    assert again is not None
    assert "trend-1" in again.text


async def test_paper_is_marked_everywhere(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.tap(ann, await world.start(ann), "Paper")
    position = world.desk.open_position(await world.trader(ann))
    world.desk.finish_position(position.id, "stop_loss")
    await world.notify()
    card, end = [one for one in ann.screen() if "BTC-USD" in one.text]
    assert card.text.startswith("🧪")
    assert end.text.startswith("🧯 🧪 BTC-USD")


async def test_each_kind_of_event_has_its_message(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.tap(ann, await world.start(ann), "Paper")
    me = await world.trader(ann)
    position = world.desk.open_position(me)
    signal_id = position.signal_id
    assert signal_id is not None
    signal = world.desk.signal_rows[signal_id]
    world.desk.signal_rows[signal_id] = replace(
        signal, reason_code="x", reason_text="The daily limit is reached."
    )
    strategy = (await world.desk.strategies(me))[0]
    account = (await world.desk.accounts(me))[0]
    unfilled = replace(
        world.desk.order_rows[1], id=2, state="expired", filled_size=Decimal(0), average_price=None
    )
    world.desk.order_rows[2] = unfilled
    world.desk.intent_rows[1] = IntentView(
        1, me.id, "paper", "button", "close", "BTC-USD", position.id, "refused",
        "no_price", "There is no price for BTC-USD just now.",
    )  # fmt: skip
    now = world.clock.now()
    await world.notify()
    card = await world.latest(ann)
    for event, about_signal, words in (
        (SignalRefused(signal_id), True, "⛔ 🧪 BTC-USD BUY refused: The daily limit is reached."),
        (SignalMissed(signal_id), True, "⚠️ Missed: 🧪 BTC-USD BUY of 09:41"),
        (OrderUnknown(1), True, "will not send it again until I know"),
        (OrderUnfilled(2), False, "not filled"),
        (PositionChangedByHand(position.id, "-0.005"), True, "changed outside the bot: −0.0050"),
        (ProtectionFailing(position.id, 0), True, "it is not closed yet\n0.0150 is still open"),
        (ProtectionFailing(position.id, 5), True, "Tried 5 times. 0.0150 is still open"),
        (ProtectionMissing(position.id, "x"), True, "the stop is not in force just now"),
        (ProtectionMissing(position.id, "y", watched=True), True, "the stop is not on chain yet"),
        (StopRemoved(position.id, 1), True, "I placed it again."),
        (IntentRefused(1), False, "There is no price for BTC-USD just now."),
        (
            AlertUnreadable(
                strategy.id, "bad_json", "The body is not JSON.", "Remove the comma.", 3, 7,
                "size", '{"secret": "***"}', 2,
            ),
            False,
            "2 alerts reached the webhook of main but could not be used\nThe body is not JSON.\n"
            'line 3, column 7\nfield size\n{"secret": "***"}\nWhat to do: Remove the comma.',
        ),
        (MismatchFound(account.id, "BTC-USD", "1", "2"), False, "on chain 1 · in my books 2"),
        (AccountUnseen(account.id, now.isoformat()), False, "What fills now has no stop"),
    ):  # fmt: skip
        world.outbox.put(me.id, event, now, signal_id if about_signal else None)
        await world.notify()
        shown = await world.latest(ann)
        assert words in shown.text
        assert shown.reply_to == (card.id if about_signal else None)
    assert not world.outbox.unsettled()


async def test_nothing_is_lost_while_telegram_is_out_of_reach(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    position = world.desk.open_position(await world.trader(ann))
    world.desk.finish_position(position.id)
    world.emulator.faults.drop("sendMessage", processed=False, times=3)
    for _ in range(3):
        await world.notify()
        assert len(world.outbox.unsettled()) == 2
        world.clock.move(10)
    await world.notify()
    assert not world.outbox.unsettled()
    card, end = [one for one in ann.screen() if "BTC-USD" in one.text]
    assert end.reply_to == card.id


async def test_retry_after_is_waited_for_and_keeps_the_order(world: ChatWorld) -> None:
    ann, bob = world.user(1), world.user(2, "Bob")
    await world.start(ann)
    await world.start(bob)
    position = world.desk.open_position(await world.trader(ann))
    world.desk.finish_position(position.id)
    world.emulator.faults.flood(30, "sendMessage")
    await world.notify()
    assert len(world.outbox.unsettled()) == 2
    world.desk.open_position(await world.trader(bob))
    before = len([call for call in world.emulator.calls if call.method == "sendMessage"])
    await world.notify()
    after = [call for call in world.emulator.calls if call.method == "sendMessage"][before:]
    assert [call.parameters["chat_id"] for call in after] == ["2"] or [
        call.parameters["chat_id"] for call in after
    ] == [2]
    world.clock.move(31)
    await world.notify()
    assert not world.outbox.unsettled()
    card, end = [one for one in ann.screen() if "BTC-USD" in one.text]
    assert end.reply_to == card.id


async def test_who_blocked_the_bot_is_noted_and_the_rest_goes_on(world: ChatWorld) -> None:
    ann, bob = world.user(1), world.user(2, "Bob")
    await world.start(ann)
    await world.start(bob)
    me = await world.trader(ann)
    ann.block()
    await world.quiet()
    assert world.reachable == {me.id: False}
    world.reachable.clear()
    world.desk.open_position(me)
    world.desk.open_position(await world.trader(bob))
    await world.notify()
    assert world.reachable == {me.id: False}
    assert [row.state for row in world.outbox.rows] == ["dead", "live"]
    assert "BTC-USD" in (await world.latest(bob)).text
    ann.unblock()
    await world.quiet()
    assert world.reachable == {me.id: True}


async def test_an_edit_that_changes_nothing_is_harmless(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    me = await world.trader(ann)
    position = world.desk.open_position(me)
    assert position.signal_id is not None
    world.desk.finish_position(position.id)
    await world.notify()
    world.outbox.put(
        me.id, SignalChanged(position.signal_id), world.clock.now(), position.signal_id
    )
    await world.notify()
    assert not world.outbox.unsettled()
    assert len([one for one in ann.screen() if "received" in one.text]) == 1


async def test_a_card_that_was_deleted_comes_again_while_its_position_is_open(
    world: ChatWorld,
) -> None:
    ann = world.user(1)
    await world.start(ann)
    position = world.desk.open_position(await world.trader(ann))
    await world.notify()
    card = await world.latest(ann)
    await world.bot.delete_message(ann.id, card.id)
    world.desk.change_position(position.id, size=Decimal("0.02"))
    await world.notify()
    again = await world.latest(ann)
    assert again.id != card.id
    assert "½ Close 0.0100 BTC" in again.labels()


async def test_a_message_that_cannot_be_made_holds_up_nothing(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    me = await world.trader(ann)
    world.outbox.put(me.id, OrderUnknown(999), world.clock.now())
    world.desk.open_position(me)
    await world.notify()
    assert "BTC-USD" in (await world.latest(ann)).text
    for _ in range(6):
        world.clock.move(400)
        await world.notify()
    assert world.outbox.rows[0].state == "dead"


async def test_a_change_during_sending_is_sent_afterwards(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    me = await world.trader(ann)
    position = world.desk.open_position(me)
    await world.notifier.start_due()
    world.desk.change_position(position.id, size=Decimal("0.03"), max_size=Decimal("0.03"))
    await world.notifier.settled()
    await world.notify()
    cards = [one for one in ann.screen() if "received" in one.text]
    assert len(cards) == 1
    assert "½ Close 0.0150 BTC" in cards[0].labels()


async def test_what_was_read_while_it_was_being_sent_is_not_sent_again(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    position = world.desk.open_position(await world.trader(ann))
    await world.notify()
    world.desk.finish_position(position.id)
    real = world.outbox.due

    async def comes_late(now: dt.datetime, limit: int) -> list[OutgoingMessage]:
        found = await real(now, limit)
        await world.notifier.settled()
        return found

    await world.notifier.start_due()
    world.outbox.due = comes_late  # type: ignore[method-assign]
    await world.notifier.start_due()
    world.outbox.due = real  # type: ignore[method-assign]
    await world.notify()
    assert len([one for one in ann.screen() if one.text.startswith("✳️")]) == 1


async def test_a_ledger_that_fails_makes_no_hot_loop(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    world.desk.open_position(await world.trader(ann))
    real, asked = world.desk.trader, 0

    async def broken(trader_id: int) -> TraderView:
        nonlocal asked
        asked += 1
        if asked > 1:
            return await real(trader_id)
        raise OSError("disk full")

    world.desk.trader = broken  # type: ignore[method-assign]
    await world.notify()
    assert world.outbox.unsettled()
    await world.notify()
    assert not world.outbox.unsettled()


async def test_run_sends_what_becomes_due_until_it_is_closed(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    running = asyncio.create_task(world.notifier.run())
    position = world.desk.open_position(await world.trader(ann))
    await ann.wait_for_text("received")
    world.desk.finish_position(position.id)
    await ann.wait_for_text("closed: take profit")
    await world.notifier.close()
    await running


async def test_what_hangs_is_given_up_at_the_end_and_not_lost(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    world.desk.open_position(await world.trader(ann))

    async def hangs(trader_id: int) -> TraderView:
        await asyncio.Event().wait()
        raise AssertionError

    world.desk.trader = hangs  # type: ignore[method-assign]
    await world.notifier.start_due()
    await world.notifier.close(drain_s=0.02)
    assert world.outbox.unsettled()


async def test_a_flood_becomes_a_digest(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    me = await world.trader(ann)
    position = world.desk.open_position(me)
    assert position.signal_id is not None
    signal = world.desk.signal_rows[position.signal_id]
    world.desk.signal_rows[position.signal_id] = replace(signal, reason_text="Too old, @evil.")
    for _ in range(40):
        world.outbox.put(me.id, SignalMissed(position.signal_id), world.clock.now())
    world.desk.finish_position(position.id)
    before = len(ann.screen())
    await world.notify()
    new = ann.screen()[before:]
    assert len(new) == 3
    digest = next(one for one in new if "40 messages" in one.text)
    assert "and 25 more of the same kind" in digest.text
    assert not digest.covered("mention")
    assert not world.outbox.unsettled()
