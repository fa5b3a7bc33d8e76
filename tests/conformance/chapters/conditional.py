"""Conditional orders: stop and take-profit, market and limit. Some need a price that moves."""

from __future__ import annotations

from typing import Any

from tests.conformance.chain import GOOD
from tests.conformance.chapters.desk import Desk
from tests.conformance.checks import expect, until
from tests.conformance.people import (
    BUY,
    CONDITIONAL,
    GTT,
    IOC,
    POST_ONLY,
    SELL,
    STOP,
    TAKE,
    Person,
    cancel,
    uuid_of,
)
from tests.conformance.world import Room


async def untriggered(room: Room) -> None:
    """What needs no moving price."""
    desk = Desk(room)
    a = room.people[0]
    ours = await room.watch(a)
    async with room.check(
        "a conditional order is UNTRIGGERED on the stream, in REST and on the node"
    ):
        stop = await desk.place(
            a, SELL, 1, -600, flags=CONDITIONAL, condition_type=STOP, trigger=-500
        )
        row = await ours.order(stop, "UNTRIGGERED")
        expect((row["type"], row["orderFlags"]), ("STOP_LIMIT", "32"))
        expect(await room.chain.stateful(stop), ("untriggered", 0))
        row = await desk.listed(stop, "UNTRIGGERED")
        expect(row["triggerPrice"], f"{room.market.usd(room.market.at(-500)).normalize():f}")
    async with room.check("its id is taken (3005), and a long-term cancel does not find it (3006)"):
        _, message = desk.order(
            a,
            SELL,
            1,
            -600,
            flags=CONDITIONAL,
            condition_type=STOP,
            trigger=-500,
            order_id=stop,
        )
        expect((await a.send_stateful(message))[0], ("clob", 3005))
        other = a.order_id(room.market.pair, 64, stop.client_id)
        answer, _ = await a.send_stateful(cancel(other, good_til_block_time=desk.gtbt(400)))
        expect(answer, ("clob", 3006))
    async with room.check("a cancel removes it before it triggers"):
        expect(await a.commit(cancel(stop, good_til_block_time=desk.gtbt(400))), GOOD)
        await ours.order(stop, "CANCELED", "USER_CANCELED")
        await desk.state(stop, "gone")
    async with room.check("a take-profit order shows its type"):
        take = await desk.place(
            a, SELL, 1, 500, flags=CONDITIONAL, condition_type=TAKE, trigger=500
        )
        row = await ours.order(take, "UNTRIGGERED")
        expect(row["type"], "TAKE_PROFIT")
    async with room.check("cancel and place in one transaction move a trigger in one block"):
        new, message = desk.order(
            a, SELL, 1, 600, flags=CONDITIONAL, condition_type=TAKE, trigger=600
        )
        stop_it = cancel(take, good_til_block_time=desk.gtbt(400))
        expect(await a.commit(stop_it, message), GOOD)
        expect((await room.chain.stateful(take))[0], "gone")
        expect((await room.chain.stateful(new))[0], "untriggered")
        await desk.clear((a, new))
    async with room.check("an untriggered order ends by its time"):
        short = await desk.place(
            a,
            SELL,
            1,
            -600,
            flags=CONDITIONAL,
            condition_type=STOP,
            trigger=-500,
            good_til_block_time=desk.gtbt(6),
        )
        await ours.order(short, "UNTRIGGERED")
        await ours.order(short, "CANCELED")
        await desk.state(short, "gone")
    async with room.check("an order whose trigger is true already triggers in its own block"):
        now = await desk.place(a, SELL, 1, 300, flags=CONDITIONAL, condition_type=STOP, trigger=100)
        await ours.order(now, "OPEN")
        await desk.state(now, "triggered")
        await desk.clear((a, now))
        await ours.order(now, "CANCELED", "USER_CANCELED")


