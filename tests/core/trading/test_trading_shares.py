"""Shares of a net position: they add up to it, and their money to its money."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.dydx.protocol import Side
from core.trading.books import Book, book_fill
from core.trading.shares import (
    BY_HAND,
    By,
    ShareBook,
    ShareClose,
    Trade,
    allot,
    close_of,
    divided,
    fees_of,
    funding_of,
    holder,
    net,
    traded,
)

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
A, B, C = 1, 2, 3
STEP = D("0.1")


def parts(**sizes: str) -> dict[int, Decimal]:
    """Shares by the names a, b, c and hand."""
    keys = {"a": A, "b": B, "c": C, "hand": BY_HAND}
    return {keys[name]: D(size) for name, size in sizes.items()}


@pytest.mark.parametrize(
    ("held", "side", "size", "trade", "changes"),
    [
        # an order of a strategy that may open changes that strategy's share alone
        (parts(), BUY, "1", Trade("strategy", A), parts(a="1")),
        (parts(a="3"), SELL, "1", Trade("strategy", B), parts(b="-1")),
        (parts(a="1"), SELL, "2", Trade("strategy", A), parts(a="-2")),
        # a plan takes from its owner first, then from the others pro rata, from the hand last
        (parts(a="1", b="2"), SELL, "0.6", Trade("position", A), parts(a="-0.6")),
        (
            parts(a="1", b="2", c="2"),
            SELL,
            "3",
            Trade("position", A),
            parts(a="-1", b="-1", c="-1"),
        ),
        (parts(a="1", hand="2"), SELL, "1.5", Trade("position", A), parts(a="-1", hand="-0.5")),
        (parts(a="-1", hand="-2"), BUY, "3", Trade("position", A), parts(a="1", hand="2")),
        # only shares in the position's direction are reduced
        (parts(a="3", b="-1"), SELL, "2", Trade("position", A), parts(a="-2")),
        (parts(a="3", b="-1"), SELL, "2", Trade("position", B), parts(a="-2")),
        # a stop that the books hear of before its entry is its owner's all the same
        (parts(), SELL, "1", Trade("position", A), parts(a="-1")),
        # a hand takes back its own first, and what it adds is its own
        (parts(a="1", hand="1"), SELL, "1.5", Trade("hand", A), parts(hand="-1", a="-0.5")),
        (parts(a="1"), BUY, "1", Trade("hand", A), parts(hand="1")),
        (parts(a="1"), SELL, "3", Trade("hand", A), parts(a="-1", hand="-2")),
        (parts(a="1", b="-1"), SELL, "1", Trade("hand", A), parts(hand="-1")),
        # the chain takes from all alike
        (
            parts(a="1", b="2", hand="1"),
            SELL,
            "2",
            Trade("chain"),
            parts(hand="-0.5", a="-0.5", b="-1"),
        ),
        (parts(a="1", b="1"), SELL, "0.1", Trade("chain"), parts(a="-0.1")),
    ],
)
def test_a_fill_changes_the_shares_that_its_rule_names(
    held: dict[int, Decimal],
    side: Side,
    size: str,
    trade: Trade,
    changes: dict[int, Decimal],
) -> None:
    assert allot(held, side, D(size), trade, STEP) == changes


@pytest.mark.parametrize(
    ("held", "size", "close"),
    [
        (parts(a="1"), None, ShareClose(SELL, D(1), D(1))),
        (parts(a="-2", b="-1"), None, ShareClose(BUY, D(2), D(2))),
        (parts(a="3", b="1"), "2", ShareClose(SELL, D(2), D(2))),
        (parts(a="1", b="2"), "5", ShareClose(SELL, D(1), D(1))),
        # net long 1: two of the three that A closes turn the account short against B
        (parts(a="3", b="-2"), None, ShareClose(SELL, D(3), D(1))),
        (parts(a="1", b="-1"), None, ShareClose(SELL, D(1), D(0))),
        (parts(a="-1", b="3"), None, ShareClose(BUY, D(1), D(0))),
        (parts(b="1"), None, None),
    ],
)
def test_only_what_reduces_the_net_position_may_be_reduce_only(
    held: dict[int, Decimal], size: str | None, close: ShareClose | None
) -> None:
    found = close_of(held, A, None if size is None else D(size))
    assert found == close
    if found is not None:
        assert found.opening == found.size - found.reduce_only


@pytest.mark.parametrize(
    ("held", "favourites", "whose"),
    [
        (parts(a="1", b="2"), (), B),
        (parts(a="1", b="2"), (A,), A),
        (parts(a="3", b="-1"), (B,), A),
        (parts(hand="5", a="1"), (), A),
        (parts(hand="5", a="-1"), (A,), BY_HAND),
        (parts(a="1", b="-1"), (A,), BY_HAND),
    ],
)
def test_a_position_is_of_a_strategy_with_a_part_in_its_direction(
    held: dict[int, Decimal], favourites: tuple[int, ...], whose: int
) -> None:
    assert holder(held, *favourites) == whose


def test_who_stands_against_the_position_receives_what_the_others_pay() -> None:
    assert funding_of(parts(a="3", b="-1"), D("-2")) == {A: D(-3), B: D(1)}
    assert funding_of(parts(a="1", b="-1"), D("-2")) == {BY_HAND: D(-2)}


steps = st.integers(min_value=1, max_value=10_000).map(lambda n: n * STEP)
kinds: st.SearchStrategy[By] = st.sampled_from(["strategy", "position", "hand", "chain"])
trades = st.builds(Trade, kinds, st.sampled_from([A, B, C]))
prices = st.decimals(min_value=D("0.01"), max_value=D(100_000), places=2)
fees = st.decimals(min_value=D(-5), max_value=D(5), places=6)
fills = st.lists(st.tuples(trades, st.sampled_from([BUY, SELL]), steps, prices, fees), max_size=25)


@given(fills, prices)
def test_shares_add_up_to_the_net_position_and_to_its_money(
    sequence: list[tuple[Trade, Side, Decimal, Decimal, Decimal]], mark: Decimal
) -> None:
    """Whatever trades in whatever order: sizes exactly, and P&L at any price."""
    shares: dict[int, ShareBook] = {}
    position: Book | None = None
    closed = size = Decimal(0)
    for trade, side, amount, price, fee in sequence:
        held = {key: book.size for key, book in shares.items() if book.size}
        changes = allot(held, side, amount, trade, STEP)
        spread = fees_of(changes, fee)
        assert sum(changes.values()) == side.sign * amount
        assert abs(sum(spread.values()) - fee) < D("1e-20")
        for key, change in changes.items():
            assert change % STEP == 0
            shares[key] = traded(shares.get(key, ShareBook()), change, price, spread[key])
        booked = book_fill(position, side, amount, price, fee)
        size += side.sign * amount
        if booked.before is not None and not booked.after.size:
            closed += booked.after.realized_pnl - booked.after.fees
            position = booked.opened
        else:
            position = booked.opened or booked.after
    assert net({key: book.size for key, book in shares.items()}) == size
    of_shares = sum((book.cash + book.size * mark for book in shares.values()), Decimal(0))
    of_position = closed
    if position is not None:
        assert position.size == size
        of_position += position.realized_pnl - position.fees
        of_position += (mark - position.entry_price) * position.size
    assert abs(of_shares - of_position) < D("1e-12")
    assert all(not book.entry_price for book in shares.values() if not book.size)


@given(st.dictionaries(st.integers(1, 6), steps, min_size=1), st.data())
def test_a_division_is_exact_in_whole_steps_and_takes_from_nobody_more_than_he_has(
    room: dict[int, Decimal], data: st.DataObject
) -> None:
    total = sum(room.values(), Decimal(0))
    amount = data.draw(st.integers(0, int(total / STEP)).map(lambda n: n * STEP))
    got = divided(room, amount, STEP)
    assert sum(got.values()) == amount
    for key, part in got.items():
        assert 0 <= part <= room[key]
        assert part % STEP == 0
        assert abs(part - amount * room[key] / total) <= STEP * len(room)


@given(
    st.dictionaries(st.integers(0, 4), steps.map(lambda s: s - 500), min_size=1),
    st.decimals(min_value=D(-50), max_value=D(50), places=6),
)
def test_funding_of_shares_adds_up_to_the_payment(
    held: dict[int, Decimal], payment: Decimal
) -> None:
    assert abs(sum(funding_of(held, payment).values()) - payment) < D("1e-20")
