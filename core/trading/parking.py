"""Intents that are not carried out now."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from core.dydx.markets import Market
from core.ledger.models import Order
from core.trading.course import Leg

ParkedState = Literal["asking", "shadow", "mock"]


@dataclass(frozen=True)
class Mock:
    """An order that reached no node, for the book of mock orders. `order_id`: its row, if it came
    so far as to be signed.
    """

    ticker: str
    side: str
    size: Decimal
    price: Decimal
    order_id: int | None = None

    @classmethod
    def of_order(cls, order: Order) -> Mock:
        """Of an order that no node was given."""
        return cls(order.ticker, order.side, order.size, order.reference_price, order.id)

    @classmethod
    def of_leg(cls, leg: Leg, market: Market) -> Mock:
        """Of an order that was not even signed."""
        assert market.oracle_price is not None
        size = market.scale.size_of(market.scale.quantums_down(leg.size))
        return cls(market.ticker, leg.side.value, size, market.oracle_price)


class Parked(Exception):
    """An intent is not carried out now: it waits for its trader, was only shown, or became a mock
    order. `text` says what it would do.
    """

    def __init__(self, state: ParkedState, code: str, text: str, mock: Mock | None = None) -> None:
        super().__init__(text)
        self.state: ParkedState = state
        self.code = code
        self.text = text
        self.mock = mock
