"""Answers to signals in the chat: execute, ignore, give a symbol a meaning."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from bot.emulator.screen import Shown
from core.events import SignalAsks, SignalMocked, SignalRefused
from core.trading.views import MockOrderView
from handlers.chat.buttons import AliasButton, SignalButton
from tests.handlers.chat.chat_world import START, ChatWorld, chat_world
from tests.handlers.chat.strategy_kit import current, ready


@pytest.fixture
async def world() -> AsyncIterator[ChatWorld]:
    async with chat_world() as made:
        yield made


WOULD = "It would buy 0.0015 BTC-USD at about 64212."


async def card_of(world: ChatWorld, state: str, **values: object) -> Shown:
    """The card of a signal in a state, as it was sent."""
    ann = world.user(1)
    strategy, _ = await ready(world, ann)
    world.desk.add_signal(await world.trader(ann), strategy, state, **values)
    await world.notify()
    return await world.latest(ann)


async def test_a_signal_that_waits_is_executed_once(world: ChatWorld) -> None:
    until = START + dt.timedelta(seconds=60)
    card = await card_of(world, "asking", reason_text=WOULD, asked_until=until)
    ann = world.user(1)
    assert "waits for your word until 09:42:03 UTC" in card.text
    assert WOULD in card.text
    assert card.labels() == ["Execute", "Ignore"]
    data = card.button("Execute").data
    ann.press(card.id, data=data, forged=True)
    ann.press(card.id, data=data, forged=True)
    await world.quiet()
    signal_id = next(iter(world.desk.signal_rows))
    assert world.desk.executed == [f"execute:{signal_id}"]
    await world.notify()
    assert "waiting for its turn" in ann.message(card.id).text
    assert ann.message(card.id).labels() == []


async def test_an_ignored_signal_trades_nothing(world: ChatWorld) -> None:
    card = await card_of(world, "asking", reason_text=WOULD)
    ann = world.user(1)
    await world.tap(ann, card, "Ignore")
    await world.notify()
    shown = ann.message(card.id)
    assert "ignored by you: nothing was traded" in shown.text
    assert shown.labels() == []
    await world.forge(ann, card.id, SignalButton(
        do="execute", signal_id=next(iter(world.desk.signal_rows))
    ).pack())  # fmt: skip
    assert not world.desk.executed


async def test_a_new_message_says_that_a_signal_waits(world: ChatWorld) -> None:
    await card_of(world, "asking", reason_text=WOULD)
    ann = world.user(1)
    signal_id = next(iter(world.desk.signal_rows))
    world.desk._tell((await world.trader(ann)).id, SignalAsks(signal_id), signal_id)
    await world.notify()
    said = await world.latest(ann)
    assert "BTC-USD BUY waits for your word" in said.text
    await world.tap(ann, said, "Execute")
    assert len(world.desk.executed) == 1


async def test_the_card_of_an_entry_that_was_cancelled_names_no_other_cause(
    world: ChatWorld,
) -> None:
    card = await card_of(world, "refused", reason_code="canceled", reason_text="It was canceled.")
    assert "canceled before it filled" in card.text
    assert "refused" not in card.text


async def test_a_shadow_card_says_what_would_have_been_done(world: ChatWorld) -> None:
    card = await card_of(world, "shadow", reason_text=WOULD)
    assert "shadow mode: nothing was sent" in card.text
    assert WOULD in card.text
    assert card.labels() == []


async def test_a_mock_order_is_called_so_and_can_be_traded_for_real(world: ChatWorld) -> None:
    card = await card_of(world, "mock", reason_text=WOULD)
    ann = world.user(1)
    assert "🎭 mock: no node was reached, nothing was sent" in card.text
    signal_id = next(iter(world.desk.signal_rows))
    world.desk._tell((await world.trader(ann)).id, SignalMocked(signal_id), signal_id)
    await world.notify()
    said = await world.latest(ann)
    assert "a mock order" in said.text
    assert "Nothing was traded" in said.text
    await world.tap(ann, said, "Retry for real")
    assert len(world.desk.executed) == 1


async def test_the_book_of_mock_orders_leads_back_to_each_question(world: ChatWorld) -> None:
    await card_of(world, "mock", reason_text=WOULD)
    ann = world.user(1)
    signal_id = next(iter(world.desk.signal_rows))
    world.desk.mock_rows.append(
        MockOrderView(
            signal_id=signal_id,
            network="paper",
            account_id=1,
            ticker="BTC-USD",
            side="BUY",
            size=Decimal("0.01"),
            price=Decimal(64000),
            created_at=dt.datetime(2026, 11, 24, 9, 41, tzinfo=dt.UTC),
        )
    )
    listed = await world.say(ann, "/orders")
    assert "Nothing of these was sent." in listed.text
    assert "🎭 1. 🧪 BTC-USD  BUY  0.01 at 64,000 · 09:41:00 UTC" in listed.text
    await world.tap(ann, listed, "🎭 1 BTC: retry or ignore…")
    said = await world.latest(ann)
    assert said.labels() == ["Retry for real", "Ignore"]
    assert ann.message(listed.id).labels() == listed.labels()
    await world.tap(ann, said, "Ignore")
    await world.tap(ann, listed, "🎭 1 BTC: retry or ignore…")
    assert (await world.latest(ann)).id == said.id
    assert not world.desk.executed


async def test_a_missed_signal_can_be_executed_now(world: ChatWorld) -> None:
    card = await card_of(world, "missed", reason_text="The alert was 90 s old.")
    await world.tap(world.user(1), card, "Execute now")
    assert len(world.desk.executed) == 1


async def test_the_nearest_names_make_an_alias_and_execute_nothing(world: ChatWorld) -> None:
    await card_of(
        world,
        "refused",
        symbol="XBTM26",
        reason_code="symbol_unknown",
        reason_text="dYdX has no market for XBTM26.",
        nearest=("BTC-USD", "BAT-USD"),
    )
    ann = world.user(1)
    signal_id = next(iter(world.desk.signal_rows))
    world.desk._tell((await world.trader(ann)).id, SignalRefused(signal_id), signal_id)
    await world.notify()
    refused = await world.latest(ann)
    assert refused.labels() == ["Next time it means BTC-USD", "Next time it means BAT-USD"]
    data = refused.button("Next time it means BTC-USD").data
    ann.press(refused.id, data=data, forged=True)
    ann.press(refused.id, data=data, forged=True)
    await world.quiet()
    assert (await current(world, ann)).aliases == (("XBTM26", "BTC-USD"),)
    said = await world.latest(ann)
    assert "XBTM26 means BTC-USD from now on" in said.text
    assert "nothing was traded" in said.text
    assert not world.desk.executed
    assert world.desk.signal_rows[signal_id].state == "refused"


async def test_a_market_that_was_not_offered_makes_no_alias(world: ChatWorld) -> None:
    card = await card_of(world, "refused", reason_code="symbol_unknown", nearest=("BTC-USD",))
    ann = world.user(1)
    signal_id = next(iter(world.desk.signal_rows))
    await world.forge(ann, card.id, AliasButton(signal_id=signal_id, choice=7).pack())
    assert "was not offered" in (await world.latest(ann)).text
    assert not (await current(world, ann)).aliases


async def test_an_alias_of_a_deleted_strategy_is_refused(world: ChatWorld) -> None:
    card = await card_of(world, "refused", reason_code="symbol_unknown", nearest=("BTC-USD",))
    ann = world.user(1)
    world.desk.strategy_rows.clear()
    await world.tap(ann, card, "BTC-USD")
    assert "does not exist" in (await world.latest(ann)).text


async def test_the_signal_of_another_trader_is_not_answered(world: ChatWorld) -> None:
    await card_of(world, "asking", nearest=("BTC-USD",), reason_code="symbol_unknown")
    bob = world.user(2, "Bob")
    shown = await world.start(bob)
    signal_id, signal = next(iter(world.desk.signal_rows.items()))
    for data in (
        SignalButton(do="execute", signal_id=signal_id),
        SignalButton(do="ignore", signal_id=signal_id),
        SignalButton(do="show", signal_id=signal_id),
        AliasButton(signal_id=signal_id, choice=0),
    ):
        await world.forge(bob, shown.id, data.pack())
        assert "does not exist" in (await world.latest(bob)).text
    assert world.desk.signal_rows[signal_id] == replace(signal)
