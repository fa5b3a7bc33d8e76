"""Long-term orders: rest, fill, cancel, expire, and what their ids mean."""

from __future__ import annotations

from decimal import Decimal

from tests.conformance.chain import GOOD
from tests.conformance.chapters.desk import Desk
from tests.conformance.checks import expect, expect_that, until
from tests.conformance.people import BUY, GTT, IOC, LONG, POST_ONLY, SELL, cancel, uuid_of
from tests.conformance.world import Room


async def long_term(room: Room) -> None:
    """Everything that a long-term order can live through."""
    desk = Desk(room)
    a, b = room.people
    ours, theirs = await room.watch(a), await room.watch(b)
    market = room.market

    async with room.check(
        "a long-term order is OPEN on the stream, in REST and in the node's state"
    ):
        bid = await desk.place(a, BUY, 2, -100, flags=LONG)
        row = await ours.order(bid, "OPEN")
        expect((row["orderFlags"], row["type"], row["timeInForce"]), ("64", "LIMIT", "GTT"))
        await desk.listed(bid, "OPEN")
        expect(await room.chain.stateful(bid), ("open", 0))

    async with room.check("a taker fills part of it, and the rest stays OPEN"):
        ioc = await desk.place(b, SELL, 1, -200, IOC)
        await theirs.order(ioc, "FILLED")
        row = await ours.row(
            "OPEN with a fill",
            "orders",
            lambda one: one["id"] == uuid_of(bid) and one.get("totalFilled") not in (None, "0"),
        )
        expect((row["status"], Decimal(row["totalFilled"])), ("OPEN", market.size(market.lot)))
        expect(await room.chain.stateful(bid), ("open", market.lot))

    async with room.check("a cancel needs at least the order's time (29), then the order is gone"):
        row = await room.rest.get(f"/orders/{uuid_of(bid)}")
        answer, _ = await a.send_stateful(cancel(bid, good_til_block_time=desk.gtbt(60)))
        expect(answer, ("clob", 29))
        expect(await a.commit(cancel(bid, good_til_block_time=desk.gtbt(400))), GOOD)
        await ours.order(bid, "CANCELED", "USER_CANCELED")
        expect(await room.chain.stateful(bid), ("gone", 0))
        row = await desk.listed(bid, "CANCELED")
        expect(Decimal(row["totalFilled"]), market.size(market.lot), "filled")

    async with room.check(
        "an order in a block keeps its id to itself (3005), a cancelled one is free"
    ):
        bid, message = desk.order(a, BUY, 1, -150, flags=LONG)
        answer, tx_hash = await a.send_stateful(message)
        expect(answer, GOOD)
        _, again = desk.order(
            a, BUY, 1, -150, flags=LONG, order_id=bid, good_til_block_time=desk.gtbt(350)
        )
        answer, _ = await a.send_stateful(again)
        expect(answer, ("clob", 3005))
        expect(await room.chain.delivered(tx_hash), GOOD)
        expect(await a.commit(cancel(bid, good_til_block_time=desk.gtbt(400))), GOOD)
        answer, _ = await a.send_stateful(cancel(bid, good_til_block_time=desk.gtbt(400)))
        expect(answer, ("clob", 3006))
        await desk.place(a, BUY, 1, -150, flags=LONG, order_id=bid)
        await desk.state(bid, "open")

    async with room.check("two cancels before a block give 32, an order after the cancel 3008"):
        stop, tx_hash = await a.send_stateful(cancel(bid, good_til_block_time=desk.gtbt(400)))
        expect(stop, GOOD)
        answer, _ = await a.send_stateful(cancel(bid, good_til_block_time=desk.gtbt(410)))
        _, message = desk.order(a, BUY, 1, -150, flags=LONG, order_id=bid)
        tx = a.sign(message, sequence=a.nonce())
        late = await room.chain.broadcast(tx)
        pairs = (answer.pair, late.pair)
        # A block may have come between them.
        expect_that(
            pairs in ((("clob", 32), ("clob", 3008)), (("clob", 32), GOOD), (("clob", 3006), GOOD)),
            f"the answers were {pairs}",
        )
        expect(await room.chain.delivered(tx_hash), GOOD)

    async with room.check(
        "a long-term order that crosses fills as taker in the block after its own"
    ):
        offer = await desk.place(b, SELL, 1, 20)
        bid = await desk.place(a, BUY, 1, 30, flags=LONG)
        row = await ours.fill(bid)
        expect(row["liquidity"], "TAKER")
        expect(Decimal(row["price"]), market.usd(market.at(20)), "price")
        await ours.order(bid, "FILLED")
        expect(await room.chain.stateful(bid), ("gone", 0))
        await desk.clear((b, offer))

    async with room.check(
        "a post-only long-term order rests; one that crosses is removed unfilled"
    ):
        offer = await desk.place(b, SELL, 1, 20)
        below = await desk.place(a, BUY, 1, -20, POST_ONLY, flags=LONG)
        await ours.order(below, "OPEN")
        across = await desk.place(a, BUY, 1, 30, POST_ONLY, flags=LONG)
        await ours.order(across, "CANCELED", "POST_ONLY_WOULD_CROSS_MAKER_ORDER")
        await desk.state(across, "gone")
        expect(ours.fills(across), [], "fills")
        await desk.clear((b, offer))

    async with room.check("cancel and place in one transaction change the order in one block"):
        new, message = desk.order(a, BUY, 1, -30, flags=LONG)
        stop = cancel(below, good_til_block_time=desk.gtbt(400))
        expect(await a.commit(stop, message), GOOD)
        expect((await room.chain.stateful(below))[0], "gone")
        expect((await room.chain.stateful(new))[0], "open")
        await ours.order(below, "CANCELED", "USER_CANCELED")
        await ours.order(new, "OPEN")
        await desk.clear((a, new))

    async with room.check("a place and its cancel in one block leave nothing"):
        bid, message = desk.order(a, BUY, 1, -150, flags=LONG)
        answer, placed = await a.send_stateful(message)
        expect(answer, GOOD)
        answer, stopped = await a.send_stateful(cancel(bid, good_til_block_time=desk.gtbt(400)))
        expect(answer, GOOD)
        expect(await room.chain.delivered(placed), GOOD)
        expect(await room.chain.delivered(stopped), GOOD)
        expect((await room.chain.stateful(bid))[0], "gone")

    async with room.check("a long-term order ends by its time, told twice on the stream"):
        bid = await desk.place(a, BUY, 1, -150, flags=LONG, good_til_block_time=desk.gtbt(6))
        await ours.order(bid, "OPEN")
        at = ours.mark()
        await ours.order(bid, "CANCELED", since=at)
        await desk.state(bid, "gone")

        async def twice() -> bool:
            said = [row for row in ours.all("orders", at) if row["id"] == uuid_of(bid)]
            return [row["status"] for row in said] == ["CANCELED", "CANCELED"]

        await until("the second CANCELED", twice)

    async with room.check("orders of another subaccount live apart"):
        await a.must(a.transfer(a, 200_000_000, to_number=1), gas=200_000)
        second = await room.watch(a, 1)
        bid = await desk.place(a, BUY, 1, -100, GTT, flags=LONG, number=1)
        await second.order(bid, "OPEN")
        ioc = await desk.place(b, SELL, 1, -200, IOC)
        await second.order(bid, "FILLED")
        await theirs.order(ioc, "FILLED")
        expect(await desk.lots(a, 1), 1)
