"""Holders of a market hear of its changes once, whatever restarts meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from core.ledger.models import Account, Order
from core.trading.market_watch import MarketWatch
from tests.core.trading.watch_room import Room, market_row, watch_room


@pytest.fixture
async def room(sqlite_ledger_url: str) -> AsyncIterator[Room]:
    async with watch_room(sqlite_ledger_url) as made:
        yield made


async def resting_order(room: Room, account: Account, ticker: str, state: str = "open") -> None:
    await Order.create(
        account_id=account.id,
        partition=account.partition,
        purpose="open",
        order_uuid=room.office.random.uuid4(),
        client_id=room.office.random.below(2**31),
        order_flags=64,
        clob_pair_id=0,
        ticker=ticker,
        side="BUY",
        size=Decimal(1),
        limit_price=Decimal(1),
        reference_price=Decimal(1),
        quantums="1",
        subticks="1",
        reduce_only=False,
        good_til_block=0,
        tx=b"",
        tx_hash="00",
        state=state,
        epoch=1,
        created_at=room.clock.now(),
    )


async def test_who_holds_or_waits_in_a_market_is_told_of_its_status_once(room: Room) -> None:
    holder, waiter, other = [await room.trader(number) for number in (1, 2, 3)]
    await room.holds(await room.account(holder), "BTC-USD", "1")
    await resting_order(room, await room.account(waiter), "BTC-USD")
    third = await room.account(other)
    await room.holds(third, "ETH-USD", "1")
    await resting_order(room, third, "BTC-USD", state="filled")
    watch = MarketWatch(room.parts)
    await watch.look(room.markets(market_row("BTC-USD"), market_row("ETH-USD")))
    for _ in range(3):
        await watch.look(room.markets(market_row("BTC-USD", "PAUSED"), market_row("ETH-USD")))
    told = {
        "kind": "market_changed",
        "network": "paper",
        "ticker": "BTC-USD",
        "was": "ACTIVE",
        "status": "PAUSED",
        "was_type": "CROSS",
        "market_type": "CROSS",
    }
    assert await room.told(holder) == [told]
    assert await room.told(waiter) == [told]
    assert await room.told(other) == []


async def test_a_change_while_the_bot_was_down_is_told_at_its_start_and_not_again(
    room: Room,
) -> None:
    ann = await room.trader(1)
    await room.holds(await room.account(ann), "BTC-USD", "-2")
    await MarketWatch(room.parts).look(room.markets(market_row("BTC-USD")))
    for _ in range(2):  # two starts later
        await MarketWatch(room.parts).look(room.markets(market_row("BTC-USD", "CANCEL_ONLY")))
    await MarketWatch(room.parts).look(room.markets(market_row("BTC-USD")))
    assert [(row["was"], row["status"]) for row in await room.told(ann)] == [
        ("ACTIVE", "CANCEL_ONLY"),
        ("CANCEL_ONLY", "ACTIVE"),
    ]


async def test_a_market_that_becomes_isolated_is_told(room: Room) -> None:
    ann = await room.trader(1)
    await room.holds(await room.account(ann), "BTC-USD", "1")
    watch = MarketWatch(room.parts)
    await watch.look(room.markets(market_row("BTC-USD")))
    await watch.look(room.markets(market_row("BTC-USD", market_type="ISOLATED")))
    assert [row["market_type"] for row in await room.told(ann)] == ["ISOLATED"]


async def test_a_market_that_is_met_for_the_first_time_is_no_change(room: Room) -> None:
    ann = await room.trader(1)
    await room.holds(await room.account(ann), "NEW-USD", "1")
    watch = MarketWatch(room.parts)
    await watch.look(room.markets(market_row("BTC-USD")))
    await watch.look(room.markets(market_row("BTC-USD"), market_row("NEW-USD", "PAUSED")))
    assert await room.told(ann) == []


async def test_a_ledger_that_failed_once_does_not_lose_the_change(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await room.trader(1)
    await room.holds(await room.account(ann), "BTC-USD", "1")
    watch = MarketWatch(room.parts)
    await watch.look(room.markets(market_row("BTC-USD")))

    def broken() -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(room.ledger, "executing", broken)
        await watch.look(room.markets(market_row("BTC-USD", "PAUSED")))
    assert await room.told(ann) == []
    await watch.look(room.markets(market_row("BTC-USD", "PAUSED")))
    assert [row["status"] for row in await room.told(ann)] == ["PAUSED"]
