"""The orders of one account that are not settled, each followed until it is proved over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final
from uuid import UUID

import structlog

from core.dydx.indexer_types import IndexerFill, IndexerOrder
from core.ledger import orders
from core.ledger.models import Order
from core.trading import states
from core.trading.proof import Working, prove
from core.trading.resting import Resting
from core.trading.workbench import Workbench

log = structlog.get_logger(__name__)

RETRY_PAUSE_S: Final = 2.0
LOOK_EVERY_S: Final = 0.5


class Following:
    """Follows orders; `book` takes what a proof reads."""

    def __init__(
        self,
        bench: Workbench,
        resting: Resting,
        book: Callable[[Sequence[IndexerFill]], Awaitable[None]],
    ) -> None:
        self._bench = bench
        self._resting = resting
        self._book = book
        self._working: dict[UUID, Working] = {}

    def __bool__(self) -> bool:
        return bool(self._working)

    def get(self, order_uuid: UUID) -> Working | None:
        """An order while it is followed."""
        return self._working.get(order_uuid)

    def orders(self) -> list[Order]:
        """The orders that are followed."""
        return [row.order for row in self._working.values()]

    def unsettled(self, ticker: str) -> list[Working]:
        """The orders of a market that are followed, oldest first."""
        return [row for row in self._working.values() if row.order.ticker == ticker]

    async def quiet(self, ticker: str) -> None:
        """Waits until no order of this market is unsettled."""
        while waiting := self.unsettled(ticker):
            await waiting[0].done.wait()

    def follow(self, order: Order, *, prove_now: bool = True) -> Working:
        """Follows an order from here on; `prove` begins now or when it was sent."""
        working = Working(order)
        self._working[order.order_uuid] = working
        if order.order_flags:
            self._resting.follow(order)
        if prove_now:
            self.prove(working)
        return working

    def prove(self, working: Working) -> None:
        """Waits beside the lane for the proof of what became of an order, then settles it."""
        self._bench.spawn(self._prove(working))

    def note_fills(self, booked: Iterable[Order]) -> None:
        """Fills may have told the end of these."""
        for order in booked:
            working = self._working.get(order.order_uuid)
            if working is not None and order.state in states.TERMINAL:
                working.order = order
                working.settled.set()

    def note_rows(self, changed: Sequence[IndexerOrder]) -> None:
        """What the stream says of a removal is a hint."""
        for row in changed:
            working = self._working.get(UUID(row.id))
            if working is not None and row.removal_reason:
                working.hint = row.removal_reason

    async def _prove(self, working: Working) -> None:
        while not await self._proved(working):
            await self._bench.parts.clock.sleep(RETRY_PAUSE_S)
        self._working.pop(working.order.order_uuid, None)
        working.done.set()

    async def _proved(self, working: Working) -> bool:
        try:
            fresh = await orders.get(working.order.id)
            assert fresh is not None
            working.order = fresh
            if fresh.order_flags:
                working.order = await self._committed(fresh)
            elif fresh.state not in states.TERMINAL:
                end = await prove(working, self._bench.account, self._bench.parts, self._book)
                if end is not None:
                    await self._settle(working, *end)
        except Exception:
            log.exception("proof of an order failed", order=working.order.id)
            return False
        return True

    async def _committed(self, order: Order) -> Order:
        """Waits until a stateful order is proved to be in the chain's state, or over."""
        while order.state not in states.RESTING and order.state not in states.TERMINAL:
            await self._bench.parts.clock.sleep(LOOK_EVERY_S)
            await self._resting.prove()
            fresh = await orders.get(order.id)
            assert fresh is not None
            order = fresh
        return order

    async def _settle(self, working: Working, state: str, evidence: str) -> None:
        async with self._bench.lock:
            order = await orders.get(working.order.id)
            assert order is not None
            if order.state not in states.TERMINAL:
                await self._bench.transition(order, state, evidence)
