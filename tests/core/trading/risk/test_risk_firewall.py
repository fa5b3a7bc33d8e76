"""The firewall on a real ledger: figures that survive a restart, days, and what passes."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from core.ledger.models import DayPrice, Intent, Order, Position, Strategy
from core.trading.decision import Refusal
from core.trading.risk.days import Window
from core.trading.risk.limits import BOT, Limits, Mode, account_scope, strategy_scope
from tests.core.ledger.ledger_kit import an_order
from tests.core.trading.risk.risk_room import D, Room, an_account, order_book, risk_room


@pytest.fixture
async def room(ledger_url: str) -> AsyncIterator[Room]:
    async with risk_room(ledger_url) as made:
        yield made


async def limit(room: Room, scope: str = "account", **values: Any) -> None:
    keys = {
        "account": account_scope(room.account.id),
        "strategy": strategy_scope(room.strategy.id),
        "bot": BOT,
    }
    await room.firewall.scopes.change(keys[scope], limits=Limits(**values))


async def test_without_limits_everything_passes_and_nothing_is_asked(room: Room) -> None:
    assert await room.code() is None
    assert room.place.asked == []


# what passes


@pytest.mark.parametrize("mode", [Mode.REDUCING, Mode.HALTED])
@pytest.mark.parametrize("scope", ["bot", "account", "strategy"])
async def test_no_limit_or_mode_stops_what_reduces(room: Room, scope: str, mode: Mode) -> None:
    await limit(room, scope, max_order=D(1), daily_loss=D(1), markets=(), hours=(Window(0, 1),))
    key = {"bot": BOT, "account": account_scope(room.account.id)}.get(
        scope, strategy_scope(room.strategy.id)
    )
    await room.firewall.scopes.change(key, mode=mode)
    assert await room.code() == mode.value
    assert await room.code(room.ask("-2", before="2", reduce_only=True)) is None
    assert await room.code(room.ask("-1", before="2")) is None
    assert await room.code(room.ask("-3", before="2")) == mode.value  # it turns the position over


async def test_modes_and_limits_are_kept_over_a_restart(room: Room) -> None:
    await limit(room, "bot", max_order=D(50))
    await room.firewall.scopes.change(account_scope(room.account.id), mode=Mode.HALTED)
    await room.restart()
    assert await room.code(room.ask("0.1")) == "halted"
    await room.firewall.scopes.change(account_scope(room.account.id), mode=Mode.ACTIVE)
    assert await room.code(room.ask("0.6")) == "max_order"
    assert await room.code(room.ask("0.5")) is None


# the strategy's own fields


async def test_the_fields_of_a_strategy_are_limits(room: Room) -> None:
    room.strategy.max_position_usd = D(150)
    room.strategy.allowed_symbols = ["BTC-USD"]
    assert await room.code(room.ask("1.5")) is None
    assert await room.code(room.ask("0.51", before="1")) == "max_position"
    assert await room.code(room.ask(ticker="ETH-USD")) == "symbol_not_allowed"
    assert await room.code(room.ask("9", strategy_id=None)) is None  # a button of its trader


# exposure


async def test_the_account_counts_what_all_strategies_hold(room: Room) -> None:
    await limit(room, max_position=D(300), max_positions=2)
    await room.fill("2", "100", strategy_id=77)
    assert await room.code(room.ask("1")) is None
    assert await room.code(room.ask("1.1")) == "max_position"
    assert await room.code(room.ask("-4.9")) is None  # short 2.9 afterwards
    await room.fill("1", "10", ticker="ETH-USD", strategy_id=77)
    room.place.prices["SOL-USD"] = "1"
    assert await room.code(room.ask(ticker="SOL-USD")) == "max_open_positions"


async def test_orders_that_wait_in_the_book_count_as_if_filled(room: Room) -> None:
    await limit(room, max_position=D(300))
    await _resting(room, "2")
    assert await room.code(room.ask("1")) is None
    assert await room.code(room.ask("1.1")) == "max_position"


async def test_two_orders_never_pass_on_the_same_figures(room: Room) -> None:
    await limit(room, max_position=D(150))
    assert await room.code(room.ask("1")) is None
    await room.firewall.books.get(room.account.id)  # read again before it is in the ledger
    await _resting(room, "1")  # the lane stored it under the same lock, and says so
    assert await room.code(room.ask("1")) == "max_position"


async def _resting(room: Room, size: str, **values: Any) -> Order:
    intent = await Intent.create(
        account_id=room.account.id,
        partition=1,
        sequence=await Intent.all().count() + 1,
        key=f"signal:{await Intent.all().count()}",
        source="signal",
        kind="trade",
        payload={"strategy_id": room.strategy.id},
        state="running",
        created_at=room.clock.now(),
    )
    order = await an_order(
        room.account,
        client_id=await Order.all().count() + 1,
        size=size,
        limit_price="100",
        state="open",
        intent_id=intent.id,
        created_at=room.clock.now(),
        **values,
    )
    room.firewall.note_change(room.account.id)
    return order


async def test_the_whole_bot_counts_every_account_of_the_network(room: Room) -> None:
    other = await an_account(room.trader, 1, room.clock.now())
    await room.fill("2", "100", account=other)
    await limit(room, "bot", max_position=D(300))
    await room.restart()
    assert await room.code(room.ask("1")) is None
    assert await room.code(room.ask("1.1")) == "max_position"


async def test_leverage_is_the_account_over_its_equity(room: Room) -> None:
    await limit(room, max_leverage=D(2))
    room.place.equity = "100"
    await room.fill("1", "100", strategy_id=77)
    assert await room.code(room.ask("1")) is None
    assert await room.code(room.ask("1.01")) == "max_leverage"
    assert room.place.asked == ["equity"]  # one read serves for a minute
    room.place.prices["BTC-USD"] = "80"  # equity 80 now, without asking
    assert await room.code(room.ask("1.01")) == "max_leverage"
    assert await room.code(room.ask("1")) is None
    assert room.place.asked == ["equity"]


async def test_without_the_indexer_the_node_tells_the_equity(room: Room) -> None:
    await limit(room, max_leverage=D(2))
    room.place.equity, room.place.node_usdc = None, "-40"  # and 1 quantum lot worth 10
    assert await room.code(room.ask("0.1")) == "max_leverage"
    room.place.node_usdc = "40"
    room.clock.move(minutes=2)
    assert await room.code(room.ask("0.1")) is None


async def test_an_equity_that_nobody_tells_refuses(room: Room) -> None:
    await limit(room, max_leverage=D(2))
    room.place.equity = None
    assert await room.code() == "equity_unknown"


async def test_a_position_of_before_there_were_shares_counts_as_a_whole(room: Room) -> None:
    await limit(room, max_position=D(300))
    await Position.create(
        account_id=room.account.id,
        partition=1,
        strategy_id=room.strategy.id,
        ticker="BTC-USD",
        side="SHORT",
        state="open",
        size=D(2),
        max_size=D(2),
        entry_price=D(100),
        realized_pnl=D(0),
        fees=D(0),
        opened_at=room.clock.now(),
        enlarged_at=room.clock.now(),
    )
    assert await room.code(room.ask("-1", before="-2")) is None
    assert await room.code(room.ask("-1.1", before="-2")) == "max_position"
    await room.fill("-1", "100")  # from here on there are shares
    assert await room.code(room.ask("-2", before="-1")) is None


# pace


async def test_orders_a_minute_are_counted_over_a_restart(room: Room) -> None:
    await limit(room, max_orders_per_minute=2)
    assert await room.code() is None
    await _resting(room, "0.1")
    room.clock.move(seconds=30)
    assert await room.code() is None
    await _resting(room, "0.1")
    assert await room.code() == "too_many_orders"
    await room.restart()
    assert await room.code() == "too_many_orders"
    room.clock.move(seconds=30)
    assert await room.code() is None
    assert await room.code() == "too_many_orders"


# the book


async def test_the_book_is_asked_for_before_the_lock_and_only_where_a_limit_needs_it(
    room: Room,
) -> None:
    room.place.book = order_book()
    await limit(room, max_spread=D("0.1"))
    assert await room.code() == "wide_spread"
    assert room.place.asked == ["book"]
    await limit(room, max_spread=D(1), depth_usd=D(2000), depth_percent=D(1))
    assert await room.code() == "thin_market"
    room.place.book = order_book(size="20")
    assert await room.code() is None
    room.place.book = None
    assert await room.code() == "thin_market"  # nothing is known of it


# a day


async def test_a_day_counts_open_loss_fees_and_funding_and_ends_at_midnight(room: Room) -> None:
    await limit(room, daily_loss=D(100))
    await room.fill("10", "100", fee="3")
    room.place.prices["BTC-USD"] = "91"
    assert await room.code() is None  # −93
    await room.funding("-6.9")
    assert await room.code() is None  # −99.90
    room.place.prices["BTC-USD"] = "90.99"
    assert await room.code() == "daily_loss"  # −100
    room.clock.move(hours=12)
    await room.watch.tick()  # the bot is there when the day begins
    assert await room.code() is None
    assert (await DayPrice.get(ticker="BTC-USD")).source == "oracle"
    room.place.prices["BTC-USD"] = "80.98"
    assert await room.code() == "daily_loss"


async def test_what_was_made_yesterday_is_no_loss_of_today(room: Room) -> None:
    await limit(room, daily_loss=D(100))
    await room.fill("10", "100")
    room.place.prices["BTC-USD"] = "200"
    room.clock.move(hours=12)
    await room.watch.tick()
    room.place.prices["BTC-USD"] = "190.1"
    assert await room.code() is None  # still 901 up in all
    room.place.prices["BTC-USD"] = "190"
    assert await room.code() == "daily_loss"


async def test_a_restart_in_the_middle_of_a_day_changes_no_figure(room: Room) -> None:
    await limit(room, daily_loss=D(100))
    await room.fill("10", "100")
    room.clock.move(hours=12)
    room.place.prices["BTC-USD"] = "95"
    await room.watch.tick()
    await room.fill("-5", "90")
    room.place.prices["BTC-USD"] = "80"
    await room.restart()
    before = await room.firewall.books.get(room.account.id)
    assert before is not None
    day = dt.datetime(2026, 7, 2, tzinfo=dt.UTC)
    assert room.firewall.day_pnl(account_scope(room.account.id), before, day).value == D(-100)
    assert await room.code() == "daily_loss"
    assert "candles" not in room.place.asked


async def test_after_a_night_without_the_bot_the_day_begins_at_the_price_of_its_midnight(
    room: Room,
) -> None:
    await limit(room, daily_loss=D(100))
    await room.fill("10", "100")
    room.place.prices["BTC-USD"] = "85"  # −150 today
    assert await room.code() == "daily_loss"
    room.clock.move(hours=13)  # down from noon until one at night
    midnight = dt.datetime(2026, 7, 2, tzinfo=dt.UTC)
    minute = dt.timedelta(minutes=1)
    room.place.candles_["BTC-USD"] = [
        (midnight - minute, "70", "71"),
        (midnight, "88", "60"),
        (midnight + minute, "50", "50"),
    ]
    await room.restart()
    assert await room.code() is None  # 30 down since midnight, not 150
    room.place.prices["BTC-USD"] = "78"
    assert await room.code() == "daily_loss"


async def test_a_stop_that_filled_before_midnight_is_yesterdays_loss_though_booked_today(
    room: Room,
) -> None:
    await limit(room, daily_loss=D(100))
    await room.fill("10", "100")
    room.clock.move(hours=11, minutes=55)
    await room.fill("-10", "80")  # by the chain; the bot is down
    room.clock.move(minutes=10)
    await room.restart()
    assert await room.code() is None
    room.clock.move(minutes=-10)
    assert await room.code() == "daily_loss"


async def test_where_nobody_traded_at_midnight_the_last_price_before_it_counts(room: Room) -> None:
    await limit(room, daily_loss=D(100))
    await room.fill("10", "100")
    room.clock.move(hours=13)
    room.place.candles_["BTC-USD"] = [(dt.datetime(2026, 7, 1, 22, tzinfo=dt.UTC), "99", "97")]
    await room.restart()
    room.place.prices["BTC-USD"] = "87.1"
    assert await room.code() is None
    room.place.prices["BTC-USD"] = "87"
    assert await room.code() == "daily_loss"


async def test_a_price_that_cannot_be_read_refuses_rather_than_guesses(room: Room) -> None:
    await limit(room, daily_loss=D(100))
    await room.fill("10", "100")
    room.clock.move(hours=13)
    await room.restart()
    room.place.prices_fresh = False
    assert await room.code() == "figures_missing"
    room.place.prices_fresh = True
    assert await room.code() is None


@pytest.mark.parametrize(
    ("scope", "ends"),
    [
        ("account", "2026-07-01T22:00"),
        ("strategy", "2026-07-01T22:00"),
        ("bot", "2026-07-02T00:00"),
    ],
)
async def test_a_traders_day_is_in_his_zone_and_the_bots_in_utc(
    sqlite_ledger_url: str, scope: str, ends: str
) -> None:
    async with risk_room(sqlite_ledger_url, zone="Europe/Berlin") as room:
        await limit(room, scope, daily_loss=D(100))
        await room.restart()
        await room.fill("10", "100")
        await room.fill("-10", "90")
        over = dt.datetime.fromisoformat(ends).replace(tzinfo=dt.UTC)
        room.clock.move(seconds=(over - room.clock.now()).total_seconds() - 1)
        assert await room.code() == "daily_loss"
        room.clock.move(seconds=1)
        assert await room.code() is None


@pytest.mark.parametrize(
    ("midnight", "hours"), [("2026-03-28T23:00", 23), ("2026-10-24T22:00", 25)]
)
async def test_a_day_of_23_or_25_hours_is_one_day(
    sqlite_ledger_url: str, midnight: str, hours: int
) -> None:
    begin = dt.datetime.fromisoformat(midnight).replace(tzinfo=dt.UTC)
    async with risk_room(sqlite_ledger_url, zone="Europe/Berlin", now=begin) as room:
        await limit(room, daily_loss=D(100))
        await room.fill("10", "100")
        await room.fill("-10", "90")
        room.clock.move(hours=hours, seconds=-1)
        assert await room.code() == "daily_loss"
        room.clock.move(seconds=1)
        assert await room.code() is None


async def test_a_strategy_loses_only_its_own(room: Room) -> None:
    await limit(room, "strategy", daily_loss=D(100))
    await room.fill("10", "100", strategy_id=77)
    await room.fill("-10", "50", strategy_id=77)
    assert await room.code() is None
    await room.fill("1", "100")
    await room.fill("-1", "0.1", fee="0.1")
    assert await room.code() == "daily_loss"


# losses in a row


async def test_losses_in_a_row_cool_down_for_a_while_and_over_a_restart(room: Room) -> None:
    await limit(room, losses=2, cool_down_min=30)
    await room.closed("-1")
    assert await room.code() is None
    room.clock.move(minutes=1)
    await room.closed("-1")
    assert await room.code() == "cool_down"
    await room.restart()
    room.clock.move(minutes=29, seconds=59)
    assert await room.code() == "cool_down"
    room.clock.move(seconds=1)
    assert await room.code() is None


async def test_a_refusal_of_any_scope_is_enough(room: Room) -> None:
    await limit(room, "account", max_order=D(1000))
    await limit(room, "strategy", max_order=D(500))
    await limit(room, "bot", max_order=D(100))
    with pytest.raises(Refusal) as caught:
        await room.firewall.check(room.ask("2"))
    assert "operator's limit" in caught.value.text
    await limit(room, "bot")
    assert await room.code(room.ask("2")) is None
    assert await room.code(room.ask("6")) == "max_order"


async def test_a_deleted_strategy_keeps_its_own_fields(room: Room) -> None:
    await Strategy.filter(id=room.strategy.id).update(max_position_usd=Decimal(50))
    rows: dict[int, Strategy] = {}
    room.firewall._strategy_of = rows.get
    assert await room.code(room.ask("1")) == "max_position"
    assert await room.code(replace(room.ask("1"), strategy_id=None)) is None
