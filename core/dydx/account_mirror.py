"""What is known of one subaccount, merged so that older news never overwrites newer.

News of one account come from snapshots, updates and requests, over connections that end and begin
anew; REST and snapshots are read from replicas that can be behind. Every row carries the version
that it was last told in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from core.dydx.enums import OrderStatus
from core.dydx.indexer_types import IndexerOrder, Subaccount
from core.dydx.stream_types import PositionUpdate

Version = tuple[int, int, int]
"""Block height, number of the session, number of the message in it; a request is session 0."""

OLDEST: Version = (-1, -1, -1)
ENDED = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED})
REMEMBERED_ENDS = 256


@dataclass(frozen=True)
class Held:
    """A position as last told; `size` is signed and 0 when it is closed."""

    ticker: str
    size: Decimal
    entry_price: Decimal
    version: Version


class AccountMirror:
    """Positions and orders of one subaccount by their newest news."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._orders: dict[str, tuple[IndexerOrder, Version]] = {}
        self._complete = OLDEST

    @property
    def height(self) -> int | None:
        """The newest block of which a complete state was told."""
        return self._complete[0] if self._complete[0] >= 0 else None

    def positions(self) -> dict[str, Held]:
        """The open positions by ticker."""
        return {ticker: held for ticker, held in self._held.items() if held.size}

    def orders(self) -> dict[str, IndexerOrder]:
        """The orders that have not ended, by id."""
        return {id_: row for id_, (row, _) in self._orders.items() if row.status not in ENDED}

    def take_state(
        self,
        subaccount: Subaccount | None,
        orders: Iterable[IndexerOrder] | None,
        version: Version,
    ) -> None:
        """A complete state: what is not in it is gone, unless newer news told of it.

        `orders` None: the state says nothing of orders.
        """
        rows = subaccount.open_perpetual_positions if subaccount else {}
        for ticker, row in rows.items():
            self._hold(ticker, row.size, row.entry_price, version)
        for ticker in self._held.keys() - rows.keys():
            self._hold(ticker, Decimal(0), self._held[ticker].entry_price, version)
        if orders is not None:
            told = set()
            for order in orders:
                self._take_order(order, version)
                told.add(order.id)
            for id_ in self._orders.keys() - told:
                if self._orders[id_][1] <= version:
                    del self._orders[id_]
        self._complete = max(self._complete, version)

    def take_positions(self, rows: Iterable[PositionUpdate], version: Version) -> list[bool]:
        """Positions of an update; which of them were news."""
        return [self._hold(row.market, row.size, row.entry_price, version) for row in rows]

    def take_orders(self, rows: Iterable[IndexerOrder], version: Version) -> list[bool]:
        """Orders of an update; which of them were news."""
        news = [self._take_order(row, version) for row in rows]
        if len(self._orders) > REMEMBERED_ENDS:
            self._forget()
        return news

    def _hold(self, ticker: str, size: Decimal, entry_price: Decimal, version: Version) -> bool:
        known = self._held.get(ticker)
        if version < (known.version if known else self._complete):
            return False
        self._held[ticker] = Held(ticker, size, entry_price, version)
        return True

    def _take_order(self, row: IndexerOrder, version: Version) -> bool:
        """Messages that are no part of a block say the height before theirs; the row knows better.

        An order that no complete state knew is news whatever its height says, if it was told later.
        """
        version = (max(version[0], row.updated_at_height or 0), *version[1:])
        known = self._orders.get(row.id)
        if known and version < known[1]:
            return False
        if not known and version[1:] < self._complete[1:] and version < self._complete:
            return False
        self._orders[row.id] = (row, version)
        return True

    def _forget(self) -> None:
        """Keeps the newest of the ended orders, so that late news do not revive them."""
        ended = sorted(
            (version, id_) for id_, (row, version) in self._orders.items() if row.status in ENDED
        )
        for _, id_ in ended[: -REMEMBERED_ENDS // 2]:
            del self._orders[id_]
