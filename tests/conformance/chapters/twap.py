"""TWAP orders: accepted, first part filled, cancelled."""

from __future__ import annotations

from decimal import Decimal

import grpc
from v4_proto.dydxprotocol.clob.order_pb2 import TwapParameters

from tests.conformance.chain import GOOD
from tests.conformance.chapters.desk import Desk
from tests.conformance.checks import Mismatch, expect
from tests.conformance.people import BUY, LONG, SELL, TWAP, cancel
from tests.conformance.world import Room

PARTS = 10


async def twap(room: Room) -> None:
    """A TWAP of ten parts over five minutes; the suite sees its first."""
    desk = Desk(room)
    a, b = room.people
    ours = await room.watch(a)
    terms = TwapParameters(duration=300, interval=30, price_tolerance=50_000)
    async with room.check("a TWAP is first shown as OPEN LIMIT with flags 128 and its full size"):
        await desk.place(b, SELL, 2 * PARTS, 20, flags=LONG)
        order = await desk.place(
            a,
            BUY,
            PARTS,
            400,
            flags=TWAP,
            good_til_block_time=desk.gtbt(600),
            twap_parameters=terms,
        )
        row = await ours.order(order, "OPEN")
        expect((row["type"], row["orderFlags"]), ("LIMIT", "128"))
        expect(Decimal(row["size"]), room.market.size(PARTS * room.market.lot), "size")
    async with room.check("its id is taken (3005)"):
        _, message = desk.order(
            a, BUY, PARTS, 400, flags=TWAP, order_id=order, twap_parameters=terms
        )
        expect((await a.send_stateful(message))[0], ("clob", 3005))
    async with room.check("the node's query for stateful orders fails for a TWAP (INTERNAL)"):
        try:
            await room.chain.stateful(order)
        except grpc.aio.AioRpcError as error:
            expect(error.code().name, "INTERNAL")
        else:
            raise Mismatch("it answered")
    async with room.check("its first part fills as TWAP_SUBORDER, a tenth of the size"):
        row = await ours.row(
            "a part", "fills", lambda one: one["type"] == "TWAP_SUBORDER", within_s=60.0
        )
        expect(Decimal(row["size"]), room.market.size(room.market.lot), "size")
        await desk.holds(a, 1)
    async with room.check("after its first part the indexer calls the TWAP FILLED, with its terms"):
        row = await ours.order(order, "FILLED")
        expect((row["type"], row["orderFlags"]), ("TWAP", "256"))
        expect((row["duration"], row["interval"], row["priceTolerance"]), ("300", "30", "50000"))
        listed = await desk.listed(order, "FILLED")
        expect(Decimal(listed["totalFilled"]), room.market.size(room.market.lot), "filled")
    async with room.check("a cancel ends a TWAP, and a second one finds nothing (3006)"):
        await room.chain.blocks(2)
        expect(await a.commit(cancel(order, good_til_block_time=desk.gtbt(700))), GOOD)
        await ours.order(order, "CANCELED", "USER_CANCELED")
        answer, _ = await a.send_stateful(cancel(order, good_til_block_time=desk.gtbt(700)))
        expect(answer, ("clob", 3006))
    async with room.check("a TWAP without a price limit (price 0) is accepted, and cancelled"):
        order, message = desk.order(
            a,
            BUY,
            PARTS,
            0,
            flags=TWAP,
            good_til_block_time=desk.gtbt(600),
            twap_parameters=terms,
        )
        message.order.subticks = 0
        expect(await a.commit(message), GOOD)
        # A cancel in the very block that ends a part makes the node panic (111222).
        await room.chain.blocks(4)
        expect(await a.commit(cancel(order, good_til_block_time=desk.gtbt(700))), GOOD)
        await ours.order(order, "CANCELED", "USER_CANCELED")
