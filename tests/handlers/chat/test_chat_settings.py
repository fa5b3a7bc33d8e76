"""Settings of a trader and of his accounts in the chat."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.handlers.chat.chat_world import ChatWorld, chat_world
from tests.handlers.chat.strategy_kit import ready, tapped


@pytest.fixture
async def world() -> AsyncIterator[ChatWorld]:
    async with chat_world() as made:
        yield made


async def test_mock_orders_are_switched_with_their_meaning_said(world: ChatWorld) -> None:
    ann = world.user(1)
    await ready(world, ann)
    shown = await world.say(ann, "/settings")
    assert "Mock when dYdX is unreachable off:" in shown.text
    assert "is refused, and I say so" in shown.text
    on = await tapped(world, ann, shown, "Switch mock on")
    assert "is no position" in on.text
    me = await world.trader(ann)
    assert world.desk.mocking == {me.id}
    await tapped(world, ann, on, "Switch mock off")
    assert not world.desk.mocking


async def test_what_happens_without_room_for_a_stop_is_chosen(world: ChatWorld) -> None:
    ann = world.user(1)
    await ready(world, ann)
    account = await tapped(world, ann, await world.say(ann, "/accounts"), "paper ·")
    page = await tapped(world, ann, account, "Settings")
    assert "No room for a stop refuse:" in page.text
    watched = await tapped(world, ann, page, "Trade, watch")
    assert "If I am down, nothing protects that position" in watched.text
    assert (await world.desk.accounts(await world.trader(ann)))[0].without_stop_room == "watch"
    await tapped(world, ann, watched, "Refuse")
    assert (await world.desk.accounts(await world.trader(ann)))[0].without_stop_room == "refuse"


async def test_sharing_is_changed_only_while_the_account_is_flat(world: ChatWorld) -> None:
    ann = world.user(1)
    await ready(world, ann)
    me = await world.trader(ann)
    account = await tapped(world, ann, await world.say(ann, "/accounts"), "paper ·")
    on = await tapped(world, ann, account, "Settings", "Sharing on")
    assert "several strategies may hold one market" in on.text
    assert (await world.desk.accounts(me))[0].sharing
    world.desk.open_position(me)
    await tapped(world, ann, on, "Sharing off")
    assert "A position is open" in (await world.latest(ann)).text
    assert (await world.desk.accounts(me))[0].sharing


async def test_the_menu_of_a_trader_has_orders_and_settings(world: ChatWorld) -> None:
    ann = world.user(1)
    await ready(world, ann)
    menu = await world.start(ann)
    assert {"Orders", "Settings"} <= set(menu.labels())
    assert "Settings" in (await tapped(world, ann, menu, "Settings")).text
    orders = await tapped(world, ann, await world.start(ann), "Orders")
    assert "rders" in orders.text
