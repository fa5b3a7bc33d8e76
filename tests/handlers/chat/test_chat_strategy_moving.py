"""Moving a strategy in the chat."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from core.trading.views import Holding
from handlers.chat.buttons import MoveButton
from tests.handlers.chat.chat_world import ChatWorld, chat_world
from tests.handlers.chat.fake_desk import ADDRESS
from tests.handlers.chat.strategy_kit import current, opened, ready, tapped


@pytest.fixture
async def world() -> AsyncIterator[ChatWorld]:
    async with chat_world() as made:
        yield made


async def test_a_strategy_is_moved_after_it_was_said_where_it_trades(world: ChatWorld) -> None:
    ann = world.user(1)
    before, _ = await ready(world, ann)
    account = world.desk.add_account((await world.trader(ann)).id, "mainnet", ADDRESS)
    asked = await tapped(world, ann, await opened(world, ann), "Move", "mainnet")
    assert "That is real money" in asked.text
    assert (await current(world, ann)).account.id == before.account.id
    done = await tapped(world, ann, asked, "Move it")
    assert "trades here from now on" in done.text
    now = await current(world, ann)
    assert now.account.id == account.id
    assert now.webhook_url == before.webhook_url
    data = MoveButton(strategy_id=now.id, account_id=account.id, sure=True).pack()
    await world.forge(ann, done.id, data)
    assert (await current(world, ann)) == now


async def test_a_strategy_that_holds_something_stays(world: ChatWorld) -> None:
    ann = world.user(1)
    strategy, _ = await ready(world, ann)
    world.desk.add_account((await world.trader(ann)).id, "mainnet", ADDRESS)
    owner, view = world.desk.strategy_rows[strategy.id]
    held = (Holding("BTC-USD", "LONG", Decimal(1)),)
    world.desk.strategy_rows[strategy.id] = (owner, replace(view, holdings=held))
    await tapped(world, ann, await opened(world, ann), "Move", "mainnet", "Move it")
    assert "main holds BTC-USD" in (await world.latest(ann)).text
    assert (await current(world, ann)).account.id == strategy.account.id


async def test_without_another_account_there_is_nowhere_to_move(world: ChatWorld) -> None:
    ann = world.user(1)
    await ready(world, ann)
    page = await tapped(world, ann, await opened(world, ann), "Move")
    assert "your only account" in page.text
    assert page.labels() == ["Connect another account", "Back"]


async def test_nothing_is_moved_to_an_account_that_is_not_there(world: ChatWorld) -> None:
    ann = world.user(1)
    strategy, secret = await ready(world, ann)
    for account_id in (99, 2**31 - 1):
        for sure in (True, False):
            data = MoveButton(strategy_id=strategy.id, account_id=account_id, sure=sure).pack()
            await world.forge(ann, secret.id, data)
            assert "not connected" in (await world.latest(ann)).text
    assert (await current(world, ann)).account.id == strategy.account.id
