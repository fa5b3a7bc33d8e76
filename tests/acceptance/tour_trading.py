"""Steps of the tour: alerts of every kind, plans, the watch."""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal
from typing import Any

from tests.acceptance.tour_house import Strategy, TourHouse
from tests.acceptance.tour_kit import ADA, BTC, ETH, LINK, SOL, Tour

OVER = ("executed", "refused", "missed")


async def position(house: TourHouse, account: int, ticker: str) -> dict[str, Any]:
    """The open position of a market by the ledger, as soon as there is one."""
    sql = (
        "SELECT * FROM position WHERE state = 'open' "
        f"AND account_id = {account} AND ticker = '{ticker}'"
    )
    await house.comes(sql)
    return await house.row(sql)


async def close_by_button(house: TourHouse, account: int, ticker: str, key: str) -> None:
    """Closes all of a position; pressed again where it changed meanwhile."""
    sql = (
        f"SELECT id, version FROM position WHERE state = 'open' AND account_id = {account} "
        f"AND ticker = '{ticker}'"
    )
    while found := await house.rows(sql):
        await house.ask(
            ADA,
            "close_position",
            position_id=found[0]["id"],
            version=found[0]["version"],
            fraction="1",
            key=f"{key}:{found[0]['version']}",
            fine=("position_changed", "position_closed"),
        )
        await asyncio.sleep(1)


async def protected(house: TourHouse, account: int, ticker: str, count: int) -> None:
    """Waits until so many orders of a plan rest."""
    await house.comes(
        "SELECT 1 AS one FROM \"order\" WHERE state = 'untriggered' AND intent_id IS NULL "
        f"AND account_id = {account} AND ticker = '{ticker}' "
        f"GROUP BY ticker HAVING COUNT(*) = {count}"
    )


async def adjust(house: TourHouse, account: int, ticker: str, **change: Any) -> None:
    """Changes a plan; asked again where the position changed meanwhile."""
    for _ in range(10):
        row = await position(house, account, ticker)
        told = await house.ask(
            ADA,
            "adjust_plan",
            position_id=row["id"],
            version=row["version"],
            change=change,
            fine=("position_changed",),
        )
        if told is not None:
            return
    raise AssertionError(f"{ticker} changed all the time")


async def bare(tour: Tour, name: str, **change: Any) -> Strategy:
    """A strategy of the first account without a plan of its own."""
    return await bare_of(tour, "main", name, **change)


async def bare_of(tour: Tour, account: str, name: str, **change: Any) -> Strategy:
    """A strategy without a plan of its own."""
    made = await tour.house.strategy(ADA, tour.accounts[account], name)
    await made.change(clear=["take_profits", "stop_loss_percent"], **change)
    return made


async def trades(tour: Tour) -> None:
    """In, more, less, around, out; resent; what cannot be read or meant; a button."""
    house, address = tour.house, tour.addresses["main"]
    main = await house.strategy(ADA, tour.accounts["main"], "trades")
    await main.holds(address, "buy", BTC, "0.01", size="0.01")
    body = main.body("add", BTC, size="0.005")
    for _ in range(3):
        await house.deliver(main.url, body)
    await main.ends(*OVER)
    if (await main.last())["state"] == "executed":
        await house.held(address, BTC, "0.015")
        await main.holds(address, "reduce", BTC, "0.01", size="0.005")
    await main.holds(address, "short", BTC, "-0.004", size="0.004")
    await house.deliver(main.url, b'{"secret": "wrong')
    await main.alert("buy", "NOPEUSD", size="0.1")
    await main.ends("refused")
    await close_by_button(house, tour.accounts["main"], BTC, "k1")
    await house.held(address, BTC, "0")


async def asks(tour: Tour) -> None:
    """Signals that wait for their trader: executed, ignored, not answered."""
    house, address = tour.house, tour.addresses["main"]
    made = await bare(tour, "asks")
    await house.ask(ADA, "set_strategy_mode", strategy_id=made.id, mode="ask")
    await made.alert("buy", SOL, size="0.5")
    first = await made.ends("asking")
    await house.ask(ADA, "ignore_signal", signal_id=str(first["id"]), fine=("signal_over",))
    await made.ends("refused")
    for _ in range(4):
        await made.alert("buy", SOL, size="0.5")
        second = await made.ends("asking")
        await house.ask(
            ADA, "execute_signal", signal_id=str(second["id"]), key="e1", fine=("signal_over",)
        )
        if (await made.ends(*OVER))["state"] == "executed":
            break
    await house.held(address, SOL, "0.5")
    await made.holds(address, "close", SOL, "0")
    await made.change(max_alert_age_s=4)
    for _ in range(8):
        await made.alert("buy", SOL, size="0.5")
        if (await made.ends("missed"))["reason_code"] == "not_answered":
            break
    await made.change(max_alert_age_s=3600)
    await house.held(address, SOL, "0")


