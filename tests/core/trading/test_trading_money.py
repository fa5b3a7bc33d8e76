"""Funding and the balance: the books against the money, on a chain and by rows made for it."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from core.dydx.enums import PositionSide
from core.dydx.indexer import Indexer, IndexerUnreachable
from core.dydx.indexer_types import FundingPayment
from core.dydx.network import paper_network
from core.ledger import books, positions
from core.ledger.models import AccountBooks, Funding, Position, ShareMove
from core.paper.indexer import Indexer as PaperIndexer
from core.trading.balance import BalanceCheck, ShareCheck
from core.trading.funding import FundingReader, first_due
from core.trading.shares import BY_HAND
from tests.core.paper.chain_kit import BUY, NOON, SELL, SOL, Lab, Trader, lab
from tests.core.paper.indexer_kit import desk, until
from tests.core.paper.money_kit import rest, usdc
from tests.core.trading.books_kit import BTC, CONNECTED, Room, after, open_room

D = Decimal
PRICE = "23.5"


class Chain:
    """A paper chain with its indexer on real ports, and an account with books on it."""

    def __init__(
        self, made: Lab, indexer: PaperIndexer, room: Room, one: Trader, maker: Trader
    ) -> None:
        self.made, self.room, self.one, self.maker = made, room, one, maker
        self._indexer = indexer
        self.indexer = room.parts.venue.indexer
        self.funding = FundingReader(room.bench)
        self.balance = BalanceCheck(room.bench, self.funding)
        self._orders = 0

    async def trade(self, side: int, size: str, price: str = PRICE) -> None:
        """A match with the maker, committed."""
        self._orders += 1
        rest(self.made, self.maker, BUY + SELL - side, size, price, SOL, self._orders)
        self.made.place(self.one, side, size, price, pair=SOL, client_id=self._orders)
        await self.blocks(2)

    async def blocks(self, count: int, seconds: int = 0) -> None:
        for _ in range(count):
            self.made.now += dt.timedelta(seconds=seconds)
            self.made.block()
        self.room.clock.at = self.made.now
        await until(lambda: self._indexer.rows.height == self.made.exchange.height)

    async def book(self) -> None:
        """What a reconciliation reads before money is looked at."""
        account = self.room.account
        height = (await self.indexer.height()).height
        fills = await self.indexer.all_fills_since(account.address, 0, 0)
        await self.room.bookkeeper.book(fills)
        account.fills_height = height

    async def check(self, seconds: int = 0) -> tuple[bool, bool]:
        """One reconciliation: whether funding is all known, and whether the money agrees."""
        await self.blocks(1, seconds)
        await self.book()
        return await self.funding.run(self.indexer), await self.balance.run(self.indexer)

    async def stand(self, hours: float) -> None:
        """The chain stands for so long, then makes the block in which it makes up for one hour."""
        await self.blocks(1, seconds=int(hours * 3_600))
        await self.blocks(1)

    async def over_the_hour(self) -> None:
        await self.blocks(62, seconds=58)

    def usdc(self) -> Decimal:
        return D(usdc(self.made, self.one))


@pytest.fixture
async def chain(sqlite_ledger_url: str) -> AsyncIterator[Chain]:
    made = lab()
    made.exchange.set_price("SOL-USD", D(PRICE))
    async with contextlib.AsyncExitStack() as stack:
        served = await stack.enter_async_context(desk())
        made.exchange.subscribe(served.indexer.on)
        for market in made.exchange.governance.markets.values():
            price = market.price_usd(made.exchange.oracle_price(market))
            served.indexer.rows.oracles[market.market_id].price = price
        one, maker = made.funded(1, 20_000), made.funded(2, 500_000)
        room = await stack.enter_async_context(
            open_room(
                sqlite_ledger_url,
                rest_port=served.servers.rest_port,
                address=one.address,
                now=made.now,
                created_at=NOON,
            )
        )
        yield Chain(made, served.indexer, room, one, maker)


async def test_the_balance_changes_by_what_was_booked_less_transfers(chain: Chain) -> None:
    """Trades, fees, an hour of funding, a deposit and a reversal: to 0.01 USDC, told by nobody."""
    assert await chain.check() == (True, False)  # the first look has nothing to agree with
    assert await chain.check() == (True, True)
    before = chain.usdc()
    await chain.trade(BUY, "1000", "23.51")
    assert await chain.check() == (True, True)
    await chain.over_the_hour()
    assert await chain.check() == (True, True)
    await chain.trade(SELL, "1500", "23.49")
    chain.made.exchange.give(chain.one.address, 0, 500_000_000)
    await chain.trade(BUY, "200", "23.6")
    assert await chain.check() == (True, True)

    paid = [row.payment for row in await Funding.all()]
    assert len(paid) == 1
    assert paid[0] < D("-0.2")
    of_positions, of_shares = await chain.room.money()
    assert abs(of_positions - of_shares) < D("1e-12")
    assert abs((chain.usdc() - before - 500) - of_positions) <= D("0.01")
    first, _ = await Position.all().order_by("id")
    assert first.funding == paid[0]
    assert await chain.room.told("balance_differs") == []


async def test_money_that_the_books_do_not_explain_is_told_once(chain: Chain) -> None:
    await chain.trade(BUY, "1000")
    await chain.check()
    assert await chain.check() == (True, True)
    await chain.over_the_hour()
    await chain.blocks(1)
    await chain.book()
    await books.note(chain.room.account.id, funding_read_to=chain.made.now)  # as if it were read
    chain.funding = FundingReader(chain.room.bench)
    chain.balance = BalanceCheck(chain.room.bench, chain.funding)
    await AccountBooks.filter(account_id=chain.room.account.id).update(checked_at=NOON)
    for _ in range(2):  # the second asks for funding, which may be on its way
        assert await chain.check() == (True, False)
    assert await chain.room.told("balance_differs") == []
    assert await chain.check(seconds=30) == (True, False)
    [told] = await chain.room.told("balance_differs")
    assert D(told["chain_change"]) < D("-0.2")
    assert D(told["booked_change"]) == 0
    for _ in range(3):
        await AccountBooks.filter(account_id=chain.room.account.id).update(checked_at=NOON)
        assert await chain.check(seconds=30) == (True, True)
    assert len(await chain.room.told("balance_differs")) == 1


async def test_hours_that_the_chain_stood_over_are_paid_one_a_block_and_none_is_missed(
    chain: Chain,
) -> None:
    await chain.trade(BUY, "1000")
    await chain.check()
    assert await chain.check() == (True, True)
    await chain.stand(hours=2.3)
    await chain.book()
    await chain.funding.run(chain.indexer)
    assert await Funding.all().count() == 1
    for _ in range(3):
        await chain.check(seconds=30)

    assert await Funding.all().count() == 2
    assert await chain.check() == (True, True)
    await AccountBooks.filter(account_id=chain.room.account.id).update(checked_at=NOON)
    assert await chain.check(seconds=30) == (True, True)
    assert await chain.room.told("balance_differs") == []


async def test_an_hour_that_is_made_up_for_is_paid_by_what_was_opened_meanwhile(
    chain: Chain,
) -> None:
    """Nothing was held at the full hours; the second of them is paid for after the first fill."""
    await chain.check()
    assert await chain.check() == (True, True)
    await chain.stand(hours=2.3)
    await chain.trade(BUY, "1000")
    for _ in range(4):
        await chain.check(seconds=30)

    [paid] = await Funding.all()
    assert paid.payment < D("-0.2")
    await AccountBooks.filter(account_id=chain.room.account.id).update(checked_at=NOON)
    assert await chain.check(seconds=30) == (True, True)
    assert await chain.room.told("balance_differs") == []


async def test_nothing_is_asked_while_nothing_happens(chain: Chain) -> None:
    await chain.trade(BUY, "10")
    await chain.check()
    await chain.check()

    class Unasked(Indexer):
        async def subaccount(self, address: str, number: int) -> Any:
            raise AssertionError("the balance was asked for")

        async def all_funding_since(self, *args: Any) -> Any:
            raise AssertionError("funding was asked for")

    network = paper_network(rest_port=1)
    unasked = Unasked(network, chain.room.clock)
    assert await chain.funding.run(unasked)
    assert await chain.balance.run(unasked)


async def test_a_balance_older_than_the_newest_fill_says_nothing(chain: Chain) -> None:
    await chain.check()
    await chain.check()
    await chain.trade(BUY, "10")
    await chain.book()

    class Behind(Indexer):
        async def subaccount(self, address: str, number: int) -> Any:
            read = await chain.indexer.subaccount(address, number)
            assert read is not None
            return read.model_copy(update={"latest_processed_block_height": 3})

    network = chain.room.parts.venue.network
    behind = Behind(network, chain.room.clock)
    assert not await chain.balance.run(behind)
    await behind.close()
    assert await chain.check() == (True, True)


# funding, by rows made for it


class Payments(Indexer):
    """Tells what it is given."""

    def __init__(self, room: Room) -> None:
        super().__init__(paper_network(rest_port=1), room.clock)
        self.rows: list[FundingPayment] = []
        self.asked = 0
        self.down = False

    async def all_funding_since(
        self, address: str, number: int, after: dt.datetime
    ) -> list[FundingPayment]:
        self.asked += 1
        if self.down:
            raise IndexerUnreachable("down")
        return [row for row in self.rows if row.created_at >= after]


def payment(at: dt.datetime, amount: str, size: str = "0.02", height: int = 500) -> FundingPayment:
    return FundingPayment(
        created_at=at,
        created_at_height=height,
        perpetual_id=0,
        ticker=BTC,
        oracle_price=D(100_000),
        size=D(size),
        side=PositionSide.LONG,
        rate=D("0.0000125"),
        payment=D(amount),
        subaccount_number=0,
        funding_index=D(1),
    )


@pytest.fixture
async def room(sqlite_ledger_url: str) -> AsyncIterator[Room]:
    async with open_room(sqlite_ledger_url) as made:
        made.account.fills_height = 1_000
        yield made


ONE = CONNECTED + dt.timedelta(hours=1)
TWO = CONNECTED + dt.timedelta(hours=2)


def past(hour: dt.datetime) -> dt.datetime:
    return hour + dt.timedelta(seconds=30)


async def test_a_payment_is_booked_once_on_the_position_of_its_time_and_its_shares(
    room: Room,
) -> None:
    one, two = await room.strategy("one"), await room.strategy("two")
    await room.trade("BUY", "0.03", strategy=one)
    await room.trade("SELL", "0.01", strategy=two)
    indexer, reader = Payments(room), FundingReader(room.bench)
    paid_at = ONE + dt.timedelta(milliseconds=48)
    indexer.rows = [payment(paid_at, "-2")]
    room.clock.at = past(ONE)
    held = await room.position()
    # meanwhile the first strategy left: its share of then pays all the same
    exit_fill = await room.trade("SELL", "0.03", strategy=one)
    await Position.filter(id=held.id).update(closed_at=past(ONE))
    await Position.exclude(id=held.id).update(opened_at=past(ONE))
    await ShareMove.filter(fill_uuid=exit_fill.id).update(at=past(ONE))

    assert await reader.run(indexer)
    assert await FundingReader(room.bench).run(indexer)  # as after a restart
    found = await positions.get(held.id)
    assert found is not None
    assert (found.funding, found.version) == (D(-2), held.version + 1)  # raised by the exit only
    assert await Funding.all().count() == 1
    shares = {row.strategy_id: row.funding for row in await books.shares_in(room.account.id, BTC)}
    assert shares == {one.id: D(-3), two.id: D(1)}


async def test_a_payment_waits_for_the_fills_of_its_block(room: Room) -> None:
    await room.trade("BUY", "0.02", by_hand=True)
    indexer, reader = Payments(room), FundingReader(room.bench)
    indexer.rows = [payment(ONE, "-1", height=1_001)]
    room.clock.at = past(ONE)
    assert not await reader.run(indexer)
    before = reader.outstanding_since
    assert await Funding.all().count() == 0
    room.account.fills_height = 1_001
    assert await reader.run(indexer)
    assert (before, reader.outstanding_since) == (ONE, None)
    assert (await room.position()).funding == D(-1)


async def test_an_hour_that_is_not_told_yet_is_asked_for_less_and_less_and_never_skipped(
    room: Room,
) -> None:
    await room.trade("BUY", "0.02", by_hand=True)
    indexer, reader = Payments(room), FundingReader(room.bench)
    room.clock.at = past(ONE)
    for seconds in range(0, 60, 5):
        room.clock.at = past(ONE) + dt.timedelta(seconds=seconds)
        assert not await reader.run(indexer)
    assert indexer.asked == 3
    indexer.down = True
    room.clock.at = past(TWO)
    assert not await reader.run(indexer)
    indexer.down = False
    indexer.rows = [payment(ONE, "-1"), payment(TWO, "-0.5", height=900)]
    room.clock.at += dt.timedelta(minutes=10)
    assert await reader.run(indexer)
    assert (await room.position()).funding == D("-1.5")


async def test_an_hour_over_which_the_chain_stood_is_given_up_in_the_end(room: Room) -> None:
    await room.trade("BUY", "0.02", by_hand=True)
    await room.trade("SELL", "0.02", by_hand=True)
    await Position.all().update(closed_at=ONE + dt.timedelta(minutes=1))
    indexer, reader = Payments(room), FundingReader(room.bench)
    room.clock.at = past(ONE)
    assert not await reader.run(indexer)
    room.clock.at = past(ONE) + dt.timedelta(hours=4)
    await reader.run(indexer)
    assert await reader.run(indexer)
    assert await FundingReader(room.bench).run(indexer)


@pytest.mark.parametrize(
    ("spans", "since", "until_hours", "due"),
    [
        ([], 0, 1, None),
        ([(600, None)], 0, 1, 1),
        ([(600, 900)], 0, 5, None),
        ([(600, 3_600)], 0, 5, 1),
        ([(600, None)], 3_600.05, 2, 2),
        ([(3_601, None)], 0, 1, 1),  # in the block of the full hour itself
        ([(3_602, None)], 0, 1, None),
        ([(9_000, None), (600, 8_000)], 0, 5, 1),
        ([(600, None)], 0, 0, None),
    ],
)
def test_funding_is_due_for_what_was_open_at_a_full_hour(
    spans: list[tuple[float, float | None]], since: float, until_hours: int, due: int | None
) -> None:
    times = [(after(a), None if b is None else after(b)) for a, b in spans]
    hour = dt.timedelta(hours=1)
    expected = None if due is None else CONNECTED + due * hour
    assert first_due(times, after(since), CONNECTED + until_hours * hour) == expected


# shares against the chain


async def test_shares_that_do_not_add_up_to_the_chain_are_told_once(room: Room) -> None:
    one = await room.strategy("one")
    await room.trade("BUY", "0.03", strategy=one)
    await room.trade("SELL", "0.01", by_hand=True)
    check = ShareCheck(room.bench)
    assert await check.run({BTC: D("0.02")})
    share, *_ = await books.shares_in(room.account.id, BTC)
    share.size = D("0.05")
    await books.save_share(share)
    for _ in range(4):
        assert not await check.run({BTC: D("0.02")})
    [told] = await room.told("shares_differ")
    assert (told["chain_size"], told["shares_size"]) == ("0.02", "0.05")
    share.size = D("0.02")
    await books.save_share(share)
    assert await check.run({BTC: D("0.02")})


async def test_what_was_there_before_shares_were_kept_becomes_its_holders_share(
    room: Room,
) -> None:
    one = await room.strategy("one")
    await Position.create(
        account_id=room.account.id,
        partition=1,
        strategy_id=one.id,
        ticker=BTC,
        side="SHORT",
        state="open",
        size=D("0.03"),
        max_size=D("0.03"),
        entry_price=D(90_000),
        realized_pnl=D(7),
        fees=D(1),
        opened_at=CONNECTED,
        enlarged_at=CONNECTED,
    )
    assert await room.shares() == {one.id: D("-0.03")}
    await room.trade("BUY", "0.01", by_hand=True)
    assert await room.shares() == {one.id: D("-0.02")}
    of_positions, of_shares = await room.money()
    assert abs(of_positions - of_shares) < D("1e-12")
    assert BY_HAND not in await room.shares()
