"""Waiting orders in the chat: the list, and cancelling one."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from bot.emulator.user import User
from core.trading.views import DeskError, OpenOrderView, OrderView
from tests.handlers.chat.chat_world import ChatWorld, chat_world

NOW = dt.datetime(2026, 11, 24, 9, 41, tzinfo=dt.UTC)


@pytest.fixture
async def world() -> AsyncIterator[ChatWorld]:
    async with chat_world() as made:
        yield made


def waiting(order_id: int, account_id: int, *, protects: bool = False) -> OpenOrderView:
    order = OrderView(
        id=order_id,
        purpose="stop_loss" if protects else "open",
        kind="stop" if protects else "limit",
        ticker="BTC-USD",
        side="SELL" if protects else "BUY",
        size=Decimal("0.01"),
        limit_price=Decimal(60000),
        trigger_price=Decimal(62000) if protects else None,
        reference_price=Decimal(64000),
        reduce_only=protects,
        state="untriggered" if protects else "open",
        code=0,
        codespace="",
        tx_hash="AB" * 32,
        good_til_block=0,
        expires_at=NOW + dt.timedelta(days=1),
        filled_size=Decimal(0),
        average_price=None,
        slippage_percent=None,
        created_at=NOW,
        accepted_at=NOW,
        resolved_at=None,
    )
    return OpenOrderView(order, "paper", account_id, protects, cancel_asked=False)


async def with_orders(world: ChatWorld, user: User, *rows: OpenOrderView) -> None:
    """A trader whose account has these orders."""
    await world.start(user)
    world.desk.open_position(await world.trader(user))
    account = (await world.desk.accounts(await world.trader(user)))[0]
    for row in rows:
        world.desk.waiting_rows[row.order.id] = replace(row, account_id=account.id)


async def test_the_list_tells_kind_price_and_what_belongs_to_a_plan(world: ChatWorld) -> None:
    ann = world.user(1)
    await with_orders(world, ann, waiting(1, 0), waiting(2, 0, protects=True))
    shown = await world.say(ann, "/orders")
    assert "1. 🧪 BTC-USD  BUY  0.01\nlimit 60,000 · ⏳ in the book" in shown.text
    assert "2. 🛡 🧪 BTC-USD  SELL  0.01\nstop 62,000 · ⏳ waits for its price" in shown.text
    assert [label for label in shown.labels() if label.startswith("Cancel")] == ["Cancel 1 BTC"]


async def test_cancelling_is_asked_first_and_then_shown_as_under_way(world: ChatWorld) -> None:
    ann = world.user(1)
    await with_orders(world, ann, waiting(1, 0))
    asked = await world.tap(ann, await world.say(ann, "/orders"), "Cancel 1 BTC")
    assert asked is not None
    assert "Nothing of it is filled." in asked.text
    assert not world.desk.waiting_rows[1].cancel_asked
    shown = await world.tap(ann, asked, "Cancel it")
    assert shown is not None
    assert "cancelling…" in shown.text
    assert world.desk.waiting_rows[1].cancel_asked


async def test_an_order_that_is_over_is_said_to_be(world: ChatWorld) -> None:
    ann = world.user(1)
    await with_orders(world, ann, waiting(1, 0))
    listed = await world.say(ann, "/orders")
    world.desk.waiting_rows.clear()
    shown = await world.tap(ann, listed, "Cancel 1 BTC")
    assert shown is not None
    assert "None is waiting." in shown.text


async def test_a_second_tap_on_cancel_says_so_and_shows_what_still_waits(
    world: ChatWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = world.user(1)
    await with_orders(world, ann, waiting(1, 0))
    asked = await world.tap(ann, await world.say(ann, "/orders"), "Cancel 1 BTC")
    assert asked is not None

    async def over(*asked: object) -> OpenOrderView:
        world.desk.waiting_rows.clear()
        raise DeskError("order_over", "This order is over already.")

    monkeypatch.setattr(world.desk, "cancel_order", over)
    shown = await world.tap(ann, asked, "Cancel it")
    assert shown is not None
    assert "None is waiting." in shown.text


async def test_nobody_cancels_the_order_of_somebody_else(world: ChatWorld) -> None:
    ann, eve = world.user(1), world.user(2, "Eve")
    await with_orders(world, ann, waiting(1, 0))
    await world.start(eve)
    shown = await world.say(eve, "/orders")
    assert "None is waiting." in shown.text
    await world.forge(eve, shown.id, "or:cancel_yes:1")
    assert not world.desk.waiting_rows[1].cancel_asked
