"""What was made by hand, in the chat: shown as such, left alone, adopted when asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from bot.emulator.user import User
from core.events import (
    BalanceDiffers,
    Event,
    PositionChangedByHand,
    PositionForced,
    PositionLeft,
    SharesDiffer,
)
from core.trading.views import Cover, ExternalOrderView, PositionView, ShareView
from tests.handlers.chat.chat_world import ChatWorld, chat_world

D = Decimal


@pytest.fixture
async def world() -> AsyncIterator[ChatWorld]:
    async with chat_world() as made:
        yield made


async def held(world: ChatWorld, user: User, **values: Any) -> PositionView:
    """A trader with a strategy, and a position of these values."""
    await world.start(user)
    me = await world.trader(user)
    position = world.desk.open_position(me)
    await world.desk.create_strategy(me, position.account_id, "main")
    changed = replace(position, **values)
    world.desk.position_rows[position.id] = changed
    return changed


BY_HAND: dict[str, Any] = {
    "external": True,
    "signal_id": None,
    "stop_loss": None,
    "take_profit": None,
    "targets": (),
    "shares": (ShareView(None, None, D("0.015")),),
}


async def shown_position(world: ChatWorld, user: User) -> Any:
    listed = await world.say(user, "/positions")
    shown = await world.tap(user, listed, next(one for one in listed.labels() if "BTC" in one))
    assert shown is not None
    return shown


async def test_a_position_made_by_hand_can_be_protected_and_adopted_but_not_closed(
    world: ChatWorld,
) -> None:
    ann = world.user(1)
    await held(world, ann, **BY_HAND)
    listed = await world.say(ann, "/positions")
    assert "LONG  0.0150  +12.30   by hand" in listed.text
    shown = await shown_position(world, ann)
    assert "made by hand, outside the bot" in shown.text
    assert "no stop and no target" in shown.text
    assert shown.labels() == ["🛡 Protect…", "Adopt into…", "↻ Refresh"]


async def test_one_with_a_plan_is_adjusted(world: ChatWorld) -> None:
    ann = world.user(1)
    await held(world, ann, **(BY_HAND | {"stop_loss": D(62_928)}))
    shown = await shown_position(world, ann)
    assert shown.labels() == ["Adopt into…", "Adjust", "↻ Refresh"]


async def test_adopting_asks_for_the_strategy_and_says_what_its_plan_would_be(
    world: ChatWorld,
) -> None:
    ann = world.user(1)
    position = await held(world, ann, **BY_HAND)
    me = await world.trader(ann)
    [strategy] = [row for row in await world.desk.strategies(me) if row.name == "main"]
    owner, view = world.desk.strategy_rows[strategy.id]
    world.desk.strategy_rows[strategy.id] = (owner, replace(view, stop_loss_percent=D(2)))
    asked = await world.tap(ann, await shown_position(world, ann), "Adopt into…")
    assert asked is not None
    assert "0.0150 BTC of it was made by hand." in asked.text
    assert "Nothing is traded now." in asked.text
    sure = await world.tap(ann, asked, "Adopt into main")
    assert sure is not None
    assert "stop 2 % away" in sure.text
    assert world.desk.position_rows[position.id].external
    done = await world.tap(ann, sure, "Adopt it")
    assert done is not None
    assert "✅ Adopted into main." in done.text
    assert not world.desk.position_rows[position.id].external
    assert "Close…" in done.labels()


async def test_an_old_question_adopts_nothing(world: ChatWorld) -> None:
    ann = world.user(1)
    position = await held(world, ann, **BY_HAND)
    asked = await world.tap(ann, await shown_position(world, ann), "Adopt into…")
    assert asked is not None
    sure = await world.tap(ann, asked, "Adopt into main")
    assert sure is not None
    world.desk.position_rows[position.id] = replace(position, version=2, size=D("0.02"))
    shown = await world.tap(ann, sure, "Adopt it")
    assert shown is not None
    assert "This position has changed" in shown.text
    assert world.desk.position_rows[position.id].external


async def test_a_shared_position_says_who_holds_what(world: ChatWorld) -> None:
    ann = world.user(1)
    shares = (ShareView(None, None, D("0.005")), ShareView(7, "main", D("0.010")))
    await held(world, ann, shares=shares, funding=D("-0.03"))
    shown = await shown_position(world, ann)
    assert "by hand  +0.0050\nmain  +0.0100" in shown.text
    assert "fees −0.48 · funding −0.03" in shown.text
    assert "Adopt into…" in shown.labels()


async def test_a_closed_position_says_its_funding_and_the_day(world: ChatWorld) -> None:
    ann = world.user(1)
    position = await held(world, ann)
    world.desk.finish_position(position.id)
    ended = world.desk.position_rows[position.id]
    world.desk.position_rows[position.id] = replace(ended, funding=D("-0.03"), today=D("61.2"))
    await world.notify()
    text = (await world.latest(ann)).text
    assert "+27.93 USDC after fees and funding (+2.9 %)" in text
    assert "fees −0.96 · funding −0.03 · before fees +28.92 USDC" in text
    assert "today +61.20 USDC" in text


STOP = Cover("stop_loss", D(62_928), D("0.015"), leaving=False)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"covers": (STOP,)}, "🛡 The stop at 62,928 on chain covers all of it."),
        (
            {"covers": (replace(STOP, size=D("0.01")),)},
            "⚠️ The stop at 62,928 on chain covers 0.0100 of 0.0150.\n"
            "I bring the stop in line with the whole of it.",
        ),
        ({}, "No stop rests on chain for it just now; I watch 62,928 myself."),
        ({"covers": (replace(STOP, leaving=True),)}, "No stop rests on chain for it just now"),
        ({"stop_loss": None}, "There is no stop: nothing limits its loss."),
    ],
)
async def test_a_change_by_hand_is_told_with_what_the_stop_covers(
    world: ChatWorld, values: dict[str, Any], words: str
) -> None:
    ann = world.user(1)
    position = await held(world, ann, **values)
    me = await world.trader(ann)
    world.outbox.put(me.id, PositionChangedByHand(position.id, "0.005"), world.clock.now(), None)
    await world.notify()
    text = (await world.latest(ann)).text
    assert "changed outside the bot: +0.0050" in text
    assert "Open now: 0.0150 BTC." in text
    assert words in text


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (PositionForced(1, "liquidated"), "💥 BTC-USD  LONG: partly liquidated by dYdX"),
        (PositionForced(1, "deleveraged"), "💥 BTC-USD  LONG: partly deleveraged by dYdX"),
        (PositionLeft(1), "made by hand stays open. I do not close what I did not open."),
        (SharesDiffer(1, "BTC-USD", "1", "2"), "on chain 1 · strategies and by hand together 2"),
        (
            BalanceDiffers(1, "-3.5", "1.25", "2026-11-24T09:00:00+00:00"),
            "⚠️ The balance and my books differ by −4.75 USDC",
        ),
    ],
)
async def test_what_the_chain_did_and_what_does_not_agree_is_told(
    world: ChatWorld, event: Event, words: str
) -> None:
    ann = world.user(1)
    await held(world, ann)
    me = await world.trader(ann)
    world.outbox.put(me.id, event, world.clock.now(), None)
    await world.notify()
    assert words in (await world.latest(ann)).text
    assert not world.outbox.unsettled()


async def test_orders_made_by_hand_are_listed_without_a_button(world: ChatWorld) -> None:
    ann = world.user(1)
    await held(world, ann)
    world.desk.external_rows.append(
        ExternalOrderView(
            order_uuid=uuid4(),
            network="paper",
            account_id=1,
            ticker="ETH-USD",
            side="SELL",
            kind="stop limit",
            size=D("0.4"),
            price=D(2_900),
            trigger_price=D(3_000),
            reduce_only=True,
            filled_size=D(0),
            expires_at=dt.datetime(2026, 12, 24, tzinfo=dt.UTC),
        )
    )
    shown = await world.say(ann, "/orders")
    assert "Made by hand\nI never cancel or replace these.\n" in shown.text
    assert "🧪 ETH-USD  SELL 0.4 · stop limit 3,000 · only reduces" in shown.text
    assert shown.labels() == ["↻ Refresh"]
