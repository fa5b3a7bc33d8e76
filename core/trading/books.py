"""Our own books: what a fill does to a position. Pure; the ledger stores what comes out.

P&L is computed from fills alone (average entry price, fees apart). A reversal by one order is one
fill on chain and two entries here: the old position is closed and a new one opened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

from core.dydx.protocol import Side

PRECISION = 50


@dataclass(frozen=True)
class Book:
    """An open position: signed `size`, average `entry_price`, sums so far in USDC."""

    size: Decimal
    max_size: Decimal
    entry_price: Decimal
    closed_size: Decimal
    exit_price: Decimal | None
    realized_pnl: Decimal
    fees: Decimal

    @property
    def side(self) -> str:
        return "LONG" if self.size > 0 else "SHORT"


@dataclass(frozen=True)
class Booked:
    """Result of one fill: the position it belonged to and, after a reversal, the one it opened.

    `before` is None where the fill opened a position. A closed book has size 0.
    """

    before: Book | None
    after: Book
    opened: Book | None
    closing_size: Decimal
    opening_size: Decimal


def _opened(signed: Decimal, price: Decimal, fee: Decimal) -> Book:
    return Book(
        size=signed,
        max_size=abs(signed),
        entry_price=price,
        closed_size=Decimal(0),
        exit_price=None,
        realized_pnl=Decimal(0),
        fees=fee,
    )


def book_fill(book: Book | None, side: Side, size: Decimal, price: Decimal, fee: Decimal) -> Booked:
    """Applies one fill. `size` is positive, `fee` signed (a rebate is negative).

    On a reversal the fee is shared between the two positions by size.
    """
    with localcontext() as context:
        context.prec = PRECISION
        signed = side.sign * size
        if book is None:
            after = _opened(signed, price, fee)
            return Booked(None, after, after, Decimal(0), size)
        if book.size * signed > 0:
            total = book.size + signed
            entry = (book.entry_price * book.size + price * signed) / total
            after = replace(
                book,
                size=total,
                max_size=max(book.max_size, abs(total)),
                entry_price=entry,
                fees=book.fees + fee,
            )
            return Booked(book, after, None, Decimal(0), size)
        closing = min(size, abs(book.size))
        opening = size - closing
        closing_fee = fee * closing / size
        direction = 1 if book.size > 0 else -1
        closed_size = book.closed_size + closing
        exit_price = ((book.exit_price or Decimal(0)) * book.closed_size + price * closing) / (
            closed_size
        )
        after = replace(
            book,
            size=book.size - direction * closing,
            closed_size=closed_size,
            exit_price=exit_price,
            realized_pnl=book.realized_pnl + (price - book.entry_price) * closing * direction,
            fees=book.fees + closing_fee,
        )
        reopened = _opened(side.sign * opening, price, fee - closing_fee) if opening else None
        return Booked(book, after, reopened, closing, opening)
