"""Orders and positions of the ledger against the indexer's list and the chain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest

from core.dydx.drafts import OrderDraft
from core.dydx.indexer import Indexer, IndexerUnreachable
from core.dydx.indexer_types import IndexerFill, IndexerOrder
from core.dydx.markets import Market
from core.dydx.protocol import OrderFlags, Side, TimeInForce
from core.dydx.signing import sign
from core.ledger.models import Account, Order, Position
from core.trading.order_check import OrderCheck
from core.trading.resting import Resting
from tests.acceptance.until import until
from tests.core.trading.guard_house import GuardHouse
from tests.core.trading.watch_room import Room, watch_room

OURS, GONE, SENT, FOREIGN = (UUID(int=number) for number in (1, 2, 3, 4))


class ListingIndexer(Indexer):
    """Lists these orders, or is down."""

    rows: list[IndexerOrder] | None = None

    async def orders(self, address: str, number: int, **asked: Any) -> list[IndexerOrder]:
        if self.rows is None:
            raise IndexerUnreachable("down")
        return self.rows


class ToldResting:
    """The living orders of an account, and which of them were looked up on chain."""

    def __init__(self, rows: list[Order]) -> None:
        self.rows = rows
        self.looked_up: list[UUID] = []

    def living(self) -> list[Order]:
        return self.rows

    async def prove_one(self, order: Order) -> None:
        self.looked_up.append(order.order_uuid)

    async def prove(self) -> None:
        return None


def listed(order_uuid: UUID) -> IndexerOrder:
    return IndexerOrder.read(
        {
            "id": str(order_uuid),
            "subaccountId": "x",
            "clientId": "1",
            "clobPairId": "0",
            "orderFlags": "64",
            "ticker": "BTC-USD",
            "status": "OPEN",
        }
    )


@pytest.fixture
async def room(sqlite_ledger_url: str) -> AsyncIterator[Room]:
    async with watch_room(sqlite_ledger_url) as made:
        yield made


async def check_of(room: Room) -> tuple[OrderCheck, ToldResting, list[IndexerOrder]]:
    account = await room.account(await room.trader(1))
    orders = [
        Order(order_uuid=OURS, state="open"),
        Order(order_uuid=GONE, state="untriggered"),
        Order(order_uuid=SENT, state="accepted"),
    ]
    resting, taken = ToldResting(orders), cast(list[IndexerOrder], [])

    async def take(fills: Sequence[IndexerFill], rows: Sequence[IndexerOrder]) -> None:
        assert not fills
        taken.extend(rows)

    await ours_in_ledger(room, account)
    made = OrderCheck(account, room.parts, cast(Resting, resting), take)
    return made, resting, taken


async def ours_in_ledger(room: Room, account: Account) -> None:
    await Order.create(
        account_id=account.id,
        partition=1,
        purpose="open",
        order_uuid=OURS,
        client_id=1,
        order_flags=64,
        clob_pair_id=0,
        ticker="BTC-USD",
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
        state="open",
        epoch=1,
        created_at=room.clock.now(),
    )


async def test_what_is_missing_in_the_list_is_looked_up_on_chain(room: Room) -> None:
    room.venue.indexer = ListingIndexer(room.venue.network, room.clock)
    room.venue.indexer.rows = [listed(OURS), listed(FOREIGN)]
    check, resting, taken = await check_of(room)
    assert await check.run()
    assert resting.looked_up == [GONE]  # one that was just sent is proved by itself
    assert [row.id for row in taken] == [str(OURS), str(FOREIGN)]
    assert [row.id for row in check.external or ()] == [str(FOREIGN)]


async def test_a_list_that_cannot_be_read_is_not_an_empty_one(room: Room) -> None:
    room.venue.indexer = ListingIndexer(room.venue.network, room.clock)
    check, resting, taken = await check_of(room)
    assert not await check.run()
    assert (resting.looked_up, taken, check.external) == ([], [], None)


# against a paper network


@pytest.fixture
async def house(tmp_path: Path, sqlite_ledger_url: str) -> AsyncIterator[GuardHouse]:
    made = GuardHouse(tmp_path, sqlite_ledger_url)
    await made.open(5_000)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


async def order_by_hand(house: GuardHouse) -> str:
    """A bid far below the price, signed by the account's owner; its id at the indexer."""
    market = house.venue.stream.markets.get("ETH-USD")
    assert isinstance(market, Market)
    tip = await house.venue.node.tip()
    on_chain = await house.venue.node.account(house.key.address)
    assert on_chain is not None
    draft = OrderDraft(
        address=house.key.address,
        number=0,
        client_id=4_000_000_001,
        clob_pair_id=market.clob_pair_id,
        side=Side.BUY,
        quantums=market.scale.step_base_quantums * 10,
        subticks=market.scale.subticks_per_tick * 1000,
        time_in_force=TimeInForce.UNSPECIFIED,
        order_flags=OrderFlags.LONG_TERM,
        good_til_block_time=int(tip.time.timestamp()) + 3600,
    )
    nonce = house.venue.owner(house.key.address).nonce(tip, 0.0, urgent=True)
    chain_id = house.venue.network.chain_id
    signed = sign([draft], house.key, chain_id, on_chain.number, sequence=nonce)
    answer = await house.venue.node.broadcast(signed.tx)
    assert answer.code == 0, answer
    return draft.order_uuid


async def test_orders_made_by_hand_are_known_as_such_and_the_bots_own_are_not_among_them(
    house: GuardHouse,
) -> None:
    stop = {"percent": "5"}
    await house.buy("BTC-USD", "0.01", {"stop_loss": stop})
    await house.rests(("STOP_LIMIT", "BTC-USD", "0.01"))
    by_hand = await order_by_hand(house)
    (seat,) = house.lanes.seats()

    async def found() -> bool:
        assert await seat.check_orders()
        return [row.id for row in seat.orders.external or ()] == [by_hand]

    await until(found, 20)


async def test_books_that_are_wrong_by_one_step_are_told_once_and_count_once(
    house: GuardHouse,
) -> None:
    position = await house.buy("BTC-USD", "0.01")
    (seat,) = house.lanes.seats()
    for _ in range(3):
        assert await seat.check_positions()
    assert not seat.lane.reconciler.suspects
    await Position.filter(id=position.id).update(size=Decimal("0.0101"))

    async def told() -> bool:
        assert await seat.check_positions()
        await asyncio.sleep(0.2)
        return bool(await house.told("mismatch_found"))

    await until(told, 30)
    for _ in range(3):
        await seat.check_positions()
    assert len(await house.told("mismatch_found")) == 1
    row = (await house.told("mismatch_found"))[0]
    assert (Decimal(row["chain_size"]), row["ledger_size"]) == (Decimal("0.01"), "0.0101")
