"""Short-term orders: every kind, and what they do to each other."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from v4_proto.dydxprotocol.feetiers.query_pb2 import QueryUserFeeTierRequest
from v4_proto.dydxprotocol.feetiers.query_pb2_grpc import QueryStub as FeeStub

from tests.conformance.chain import CALL_S, GOOD
from tests.conformance.chapters.desk import Desk
from tests.conformance.checks import expect, expect_that, until
from tests.conformance.people import (
    BUY,
    GTT,
    IOC,
    POST_ONLY,
    SELL,
    batch,
    cancel,
    uuid_of,
)
from tests.conformance.world import Room


async def short_term(room: Room) -> None:
    """GTT and IOC: rest, fill, partly, not at all, expire, cancel, replace."""
    desk = Desk(room)
    a, b = room.people
    ours, theirs = await room.watch(a), await room.watch(b)
    market, rest = room.market, room.rest

    async with room.check("a bid that nobody takes rests and is shown as BEST_EFFORT_OPENED"):
        bid = await desk.place(a, BUY, 2, -100)
        row = await ours.order(bid, "BEST_EFFORT_OPENED")
        expect(row["timeInForce"], "GTT")
        expect(row["type"], "LIMIT")
        expect(Decimal(row["size"]), market.size(2 * market.lot), "size")
        expect(Decimal(row["price"]), market.usd(market.at(-100)), "price")

    async with room.check("a resting order is listed by REST, with a status and without a fill"):
        row = await until("the order", lambda: rest.find(f"/orders/{uuid_of(bid)}"))
        expect(row["status"], "BEST_EFFORT_OPENED")
        expect(Decimal(row["totalFilled"]), Decimal(0))
        listed = await rest.get("/orders", address=a.address, subaccountNumber=0)
        expect_that(uuid_of(bid) in [one["id"] for one in listed], "it is not in the list")

    async with room.check(
        "an IOC that meets it fills at the maker's price and moves both positions"
    ):
        ioc = await desk.place(b, SELL, 2, -200, IOC)
        maker, taker = await ours.fill(bid), await theirs.fill(ioc)
        expect((maker["liquidity"], taker["liquidity"]), ("MAKER", "TAKER"))
        expect(Decimal(taker["price"]), market.usd(market.at(-100)), "price")
        await ours.order(bid, "FILLED")
        await theirs.order(ioc, "FILLED")
        await desk.holds(a, 2)
        await desk.holds(b, -2)

    async with room.check("the fee of each side is the fee tier's part of the value, rounded up"):
        for who, row in ((a, maker), (b, taker)):
            tier = await FeeStub(room.chain.channel).UserFeeTier(
                QueryUserFeeTierRequest(user=who.address), timeout=CALL_S
            )
            ppm = tier.tier.maker_fee_ppm if row is maker else tier.tier.taker_fee_ppm
            quote = market.quote(2 * market.lot, market.at(-100))
            expect(Decimal(row["fee"]).scaleb(6), Decimal(-(-quote * ppm // 1_000_000)), "fee")

    async with room.check("a fill is in REST with the values of the stream"):

        async def listed_fill() -> Any:
            found = await rest.get("/fills", address=b.address, subaccountNumber=0)
            return next((row for row in found["fills"] if row["orderId"] == uuid_of(ioc)), None)

        row = await until("the fill", listed_fill)
        for key in ("price", "size", "fee", "liquidity", "side", "type", "createdAtHeight"):
            expect(row[key], taker[key], key)

    async with room.check("an IOC that is larger than the book fills partly and is CANCELED"):
        bid = await desk.place(a, BUY, 1, -100)
        await ours.order(bid, "BEST_EFFORT_OPENED")
        ioc = await desk.place(b, SELL, 3, -200, IOC)
        row = await theirs.order(ioc, "CANCELED")
        expect(Decimal(row["totalFilled"]), market.size(market.lot), "filled")
        await desk.holds(b, -3)

    async with room.check("an IOC that meets nobody is accepted and removed as would-rest"):
        ioc = await desk.place(b, BUY, 1, 100, IOC)
        await theirs.order(ioc, "BEST_EFFORT_CANCELED", "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK")
        await room.chain.blocks(2)
        expect(theirs.fills(ioc), [], "fills")

    async with room.check("an IOC whose limit is worse than the book is removed and fills nothing"):
        bid = await desk.place(a, BUY, 1, -100)
        ioc = await desk.place(b, SELL, 1, -50, IOC)
        await theirs.order(ioc, "BEST_EFFORT_CANCELED", "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK")
        await desk.clear((a, bid))

    async with room.check("an IOC takes several prices, the best first, as several fills"):
        makers = [await desk.place(a, BUY, 1, bps) for bps in (-120, -100, -110)]
        await ours.order(makers[-1], "BEST_EFFORT_OPENED")
        ioc = await desk.place(b, SELL, 3, -200, IOC)
        await theirs.order(ioc, "FILLED")
        prices = [Decimal(row["price"]) for row in theirs.fills(ioc)]
        wanted = [market.usd(market.at(bps)) for bps in (-100, -110, -120)]
        expect(sorted(prices, reverse=True), wanted, "prices")

    async with room.check("the same order id with a later block replaces size and price"):
        bid = await desk.place(a, BUY, 2, -150)
        at = ours.mark()
        await desk.place(a, BUY, 1, -90, order_id=bid, good_til_block=desk.gtb + 1)

        async def replaced() -> bool:
            row = await rest.find(f"/orders/{uuid_of(bid)}")
            return row is not None and Decimal(row["price"]) == market.usd(market.at(-90))

        await ours.order(bid, "BEST_EFFORT_OPENED", since=at)
        await until("the new price in REST", replaced)
        ioc = await desk.place(b, SELL, 2, -300, IOC)
        row = await theirs.order(ioc, "CANCELED")
        expect(Decimal(row["totalFilled"]), market.size(market.lot), "filled")

    async with room.check("a replacement must keep side and time in force and not lower the block"):
        bid = await desk.place(a, BUY, 1, -150)
        gtb = desk.gtb
        for side, tif, block in (
            (BUY, GTT, gtb - 2),
            (SELL, GTT, gtb + 2),
            (BUY, POST_ONLY, gtb + 2),
        ):
            _, message = desk.order(a, side, 1, -150, tif, order_id=bid, good_til_block=block)
            expect(await a.send(message), ("clob", 20))

    async with room.check("a cancel removes a resting order as USER_CANCELED"):
        last = desk.gtb + 2
        expect(await a.send(cancel(bid, good_til_block=last)), GOOD)
        await ours.order(bid, "BEST_EFFORT_CANCELED", "USER_CANCELED")

    async with room.check(
        "a cancelled id is refused until the cancel's block, a second cancel too"
    ):
        _, message = desk.order(a, BUY, 1, -160, order_id=bid)
        expect(await a.send(message), ("clob", 7))
        expect(await a.send(cancel(bid, good_til_block=last - 1)), ("clob", 9))

    async with room.check(
        "the cancel of an order never seen is accepted and kills the later order"
    ):
        never = a.order_id(market.pair)
        expect(await a.send(cancel(never, good_til_block=desk.gtb)), GOOD)
        _, message = desk.order(a, BUY, 1, -150, order_id=never, good_til_block=desk.gtb)
        expect(await a.send(message), ("clob", 7))

    async with room.check("a batch cancel removes several orders at once"):
        bids = [await desk.place(a, BUY, 1, -150 - at) for at in range(3)]
        await ours.order(bids[-1], "BEST_EFFORT_OPENED")
        ids = [one.client_id for one in bids]
        message = batch(a.subaccount_id(), desk.gtb, market.pair, ids)
        expect(await a.send(message), GOOD)
        for bid in bids:
            await ours.order(bid, "BEST_EFFORT_CANCELED", "USER_CANCELED")

    async with room.check(
        "an order that is not filled by its block expires and is unknown to REST"
    ):
        height = await room.chain.fresh()
        bid = await desk.place(a, BUY, 1, -150, good_til_block=height + 3)
        await ours.order(bid, "CANCELED", "EXPIRED")
        await until("404", lambda: _gone(room, bid))

    async with room.check("an order of the maker's own subaccount removes the maker as self-trade"):
        bid = await desk.place(a, BUY, 1, -100)
        await ours.order(bid, "BEST_EFFORT_OPENED")
        await desk.place(a, SELL, 1, -120, IOC)
        await ours.order(bid, "BEST_EFFORT_CANCELED", "SELF_TRADE_ERROR")
        expect(ours.fills(bid), [], "fills")

    await _post_only(room, desk)
    await _reduce_only(room, desk)
    await _again(room, desk)
    await _margin(room, desk)


async def _gone(room: Room, order_id: Any) -> bool:
    return await room.rest.find(f"/orders/{uuid_of(order_id)}") is None


async def _post_only(room: Room, desk: Desk) -> None:
    a, b = room.people
    ours, theirs = await room.watch(a), await room.watch(b)
    async with room.check("a post-only order that crosses nothing rests and can be hit"):
        bid = await desk.place(a, BUY, 1, -100, POST_ONLY)
        row = await ours.order(bid, "BEST_EFFORT_OPENED")
        expect(row["postOnly"], True)
        ioc = await desk.place(b, SELL, 1, -200, IOC)
        expect((await theirs.fill(ioc))["liquidity"], "TAKER")
    async with room.check("a post-only order that would cross is refused (clob 2003)"):
        bid = await desk.place(a, BUY, 1, -100)
        _, message = desk.order(b, SELL, 1, -100, POST_ONLY)
        expect(await b.send(message), ("clob", 2003))
        await desk.clear((a, bid))


async def _reduce_only(room: Room, desk: Desk) -> None:
    a, b = room.people
    theirs = await room.watch(b)
    async with room.check("a reduce-only IOC larger than the position closes it and nothing more"):
        before = int(await desk.lots(b))
        expect_that(before < 0, f"the position was {before} lots")
        offer = await desk.place(a, SELL, 2 - before, 50)
        ioc = await desk.place(b, BUY, 2 - before, 100, IOC, reduce_only=True)
        await theirs.fill(ioc)
        await desk.holds(b, 0)
        await desk.clear((a, offer))
    async with room.check("a reduce-only order without a position is refused (clob 2001)"):
        _, message = desk.order(b, BUY, 1, 100, IOC, reduce_only=True)
        expect(await b.send(message), ("clob", 2001))
    async with room.check("one order that reverses a position is one fill of the full size"):
        offer = await desk.place(a, SELL, 1, 50)
        await theirs.fill(await desk.place(b, BUY, 1, 100, IOC))
        bid = await desk.place(a, BUY, 3, -50)
        ioc = await desk.place(b, SELL, 3, -100, IOC)
        await theirs.order(ioc, "FILLED")
        expect(len(theirs.fills(ioc)), 1, "fills")
        await desk.holds(b, -2)
        await desk.clear((a, offer), (a, bid))
    async with room.check("a reduce-only order on the wrong side is refused (clob 2001)"):
        _, message = desk.order(b, SELL, 1, -100, IOC, reduce_only=True)
        expect(await b.send(message), ("clob", 2001))


async def _again(room: Room, desk: Desk) -> None:
    a, b = room.people
    theirs = await room.watch(b)
    async with room.check("the same bytes twice are one order (sdk 19)"):
        bid = await desk.place(a, BUY, 1, -100)
        gtb = desk.gtb
        ioc, message = desk.order(b, SELL, 1, -200, IOC, good_til_block=gtb)
        tx = b.sign(message)
        expect(await room.chain.broadcast(tx), GOOD)
        expect(await room.chain.broadcast(tx), ("sdk", 19))
        await theirs.order(ioc, "FILLED")
    async with room.check("a filled order sent again with a later block is refused (clob 24)"):
        _, message = desk.order(b, SELL, 1, -200, IOC, order_id=ioc, good_til_block=gtb + 1)
        expect(await b.send(message), ("clob", 24))
    async with room.check(
        "a partly filled IOC sent again is refused (clob 2004), and fills no more"
    ):
        bid = await desk.place(a, BUY, 1, -100)
        ioc = await desk.place(b, SELL, 2, -200, IOC, good_til_block=gtb + 1)
        await theirs.fill(ioc)
        bid = await desk.place(a, BUY, 1, -100)
        _, message = desk.order(b, SELL, 2, -200, IOC, order_id=ioc, good_til_block=gtb + 2)
        expect(await b.send(message), ("clob", 2004))
        expect(len(theirs.fills(ioc)), 1, "fills")
        await desk.clear((a, bid))


async def _margin(room: Room, desk: Desk) -> None:
    a, b = room.people
    theirs = await room.watch(b)
    async with room.check("a taker without the collateral is accepted, removed and not filled"):
        fraction = Decimal(room.market.row["initialMarginFraction"])
        lots = int(Decimal(room.world.target.funds_usdc) / fraction / 50 * Decimal("0.6"))
        offers = [await desk.place(a, SELL, lots, 50 + at) for at in range(2)]
        ioc = await desk.place(b, BUY, 5 * lots, 200, IOC)
        await theirs.row(
            "UNDERCOLLATERALIZED",
            "orders",
            lambda row: (
                row["id"] == uuid_of(ioc)
                and row.get("removalReason", "").endswith("UNDERCOLLATERALIZED")
            ),
        )
        await desk.clear(*((a, offer) for offer in offers))
