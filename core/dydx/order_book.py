"""An order book as one node of the indexer sees it, kept from a snapshot and its changes.

The stream's book is an optimistic view without a common counter: it can be crossed. Each level
carries the number of the message that set it; where two sides cross, the older level is the one
that went away unseen. Source: docs/protocol.md, websocket.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from decimal import Decimal
from itertools import islice

from core.dydx.indexer_types import Level, Orderbook
from core.dydx.stream_types import BookContents

KEPT_LEVELS = 400
KEPT_EMPTY = 100


class _Side:
    """Prices in rising order; size and the message's number by price."""

    def __init__(self) -> None:
        self.prices: list[Decimal] = []
        self.levels: dict[Decimal, tuple[Decimal, int]] = {}

    def set(self, price: Decimal, size: Decimal, order: int) -> None:
        known = self.levels.get(price)
        if known is not None and known[1] > order:
            return
        if known is None:
            insort(self.prices, price)
        self.levels[price] = (size, order)

    def age(self, price: Decimal) -> tuple[int, Decimal]:
        """For comparing: a level is older with a lower number, and then with a smaller size."""
        size, order = self.levels[price]
        return order, size

    def levels_of(self, prices: Iterable[Decimal], depth: int) -> list[Level]:
        """The first `depth` levels that have a size."""
        sized = ((price, self.levels[price][0]) for price in prices)
        found = (Level(price=price, size=size) for price, size in sized if size)
        return list(islice(found, depth))

    def prune(self) -> None:
        """Forgets removed levels once there are many of them."""
        if len(self.levels) <= KEPT_LEVELS:
            return
        empty = [price for price, (size, _) in self.levels.items() if size == 0]
        empty.sort(key=lambda price: self.levels[price][1])
        for price in empty[: len(empty) - KEPT_EMPTY]:
            del self.levels[price]
        self.prices = sorted(self.levels)


class OrderBook:
    """Bids and asks of one market, uncrossed.

    `replace` and `merge` take the message's number on its connection as `order`. A change that
    comes after a newer one of the same level is ignored; a removed level is remembered for that.
    """

    def __init__(self) -> None:
        self._bids = _Side()
        self._asks = _Side()

    def replace(self, snapshot: Orderbook, order: int) -> None:
        """Takes over a complete book."""
        self._bids, self._asks = _Side(), _Side()
        for side, levels in ((self._bids, snapshot.bids), (self._asks, snapshot.asks)):
            for level in levels:
                side.set(level.price, level.size, order)
        self._uncross()

    def merge(self, changes: BookContents, order: int) -> None:
        """Takes over absolute sizes; 0 removes the level."""
        for side, levels in ((self._bids, changes.bids), (self._asks, changes.asks)):
            for price, size in levels or ():
                side.set(price, size, order)
        self._uncross()

    def bids(self, depth: int = 100) -> list[Level]:
        """The best bids, highest first."""
        return self._bids.levels_of(reversed(self._bids.prices), depth)

    def asks(self, depth: int = 100) -> list[Level]:
        """The best asks, lowest first."""
        return self._asks.levels_of(self._asks.prices, depth)

    def mid(self) -> Decimal | None:
        """The middle between best bid and best ask; None where a side is empty."""
        bids, asks = self.bids(1), self.asks(1)
        return (bids[0].price + asks[0].price) / 2 if bids and asks else None

    def average_price(self, buy: bool, size: Decimal) -> Decimal | None:
        """What taking `size` base units would cost on average in USD; None if the book ends."""
        left, cost = size, Decimal(0)
        for level in self.asks() if buy else self.bids():
            taken = min(left, level.size)
            cost, left = cost + taken * level.price, left - taken
            if left == 0:
                return cost / size
        return None

    def _uncross(self) -> None:
        """Of two levels that cross the older one is taken out; of one age, the smaller."""
        while True:
            bids, asks = self.bids(1), self.asks(1)
            if not bids or not asks or bids[0].price < asks[0].price:
                break
            bid, ask = bids[0].price, asks[0].price
            if self._bids.age(bid) < self._asks.age(ask):
                self._bids.set(bid, Decimal(0), self._asks.age(ask)[0])
            else:
                self._asks.set(ask, Decimal(0), self._bids.age(bid)[0])
        self._bids.prune()
        self._asks.prune()
