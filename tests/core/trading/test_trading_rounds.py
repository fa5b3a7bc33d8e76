"""The standing check of all accounts: its order, its pace, and what the operator hears of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

import pytest

from core.dydx.stream import Stream, StreamEvent
from core.ledger.models import Account, Order
from core.trading.lanes import Lanes
from core.trading.rota import Look, Pace
from core.trading.rounds import Rounds
from tests.core.trading.watch_room import Room, watch_room


@dataclass
class Looked:
    """One account whose looks are written down. The names are those of a seat and its lane."""

    account: Account
    journal: list[tuple[int, str]]
    busy: bool = False
    bare: set[int] = field(default_factory=set)
    suspects: bool = False
    answers: bool = True

    @property
    def lane(self) -> Looked:
        return self

    @property
    def guard(self) -> Looked:
        return self

    @property
    def reconciler(self) -> Looked:
        return self

    def unprotected(self) -> set[int]:
        return self.bare

    async def check_orders(self) -> bool:
        self.journal.append((self.account.id, "orders"))
        return self.answers

    async def check_positions(self, *, money: bool) -> bool:
        assert money
        self.journal.append((self.account.id, "positions"))
        return self.answers


class House:
    """Some accounts, looked after for a while."""

    def __init__(self, room: Room, seats: list[Looked], pace: Pace) -> None:
        self.room, self.rows = room, seats
        self.venues = {"paper": room.venue}
        self.reconciled: dict[int, bool] = {}
        lanes = cast(Lanes, self)
        self.rounds = Rounds(lanes, lambda _: room.parts, room.clock, pace)

    def seats(self) -> list[Any]:
        return list(self.rows)

    async def pass_by(self, seconds: int) -> None:
        for _ in range(seconds):
            await self.rounds.step()
            await self.rounds.settled()
            self.room.clock.move(1)

    def count(self, account: Account, look: str) -> int:
        return sum(1 for one in self.rows[0].journal if one == (account.id, look))


class TellingStream(Stream):
    """It brings all news of an account, or none."""

    tells = True

    def account_fresh(self, address: str, number: int, max_age_s: float) -> bool:
        return self.tells


@pytest.fixture
async def room(sqlite_ledger_url: str) -> AsyncIterator[Room]:
    async with watch_room(sqlite_ledger_url) as made:

        async def unheard(event: StreamEvent) -> None:
            raise AssertionError(f"nothing is connected, and yet {event}")

        network, random = made.venue.network, made.office.random
        made.venue.stream = TellingStream(network, made.clock, random, unheard)
        yield made


async def seats(room: Room, count: int, **values: Any) -> list[Looked]:
    trader = await room.trader(1)
    journal: list[tuple[int, str]] = []
    return [
        Looked(await room.account(trader, number), journal, **values) for number in range(count)
    ]


async def unknown_order(room: Room, account: Account, age_s: float) -> None:
    await Order.create(
        account_id=account.id,
        partition=account.partition,
        purpose="open",
        order_uuid=room.office.random.uuid4(),
        client_id=room.office.random.below(2**31),
        order_flags=0,
        clob_pair_id=0,
        ticker="BTC-USD",
        side="BUY",
        size=Decimal(1),
        limit_price=Decimal(1),
        reference_price=Decimal(1),
        quantums="1",
        subticks="1",
        reduce_only=False,
        good_til_block=9,
        tx=b"",
        tx_hash="00",
        state="unknown",
        epoch=1,
        created_at=room.clock.now() - dt.timedelta(seconds=age_s),
    )


async def test_what_is_at_stake_is_looked_at_often_and_the_rest_now_and_then(room: Room) -> None:
    rows = await seats(room, 3)
    rows[0].busy = True
    await room.holds(rows[1].account, "BTC-USD", "1")  # by hand: nothing of it is the lane's
    house = House(room, rows, Pace())
    await house.pass_by(661)
    assert [house.count(one.account, "orders") for one in rows] == [66, 66, 1]
    assert [house.count(one.account, "positions") for one in rows] == [22, 22, 1]


async def test_beyond_the_budget_all_intervals_grow_and_the_metric_says_so(room: Room) -> None:
    rows = await seats(room, 60, busy=True)
    few = Pace(share=0.07)  # one tenth of what is usual
    house = House(room, rows, few)
    await house.pass_by(1800)
    made = len(rows[0].journal)
    allowed = 1800 * 96 / 10.2 * 0.07
    assert allowed * 0.9 <= made <= allowed
    counts = [house.count(one.account, "orders") for one in rows]
    assert max(counts) - min(counts) <= 1
    assert 110 <= house.rounds.interval(Look.ORDERS) <= 140  # 10 s × 12.1


async def test_unknown_orders_and_bare_positions_come_first(room: Room) -> None:
    rows = await seats(room, 40, busy=True)
    rows[7].bare = {1}
    await unknown_order(room, rows[31].account, 1)
    house = House(room, rows, Pace(share=0.07))
    await house.pass_by(200)
    often = house.count(rows[7].account, "orders"), house.count(rows[31].account, "orders")
    assert often == (19, 19)
    assert house.count(rows[8].account, "orders") <= 3
    assert {one for one, _ in rows[0].journal[:4]} == {rows[7].account.id, rows[31].account.id}


async def test_without_news_of_the_stream_what_is_held_is_asked_for_more_often(
    room: Room,
) -> None:
    rows = await seats(room, 2)
    rows[0].busy = True
    assert isinstance(room.venue.stream, TellingStream)
    room.venue.stream.tells = False
    house = House(room, rows, Pace())
    await house.pass_by(61)
    assert [house.count(one.account, "positions") for one in rows] == [6, 0]


async def test_a_difference_that_was_seen_once_is_looked_at_again_soon(room: Room) -> None:
    rows = await seats(room, 1, busy=True)
    house = House(room, rows, Pace())
    await house.pass_by(30)
    rows[0].suspects = True  # the look at 30 s sees a difference
    await house.pass_by(6)
    assert house.count(rows[0].account, "positions") == 2
    rows[0].suspects = False  # the one at 40 s finds it gone
    await house.pass_by(33)
    assert house.count(rows[0].account, "positions") == 3


async def test_a_failed_look_is_no_look_but_is_not_repeated_at_once(room: Room) -> None:
    rows = await seats(room, 1, busy=True, answers=False)
    house = House(room, rows, Pace())
    await house.pass_by(61)
    assert house.count(rows[0].account, "orders") == 6
    assert house.reconciled == {rows[0].account.id: False}
    assert house.rounds.interval(Look.ORDERS) == 61


async def test_the_operator_hears_once_of_an_order_that_is_unknown_for_a_minute(
    room: Room,
) -> None:
    admin = await room.trader(9, "admin")
    rows = await seats(room, 2)
    await unknown_order(room, rows[0].account, 50)
    house = House(room, rows, Pace())
    await house.pass_by(10)
    assert await room.told(admin) == []
    await house.pass_by(60)
    house.rounds = House(room, rows, Pace()).rounds  # after a restart
    await house.pass_by(60)
    assert [(row["what"], row["accounts"]) for row in await room.told(admin)] == [
        ("orders_unknown", 1)
    ]
