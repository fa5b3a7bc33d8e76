"""The followed order book: newest levels, and sides that never cross."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from core.dydx.indexer_types import Orderbook
from core.dydx.order_book import OrderBook
from core.dydx.stream_types import BookContents

D = Decimal


def snapshot(bids: dict[str, str], asks: dict[str, str]) -> Orderbook:
    rows = {"bids": bids, "asks": asks}
    return Orderbook.read(
        {
            side: [{"price": price, "size": size} for price, size in levels.items()]
            for side, levels in rows.items()
        }
    )


def change(**sides: dict[str, str]) -> BookContents:
    return BookContents.read({side: list(levels.items()) for side, levels in sides.items()})


def made(bids: dict[str, str], asks: dict[str, str]) -> OrderBook:
    book = OrderBook()
    book.replace(snapshot(bids, asks), 1)
    return book


def shown(book: OrderBook) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
    return (
        [(level.price, level.size) for level in book.bids()],
        [(level.price, level.size) for level in book.asks()],
    )


def test_sizes_are_absolute_and_nothing_removes_a_level() -> None:
    book = made({"99": "1", "98": "2"}, {"101": "3"})
    book.merge(change(bids={"99": "0", "97": "4"}, asks={"101": "5"}), 2)

    assert shown(book) == ([(D(98), D(2)), (D(97), D(4))], [(D(101), D(5))])
    assert book.mid() == D("99.5")
    assert len(book.bids(1)) == 1


def test_a_late_change_does_not_overwrite_a_newer_one() -> None:
    book = made({"99": "1"}, {"101": "1"})
    book.merge(change(bids={"99": "7"}), 5)
    book.merge(change(bids={"99": "3"}), 4)
    book.merge(change(asks={"101": "0"}), 7)
    book.merge(change(asks={"101": "2"}), 6)

    assert shown(book) == ([(D(99), D(7))], [])
    assert book.mid() is None


def test_where_sides_cross_the_older_level_is_left_out() -> None:
    book = made({"99": "1", "98": "1"}, {"101": "1", "102": "1"})
    book.merge(change(bids={"101.5": "2"}), 2)
    assert shown(book) == ([(D("101.5"), D(2)), (D(99), D(1)), (D(98), D(1))], [(D(102), D(1))])

    book.merge(change(asks={"98.5": "4"}), 3)
    assert shown(book) == ([(D(98), D(1))], [(D("98.5"), D(4)), (D(102), D(1))])


def test_levels_of_one_age_that_cross_lose_the_smaller() -> None:
    book = made({"100": "5"}, {"100": "1", "101": "1"})
    assert shown(book) == ([(D(100), D(5))], [(D(101), D(1))])


def test_the_average_price_is_that_of_the_levels_it_takes() -> None:
    book = made({"99": "1"}, {"100": "1", "102": "3"})
    assert book.average_price(True, D(2)) == D(101)
    assert book.average_price(False, D("0.5")) == D(99)
    assert book.average_price(True, D(5)) is None


levels = st.dictionaries(st.integers(90, 110).map(str), st.integers(0, 5).map(str), max_size=6)
changes = st.lists(st.tuples(st.sampled_from(["bids", "asks"]), levels), max_size=30)


@given(levels, levels, changes)
def test_whatever_comes_the_sides_never_cross_and_show_only_what_was_told(
    bids: dict[str, str], asks: dict[str, str], told: list[tuple[str, dict[str, str]]]
) -> None:
    book = made(bids, asks)
    latest = {"bids": dict(bids), "asks": dict(asks)}
    for number, (side, part) in enumerate(told):
        book.merge(change(**{side: part}), number + 2)
        latest[side].update(part)
    found = {"bids": book.bids(), "asks": book.asks()}

    for side, rows in found.items():
        prices = [row.price for row in rows]
        assert prices == sorted(prices, reverse=side == "bids")
        assert all(str(row.size) == latest[side][str(row.price)] != "0" for row in rows)
    if found["bids"] and found["asks"]:
        assert found["bids"][0].price < found["asks"][0].price


def test_many_removed_levels_are_forgotten() -> None:
    book = OrderBook()
    for number in range(1000):
        book.merge(change(bids={str(number): "1"}), number * 2)
        book.merge(change(bids={str(number): "0"}), number * 2 + 1)
    assert book.bids() == []
    assert len(book._bids.levels) <= 400
