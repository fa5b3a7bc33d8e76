"""Our own books, against a ledger that is too simple to be wrong."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from core.dydx.protocol import Side
from core.trading.books import Book, book_fill

D = Decimal


def test_the_first_fill_opens_a_position_at_its_price() -> None:
    booked = book_fill(None, Side.SELL, D("0.4"), D("3000"), D("0.6"))
    assert booked.before is None
    assert booked.opened == booked.after
    assert (booked.after.size, booked.after.entry_price, booked.after.fees) == (
        D("-0.4"),
        D("3000"),
        D("0.6"),
    )


def test_adding_averages_the_entry_by_size() -> None:
    first = book_fill(None, Side.BUY, D(1), D(100), D(0)).after
    after = book_fill(first, Side.BUY, D(3), D(200), D(0)).after
    assert (after.size, after.entry_price, after.max_size) == (D(4), D(175), D(4))


def test_reducing_realises_pnl_and_keeps_the_entry() -> None:
    first = book_fill(None, Side.BUY, D(2), D(100), D("0.1")).after
    after = book_fill(first, Side.SELL, D("0.5"), D(110), D("0.02")).after
    assert (after.size, after.entry_price, after.realized_pnl, after.fees) == (
        D("1.5"),
        D(100),
        D(5),
        D("0.12"),
    )


def test_a_short_earns_when_the_price_falls() -> None:
    first = book_fill(None, Side.SELL, D(2), D(100), D(0)).after
    after = book_fill(first, Side.BUY, D(2), D(90), D(0)).after
    assert (after.size, after.realized_pnl, after.exit_price) == (D(0), D(20), D(90))


def test_one_fill_that_reverses_is_split_in_two_positions() -> None:
    """The chain reports a reversal as one fill of the full size; facts: docs/protocol.md."""
    first = book_fill(None, Side.BUY, D(30), D(100), D(0)).after
    booked = book_fill(first, Side.SELL, D(50), D(110), D(5))
    assert booked.after.size == 0
    assert booked.after.realized_pnl == D(300)
    assert booked.opened is not None
    assert (booked.opened.size, booked.opened.entry_price) == (D(-20), D(110))
    assert (booked.closing_size, booked.opening_size) == (D(30), D(20))
    assert booked.after.fees + booked.opened.fees == D(5)


amounts = st.decimals(min_value=D("0.0001"), max_value=D(1000), places=4)
prices = st.decimals(min_value=D("0.01"), max_value=D(100_000), places=2)
fees = st.decimals(min_value=D("-5"), max_value=D(5), places=4)
fills = st.lists(st.tuples(st.sampled_from(list(Side)), amounts, prices, fees), max_size=30)


@given(fills)
def test_pnl_plus_what_is_held_equals_the_cash_flow(
    sequence: list[tuple[Side, Decimal, Decimal, Decimal]],
) -> None:
    """Whatever the order of fills: the cash flow, what is held at its entry, and P&L agree."""
    book: Book | None = None
    cash = size = pnl = paid = Decimal(0)
    for side, amount, price, fee in sequence:
        cash -= side.sign * amount * price
        size += side.sign * amount
        paid += fee
        booked = book_fill(book, side, amount, price, fee)
        current = booked.opened or booked.after
        if booked.after.size == 0 and booked.before is not None:
            pnl += booked.after.realized_pnl
            paid -= booked.after.fees
            book = booked.opened
        else:
            book = current
    held = book.size * book.entry_price if book else Decimal(0)
    open_pnl = book.realized_pnl if book else Decimal(0)
    open_fees = book.fees if book else Decimal(0)
    assert (book.size if book else Decimal(0)) == size
    assert abs(cash + held - pnl - open_pnl) < D("1e-9")
    assert abs(paid - open_fees) < D("1e-9")
