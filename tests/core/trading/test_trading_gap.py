"""Who is told that alerts could not be taken, when, and how often."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from core.ledger.models import Gap
from core.trading.gap import GapWatch
from tests.core.trading.watch_room import Room, watch_room


@pytest.fixture
async def room(sqlite_ledger_url: str) -> AsyncIterator[Room]:
    async with watch_room(sqlite_ledger_url) as made:
        yield made


async def test_a_process_that_lives_has_no_gap(room: Room) -> None:
    trader = await room.trader(1)
    await room.strategy(await room.account(trader))
    watch = GapWatch(room.office)
    for _ in range(5):
        await watch.beat()
        room.clock.move(15)
    await watch.tell()
    assert await room.told(trader) == []


async def test_traders_with_an_active_strategy_hear_once_from_when_to_when(room: Room) -> None:
    with_one, paused, without = [await room.trader(number) for number in (1, 2, 3)]
    await room.strategy(await room.account(with_one))
    row = await room.strategy(await room.account(paused))
    row.state = "paused"
    await row.save()
    await room.account(without)
    await GapWatch(room.office).beat()
    down_from = room.clock.now()
    room.clock.move(82)
    for _ in range(2):  # the next process, and one after a crash while it told
        watch = GapWatch(room.office)
        await watch.beat()
        await watch.tell()
    assert await room.told(with_one) == [
        {
            "kind": "gap_found",
            "began_at": down_from.isoformat(),
            "ended_at": room.clock.now().isoformat(),
            "complete": True,
        }
    ]
    assert await room.told(paused) == []
    assert await room.told(without) == []


async def test_a_gap_is_told_once_the_accounts_were_compared_with_the_chain(room: Room) -> None:
    ann, ben = await room.trader(1), await room.trader(2)
    await room.strategy(await room.account(ann))
    slow = await room.account(ben)
    await room.strategy(slow)
    watch = GapWatch(room.office)
    await watch.beat()
    room.clock.move(30)
    room.lanes.reconciled[slow.id] = False
    await watch.beat()
    await watch.tell()
    assert [row["complete"] for row in await room.told(ann)] == [True]
    assert await room.told(ben) == []
    room.lanes.reconciled[slow.id] = True
    await watch.tell()
    assert [row["complete"] for row in await room.told(ben)] == [True]
    assert [row.state for row in await Gap.all()] == ["told"]


async def test_a_network_that_stays_out_of_reach_does_not_keep_a_gap_secret(room: Room) -> None:
    ann = await room.trader(1)
    account = await room.account(ann)
    await room.strategy(account)
    room.lanes.reconciled[account.id] = False
    watch = GapWatch(room.office)
    await watch.beat()
    room.clock.move(30)
    await watch.beat()
    room.clock.move(59)
    await watch.beat()
    await Gap.filter(id__gt=1).delete()  # the one of this test's own jump
    await watch.tell()
    assert await room.told(ann) == []
    room.clock.move(1)
    await watch.tell()
    assert [row["complete"] for row in await room.told(ann)] == [False]


async def test_the_last_sign_of_life_is_that_of_an_orderly_stop(room: Room) -> None:
    ann = await room.trader(1)
    await room.strategy(await room.account(ann))
    watch = GapWatch(room.office)
    await watch.beat()
    room.clock.move(4)
    await watch.stop()
    room.clock.move(13)
    await GapWatch(room.office).beat()
    assert await Gap.all().count() == 0
