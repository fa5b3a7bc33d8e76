"""Accounts whose entries may fill unseen: who is asked, how often, and what is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from core.ledger.models import Account
from core.trading.glances import PER_STEP, Glances
from core.trading.lanes import Lanes
from tests.core.trading.watch_room import Room, watch_room


@dataclass
class Unseen:
    """One account whose questions are counted. The names are those of a seat and its lane."""

    account: Account
    may_fill_unseen: bool = True
    suspects: bool = False
    node_answers: bool = True
    indexer_answers: bool = True
    asked: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    @property
    def lane(self) -> Unseen:
        return self

    @property
    def reconciler(self) -> Unseen:
        return self

    async def glance(self) -> bool:
        self.asked.append("node")
        return self.node_answers

    async def catch_up(self) -> bool:
        self.asked.append("indexer")
        return self.indexer_answers

    async def tell_unseen(self, since: str) -> None:
        self.told.append(since)


class House:
    """Some accounts, glanced at for a while."""

    def __init__(self, room: Room, seats: list[Unseen]) -> None:
        self.room, self.rows = room, seats
        self.glances = Glances(cast(Lanes, self), room.clock)

    def seats(self) -> list[Any]:
        return list(self.rows)

    async def pass_by(self, seconds: int) -> None:
        for _ in range(seconds):
            await self.glances.step()
            await self.glances.settled()
            self.room.clock.move(1)


@pytest.fixture
async def room(sqlite_ledger_url: str) -> AsyncIterator[Room]:
    async with watch_room(sqlite_ledger_url) as made:
        yield made


async def test_a_node_is_asked_every_two_seconds_and_the_indexer_where_the_node_has_news(
    room: Room,
) -> None:
    trader = await room.trader(1)
    seen, same, differs = [Unseen(await room.account(trader, number)) for number in range(3)]
    seen.may_fill_unseen, differs.suspects = False, True
    await House(room, [seen, same, differs]).pass_by(6)
    assert (seen.asked, same.asked) == ([], ["node"] * 3)
    assert differs.asked == ["node", "indexer"] * 3


async def test_many_unseen_accounts_share_the_nodes_in_turn(room: Room) -> None:
    trader = await room.trader(1)
    rows = [Unseen(await room.account(trader, number)) for number in range(12 * PER_STEP)]
    await House(room, rows).pass_by(24)
    assert {len(row.asked) for row in rows} == {2}
    assert [row.told for row in rows if row.told] == []


async def test_an_account_of_which_nobody_tells_is_an_alarm_once_until_somebody_answers(
    room: Room,
) -> None:
    trader = await room.trader(1)
    row = Unseen(await room.account(trader), node_answers=False, indexer_answers=False)
    house = House(room, [row])
    began = room.clock.now().isoformat()
    await house.pass_by(10)
    assert row.told == []
    await house.pass_by(60)
    assert row.told == [began]
    row.indexer_answers = True
    await house.pass_by(60)
    row.indexer_answers = False
    await house.pass_by(15)
    assert len(row.told) == 2
