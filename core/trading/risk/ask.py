"""What the firewall is asked: one order that is about to be signed."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Literal

from core.dydx.markets import Market
from core.dydx.protocol import Side

Kind = Literal["market", "limit", "stop"]
PRECISION = 50


@dataclass(frozen=True)
class Ask:
    """`size` in base units, unsigned; `price` is the limit or the trigger, None for a market order.
    `before` and `after`: the signed position in this market without and with the order, of the
    strategy where it has a share, else of the account. `strategy_id` None: a button. `asked_at` is
    the alert's own time or when it was received, None where no age counts; `stale_after` the
    alert's own age limit.
    """

    trader_id: int
    account_id: int
    strategy_id: int | None
    ticker: str
    side: Side
    size: Decimal
    price: Decimal | None
    before: Decimal
    after: Decimal
    reduce_only: bool
    kind: Kind
    market: Market
    now: dt.datetime
    asked_at: dt.datetime | None = None
    stale_after: dt.timedelta | None = None

    @property
    def reduces(self) -> bool:
        """Whether nothing is opened: such an order passes every limit and mode."""
        if self.reduce_only:
            return True
        flips = self.before * self.after < 0
        return not flips and abs(self.after) < abs(self.before)

    @property
    def oracle(self) -> Decimal | None:
        """USD per base unit."""
        return self.market.oracle_price

    @property
    def worth(self) -> Decimal:
        """What the order is worth in USD at the higher of oracle and its own price."""
        return notional(self.size, self.reference)

    @property
    def reference(self) -> Decimal:
        """The higher of the oracle price and the order's own."""
        return max(self.oracle or Decimal(0), self.price or Decimal(0))


def notional(size: Decimal, price: Decimal) -> Decimal:
    """Worth of a size in USD, unsigned."""
    with localcontext() as context:
        context.prec = PRECISION
        return abs(size) * price
