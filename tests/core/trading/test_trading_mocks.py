"""The book of mock orders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from uuid import uuid4

import pytest

from core.ledger import mocks
from core.ledger.models import MockOrder, Signal
from tests.core.trading.books_kit import BTC, Room, after, open_room


@pytest.fixture
async def room(sqlite_ledger_url: str) -> AsyncIterator[Room]:
    async with open_room(sqlite_ledger_url) as made:
        yield made


async def mocked(room: Room, strategy_id: int, state: str) -> MockOrder:
    signal = await Signal.create(
        id=uuid4(),
        strategy_id=strategy_id,
        account_id=room.account.id,
        partition=1,
        received_at=after(1),
        body_hash=uuid4().hex,
        dedupe_key=uuid4().hex,
        body="{}",
        parsed={},
        outside=True,
        state=state,
    )
    row = MockOrder(
        account_id=room.account.id,
        partition=1,
        signal_id=signal.id,
        ticker=BTC,
        side="BUY",
        size=Decimal("0.01"),
        price=Decimal(64000),
        created_at=after(1),
    )
    await mocks.add(row)
    return row


async def test_what_was_sent_for_real_or_ignored_since_is_not_in_the_book(room: Room) -> None:
    strategy = await room.strategy("s")
    first = await mocked(room, strategy.id, "mock")
    for state in ("stored", "executed", "missed"):
        await mocked(room, strategy.id, state)
    last = await mocked(room, strategy.id, "mock")
    found = await mocks.standing([room.account.id], 50)
    assert [row.id for row in found] == [last.id, first.id]
    assert await mocks.standing([room.account.id + 1], 50) == []
