"""What a trader decides of his accounts and of himself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from core.ledger import accounts, intents, traders
from core.ledger.models import Position, Share
from core.trading.account_settings import SettingsDesk
from core.trading.views import DeskError
from tests.core.trading.watch_room import Room, market_row, watch_room


@pytest.fixture
async def room(ledger_url: str) -> AsyncIterator[Room]:
    async with watch_room(ledger_url) as made:
        made.markets(market_row("BTC-USD"))
        yield made


async def test_sharing_is_switched_on_a_flat_account_and_its_lane_is_told(room: Room) -> None:
    desk, trader = SettingsDesk(room.office), await room.trader(1)
    account = await room.account(trader)
    assert (await desk.set_sharing(trader, account.id, True)).sharing
    assert (await room.ledger_account(account.id)).sharing
    assert room.lanes.refreshed == [account.id]
    assert not (await desk.set_sharing(trader, account.id, False)).sharing


async def test_sharing_is_not_switched_while_something_is_open(room: Room) -> None:
    desk, trader = SettingsDesk(room.office), await room.trader(1)
    account = await room.account(trader)
    strategy = await room.strategy(account)
    position = await room.holds(account, "BTC-USD", "1", strategy)
    with pytest.raises(DeskError) as refused:
        await desk.set_sharing(trader, account.id, True)
    assert refused.value.code == "position_open"
    await Position.filter(id=position.id).update(state="closed")
    zero = Decimal(0)
    for strategy_id, size in ((strategy.id, "1"), (strategy.id + 1, "-1")):
        await Share.create(
            account_id=account.id, partition=account.partition, ticker="BTC-USD",
            strategy_id=strategy_id, size=Decimal(size), entry_price=Decimal(1),
            realized_pnl=zero, fees=zero, funding=zero,
        )  # fmt: skip
    with pytest.raises(DeskError) as refused:
        await desk.set_sharing(trader, account.id, True)
    assert refused.value.code == "position_open"
    assert not (await room.ledger_account(account.id)).sharing


async def test_sharing_is_not_switched_while_something_is_under_way(room: Room) -> None:
    desk, trader = SettingsDesk(room.office), await room.trader(1)
    account = await room.account(trader)
    async with room.ledger.executing():
        await intents.add(
            account=await accounts.lock(account.id),
            key="button:1",
            source="button",
            kind="close",
            payload={},
            now=room.clock.now(),
        )
    with pytest.raises(DeskError) as refused:
        await desk.set_sharing(trader, account.id, True)
    assert refused.value.code == "account_busy"


async def test_what_happens_without_room_for_a_stop_is_kept(room: Room) -> None:
    desk, trader = SettingsDesk(room.office), await room.trader(1)
    account = await room.account(trader)
    assert (await room.ledger_account(account.id)).without_stop_room == "refuse"
    view = await desk.set_without_stop_room(trader, account.id, "watch")
    assert view.without_stop_room == "watch"
    assert (await room.ledger_account(account.id)).without_stop_room == "watch"
    assert room.lanes.refreshed == [account.id]


async def test_nobody_decides_for_the_account_of_another(room: Room) -> None:
    desk, ann, bob = SettingsDesk(room.office), await room.trader(1), await room.trader(2)
    account = await room.account(ann)
    for work in (
        desk.set_sharing(bob, account.id, True),
        desk.set_without_stop_room(bob, account.id, "watch"),
    ):
        with pytest.raises(DeskError) as refused:
            await work
        assert refused.value.code == "unknown_account"


async def test_mock_orders_are_off_until_their_trader_wants_them(room: Room) -> None:
    desk, ann, bob = SettingsDesk(room.office), await room.trader(1), await room.trader(2)
    assert not await desk.mock_when_unreachable(ann)
    await desk.set_mock_when_unreachable(ann, True)
    assert await desk.mock_when_unreachable(ann)
    assert not await desk.mock_when_unreachable(bob)
    assert (await traders.get(ann.id)).mock_when_unreachable
