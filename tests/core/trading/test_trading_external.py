"""What was made by hand: shown, left alone, and adopted when its trader says so."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, cast
from uuid import uuid4

import pytest

from core.clock import SystemRandom
from core.dydx.enums import OrderStatus
from core.dydx.indexer import Indexer, IndexerUnreachable
from core.dydx.indexer_types import IndexerOrder
from core.dydx.network import paper_network
from core.ledger import books, plans
from core.ledger.models import Account, Order, Position, Strategy, Trader
from core.trading.external import ExternalDesk
from core.trading.holdings import PositionDesk
from core.trading.lanes import Lanes
from core.trading.office import DeskSettings, Office
from core.trading.shares import BY_HAND
from core.trading.views import Cover, DeskError, ShareView, TraderView
from tests.core.dydx.test_dydx_markets import recorded_markets
from tests.core.trading.books_kit import BTC, PLAN, Room, after, open_room

D = Decimal
ENTRY = "60000"


class Counter:
    """The desk's counters over a room, as its trader."""

    def __init__(self, room: Room) -> None:
        self.room = room
        parts = room.parts
        office = Office(
            ledger=parts.ledger,
            vault=parts.vault,
            venues={"paper": parts.venue},
            lanes=Lanes({}, lambda venue: parts),
            clock=room.clock,
            random=SystemRandom(),
            outbox_bell=parts.outbox_bell,
            settings=DeskSettings("http://localhost"),
            firewall=cast(Any, None),  # nothing here asks it
        )
        self.desk = ExternalDesk(office)
        self.positions = PositionDesk(office)
        self.trader = TraderView(room.account.trader_id, 1, "Ann", "trader")

    def price(self, price: str) -> None:
        row = recorded_markets()[BTC]
        moved = row.model_copy(update={"oracle_price": D(price)})
        self.room.parts.venue.stream.markets.replace({BTC: moved})

    async def refused(self, strategy: Strategy, **changes: Any) -> str:
        """The code with which an adoption is refused."""
        row = await self.room.position()
        with pytest.raises(DeskError) as refused:
            await self.desk.adopt_position(
                self.trader, row.id, changes.get("version", row.version), strategy.id
            )
        return refused.value.code


@pytest.fixture
async def counter(sqlite_ledger_url: str) -> AsyncIterator[Counter]:
    async with open_room(sqlite_ledger_url) as room:
        made = Counter(room)
        made.price(ENTRY)
        yield made


async def test_an_adopted_position_is_the_strategys_with_its_plan(counter: Counter) -> None:
    room = counter.room
    one = await room.strategy("one", stop_loss_percent=D(2), take_profit_percent=D(3))
    await room.trade("BUY", "0.02", ENTRY, by_hand=True, fee="1")
    row = await room.position()
    assert [a.name for a in await counter.desk.adopters(counter.trader, row.id)] == ["one"]

    await counter.desk.adopt_position(counter.trader, row.id, row.version, one.id)

    held = await room.position()
    plan = await plans.protection(held.id)
    targets = await plans.targets([held.id])
    assert (held.external, held.strategy_id) == (False, one.id)
    assert plan is not None
    assert plan.stop_loss == D(58_800)
    assert [target.price for target in targets[held.id]] == [D(61_800)]
    assert await room.shares() == {one.id: D("0.02")}
    steps = await books.steps_of(held.id)
    assert [(step.step, step.cause) for step in steps] == [
        ("opened", "by_hand"),
        ("adopted", "trader"),
    ]
    of_positions, of_shares = await room.money()
    assert abs(of_positions - of_shares) < D("1e-12")


async def test_the_strategy_answers_only_for_what_came_after_the_adoption(
    counter: Counter,
) -> None:
    room = counter.room
    one = await room.strategy("one")
    await room.trade("BUY", "0.02", ENTRY, by_hand=True, fee="3")
    await room.trade("SELL", "0.01", "61000", by_hand=True)
    row = await room.position()
    await counter.desk.adopt_position(counter.trader, row.id, row.version, one.id)
    room.clock.at = after(30)
    await room.trade("SELL", "0.005", "61000", strategy=one, fee="1", reduce_only=True)
    counter.price("60400")
    result = await counter.desk.strategy_result(counter.trader, one.id)
    assert (result.closed, result.today, result.fees, result.open) == (D(4), D(4), D(1), D(2))


