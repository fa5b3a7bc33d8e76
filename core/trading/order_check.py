"""The orders that the ledger takes for living against those that the indexer lists."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID

import structlog

from core.dydx.enums import OrderStatus
from core.dydx.indexer import LARGEST_PAGE, IndexerError
from core.dydx.indexer_types import IndexerFill, IndexerOrder
from core.ledger import reconciliation
from core.ledger.models import Account
from core.trading import states
from core.trading.news import note_standing
from core.trading.parts import Parts
from core.trading.resting import Resting

log = structlog.get_logger(__name__)

LIVING: Final = (OrderStatus.OPEN, OrderStatus.UNTRIGGERED)


class OrderCheck:
    """Checks one account. `take` is told the indexer's rows as the stream's news are.

    `external`: the living orders that the bot did not make, as of the last check; None before it.
    """

    def __init__(
        self,
        account: Account,
        parts: Parts,
        resting: Resting,
        take: Callable[[Sequence[IndexerFill], Sequence[IndexerOrder]], Awaitable[None]],
    ) -> None:
        self._account = account
        self._parts = parts
        self._resting = resting
        self._take = take
        self.external: tuple[IndexerOrder, ...] | None = None

    async def run(self) -> bool:
        """Takes over what the list proves, and has looked up on chain what is missing in it: a list
        can be old, and an order that it does not hold is not gone for that. False when the indexer
        could not be read.
        """
        address, number = self._account.address, self._account.subaccount_number
        indexer = self._parts.venue.indexer
        if not self._parts.venue.stream.urgent(address, number):
            indexer = indexer.in_bulk()
        try:
            rows = await indexer.orders(address, number, statuses=LIVING, limit=LARGEST_PAGE)
        except IndexerError as error:
            await note_standing(self._parts, self._account, error)
            return False
        await self._take((), rows)
        listed = {UUID(row.id) for row in rows}
        for order in self._resting.living():
            if order.state in states.RESTING and order.order_uuid not in listed:
                await self._resting.prove_one(order)
        await self._resting.prove()
        ours = await reconciliation.known_orders(listed)
        self.external = tuple(row for row in rows if UUID(row.id) not in ours)
        return True