async def triggered(room: Room) -> None:
    """One story of moving prices: down for stops, up for take-profits."""
    desk = Desk(room)
    a, b = room.people
    ours = await room.watch(a)
    move = room.world.markets.move

    def conditional(
        side: int, lots: int, bps: int, tif: int, kind: int, at: int, **more: Any
    ) -> Any:
        return desk.place(
            a, side, lots, bps, tif, flags=CONDITIONAL, condition_type=kind, trigger=at, **more
        )

    async with room.check("a position of four lots is opened for the stops"):
        await desk.place(b, SELL, 4, 20)
        await desk.place(a, BUY, 4, 30, IOC)
        await desk.holds(a, 4)

    async with room.check(
        "stop-market: the oracle's fall sells one lot into the book, reduce-only"
    ):
        market_stop = await conditional(SELL, 1, -900, IOC, STOP, -300, reduce_only=True)
        limit_stop = await conditional(SELL, 1, 100, GTT, STOP, -300)
        post_stop = await conditional(SELL, 1, -900, POST_ONLY, STOP, -300)
        tight_stop = await conditional(SELL, 1, 0, IOC, STOP, -300, reduce_only=True)
        for one in (market_stop, limit_stop, post_stop, tight_stop):
            await ours.order(one, "UNTRIGGERED")
        bids = [
            await desk.place(b, BUY, 1, -310, flags=64),
            await desk.place(b, BUY, 3, -800, flags=64),
        ]
        await move(room.market, -400)
        await ours.order(market_stop, "FILLED")
        await ours.fill(market_stop)
        await desk.state(market_stop, "gone")

    async with room.check("stop-limit: the triggered order rests at its limit as OPEN"):
        await ours.order(limit_stop, "OPEN")
        await desk.state(limit_stop, "triggered")

    async with room.check("a triggered post-only order that would cross is removed unfilled"):
        await ours.order(post_stop, "CANCELED")
        await desk.state(post_stop, "gone")
        expect(ours.fills(post_stop), [], "fills")

    async with room.check("a triggered IOC whose limit the book does not meet is removed unfilled"):
        await ours.order(
            tight_stop, "BEST_EFFORT_CANCELED", "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK"
        )
        await ours.order(tight_stop, "CANCELED")
        await desk.state(tight_stop, "gone")
        expect(ours.fills(tight_stop), [], "fills")

    async with room.check("the triggered stop-limit fills as maker"):
        await desk.place(b, BUY, 1, 100, IOC)
        row = await ours.fill(limit_stop)
        expect(row["liquidity"], "MAKER")
        await desk.state(limit_stop, "gone")
        await desk.holds(a, 2)
        await desk.clear(*((b, bid) for bid in bids))

    async with room.check("take-profit, market and limit: the oracle's rise sells what is left"):
        offer_take = await conditional(SELL, 1, 500, GTT, TAKE, 200)
        market_take = await conditional(SELL, 1, -900, IOC, TAKE, 200, reduce_only=True)
        bid = await desk.place(b, BUY, 1, -50, flags=64)
        await move(room.market, 300)
        await ours.order(market_take, "FILLED")
        await ours.order(offer_take, "OPEN")
        await desk.state(offer_take, "triggered")
        await desk.place(b, BUY, 1, 500, IOC)
        await ours.fill(offer_take)
        await desk.holds(a, 0)
        await desk.clear((b, bid))

    await _dead(room, desk, a, b)
    await move(room.market, 0)


async def _dead(room: Room, desk: Desk, a: Person, b: Person) -> None:
    ours = await room.watch(a)
    async with room.check(
        "a reduce-only stop that triggers without a position stays as a dead stop"
    ):
        dead = await desk.place(
            a,
            SELL,
            1,
            -900,
            IOC,
            flags=CONDITIONAL,
            condition_type=STOP,
            trigger=200,
            reduce_only=True,
        )
        await ours.order(dead, "UNTRIGGERED")
        await room.world.markets.move(room.market, 100)
        await ours.order(dead, "BEST_EFFORT_CANCELED", "REDUCE_ONLY_RESIZE")
        await desk.state(dead, "triggered")
        await until("OPEN in REST", lambda: _status(room, dead, "OPEN"))
    async with room.check("a dead stop does not sell a position that is opened later"):
        offer = await desk.place(b, SELL, 1, 110)
        await desk.place(a, BUY, 1, 120, IOC)
        await desk.holds(a, 1)
        bid = await desk.place(b, BUY, 1, -50)
        await room.chain.blocks(3)
        expect(await desk.lots(a), 1)
        expect(ours.fills(dead), [], "fills of the dead stop")
        await desk.clear((b, offer), (b, bid))
    async with room.check("a dead stop is cancelled as any other"):
        expect(await a.commit(cancel(dead, good_til_block_time=desk.gtbt(400))), GOOD)
        await desk.state(dead, "gone")


async def _status(room: Room, order_id: Any, wanted: str) -> bool:
    row = await room.rest.find(f"/orders/{uuid_of(order_id)}")
    return row is not None and row["status"] == wanted
