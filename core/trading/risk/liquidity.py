"""What an order book offers: spread and depth around its middle. Pure.

One node's view of the book can be crossed (docs/protocol.md); a crossed book has no spread and its
middle lies between the two best prices all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext

from core.dydx.indexer_types import Orderbook
from core.dydx.protocol import Side


@dataclass(frozen=True)
class Liquidity:
    """A book at one moment. `spread` in percent of the middle, never below zero."""

    book: Orderbook
    middle: Decimal
    spread: Decimal

    def depth(self, side: Side, percent: Decimal) -> Decimal:
        """USD that an order of this side could take within `percent` of the middle."""
        with localcontext() as context:
            context.prec = 50
            away = self.middle * percent / 100
            if side is Side.BUY:
                levels = [one for one in self.book.asks if one.price <= self.middle + away]
            else:
                levels = [one for one in self.book.bids if one.price >= self.middle - away]
            return sum((one.price * one.size for one in levels), Decimal(0))


def liquidity_of(book: Orderbook) -> Liquidity | None:
    """None where a side is empty."""
    if not book.bids or not book.asks:
        return None
    with localcontext() as context:
        context.prec = 50
        bid, ask = book.bids[0].price, book.asks[0].price
        middle = (bid + ask) / 2
        return Liquidity(book, middle, max(ask - bid, Decimal(0)) / middle * 100)
