"""Steps of the tour: limits, zones, panic, books, faults of the network, the chat."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from dataclasses import replace
from functools import partial
from typing import Any

from core.paper.epochs import FUNDING_TICK, epoch
from tests.acceptance.tour_house import TourHouse
from tests.acceptance.tour_kit import ADA, BTC, ETH, SOL, Tour
from tests.acceptance.tour_trading import adjust, bare, position, rest_low

HOUR_S = 3600.0


async def strategies(tour: Tour) -> None:
    """Silent, moved, given limits, deleted."""
    house = tour.house
    made = await bare(tour, "moves")
    await made.change(silent_after_h=1)
    where = {"id": made.id}
    aged = ["last_alert_at", "created_at"]
    await house.call("age", model="Strategy", where=where, fields=aged, seconds=3 * HOUR_S)
    await house.comes("SELECT 1 AS one FROM outgoing_message WHERE kind = 'strategy_silent'")
    limit: dict[str, Any] = {
        "kind": "strategy",
        "ref": made.id,
        "field": "max_position",
        "text": "5000",
    }
    await house.ask(ADA, "change_limit", **limit)
    second = tour.accounts["second"]
    await house.ask(
        ADA, "move_strategy", strategy_id=made.id, account_id=second, fine=("same_account",)
    )
    await made.holds(tour.addresses["second"], "buy", BTC, "0.002", size="0.002")
    await made.holds(tour.addresses["second"], "close", BTC, "0")
    await house.ask(ADA, "delete_strategy", strategy_id=made.id, fine=("unknown_strategy",))


async def by_hand(tour: Tour) -> None:
    """A position that its trader made himself, adopted."""
    house, account = tour.house, tour.accounts["second"]
    address = tour.addresses["second"]
    deadline = time.monotonic() + 60
    while await house.size_of(address, ETH) == 0:
        assert time.monotonic() < deadline
        trade = {"account_id": account, "ticker": ETH, "side": "BUY", "size": "0.1"}
        await house.once("trade_by_hand", **trade)
        await asyncio.sleep(2)
    await house.held(address, ETH, "0.1")
    made = await house.strategy(ADA, account, "adopts")
    row = await position(house, account, ETH)
    for _ in range(5):
        row = await position(house, account, ETH)
        await house.ask(
            ADA,
            "adopt_position",
            position_id=row["id"],
            version=row["version"],
            strategy_id=made.id,
            fine=("position_changed", "nothing_by_hand"),
        )
        if not (await position(house, account, ETH))["external"]:
            break
    await made.holds(address, "close", ETH, "0")


async def limits(tour: Tour) -> None:
    """A day's loss, a drawdown that halts, a zone that takes effect."""
    house, account, address = tour.house, tour.accounts["second"], tour.addresses["second"]
    made = await house.strategy(ADA, account, "limits")
    await made.change(clear=["take_profits", "stop_loss_percent"])
    await made.holds(address, "buy", SOL, "3", size="3")
    since = {"account_id": account, "state": "open"}
    await house.call(
        "age", model="Position", where=since, fields=["opened_at"], seconds=30 * HOUR_S
    )
    moved = {"model": "ShareMove", "where": {"account_id": account}, "fields": ["at"]}
    await house.call("age", **moved, seconds=30 * HOUR_S)
    await house.killed()  # what it knows of the account is read anew
    for field, text in (("daily_loss", "1"), ("drawdown", "0.01")):
        limit: dict[str, Any] = {"kind": "account", "ref": account, "field": field, "text": text}
        await house.ask(ADA, "change_limit", **limit)
    await house.until_died(house.nothing, "core.trading.risk.marks")
    await asyncio.sleep(3)
    await house.moved(SOL, "0.97")
    await house.comes("SELECT 1 AS one FROM outgoing_message WHERE kind = 'risk_breached'")
    await house.comes("SELECT 1 AS one FROM risk_scope WHERE mode = 'halted'")
    await asyncio.sleep(3)
    for field in ("daily_loss", "drawdown"):
        limit = {"kind": "account", "ref": account, "field": field, "text": "none"}
        await house.ask(ADA, "change_limit", **limit)
    await house.ask(ADA, "resume_risk", kind="account", ref=account)
    await house.ask(ADA, "set_zone", text="Asia/Tokyo")
    zone = {"model": "Trader", "where": {"telegram_id": ADA}, "fields": ["next_zone_from"]}
    await house.call("age", **zone, seconds=72 * HOUR_S)
    await house.comes("SELECT 1 AS one FROM trader WHERE zone = 'Asia/Tokyo' AND next_zone IS NULL")


