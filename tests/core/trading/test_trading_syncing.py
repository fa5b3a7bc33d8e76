"""When a sync is decided once more: for what its decision could not know, and for nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from core.dydx.protocol import Side
from core.ledger import accounts, intents, orders
from core.ledger.models import Account, Fill, Intent, Order
from core.signals.alert import Action, Alert, MarketPosition, Target
from core.signals.meaning import Effect
from core.trading.course import Course
from core.trading.syncing import was_overtaken
from core.trading.wishes import alert_json
from tests.core.trading.watch_room import Room, watch_room

SHORT = Target(MarketPosition.SHORT, Decimal(1))
COURSE = Course(Effect.OPEN, Side.SELL, opening=Decimal(1))


@pytest.fixture
async def room(sqlite_ledger_url: str) -> AsyncIterator[Room]:
    async with watch_room(sqlite_ledger_url) as made:
        yield made


@pytest.fixture
async def account(room: Room) -> Account:
    return await room.account(await room.trader(1))


async def an_intent(
    room: Room, account: Account, key: str, *, strategy: int = 1, sync: bool = False, **more: Any
) -> Intent:
    alert = Alert(Action.SELL, "BTC-USD", target=SHORT if sync else None, sync=sync)
    async with room.ledger.executing():
        intent = await intents.add(
            account=await accounts.lock(account.id),
            key=key,
            kind="sell",
            payload={"wish": alert_json(alert), "strategy_id": strategy, "ticker": "BTC-USD"},
            now=room.clock.now(),
            **{"source": "signal", **more},
        )
    assert intent is not None
    return intent


async def an_order(
    room: Room, account: Account, intent: Intent | None, state: str = "filled"
) -> Order:
    return await Order.create(
        account_id=account.id,
        partition=account.partition,
        intent_id=intent.id if intent is not None else None,
        purpose="open" if intent is not None else "stop_loss",
        order_uuid=room.office.random.uuid4(),
        client_id=room.office.random.below(2**31),
        order_flags=0,
        clob_pair_id=0,
        ticker="BTC-USD",
        side="SELL",
        size=Decimal(1),
        limit_price=Decimal(1),
        reference_price=Decimal(1),
        quantums="1",
        subticks="1",
        reduce_only=intent is None,
        good_til_block=9,
        tx=b"",
        tx_hash="00",
        state=state,
        epoch=1,
        created_at=room.clock.now(),
    )


async def a_fill(room: Room, order: Order) -> int:
    """The fill's id."""
    fill = Fill(
        fill_uuid=room.office.random.uuid4(),
        account_id=order.account_id,
        order_id=order.id,
        order_uuid=order.order_uuid,
        ticker=order.ticker,
        side=order.side,
        kind="LIMIT",
        liquidity="TAKER",
        size=order.size,
        price=Decimal(1),
        fee=Decimal(0),
        height=7,
        at=room.clock.now(),
    )
    await orders.add_fill(fill)
    return fill.id


async def test_an_earlier_alert_that_filled_unknown_is_a_reason_once(
    room: Room, account: Account
) -> None:
    earlier = await an_order(room, account, await an_intent(room, account, "a"))
    sync = await an_intent(room, account, "b", sync=True)
    own = await an_order(room, account, sync)
    await a_fill(room, own)
    assert not await was_overtaken(sync, COURSE, [own])

    late = await a_fill(room, earlier)
    assert await was_overtaken(sync, COURSE, [own])
    assert not await was_overtaken(sync, replace(COURSE, booked=late), [own])
    assert not await was_overtaken(sync, replace(COURSE, after=own.id), [own])


async def test_nothing_is_decided_anew_before_the_orders_are_proved_over(
    room: Room, account: Account
) -> None:
    earlier = await an_order(room, account, await an_intent(room, account, "a"))
    sync = await an_intent(room, account, "b", sync=True)
    own = await an_order(room, account, sync, "unknown")
    await a_fill(room, earlier)
    assert not await was_overtaken(sync, COURSE, [own])


@pytest.mark.parametrize("what", ["a plan", "a person", "another strategy", "a later alert"])
async def test_what_others_do_is_no_reason_to_be_where_the_chart_is(
    room: Room, account: Account, what: str
) -> None:
    sync = await an_intent(room, account, "b", sync=True)
    other: Intent | None = None
    if what == "a person":
        other = await an_intent(room, account, "c", source="button")
    elif what != "a plan":
        strategy = 2 if what == "another strategy" else 1
        other = await an_intent(room, account, "c", strategy=strategy)
    if what == "a later alert":
        own = await an_order(room, account, sync)
        theirs = await an_order(room, account, other)
    else:
        theirs = await an_order(room, account, other)
        own = await an_order(room, account, sync)
    await a_fill(room, theirs)
    assert not await was_overtaken(sync, COURSE, [own])


async def test_an_alert_that_is_no_sync_is_decided_once(room: Room, account: Account) -> None:
    earlier = await an_order(room, account, await an_intent(room, account, "a"))
    plain = await an_intent(room, account, "b")
    own = await an_order(room, account, plain)
    await a_fill(room, earlier)
    assert not await was_overtaken(plain, COURSE, [own])
