"""REST over a real port, beyond what the recorded story asks: pages, limits, delays."""

from __future__ import annotations

import datetime as dt
from typing import Any

from core.paper.happenings import OrderOpened, OrderRemoved, PaperOrder, SubaccountKey
from core.paper.indexer.faults import IndexerFaults
from core.paper.indexer.records import order_id_of
from tests.core.paper.indexer_kit import (
    LINK,
    ME,
    SOL,
    START,
    Desk,
    T,
    a_deposit,
    a_fill,
    a_order,
    desk,
    holding,
    price_of,
    stateful,
    until,
)

WHOSE = {"address": T, "subaccountNumber": 0}


async def opened(one: Desk, *orders: PaperOrder) -> None:
    """Orders that the node's memory holds, visible."""
    for order in orders:
        one.indexer.on(OrderOpened(order, START))
    await until(lambda: all(order_id_of(each.key) in one.indexer.rows.memory for each in orders))


async def traded(one: Desk) -> None:
    """An account with a history: deposit, an order of every kind of end, positions, an hour."""
    await one.visible(a_deposit("20000"), holding("20000"), price_of(SOL, "23.5"))
    other = SubaccountKey(T, 128)
    await one.visible(a_deposit("50", other, 11), holding("50", key=other))
    buy = a_order(1, size="12", price="7.25", gtb=720)
    partly = a_order(2, size="12", price="7.23", gtb=730)
    await one.visible(
        a_fill(buy, "10", "7.21", total="10", number=1),
        a_fill(buy, "2", "7.22", before="10", total="12", number=2),
        a_fill(partly, "5", "7.23", before="12", number=3),
    )
    sell = a_order(3, "SELL", size="17", price="7", gtb=731)
    await one.visible(a_fill(sell, "17", "7.2", before="17", number=4))
    again = a_order(4, size="2", price="7.3", gtb=732)
    long_term = a_order(5, size="30", price="7.15", flags=64, tif=0)
    stop = a_order(
        6, "SELL", size="2", price="6.5", flags=32, condition_type=1, trigger_subticks=7_000_000_000
    )
    await one.visible(
        a_fill(again, "2", "7.21", number=5),
        stateful(long_term, "OPEN"),
        stateful(stop, "UNTRIGGERED"),
    )
    await opened(one, a_order(7, size="9", price="6.9", tif=0, gtb=758))


async def test_an_unfilled_short_term_order_is_listed_while_it_rests_and_then_unknown() -> None:
    async with desk() as one:
        order = a_order(7, tif=0, gtb=758)
        await opened(one, order)
        path = f"/v4/orders/{order_id_of(order.key)}"
        resting = (await one.rest.get(path)).json()
        assert (resting["status"], resting["totalFilled"]) == ("BEST_EFFORT_OPENED", "0")
        one.indexer.on(OrderRemoved(order.key, order, "EXPIRED", "CANCELED", 0, START))
        await until(lambda: not one.indexer.rows.memory)
        gone = await one.rest.get(path)
        assert gone.status_code == 404
        assert gone.json() == {
            "errors": [{"msg": f"Unable to find order id {order_id_of(order.key)}"}]
        }


async def test_orders_come_stateful_first_and_filters_narrow_them() -> None:
    async with desk() as one:
        await traded(one)

        async def ids(**query: Any) -> list[str]:
            return [each["clientId"] for each in await one.get("/orders", **WHOSE, **query)]

        assert await ids() == ["5", "6", "7", "4", "3", "2", "1"]
        assert await ids(returnLatestOrders="true", limit=2) == ["1", "2"]
        assert await ids(status="OPEN,UNTRIGGERED,BEST_EFFORT_OPENED") == ["5", "6", "7"]
        assert await ids(side="SELL") == ["6", "3"]
        assert await ids(type="STOP_LIMIT") == ["6"]
        assert await ids(type="MARKET") == []
        assert await ids(ticker="SOL-USD") == []
        assert await ids(goodTilBlockBeforeOrAt=730) == ["2", "1"]
        assert await ids(goodTilBlockTimeAfter="2020-01-01T00:00:00.000Z") == ["5", "6"]


async def test_fills_are_newest_first_but_oldest_first_by_pages() -> None:
    async with desk() as one:
        await traded(one)
        latest = (await one.get("/fills", **WHOSE))["fills"]
        assert [each["price"] for each in latest] == ["7.21", "7.2", "7.23", "7.22", "7.21"]
        paged = await one.get("/fills", **WHOSE, page=2, limit=2)
        assert [each["price"] for each in paged["fills"]] == ["7.23", "7.2"]
        assert (paged["pageSize"], paged["totalResults"], paged["offset"]) == (2, 5, 2)
        linked = await one.get("/fills", **WHOSE, market="LINK-USD", marketType="PERPETUAL")
        assert len(linked["fills"]) == 5