async def test_what_a_hand_added_to_a_strategys_position_is_adopted_by_that_strategy_alone(
    counter: Counter,
) -> None:
    room = counter.room
    one, two = await room.strategy("one"), await room.strategy("two")
    await room.trade("BUY", "0.02", ENTRY, strategy=one)
    assert await counter.refused(one) == "nothing_by_hand"
    await room.trade("BUY", "0.01", "61500", by_hand=True)
    assert await counter.refused(two) == "market_in_use"
    row = await room.position()
    await counter.desk.adopt_position(counter.trader, row.id, row.version, one.id)
    assert await room.shares() == {one.id: D("0.03")}
    [mine] = [s for s in await books.shares_in(room.account.id, BTC) if s.strategy_id == one.id]
    assert mine.entry_price == D(60_500)


@pytest.mark.parametrize(
    ("values", "price", "code"),
    [
        ({"allowed_symbols": ["ETH-USD"]}, ENTRY, "symbol_not_allowed"),
        ({"max_position_usd": D(1_000)}, ENTRY, "max_position"),
        ({"stop_loss_percent": D(2)}, "58000", "price_side"),
        ({"take_profit_percent": D(2)}, "62000", "price_side"),
    ],
)
async def test_a_strategy_adopts_nothing_that_its_limits_or_its_plan_forbid(
    counter: Counter, values: dict[str, Any], price: str, code: str
) -> None:
    one = await counter.room.strategy("one", **values)
    await counter.room.trade("BUY", "0.02", ENTRY, by_hand=True)
    counter.price(price)
    assert await counter.refused(one) == code
    assert (await counter.room.position()).external
    assert await counter.room.shares() == {BY_HAND: D("0.02")}


async def test_an_old_button_and_somebody_elses_strategy_adopt_nothing(counter: Counter) -> None:
    room = counter.room
    one = await room.strategy("one")
    await room.trade("BUY", "0.02", ENTRY, by_hand=True)
    assert await counter.refused(one, version=7) == "position_changed"
    other = await Trader.create(telegram_id=2, name="Bob", role="trader", created_at=after(0))
    account = await Account.create(
        trader_id=other.id,
        network="paper",
        address="dydx1other",
        subaccount_number=0,
        partition=1,
        next_client_id=7,
        state="active",
        created_at=after(0),
    )
    theirs = await room.strategy("theirs")
    await Strategy.filter(id=theirs.id).update(trader_id=other.id, account_id=account.id)
    assert await counter.refused(theirs) == "unknown_strategy"


# what is shown


async def test_a_position_shows_its_shares_its_funding_and_what_each_order_covers(
    counter: Counter,
) -> None:
    room = counter.room
    one = await room.strategy("one")
    await room.trade("BUY", "0.02", ENTRY, strategy=one, plan=PLAN)
    row = await room.position()
    await room.order(
        position_id=row.id,
        purpose="stop_loss",
        side="SELL",
        size="0.02",
        order_flags=32,
        good_til_block_time=1_900_000_000,
        trigger_price="58800",
        reduce_only=True,
        state="untriggered",
    )
    await room.trade("BUY", "0.01", ENTRY, by_hand=True)
    await Position.filter(id=row.id).update(funding=D("-0.5"))
    view = await counter.positions.position(counter.trader, row.id)
    assert view.funding == D("-0.5")
    assert view.covers == (Cover("stop_loss", D(58_800), D("0.02"), leaving=False),)
    assert view.shares == (
        ShareView(None, None, D("0.01")),
        ShareView(one.id, "one", D("0.02")),
    )
    [listed] = await counter.positions.positions(counter.trader)
    assert listed == view


