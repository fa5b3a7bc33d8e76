"""TradingView's position against what strategies hold, and the buttons that answer it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from core.ledger.models import ChartPosition, Intent, Strategy
from core.signals.alert import MarketPosition
from core.trading.drift_desk import DriftDesk
from core.trading.drift_guard import DriftGuard
from core.trading.views import DeskError, TraderView
from core.trading.wishes import wish_of
from tests.core.trading.watch_room import Room, market_row, watch_room


class Guarded:
    """A trader with one strategy, looked after every ten seconds."""

    def __init__(self, room: Room, trader: TraderView, strategy: Strategy) -> None:
        self.room, self.trader, self.strategy = room, trader, strategy
        self.guard = DriftGuard(room.office)
        self.desk = DriftDesk(room.office)

    async def looks(self, seconds: int) -> None:
        for _ in range(seconds // 10):
            self.room.clock.move(10)
            await self.guard.look()

    async def drifts(self) -> int:
        return len(await self.room.told(self.trader, "drift_found"))


@pytest.fixture
async def room(sqlite_ledger_url: str) -> AsyncIterator[Room]:
    async with watch_room(sqlite_ledger_url) as made:
        made.markets(market_row("BTC-USD"), market_row("ETH-USD"))
        yield made


@pytest.fixture
async def guarded(room: Room) -> Guarded:
    trader = await room.trader(1)
    account = await room.account(trader)
    return Guarded(room, trader, await room.strategy(account, default_size_usd=100))


async def test_a_lasting_difference_is_told_once(room: Room, guarded: Guarded) -> None:
    await room.signal(guarded.strategy, "long")
    await guarded.looks(30)
    assert await guarded.drifts() == 0
    await guarded.looks(120)
    assert await room.told(guarded.trader) == [
        {"kind": "drift_found", "strategy_id": guarded.strategy.id, "ticker": "BTC-USD"}
    ]
    guarded.guard = DriftGuard(room.office)  # after a restart
    await guarded.looks(120)
    assert await guarded.drifts() == 1


async def test_a_strategy_that_is_where_its_chart_is_says_nothing(
    room: Room, guarded: Guarded
) -> None:
    account = await room.ledger_account(guarded.strategy.account_id)
    await room.holds(account, "BTC-USD", "-0.5", guarded.strategy)
    await room.signal(guarded.strategy, "short", size="3")
    await guarded.looks(120)
    assert await guarded.drifts() == 0


async def test_in_sync_mode_the_size_counts_too(room: Room, guarded: Guarded) -> None:
    guarded.strategy.sync = True
    await guarded.strategy.save()
    account = await room.ledger_account(guarded.strategy.account_id)
    await room.holds(account, "BTC-USD", "-0.5", guarded.strategy)
    await room.signal(guarded.strategy, "short", size="3")
    await guarded.looks(120)
    assert await guarded.drifts() == 1


async def test_what_another_strategy_or_a_hand_holds_is_not_this_ones(
    room: Room, guarded: Guarded
) -> None:
    account = await room.ledger_account(guarded.strategy.account_id)
    other = await room.strategy(account, "other")
    await room.holds(account, "BTC-USD", "1", other)
    await room.signal(guarded.strategy, "long")
    await guarded.looks(60)
    assert await guarded.drifts() == 1


async def test_while_something_is_under_way_nothing_is_said(room: Room, guarded: Guarded) -> None:
    await room.signal(guarded.strategy, "long", state="stored")
    await guarded.looks(120)
    assert await guarded.drifts() == 0


async def test_an_account_that_cannot_be_read_is_not_taken_for_flat(
    room: Room, guarded: Guarded
) -> None:
    await room.signal(guarded.strategy, "long")
    room.lanes.reconciled[guarded.strategy.account_id] = False
    await guarded.looks(120)
    assert await guarded.drifts() == 0


@pytest.mark.parametrize("changed", [{"mode": "shadow"}, {"state": "paused"}])
async def test_a_strategy_that_is_not_to_trade_is_not_guarded(
    room: Room, guarded: Guarded, changed: dict[str, str]
) -> None:
    await Strategy.filter(id=guarded.strategy.id).update(**changed)
    await room.signal(guarded.strategy, "long")
    await guarded.looks(120)
    assert await guarded.drifts() == 0


async def test_a_signal_that_its_trader_let_be_is_no_news_to_him(
    room: Room, guarded: Guarded
) -> None:
    signal = await room.signal(guarded.strategy, "long", state="refused")
    signal.reason_code = "ignored"
    await signal.save()
    await guarded.looks(120)
    assert await guarded.drifts() == 0


async def test_alerts_without_a_position_leave_the_last_one_that_had_one(
    room: Room, guarded: Guarded
) -> None:
    await room.signal(guarded.strategy, "long", symbol="ETHUSDT.P")
    await guarded.looks(10)
    await room.signal(guarded.strategy, None)
    await room.signal(guarded.strategy, "flat", symbol="NOSUCHCOIN")
    await guarded.looks(60)
    rows = await ChartPosition.all()
    assert [(row.ticker, row.position) for row in rows] == [("ETH-USD", "long")]


async def test_ignored_it_is_silent_until_the_chart_turns(room: Room, guarded: Guarded) -> None:
    await room.signal(guarded.strategy, "long")
    await guarded.looks(60)
    await guarded.desk.ignore_drift(guarded.trader, guarded.strategy.id, "BTC-USD")
    await room.signal(guarded.strategy, "long")
    await guarded.looks(120)
    assert await guarded.drifts() == 1
    await room.signal(guarded.strategy, "short")
    await guarded.looks(60)
    assert await guarded.drifts() == 2


async def test_sync_wants_the_charts_position_with_the_strategys_own_size_once(
    room: Room, guarded: Guarded
) -> None:
    await room.signal(guarded.strategy, "long", size="7")
    await guarded.looks(60)
    for _ in range(2):
        await guarded.desk.sync_strategy(guarded.trader, guarded.strategy.id, "BTC-USD", "tap")
    (intent,) = await Intent.all()
    wish = wish_of(intent)
    assert (intent.source, intent.kind, intent.key) == ("button", "sync", "button:tap")
    assert wish.sync
    assert wish.target is not None
    assert (wish.target.position, wish.target.size) == (MarketPosition.LONG, None)
    assert intent.payload["ticker"] == "BTC-USD"
    assert intent.payload["default_size"] == {"value": "100", "unit": "usd"}
    assert [one.id for one in room.lanes.submitted] == [intent.id]


async def test_sync_takes_the_charts_size_where_the_strategy_has_none(
    room: Room, guarded: Guarded
) -> None:
    await Strategy.filter(id=guarded.strategy.id).update(default_size_usd=None)
    await room.signal(guarded.strategy, "short", size="0.25")
    await guarded.looks(10)
    await guarded.desk.sync_strategy(guarded.trader, guarded.strategy.id, "BTC-USD", "tap")
    target = wish_of((await Intent.all())[0]).target
    assert target is not None
    assert str(target.size) == "0.25"


async def test_sync_is_refused_where_it_has_nothing_to_do_or_is_somebody_elses(
    room: Room, guarded: Guarded
) -> None:
    await room.signal(guarded.strategy, "flat")
    await guarded.looks(10)
    stranger = await room.trader(2)
    for trader, ticker, code in (
        (guarded.trader, "BTC-USD", "in_sync"),
        (guarded.trader, "ETH-USD", "unknown_target"),
        (stranger, "BTC-USD", "unknown_strategy"),
    ):
        with pytest.raises(DeskError) as refused:
            await guarded.desk.sync_strategy(trader, guarded.strategy.id, ticker, "tap")
        assert refused.value.code == code
    assert await Intent.all().count() == 0
