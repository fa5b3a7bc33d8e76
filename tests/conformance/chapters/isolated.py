"""Isolated markets: a subaccount holds either one of them or cross-margin positions."""

from __future__ import annotations

from typing import Any

from tests.conformance.chain import GOOD
from tests.conformance.chapters.desk import Desk
from tests.conformance.checks import Skip, expect, until
from tests.conformance.people import BUY, IOC, LONG, SELL
from tests.conformance.world import Room

CHILD = 128


async def isolated(room: Room) -> None:
    """One person with a position in each kind of market."""
    a, b = room.people
    cross = Desk(room)
    market = await room.world.markets.lease_isolated()
    if market is None:
        raise Skip("no isolated market with an empty book")
    cross_market, room.leased = room.leased, market
    desk = Desk(room)
    room.leased = cross_market
    ours = await room.watch(a)
    child = await room.watch(a, CHILD)

    async with room.check("a position in a cross market, and money in subaccounts 128"):
        offer = await cross.place(b, SELL, 1, 10)
        await ours.fill(await cross.place(a, BUY, 1, 20, IOC))
        for one in (a, b):
            await one.must(one.transfer(one, 500_000_000, 0, CHILD), gas=200_000)
        await cross.clear((b, offer))
    async with room.check(
        "an order in the isolated market that would match is refused (clob 2005)"
    ):
        await desk.place(b, SELL, 2, 50, number=CHILD)
        _, message = desk.order(a, BUY, 1, 60, IOC)
        expect(await a.send(message), ("clob", 2005))
    async with room.check("one that would rest is accepted, a long-term one refused (2005)"):
        bid = await desk.place(a, BUY, 1, -300)
        await desk.clear((a, bid))
        _, message = desk.order(a, BUY, 1, -300, flags=LONG)
        expect((await a.send_stateful(message))[0], ("clob", 2005))
    async with room.check("from subaccount 128 it fills, and 0 has no such position"):
        order_id, message = desk.order(a, BUY, 1, 60, IOC, number=CHILD)
        expect(await a.send(message), GOOD)
        await child.fill(order_id)
        expect((await desk.lots(a, CHILD), await desk.lots(a)), (1, 0))
    async with room.check("a cross order from 128 that would match is refused (clob 2005)"):
        offer = await cross.place(b, SELL, 1, 10)
        _, message = cross.order(a, BUY, 1, 20, IOC, number=CHILD)
        expect(await a.send(message), ("clob", 2005))
        await cross.clear((b, offer))
    async with room.check("the parent 0 shows both children, with both positions"):

        async def both() -> Any:
            told = await room.rest.get(f"/addresses/{a.address}/parentSubaccountNumber/0")
            children = told["subaccount"]["childSubaccounts"]
            held = {row["subaccountNumber"]: set(row["openPerpetualPositions"]) for row in children}
            return held if held.get(CHILD) else None

        held = await until("the position of 128", both)
        expect(held, {0: {cross_market.ticker if cross_market else ""}, CHILD: {market.ticker}})
        told = await room.rest.get(
            "/perpetualPositions/parentSubaccountNumber",
            address=a.address,
            parentSubaccountNumber=0,
        )
        expect(sorted(row["subaccountNumber"] for row in told["positions"]), [0, CHILD])