async def test_a_stop_covers_until_its_successor_is_proved_to_rest(counter: Counter) -> None:
    room = counter.room
    one = await room.strategy("one")
    await room.trade("BUY", "0.02", ENTRY, strategy=one, plan=PLAN)
    row = await room.position()
    moment = after(5)

    async def stop(price: str, **more: Any) -> Order:
        return await room.order(
            position_id=row.id,
            purpose="stop_loss",
            side="SELL",
            size="0.02",
            order_flags=32,
            good_til_block_time=1_900_000_000,
            trigger_price=price,
            reduce_only=True,
            **more,
        )

    async def leaving() -> list[tuple[Decimal, bool]]:
        view = await counter.positions.position(counter.trader, row.id)
        return [(cover.price, cover.leaving) for cover in view.covers]

    await stop("58800", state="untriggered", cancel_asked_at=moment)
    assert await leaving() == [(D(58_800), True)]
    successor = await stop("59000", state="accepted", created_at=moment)
    assert await leaving() == [(D(58_800), False)]
    await Order.filter(id=successor.id).update(state="untriggered")
    assert await leaving() == [(D(58_800), True), (D(59_000), False)]
    await Order.filter(id=successor.id).update(state="refused_in_block")
    assert await leaving() == [(D(58_800), True)]


async def test_a_closed_position_says_what_the_day_brought(counter: Counter) -> None:
    room = counter.room
    one = await room.strategy("one")
    room.clock.at = after(20)
    await room.trade("BUY", "0.02", ENTRY, strategy=one)
    row = await room.position()
    await room.trade("SELL", "0.02", "60500", strategy=one, fee="1")
    await room.trade("BUY", "0.01", ENTRY, by_hand=True)
    await room.trade("SELL", "0.01", "59000", by_hand=True)
    view = await counter.positions.position_by_id(row.id)
    assert view.today == D(-1)
    room.clock.at = after(13 * 3_600)  # the trader's next day, in UTC
    assert (await counter.positions.position_by_id(row.id)).today == D(0)


class Listed(Indexer):
    """Lists what it is given."""

    def __init__(self, room: Room) -> None:
        super().__init__(paper_network(rest_port=1), room.clock)
        self.rows: list[IndexerOrder] | None = []

    async def orders(self, *args: Any, **how: Any) -> list[IndexerOrder]:
        if self.rows is None:
            raise IndexerUnreachable("down")
        return self.rows


def an_order(order_id: str, status: OrderStatus = OrderStatus.UNTRIGGERED) -> IndexerOrder:
    return IndexerOrder.read(
        {
            "id": order_id,
            "subaccountId": str(uuid4()),
            "clientId": "5",
            "clobPairId": "0",
            "orderFlags": "32",
            "ticker": BTC,
            "status": status.value,
            "side": "SELL",
            "size": "0.02",
            "totalFilled": "0",
            "price": "57000",
            "triggerPrice": "58000",
            "type": "STOP_LIMIT",
            "reduceOnly": True,
            "goodTilBlockTime": "2026-12-24T12:00:00.000Z",
        }
    )


async def test_waiting_orders_that_the_bot_did_not_make_are_shown_as_external(
    counter: Counter,
) -> None:
    room = counter.room
    ours = await room.order(state="untriggered", order_flags=32, good_til_block_time=1_900_000_000)
    indexer = Listed(room)
    room.parts.venue.indexer = indexer
    theirs = str(uuid4())
    indexer.rows = [
        an_order(str(ours.order_uuid)),
        an_order(theirs),
        an_order(str(uuid4()), OrderStatus.BEST_EFFORT_CANCELED),
    ]
    [found] = await counter.desk.external_orders(counter.trader)
    assert str(found.order_uuid) == theirs
    assert (found.kind, found.side, found.size, found.trigger_price) == (
        "stop limit",
        "SELL",
        D("0.02"),
        D(58_000),
    )
    assert found.expires_at == dt.datetime(2026, 12, 24, 12, tzinfo=dt.UTC)
    indexer.rows = None
    assert await counter.desk.external_orders(counter.trader) == []
