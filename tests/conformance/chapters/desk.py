"""Two people and one empty market: what most chapters on orders have in common."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.conformance.chain import GOOD
from tests.conformance.checks import expect, until
from tests.conformance.people import GTT, SHORT, Person, cancel, place, uuid_of
from tests.conformance.world import Room

AHEAD = 18


class Desk:
    """Places and cancels in a chapter's own market; sizes in lots, prices in basis points from its
    first oracle price.
    """

    def __init__(self, room: Room) -> None:
        self.room, self.market, self.chain = room, room.market, room.chain

    @property
    def gtb(self) -> int:
        """A block within every version's window."""
        return self.chain.height + AHEAD

    def gtbt(self, seconds: int = 300) -> int:
        """A unix time so many seconds after the last block's."""
        return int(self.chain.time.timestamp()) + seconds

    def order(
        self,
        who: Person,
        side: int,
        lots: int,
        bps: int,
        tif: int = GTT,
        *,
        flags: int = SHORT,
        **more: Any,
    ) -> tuple[Any, Any]:
        """(order id, message)."""
        order_id = more.pop("order_id", None) or who.order_id(
            self.market.pair, flags, number=more.pop("number", 0)
        )
        if flags == SHORT:
            more.setdefault("good_til_block", self.gtb)
        else:
            more.setdefault("good_til_block_time", self.gtbt())
        if trigger := more.pop("trigger", None):
            more["conditional_order_trigger_subticks"] = self.market.at(trigger)
        message = place(order_id, side, lots * self.market.lot, self.market.at(bps), tif, **more)
        return order_id, message

    async def place(
        self, who: Person, side: int, lots: int, bps: int, tif: int = GTT, **more: Any
    ) -> Any:
        """Places what must be accepted, stateful ones in a block; gives the order id."""
        order_id, message = self.order(who, side, lots, bps, tif, **more)
        if order_id.order_flags == SHORT:
            expect(await who.send(message), GOOD, "the answer")
        else:
            expect(await who.commit(message), GOOD, "the answer")
        return order_id

    async def lots(self, who: Person, number: int = 0) -> Decimal:
        return Decimal(await who.position(self.market.pair, number)) / self.market.lot

    async def holds(self, who: Person, lots: int, within_s: float = 20.0) -> None:
        async def held() -> bool:
            return await self.lots(who) == lots

        await until(f"a position of {lots} lots", held, within_s)

    async def clear(self, *owned: tuple[Person, Any]) -> None:
        """Cancels what may rest still."""
        for who, order_id in owned:
            if order_id.order_flags == SHORT:
                await who.send(cancel(order_id, good_til_block=self.gtb))
            else:
                await who.commit(cancel(order_id, good_til_block_time=self.gtbt(400)))

    async def state(self, order_id: Any, wanted: str) -> None:
        """Returns once the node shows a stateful order so: open, untriggered, triggered, gone."""
        seen = ""

        async def shown() -> bool:
            nonlocal seen
            seen = (await self.chain.stateful(order_id))[0]
            return seen == wanted

        await until(f"the state {wanted}", shown)

    async def listed(self, order_id: Any, status: str) -> Any:
        """The order's row in REST once it has this status."""

        async def found() -> Any:
            row = await self.room.rest.find(f"/orders/{uuid_of(order_id)}")
            return row if row is not None and row["status"] == status else None

        return await until(f"{status} in REST", found)