async def funding(tour: Tour) -> None:
    """Hours over which nothing was paid, then one over which something was. The position of the
    step before is still open.
    """
    house, account = tour.house, tour.accounts["second"]
    where = {"id": account}
    await house.call("age", model="Account", where=where, fields=["created_at"], seconds=5 * HOUR_S)
    await house.killed()  # what it knows of the account is read anew
    await house.until_died(house.nothing, "core.trading.funding.FundingReader._wait_for")
    state = house.paper.exchange.state
    clock = epoch(state, FUNDING_TICK)
    now = int(dt.datetime.now(dt.UTC).timestamp())
    state.epochs.put(FUNDING_TICK, replace(clock, next_tick_s=now))
    await house.comes("SELECT 1 AS one FROM funding")


async def spoilt(tour: Tour) -> None:
    """Books that do not agree with the chain: told, and mended behind the desk's back."""
    house, account = tour.house, tour.accounts["second"]
    row = await position(house, account, SOL)
    size = {"model": "Position", "where": {"id": row["id"]}}
    share = {"model": "Share", "where": {"account_id": account, "ticker": SOL}}
    await house.call("spoil", **size, size="5")
    await house.comes("SELECT 1 AS one FROM outgoing_message WHERE kind = 'mismatch_found'")
    await house.call("spoil", **size, size="3")
    await house.call("spoil", **share, size="4")
    await house.comes("SELECT 1 AS one FROM outgoing_message WHERE kind = 'shares_differ'")
    await house.call("spoil", **share, size="3")
    await house.call("spoil", model="MarketState", where={"ticker": BTC}, status="PAUSED")
    unknown = {"model": "Account", "where": {"id": account}}
    await house.call("spoil", **unknown, chain_account_number=None)
    await house.killed()
    await adjust(house, account, SOL, stop={"percent": "30"})
    await house.comes(
        f"SELECT 1 AS one FROM account WHERE id = {account} AND chain_account_number IS NOT NULL"
    )
    await house.comes("SELECT 1 AS one FROM market_state WHERE status <> 'PAUSED'")
    await house.until_died(house.nothing, "core.trading.market_watch.MarketWatch._change")
    await house.comes("SELECT 1 AS one FROM gap WHERE state = 'told'", again=partial(gone, house))


async def gone(house: TourHouse) -> None:
    """Has the bot think that it was not there for a minute; a sign of life may come in between."""
    long_ago = (dt.datetime.now(dt.UTC) - dt.timedelta(seconds=60)).isoformat()
    await house.call("spoil", model="Meta", where={"name": "alive_at"}, value=long_ago)


async def lost(tour: Tour) -> None:
    """The network is away, refuses everybody, or takes no stop."""
    house, account, address = tour.house, tour.accounts["second"], tour.addresses["second"]
    async with house.without_stream():
        await house.comes("SELECT 1 AS one FROM outgoing_message WHERE kind = 'news_missing'")
    await house.faults(address_blocked="GEOBLOCKED")
    await house.comes("SELECT 1 AS one FROM outgoing_message WHERE kind = 'account_standing'")
    await house.faults(address_blocked=None)
    refusal: dict[str, Any] = {"codespace": "clob", "code": 1000, "count": 1000}
    await house.faults(order_refused=refusal)
    await adjust(house, account, SOL, stop={"percent": "20"})
    await house.faults(rest_500=True)
    async with house.without_stream():
        await house.until_died(house.nothing, "core.trading.bareness")
    await house.faults(clear=True)
    await house.held(address, SOL, "3")


async def panics(tour: Tour) -> None:
    """Everything at once: by one trader, close all, by an admin for the whole bot."""
    house, account, address = tour.house, tour.accounts["second"], tour.addresses["second"]
    await house.ask(ADA, "close_all", key="c1", message_id=None)
    await house.held(address, SOL, "0")
    await house.comes("SELECT 1 AS one FROM panic WHERE kind = 'close_all' AND state = 'done'")
    made = await house.strategy(ADA, account, "panics")
    await made.holds(address, "buy", SOL, "1", size="1")
    await rest_low(house, await bare(tour, "rests"))
    for who, key, whole in ((ADA, "p1", False), (ADA, "h1", True)):
        await house.ask(who, "panic", key=key, message_id=7, house=whole)
        await house.held(address, SOL, "0")
        kind = "house" if whole else "panic"
        await house.comes(f"SELECT 1 AS one FROM panic WHERE kind = '{kind}' AND state = 'done'")
        await house.ask(who, "resume_after_panic", house=whole)
