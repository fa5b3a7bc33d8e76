"""Limits that are reached: told once, halted where they say so, and resumed by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from core.ledger import traders
from core.ledger.models import OutgoingMessage, RiskScope, Trader
from core.trading.risk.limits import BOT, Limits, Mode, account_scope, strategy_scope
from tests.core.ledger.ledger_kit import an_order
from tests.core.trading.risk.risk_room import D, Room, risk_room


@pytest.fixture
async def room(sqlite_ledger_url: str) -> AsyncIterator[Room]:
    async with risk_room(sqlite_ledger_url) as made:
        yield made


async def test_a_daily_loss_is_told_once_a_day(room: Room) -> None:
    key = account_scope(room.account.id)
    await room.firewall.scopes.change(key, limits=Limits(daily_loss=D(100)))
    await room.fill("10", "100")
    await room.watch.tick()
    assert await room.told("risk_breached") == []
    room.place.prices["BTC-USD"] = "89.96"
    for _ in range(3):
        await room.watch.tick()
        await room.restart()
    (told,) = await room.told("risk_breached")
    assert told["code"] == "daily_loss"
    assert told["text"].startswith("daily loss limit of the account. Today −100.40 of −100.00 USDC")
    assert room.firewall.scopes.get(key).mode is Mode.ACTIVE
    room.clock.move(hours=12)
    await room.watch.tick()
    assert len(await room.told("risk_breached")) == 1
    room.place.prices["BTC-USD"] = "79"
    await room.watch.tick()
    assert len(await room.told("risk_breached")) == 2


async def test_a_drawdown_halts_until_it_is_resumed_and_over_a_restart(room: Room) -> None:
    key = account_scope(room.account.id)
    await room.firewall.scopes.change(key, limits=Limits(drawdown=D(10)))
    await room.fill("10", "100")
    await room.watch.tick()
    room.place.prices["BTC-USD"] = "150"  # equity 1000 was read at 100: the peak is 1500
    await room.watch.tick()
    room.clock.move(seconds=20)
    await room.watch.tick()
    await room.restart()  # the peak is in the ledger
    room.place.equity = "1500"
    room.place.prices["BTC-USD"] = "136"
    await room.watch.tick()
    assert room.firewall.scopes.get(key).mode is Mode.ACTIVE
    room.place.equity = "1350"
    room.clock.move(minutes=11)
    room.place.prices["BTC-USD"] = "135"
    await room.watch.tick()
    assert room.firewall.scopes.get(key).mode is Mode.HALTED
    (told,) = await room.told("risk_breached")
    assert told["code"] == "drawdown"
    assert "10.00 % below the peak" in told["text"]
    await room.restart()
    room.place.prices["BTC-USD"] = "200"  # a recovery resumes nothing
    await room.watch.tick()
    assert await room.code() == "halted"
    assert len(await room.told("risk_breached")) == 1


async def test_money_that_leaves_is_no_drawdown(room: Room) -> None:
    key = account_scope(room.account.id)
    await room.firewall.scopes.change(key, limits=Limits(drawdown=D(10)))
    await room.fill("1", "100")
    await room.watch.tick()
    room.place.equity = "100"  # 900 were withdrawn
    room.clock.move(minutes=11)
    await room.watch.tick()
    assert room.firewall.scopes.get(key).mode is Mode.ACTIVE
    room.place.prices["BTC-USD"] = "90"  # 10 of 100
    await room.watch.tick()
    assert room.firewall.scopes.get(key).mode is Mode.HALTED


async def test_a_limit_of_the_whole_bot_is_told_to_admins_only(room: Room) -> None:
    admin = await Trader.create(telegram_id=2, name="Op", role="admin", created_at=room.clock.now())
    await room.firewall.scopes.change(BOT, limits=Limits(daily_loss=D(100)))
    await room.fill("10", "100")
    room.place.prices["BTC-USD"] = "80"
    await room.watch.tick()
    (row,) = await OutgoingMessage.filter(kind="risk_breached")
    assert row.trader_id == admin.id
    assert "200" not in row.payload["text"]
    assert await room.code() == "daily_loss"


class Lane:
    """Notes what it is asked to cancel."""

    def __init__(self) -> None:
        self.cancelled: list[UUID] = []

    async def cancel_resting(self, order_uuid: UUID) -> None:
        self.cancelled.append(order_uuid)


async def test_what_is_halted_has_its_waiting_entries_cancelled_and_its_stops_kept(
    room: Room,
) -> None:
    lane: Any = Lane()
    room.lanes.lanes[room.account.id] = lane
    entry = await an_order(room.account, 1, state="open", order_flags=64)
    await an_order(
        room.account, 2, state="untriggered", order_flags=32, reduce_only=True, purpose="stop_loss"
    )
    key = account_scope(room.account.id)
    await room.firewall.scopes.change(key, mode=Mode.REDUCING)
    await room.watch.tick()
    assert lane.cancelled == []
    await room.firewall.scopes.change(key, mode=Mode.HALTED)
    await room.watch.tick()
    assert lane.cancelled == [entry.order_uuid]


async def test_a_strategy_that_is_gone_is_not_watched_any_more(room: Room) -> None:
    await room.firewall.scopes.change(
        strategy_scope(room.strategy.id), limits=Limits(daily_loss=D(1), drawdown=D(1))
    )
    await room.fill("10", "100")
    room.place.prices["BTC-USD"] = "50"
    room.strategy.state = "deleted"
    await room.strategy.save()
    await room.watch.tick()
    assert await room.told("risk_breached") == []
    assert await RiskScope.all().count() == 1


async def test_a_zone_that_took_effect_is_made_final(room: Room) -> None:
    midnight = room.clock.now().replace(hour=0) + dt.timedelta(days=1)
    await traders.set_zone(room.trader.id, "UTC", "Asia/Tokyo", midnight)
    room.firewall.books.forget_zone(room.trader.id)
    room.clock.move(hours=13)
    await room.watch.tick()
    assert (await traders.get(room.trader.id)).next_zone == "Asia/Tokyo"  # its first day is short
    room.clock.move(hours=15)
    await room.watch.tick()
    row = await traders.get(room.trader.id)
    assert (row.zone, row.next_zone, row.next_zone_from) == ("Asia/Tokyo", None, None)
    assert (await room.firewall.books.zone_of(room.trader.id)).name == "Asia/Tokyo"
