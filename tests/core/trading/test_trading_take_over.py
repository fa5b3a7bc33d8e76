"""What an account held before the bot came."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from core.dydx.enums import PositionSide, PositionStatus
from core.dydx.indexer import Indexer, IndexerUnreachable
from core.dydx.indexer_types import PerpetualPosition
from core.dydx.node import NodePool
from core.dydx.node_types import CommittedSubaccount
from core.ledger import positions
from core.ledger.models import Account, PositionTransition
from core.trading.account_rows import take_over
from tests.core.dydx.test_dydx_markets import recorded_markets
from tests.core.trading.books_kit import BTC, Room, a_fill, after, open_room

BLOCK = 500


class HeldNode(NodePool):
    """Has committed what it is told to."""

    quantums: dict[int, int]

    async def subaccount(
        self, address: str, number: int, *, at_least: int | None = None
    ) -> CommittedSubaccount:
        return CommittedSubaccount(Decimal(1000), self.quantums, height=BLOCK)


class ReadIndexer(Indexer):
    """Lists the positions that it is given, or cannot be reached."""

    rows: list[PerpetualPosition] | None

    async def perpetual_positions(self, *args: Any, **kwargs: Any) -> list[PerpetualPosition]:
        if self.rows is None:
            raise IndexerUnreachable("nobody answers")
        return self.rows


def a_row(size: str) -> PerpetualPosition:
    return PerpetualPosition(
        market=BTC,
        status=PositionStatus.OPEN,
        side=PositionSide.SHORT if size.startswith("-") else PositionSide.LONG,
        size=Decimal(size),
        max_size=Decimal(size),
        entry_price=Decimal(91_000),
        net_funding=Decimal(0),
        sum_open=Decimal(size),
        sum_close=Decimal(0),
        created_at=dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
        created_at_height=7,
        subaccount_number=0,
    )


@pytest.fixture
async def room(sqlite_ledger_url: str) -> AsyncIterator[Room]:
    async with open_room(sqlite_ledger_url) as made:
        venue, clock = made.parts.venue, made.clock
        await venue.node.close()
        await venue.indexer.close()
        venue.node = HeldNode(venue.network, clock)
        venue.indexer = ReadIndexer(venue.network, clock)
        venue.stream.markets.replace({BTC: recorded_markets()[BTC]})
        yield made


def holds(room: Room, quantums: int, rows: list[PerpetualPosition] | None) -> None:
    node, indexer = room.parts.venue.node, room.parts.venue.indexer
    assert isinstance(node, HeldNode)
    assert isinstance(indexer, ReadIndexer)
    node.quantums, indexer.rows = {0: quantums} if quantums else {}, rows


async def test_a_position_from_before_is_external_and_fills_count_from_its_block(
    room: Room,
) -> None:
    holds(room, -100_000_000, [a_row("-0.01")])
    assert await take_over(room.parts, room.account)
    [found] = await positions.open_of([room.account.id])
    assert (found.side, found.size, found.external) == ("SHORT", Decimal("0.01"), True)
    assert found.entry_price == Decimal(91_000)
    step = await PositionTransition.get(position_id=found.id)
    assert (step.step, step.evidence) == (
        "found",
        f"held at block {BLOCK}, when the account was connected",
    )
    assert (await Account.get(id=room.account.id)).since_height == BLOCK

    await room.bookkeeper.book(
        [
            a_fill(uuid4(), after(5), side="SELL", height=BLOCK),  # part of what was found
            a_fill(uuid4(), after(5), side="SELL", height=BLOCK + 1),
        ]
    )
    [grown] = await positions.open_of([room.account.id])
    assert grown.size == Decimal("0.02")


async def test_an_account_that_holds_nothing_is_taken_over_too(room: Room) -> None:
    holds(room, 0, [])
    assert await take_over(room.parts, room.account)
    assert (await Account.get(id=room.account.id)).since_height == BLOCK


@pytest.mark.parametrize(
    ("quantums", "rows"),
    [
        pytest.param(100_000_000, None, id="the indexer cannot be reached"),
        pytest.param(100_000_000, [], id="the indexer is behind"),
        pytest.param(100_000_000, [a_row("0.02")], id="the sizes differ"),
    ],
)
async def test_what_cannot_be_told_for_certain_is_asked_again_later(
    room: Room, quantums: int, rows: list[PerpetualPosition] | None
) -> None:
    holds(room, quantums, rows)
    assert not await take_over(room.parts, room.account)
    assert await positions.open_of([room.account.id]) == []
    assert (await Account.get(id=room.account.id)).since_height is None
