"""Every REST route of the indexer, read with exact shapes, and what it refuses."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any

from tests.conformance.chapters.desk import Desk
from tests.conformance.checks import Mismatch, Skip, expect, expect_that, until
from tests.conformance.people import BUY, CONDITIONAL, IOC, LONG, SELL, STOP, Person
from tests.conformance.world import Room

RESOLUTIONS = ("1MIN", "5MINS", "15MINS", "30MINS", "1HOUR", "4HOURS", "1DAY")
NO_ORDER = "00000000-0000-4000-8000-000000000000"


async def routes(room: Room) -> None:
    """An account with one of everything, then each route."""
    desk = Desk(room)
    a, b = room.people
    async with room.check("an account with fills, a position and an order of each living kind"):
        ours = await room.watch(a)
        await desk.place(b, BUY, 2, -10)
        await desk.place(a, SELL, 1, -20, IOC)
        await room.chain.blocks(2)
        await desk.place(b, SELL, 3, 10)
        await desk.place(a, BUY, 3, 20, IOC, good_til_block=desk.gtb + 2)
        await desk.place(a, BUY, 1, -500)
        resting = await desk.place(a, BUY, 1, -500, flags=LONG)
        await desk.place(a, BUY, 1, 500, flags=CONDITIONAL, condition_type=STOP, trigger=400)
        await a.must(a.transfer(a, 50_000_000, 0, 1), gas=200_000)
        await ours.order(resting, "OPEN")
        await room.chain.blocks(2)
        await room.indexed()
    await _public(room)
    await _account(room, a, b)
    await _parents(room, a)
    await _pages(room, a)
    await _others(room, a)
    await _refusals(room, a)
    await _unknown(room)


async def _public(room: Room) -> None:
    rest, ticker = room.rest, room.market.ticker
    async with room.check("/height and /time are near the node's block and to each other"):
        height = await rest.get("/height")
        expect_that(abs(int(height["height"]) - room.chain.height) <= 5, str(height))
        time = await rest.get("/time")
        moment = dt.datetime.fromisoformat(time["iso"]).timestamp()
        expect_that(abs(moment - float(time["epoch"])) < 0.01, str(time))
    async with room.check("/perpetualMarkets gives all markets, or the one of ticker= or market="):
        every = (await rest.get("/perpetualMarkets"))["markets"]
        for key in ("ticker", "market"):
            one = (await rest.get("/perpetualMarkets", **{key: ticker}))["markets"]
            expect(list(one), [ticker])
        expect_that(set(one[ticker]) == set(every[ticker]), "other fields")
        few = (await rest.get("/perpetualMarkets", limit=2))["markets"]
        expect(len(few), 2, "with limit=2")
    async with room.check("/orderbooks shows bids falling and asks rising"):
        book = await rest.get(f"/orderbooks/perpetualMarket/{ticker}")
        bids = [Decimal(row["price"]) for row in book["bids"]]
        asks = [Decimal(row["price"]) for row in book["asks"]]
        expect(bids, sorted(bids, reverse=True))
        expect(asks, sorted(asks))
        expect_that(bids, "no bid was shown")
    async with room.check("/trades are newest first; with page oldest first"):
        trades = (await rest.get(f"/trades/perpetualMarket/{ticker}"))["trades"]
        expect_that(len(trades) >= 2, f"{len(trades)} trades")
        heights = [int(row["createdAtHeight"]) for row in trades]
        expect(heights, sorted(heights, reverse=True))
        limited = await rest.get(f"/trades/perpetualMarket/{ticker}", limit=1)
        expect(limited["trades"], trades[:1])
        paged = await rest.get(f"/trades/perpetualMarket/{ticker}", page=1, limit=1)
        expect(paged["pageSize"], 1)
    for resolution in RESOLUTIONS:
        async with room.check(f"/candles of {resolution} hold the trades"):

            async def found(resolution: str = resolution) -> Any:
                path = f"/candles/perpetualMarkets/{ticker}"
                return (await rest.get(path, resolution=resolution))["candles"]

            candles = await until("a candle", found)
            expect(candles[0]["resolution"], resolution)
            low, high = Decimal(candles[0]["low"]), Decimal(candles[0]["high"])
            for key in ("open", "close"):
                expect_that(low <= Decimal(candles[0][key]) <= high, f"{key} is out of range")
    async with room.check("/candles between two times"):
        soon = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
        told = await rest.get(
            f"/candles/perpetualMarkets/{ticker}",
            resolution="1MIN",
            fromISO=soon.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        )
        expect(told["candles"], [])
    async with room.check("/sparklines have a list for each market"):
        lines = await rest.get("/sparklines", timePeriod="ONE_DAY")
        expect_that(ticker in lines, f"{ticker} is missing")
    async with room.check("/historicalFunding is answered"):
        await rest.get(f"/historicalFunding/{ticker}")


async def _account(room: Room, a: Person, b: Person) -> None:
    rest = room.rest
    me: dict[str, Any] = {"address": a.address, "subaccountNumber": 0}
    market = room.market
    async with room.check("/addresses shows both subaccounts and the rewards"):
        told = await rest.get(f"/addresses/{a.address}")
        expect(sorted(row["subaccountNumber"] for row in told["subaccounts"]), [0, 1])
    async with room.check("/addresses/…/subaccountNumber: USDC as committed, equity by the oracle"):

        async def settled() -> Any:
            row = (await rest.get(f"/addresses/{a.address}/subaccountNumber/0"))["subaccount"]
            return row if row["openPerpetualPositions"] else None

        row = await until("the position", settled)
        usdc, positions = await room.chain.subaccount(a.address)
        asset = row["assetPositions"]["USDC"]
        sign = 1 if asset["side"] == "LONG" else -1
        expect(Decimal(asset["size"]) * sign, Decimal(usdc).scaleb(-6), "USDC")
        position = row["openPerpetualPositions"][market.ticker]
        expect(Decimal(position["size"]), market.size(positions[market.perpetual_id]), "size")
        equity = (
            Decimal(usdc).scaleb(-6)
            + market.size(positions[market.perpetual_id]) * await market.price()
        )
        expect_that(abs(Decimal(row["equity"]) - equity) < Decimal("0.01"), row["equity"])
        margin = Decimal(market.row["initialMarginFraction"])
        free = equity - abs(market.size(positions[market.perpetual_id])) * market.oracle * margin
        expect_that(abs(Decimal(row["freeCollateral"]) - free) < Decimal("0.01"), "free")
    async with room.check("/perpetualPositions: the closed one and the open one, by status"):
        rows = (await rest.get("/perpetualPositions", **me))["positions"]
        expect([row["status"] for row in rows], ["OPEN", "CLOSED"])
        expect(rows[1]["size"], "0", "the closed one's size")
        for status in ("OPEN", "CLOSED", "LIQUIDATED"):
            told = (await rest.get("/perpetualPositions", **me, status=status))["positions"]
            expect([row["status"] for row in told], [status] * (status != "LIQUIDATED"))
    async with room.check("/assetPositions shows the USDC"):
        rows = (await rest.get("/assetPositions", **me))["positions"]
        expect([row["symbol"] for row in rows], ["USDC"])
    async with room.check("/orders filters by status, side, type and market"):
        every = await rest.get("/orders", **me)
        expect_that(len(every) >= 5, f"{len(every)} orders")
        for query, fits in (
            ({"status": "OPEN"}, lambda r: r["status"] == "OPEN"),
            ({"status": "UNTRIGGERED,OPEN"}, lambda r: r["status"] in ("OPEN", "UNTRIGGERED")),
            ({"status": "BEST_EFFORT_OPENED"}, lambda r: r["status"] == "BEST_EFFORT_OPENED"),
            ({"side": "SELL"}, lambda r: r["side"] == "SELL"),
            ({"type": "STOP_LIMIT"}, lambda r: r["type"] == "STOP_LIMIT"),
            ({"ticker": market.ticker}, lambda r: r["ticker"] == market.ticker),
        ):
            rows = await rest.get("/orders", **me, **query)
            expect(
                {row["id"] for row in rows}, {row["id"] for row in every if fits(row)}, str(query)
            )
        expect(await rest.get("/orders", **me, ticker="BTC-USD"), [])
        expect(len(await rest.get("/orders", **me, limit=1)), 1)
    async with room.check("/orders is newest first, and oldest first with returnLatestOrders"):
        query = {**me, "status": "FILLED,CANCELED"}
        newest = [row["id"] for row in await rest.get("/orders", **query)]
        oldest = [
            row["id"] for row in await rest.get("/orders", **query, returnLatestOrders="true")
        ]
        expect(oldest, newest[::-1])
    async with room.check("/orders/{id} is the row of the list"):
        row = (await rest.get("/orders", **me, status="OPEN"))[0]
        expect(await rest.get(f"/orders/{row['id']}"), row)
    async with room.check("/fills: newest first, by market, by height; sizes before are told"):
        fills = (await rest.get("/fills", **me))["fills"]
        heights = [int(row["createdAtHeight"]) for row in fills]
        expect(heights, sorted(heights, reverse=True))
        told = await rest.get("/fills", **me, market=market.ticker, marketType="PERPETUAL")
        expect(told["fills"], fills)
        told = await rest.get("/fills", **me, createdBeforeOrAtHeight=heights[-1])
        expect({row["createdAtHeight"] for row in told["fills"]}, {str(heights[-1])})
        expect_that("positionSizeBefore" in fills[0], "no positionSizeBefore")
    async with room.check("/transfers: newest first"):
        rows = (await rest.get("/transfers", **me))["transfers"]
        expect([row["type"] for row in rows], ["TRANSFER_OUT", "TRANSFER_IN"])


async def _parents(room: Room, a: Person) -> None:
    rest = room.rest
    me: dict[str, Any] = {"address": a.address, "parentSubaccountNumber": 0}
    async with room.check("/addresses/…/parentSubaccountNumber sums its children"):
        told = await rest.get(f"/addresses/{a.address}/parentSubaccountNumber/0")
        numbers = [row["subaccountNumber"] for row in told["subaccount"]["childSubaccounts"]]
        expect(numbers, [0])
    for path, key in (
        ("/perpetualPositions/parentSubaccountNumber", "positions"),
        ("/assetPositions/parentSubaccountNumber", "positions"),
        ("/fills/parentSubaccountNumber", "fills"),
        ("/transfers/parentSubaccountNumber", "transfers"),
        ("/tradeHistory/parentSubaccountNumber", "tradeHistory"),
    ):
        async with room.check(f"{path} has rows"):
            expect_that((await rest.get(path, **me))[key], "none")
    for path in (
        "/fundingPayments/parentSubaccount",
        "/historical-pnl/parentSubaccountNumber",
        "/pnl/parentSubaccountNumber",
    ):
        async with room.check(f"{path} is answered"):
            await rest.get(path, **me)
    async with room.check("/orders/parentSubaccountNumber has the orders of the child"):
        rows = await rest.get("/orders/parentSubaccountNumber", **me)
        expect_that(len(rows) >= 5, f"{len(rows)} orders")


async def _pages(room: Room, a: Person) -> None:
    rest = room.rest
    me: dict[str, Any] = {"address": a.address, "subaccountNumber": 0}
    async with room.check("page and limit give counts, and fills oldest first"):
        newest = (await rest.get("/fills", **me))["fills"]
        told = await rest.get("/fills", **me, page=1, limit=1)
        counts = (told["pageSize"], told["totalResults"], told["offset"])
        expect(counts, (1, len(newest), 0))
        expect(told["fills"], newest[-1:])
        told = await rest.get("/fills", **me, page=2, limit=1)
        expect((told["offset"], told["fills"]), (1, newest[-2:-1]))
    async with room.check("transfers stay newest first with page"):
        told = await rest.get("/transfers", **me, page=1, limit=1)
        expect([row["type"] for row in told["transfers"]], ["TRANSFER_OUT"])
    for path, key in (
        ("/historical-pnl", "historicalPnl"),
        ("/pnl", "pnl"),
        ("/fundingPayments", "fundingPayments"),
    ):
        async with room.check(f"{path} is answered, with and without a page"):
            expect_that(key in await rest.get(path, **me), "no rows key")
            told = await rest.get(path, **me, page=1, limit=1)
            expect(told["pageSize"], 1)
    async with room.check("/tradeHistory tells opening, extending and closing"):
        rows = (await rest.get("/tradeHistory", **me))["tradeHistory"]
        expect_that({row["action"] for row in rows} & {"OPEN", "CLOSE"}, str(rows)[:200])


async def _others(room: Room, a: Person) -> None:
    rest = room.rest
    # Who is to be blocked is the affair of the network's provider of such screenings.
    screens: tuple[tuple[str, dict[str, Any], str, set[Any]], ...] = (
        (f"/compliance/screen/{a.address}", {}, "status", {"COMPLIANT", "BLOCKED"}),
        ("/screen", {"address": a.address}, "restricted", {True, False}),
    )
    for path, query, key, wanted in screens:
        async with room.check(
            f"{path.rpartition('/dydx1')[0] or path} says whether an account is let in"
        ):
            reply = await rest.ask(path, patient=False, **query)
            if reply.status == 429:
                raise Skip("its own budget, a few a minute, is used up")
            expect_that(reply.body[key] in wanted, str(reply.body)[:200])
    async with room.check("trading rewards are listed by block"):
        await rest.get(f"/historicalBlockTradingRewards/{a.address}")
        await rest.get(f"/historicalTradingRewardAggregations/{a.address}", period="DAILY")
    async with room.check("affiliates: metadata, snapshot, volume; a trader is found by address"):
        # A fresh account has no user name for some minutes: then these are refusals.
        for path in ("/affiliates/metadata", "/affiliates/total_volume"):
            await rest.ask(path, address=a.address)
        await rest.ask("/trader/search", searchParam=a.address)
        await rest.get("/affiliates/snapshot")
    async with room.check("vaults: megavault's and vaults' history and positions"):
        await rest.get("/vault/v1/megavault/historicalPnl", resolution="day")
        await rest.get("/vault/v1/vaults/historicalPnl", resolution="day")
        await rest.get("/vault/v1/megavault/positions")


async def _refusals(room: Room, a: Person) -> None:
    rest, ticker = room.rest, room.market.ticker
    number = "subaccountNumber must be a non-negative integer less than 128001"
    rows: tuple[tuple[str, str, dict[str, Any], int, str], ...] = (
        ("a missing subaccount number", "/perpetualPositions", {"address": a.address}, 400, number),
        ("a missing address", "/orders", {"subaccountNumber": 0}, 400, ""),
        (
            "subaccount 128,001",
            "/fills",
            {"address": a.address, "subaccountNumber": 128_001},
            400,
            number,
        ),
        (
            "a market without its type",
            "/fills",
            {"address": a.address, "subaccountNumber": 0, "market": ticker},
            400,
            "marketType must be provided if market is provided",
        ),
        (
            "a type without its market",
            "/fills",
            {"address": a.address, "subaccountNumber": 0, "marketType": "PERPETUAL"},
            400,
            "",
        ),
        (
            "a limit over 1,000",
            "/orders",
            {"address": a.address, "subaccountNumber": 0, "limit": 1_001},
            400,
            "",
        ),
        (
            "an unknown order status",
            "/orders",
            {"address": a.address, "subaccountNumber": 0, "status": "FOO"},
            400,
            "",
        ),
        ("an unknown market", "/perpetualMarkets", {"ticker": "FOO-USD"}, 400, ""),
        (
            "ticker and market together",
            "/perpetualMarkets",
            {"ticker": ticker, "market": ticker},
            400,
            "",
        ),
        ("candles without a resolution", f"/candles/perpetualMarkets/{ticker}", {}, 400, ""),
        (
            "an unknown resolution",
            f"/candles/perpetualMarkets/{ticker}",
            {"resolution": "2MIN"},
            400,
            "",
        ),
        ("an unknown market's book", "/orderbooks/perpetualMarket/FOO-USD", {}, 404, ""),
        ("an unknown market's trades", "/trades/perpetualMarket/FOO-USD", {}, 400, ""),
        ("an order id that is none", "/orders/nonsense", {}, 400, ""),
        ("an unknown order", f"/orders/{NO_ORDER}", {}, 404, ""),
        ("an unknown route", "/nonsense", {}, 404, ""),
        ("sparklines of an unknown period", "/sparklines", {"timePeriod": "FOO"}, 400, ""),
    )
    for sentence, path, query, status, text in rows:
        async with room.check(f"{sentence} is refused ({status})"):
            reply = await rest.ask(path, **query)
            expect(reply.status, status)
            if text:
                expect(reply.body["errors"][0]["msg"], text)
    async with room.check("an unknown parameter is ignored"):
        await rest.get("/height", foo="bar")


async def _unknown(room: Room) -> None:
    rest = room.rest
    nobody = Person(room.chain, room.world.target).address
    me: dict[str, Any] = {"address": nobody, "subaccountNumber": 0}
    for path, empty in (
        ("/orders", []),
        ("/fills", {"fills": []}),
        ("/perpetualPositions", {"positions": []}),
    ):
        async with room.check(f"{path} of an unknown account is empty"):
            expect(await rest.get(path, **me), empty)
    for path in ("/transfers", "/historical-pnl", "/pnl", "/assetPositions"):
        async with room.check(f"{path} of an unknown account is 404"):
            expect((await rest.ask(path, **me)).status, 404)
    async with room.check("/addresses of an unknown account is 404, with the reason"):
        expect((await rest.ask(f"/addresses/{nobody}")).status, 404)
        reply = await rest.ask(f"/addresses/{nobody}/subaccountNumber/0")
        text = f"No subaccount found with address {nobody} and subaccountNumber 0"
        expect((reply.status, reply.body["errors"][0]["msg"]), (404, text))


async def budget(room: Room) -> None:
    """What happens beyond the budget; it would disturb everybody at this address."""
    if not room.world.target.flood:
        raise Skip("it uses up this address's requests (CONFORMANCE_FLOOD=1)")
    async with room.check("over 100 requests in ten seconds give 429 with Retry-After in ms", 60):
        http, root = room.rest.http, room.rest.root
        for _ in range(130):
            answer = await http.get(f"{root}/v4/height")
            if answer.status_code == 429:
                break
        else:
            raise Mismatch("130 requests were answered")
        expect(answer.json(), {"errors": [{"msg": "Too many requests"}]})
        wait_ms = int(answer.headers["retry-after"])
        expect_that(100 < wait_ms <= 11_000, f"Retry-After was {wait_ms}")
        await asyncio.sleep(wait_ms / 1000 + 0.3)
        expect((await http.get(f"{root}/v4/height")).status_code, 200, "after that time")