async def rest(strategy: Strategy, resting: str, price: str) -> None:
    """Has a limit order wait in the book; the bot may keep what the chain lets it place in these
    blocks for stops.
    """
    for _ in range(30):
        await strategy.alert("buy", LINK, size="3", type="limit", price=price)
        found = await strategy.ends("executed", "running", *OVER)
        if found["state"] != "refused":
            await strategy.house.comes(resting)
            return
        await asyncio.sleep(2)
    raise AssertionError(f"nothing rests: {found['reason_text']}")


async def rest_low(house: TourHouse, strategy: Strategy) -> None:
    """Has a limit order wait far below the price."""
    resting = f"SELECT 1 AS one FROM \"order\" WHERE ticker = '{LINK}' AND state = 'open'"
    await rest(strategy, resting, str((await house.oracle(LINK)) * Decimal("0.9") // 1))


async def waiting(tour: Tour) -> None:
    """Limits that rest: cancelled by a button, by an alert; one that may not trade at once."""
    house, account = tour.house, tour.accounts["main"]
    made = await bare(tour, "waits")
    low = str((await house.oracle(LINK)) * Decimal("0.9") // 1)
    resting = (
        f"SELECT id FROM \"order\" WHERE account_id = {account} AND ticker = '{LINK}' "
        "AND state = 'open'"
    )
    none_left = (
        f'SELECT 1 AS one WHERE NOT EXISTS (SELECT 1 FROM "order" WHERE account_id = {account} '
        f"AND ticker = '{LINK}' AND state NOT IN "
        "('filled', 'canceled', 'expired', 'refused', 'refused_in_block', 'dead'))"
    )
    await rest(made, resting, low)
    order = await house.row(resting)
    await house.ask(ADA, "cancel_order", order_id=order["id"], fine=("order_over",))
    await house.comes(none_left)
    await rest(made, resting, low)
    await made.alert("cancel", LINK)
    await house.comes(none_left)
    high = str((await house.oracle(LINK)) * Decimal("1.05") // 1 + 1)
    for _ in range(3):
        await made.alert("buy", LINK, size="3", type="limit", time_in_force="post_only", price=high)
        await made.ends(*OVER)
        await house.comes(none_left)
    await house.held(tour.addresses["main"], LINK, "0")


async def plans(tour: Tour) -> None:
    """A ladder, break-even, trailing, a replacement that the chain refuses, a stop that is
    cancelled by hand."""
    house, address, account = tour.house, tour.addresses["main"], tour.accounts["main"]
    made = await house.strategy(ADA, account, "plans")
    plan = {"take_profit": ["3%", "6%"], "stop_loss": "4%", "break_even": {"at": "1%"}}
    await made.holds(address, "buy", ETH, "0.2", size="0.2", **plan)
    await protected(house, account, ETH, 3)
    await house.faults(order_refused={"codespace": "clob", "code": 1000, "count": 1})
    await adjust(house, account, ETH, stop={"percent": "3.5"})
    await asyncio.sleep(2)
    await house.faults(clear=True)
    await protected(house, account, ETH, 3)
    await house.faults(request_lost=True)  # the replacement never arrives: the old stop stays
    await adjust(house, account, ETH, stop={"percent": "3.2"})
    await house.until_died(house.nothing, "core.trading.resting.Resting._keep_replaced")
    await house.faults(clear=True)
    await protected(house, account, ETH, 3)
    await house.moved(ETH, "1.015")
    await house.comes("SELECT 1 AS one FROM protection WHERE even")
    await adjust(house, account, ETH, trail={"percent": "1"})
    await house.moved(ETH, "1.01")
    await house.comes("SELECT 1 AS one FROM protection WHERE best IS NOT NULL")
    await protected(house, account, ETH, 3)
    removed = "SELECT 1 AS one FROM outgoing_message WHERE kind = 'stop_removed'"
    while not await house.rows(removed):
        stops = await house.rows(
            "SELECT id FROM \"order\" WHERE state = 'untriggered' AND purpose = 'stop_loss' "
            f"AND account_id = {account} AND ticker = '{ETH}'"
        )
        for stop in stops:
            await house.once("cancel_by_hand", order_id=stop["id"])
        await asyncio.sleep(4)
    await house.moved(ETH, "1.006")
    await house.held(address, ETH, "0.1")
    await house.moved(ETH, "0.95")
    await house.held(address, ETH, "0")


async def watched(tour: Tour) -> None:
    """The chain's orders find no match: the bot closes a target and a stop itself, attempt by
    attempt."""
    house, address, account = tour.house, tour.addresses["main"], tour.accounts["main"]
    made = await house.strategy(ADA, account, "watched")
    plan = {"take_profit": [{"percent": 2, "fraction": 0.5}], "stop_loss": "2%"}
    await made.holds(address, "buy", SOL, "2", size="2", **plan)
    await protected(house, account, SOL, 2)
    await house.faults(fill_withheld=True)
    await house.moved(SOL, "1.03")
    await house.comes("SELECT 1 AS one FROM intent WHERE key LIKE 'watch:%:t%'")
    await house.faults(clear=True)
    await house.held(address, SOL, "1")
    await house.moved(SOL, "0.99")
    await house.faults(fill_withheld=True)
    await house.moved(SOL, "0.95")
    await house.comes("SELECT 1 AS one FROM outgoing_message WHERE kind = 'protection_failing'")
    await house.faults(clear=True)
    await house.held(address, SOL, "0")


async def cut(tour: Tour) -> None:
    """A close that comes behind an entry which finds no match; an entry whose fate is unknown."""
    house, address = tour.house, tour.addresses["main"]
    made = await bare(tour, "cuts")
    for _ in range(6):
        await house.faults(fill_withheld=True)
        await made.alert("buy", BTC, size="0.01")
        await made.alert("close", BTC)
        await house.faults(clear=True)
        await made.ends(*OVER)
        await house.comes(
            f"SELECT 1 AS one WHERE NOT EXISTS (SELECT 1 FROM signal WHERE strategy_id = {made.id} "
            "AND state IN ('stored', 'running'))"
        )
        await house.held(address, BTC, "0")
        if not house.missing(
            "core.trading.work.Work._cancel_entry", "core.trading.sending.Sender.cancel_short_term"
        ):
            break
    await house.faults(fill_withheld=True, answer_lost=1)
    await made.alert("buy", BTC, size="0.01")
    await house.until_died(house.nothing, "core.trading.news.tell_operator")
    await house.faults(clear=True)
    await made.ends(*OVER)
    await made.alert("close", BTC)
    await made.ends(*OVER)
    await house.held(address, BTC, "0")


async def in_flight(tour: Tour) -> None:
    """Dies while an order is on its way: its bytes go out again after the start."""
    house, address = tour.house, tour.addresses["main"]
    made = await bare(tour, "flies")

    async def cut_off() -> None:
        await house.faults(rtt_ms=1500)
        sending = asyncio.create_task(made.alert("buy", BTC, size="0.01"))
        unanswered = "SELECT 1 AS one FROM \"order\" WHERE state = 'broadcasting'"
        with contextlib.suppress(AssertionError):
            await house.comes(unanswered, 10)
            await house.killed()
        await house.faults(clear=True)
        await sending
        await made.ends(*OVER)
        await made.alert("close", BTC)
        await made.ends(*OVER)
        await house.held(address, BTC, "0")

    await house.until_died(cut_off, "core.trading.lane.Lane._send_again")


async def unsent(tour: Tour) -> None:
    """An order that no node could be given becomes a mock order."""
    house, address = tour.house, tour.addresses["main"]
    made = await bare(tour, "mocks")
    await house.ask(ADA, "set_mock_when_unreachable", on=True)
    for _ in range(8):
        async with house.without_node():
            await made.alert("buy", BTC, size="0.01")
            await asyncio.sleep(6)
        if (await made.ends("mock", *OVER))["state"] == "mock":
            break
        await made.alert("close", BTC)
        await made.ends(*OVER)
    assert await house.rows("SELECT id FROM mock_order")
    await house.ask(ADA, "set_mock_when_unreachable", on=False)
    await house.held(address, BTC, "0")


async def drifts(tour: Tour) -> None:
    """The chart's position against ours: told, let be, brought there."""
    house, address, account = tour.house, tour.addresses["main"], tour.accounts["main"]
    made = await bare(tour, "charts", sync=True)
    said = {"market_position": "long", "market_position_size": "0.01", "sync": True}
    await made.holds(address, None, BTC, "0.01", **said)
    await house.comes(f"SELECT 1 AS one FROM chart_position WHERE strategy_id = {made.id}")
    await close_by_button(house, account, BTC, "drift")
    await house.held(address, BTC, "0")
    await house.comes(
        f"SELECT 1 AS one FROM chart_position WHERE strategy_id = {made.id} AND state = 'told'"
    )
    await house.ask(ADA, "ignore_drift", strategy_id=made.id, ticker=BTC)
    for turn in range(4):
        await house.ask(
            ADA, "sync_strategy", strategy_id=made.id, ticker=BTC, key=f"s{turn}", fine=("in_sync",)
        )
        try:
            await house.held(address, BTC, "0.01", within_s=25)
            break
        except AssertionError:
            assert turn < 3
    await made.holds(address, "sell", BTC, "0", market_position="flat")