async def test_positions_are_signed_and_net_of_fees() -> None:
    async with desk() as one:
        await one.visible(a_deposit("1000"), price_of(LINK, "7.2"))
        await one.visible(a_fill(a_order(1, "SELL"), "10", "7.2", number=1))
        await one.visible(a_fill(a_order(2), "4", "7.1", before="-10", number=2))
        body = await one.get("/perpetualPositions", **WHOSE, status="OPEN")
        position = body["positions"][0]
        assert (position["side"], position["size"], position["maxSize"]) == ("SHORT", "-6", "-10")
        assert position["realizedPnl"] == "0.3498"
        assert (position["entryPrice"], position["exitPrice"]) == ("7.2", "7.1")


async def test_the_request_after_the_hundredth_must_wait_and_is_told_milliseconds() -> None:
    async with desk(rest_limit=3) as one:
        for left in (2, 1, 0):
            response = await one.rest.get("/v4/height")
            assert response.headers["ratelimit-remaining"] == str(left)
        refused = await one.rest.get("/v4/perpetualMarkets")
        assert refused.status_code == 429
        assert refused.json() == {"errors": [{"msg": "Too many requests"}]}
        assert 1000 < int(refused.headers["retry-after"]) <= 10_000
        assert refused.headers["ratelimit-limit"] == "3"
        other_kind = await one.rest.get("/v4/fills", params={"address": T, "subaccountNumber": 0})
        assert other_kind.status_code == 200
        candles = await one.rest.get("/v4/candles/perpetualMarkets/SOL-USD?resolution=1MIN")
        assert candles.headers["ratelimit-limit"] == "30"


async def test_an_unchanged_answer_is_not_sent_again() -> None:
    async with desk() as one:
        first = await one.rest.get("/v4/perpetualMarkets?ticker=SOL-USD")
        tag = {"If-None-Match": first.headers["etag"]}
        again = await one.rest.get("/v4/perpetualMarkets?ticker=SOL-USD", headers=tag)
        assert (again.status_code, again.content) == (304, b"")


async def test_a_block_is_not_visible_before_the_chain_is_ahead_by_the_lag() -> None:
    async with desk() as one:
        one.indexer.set_faults(IndexerFaults(indexer_lag_blocks=2))
        one.block(a_deposit("10"))
        one.block()
        hidden = await one.rest.get(f"/v4/addresses/{T}/subaccountNumber/0")
        assert hidden.status_code == 404
        one.block()
        await until(lambda: one.indexer.rows.height == 701)
        assert (await one.get(f"/addresses/{T}/subaccountNumber/0"))["subaccount"]["equity"] == "10"
        one.indexer.set_faults(IndexerFaults())
        await until(lambda: one.indexer.rows.height == 703)


async def test_a_block_becomes_visible_after_the_latency() -> None:
    async with desk(latency_ms=120) as one:
        began = one.indexer.clock.monotonic()
        await one.visible()
        assert 0.11 < one.indexer.clock.monotonic() - began < 2


async def test_candles_gather_the_trades_of_their_time() -> None:
    async with desk() as one:
        await one.visible(a_fill(a_order(1), "10", "7.2", number=1))
        await one.visible(a_fill(a_order(2), "5", "7.4", before="10", number=2))
        for resolution in ("1MIN", "1DAY"):
            path = "/candles/perpetualMarkets/LINK-USD"
            candle = (await one.get(path, resolution=resolution))["candles"][0]
            assert (candle["open"], candle["high"], candle["close"]) == ("7.2", "7.4", "7.4")
            assert (candle["baseTokenVolume"], candle["usdVolume"]) == ("15", "109")
            assert candle["trades"] == 2
        later = (START + dt.timedelta(days=1)).isoformat()
        path = "/candles/perpetualMarkets/LINK-USD"
        assert (await one.get(path, resolution="1MIN", fromISO=later))["candles"] == []


async def test_a_parent_shows_the_money_of_its_children() -> None:
    async with desk() as one:
        child = SubaccountKey(T, 128)
        await one.visible(a_deposit("10"), a_deposit("5", child, 10))
        parent = (await one.get(f"/addresses/{T}/parentSubaccountNumber/0"))["subaccount"]
        assert parent["equity"] == "15"
        assert [each["subaccountNumber"] for each in parent["childSubaccounts"]] == [0, 128]
        assert ME in one.indexer.rows.subaccounts
