"""Which marks a price meets, and that each is told once."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.trading.watch import Mark, Met, PriceWatch

D = Decimal
BTC, ETH = "BTC-USD", "ETH-USD"


def stop(price: int, *, above: bool = False, on_chain: bool = False) -> Mark:
    return Mark("stop", D(price), above=above, on_chain=on_chain)


def target(price: int, number: int = 1, *, above: bool = True) -> Mark:
    return Mark("target", D(price), above=above, target_id=number)


class Ear:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.heard: list[Met] = []
        self.watch = PriceWatch()

    def set(self, position_id: int, *marks: Mark, ticker: str = BTC) -> None:
        self.watch.set(position_id, ticker, marks, self.heard.append)

    def at(self, price: int, ticker: str = BTC) -> list[tuple[int, str, int]]:
        """What a price meets: position, kind, target."""
        self.heard.clear()
        self.watch.on_prices({ticker: D(price)})
        return [(met.position_id, met.mark.kind, met.mark.target_id) for met in self.heard]


@pytest.mark.parametrize(
    ("mark", "price", "met"),
    [
        (stop(90), 90, True),
        (stop(90), 89, True),
        (stop(90), 91, False),
        (stop(110, above=True), 110, True),
        (stop(110, above=True), 109, False),
        (target(110), 111, True),
        (target(110), 109, False),
        (target(90, above=False), 90, True),
        (target(90, above=False), 91, False),
    ],
)
def test_a_mark_is_met_at_or_beyond_its_price(mark: Mark, price: int, met: bool) -> None:
    ear = Ear()
    ear.set(1, mark)
    assert bool(ear.at(price)) is met


def test_a_mark_is_told_once_until_it_is_asked_for_again() -> None:
    ear = Ear()
    ear.set(1, stop(90))
    assert ear.at(90) == [(1, "stop", 0)]
    assert ear.at(89) == []
    ear.set(1, stop(90), target(110))
    assert ear.at(89) == []
    ear.watch.again(1, stop(90))
    assert ear.at(90) == [(1, "stop", 0)]


def test_a_mark_that_moved_is_another_one() -> None:
    ear = Ear()
    ear.set(1, stop(90))
    ear.at(90)
    ear.set(1, stop(91))
    assert ear.at(90) == [(1, "stop", 0)]


def test_what_was_taken_out_is_not_told() -> None:
    ear = Ear()
    ear.set(1, stop(90), target(110))
    ear.set(1, target(110))
    assert ear.at(80) == []
    ear.watch.drop(1)
    assert ear.at(120) == []
    assert ear.watch.tickers() == []


def test_a_price_of_one_market_meets_nothing_of_another() -> None:
    ear = Ear()
    ear.set(1, stop(90))
    ear.set(2, stop(90), ticker=ETH)
    assert ear.at(80, ETH) == [(2, "stop", 0)]
    assert set(ear.watch.tickers()) == {BTC, ETH}


def test_stops_are_told_before_targets() -> None:
    ear = Ear()
    ear.set(1, target(100, 5))
    ear.set(2, stop(100, above=True))
    assert [kind for _, kind, _ in ear.at(100)] == ["stop", "target"]


def test_whether_an_order_rests_is_known_as_it_is_now() -> None:
    ear = Ear()
    ear.set(1, stop(90))
    ear.set(1, stop(90, on_chain=True))
    ear.at(90)
    assert ear.heard[0].mark.on_chain is True


def test_a_watch_does_not_grow_with_marks_that_move() -> None:
    ear = Ear()
    for price in range(1000, 6000):
        ear.set(1, stop(price - 1000, above=False), Mark("best", D(price), above=True))
    rows = sum(len(heap.rows) for heap in ear.watch._heaps.values())
    assert rows < 400


@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.just("set"),
                st.integers(1, 4),
                st.lists(
                    st.tuples(st.sampled_from(["stop", "target"]), st.integers(1, 20)), max_size=3
                ),
            ),
            st.tuples(st.just("drop"), st.integers(1, 4), st.just([])),
            st.tuples(st.just("price"), st.integers(1, 20), st.just([])),
        ),
        max_size=40,
    )
)
def test_the_watch_tells_exactly_what_a_plain_list_would(
    moves: list[tuple[str, int, list[tuple[str, int]]]],
) -> None:
    ear = Ear()
    plain: dict[int, dict[Mark, bool]] = {}
    for what, number, levels in moves:
        if what == "set":
            marks = [
                Mark(kind, D(price), above=kind == "target", target_id=index)  # type: ignore[arg-type]
                for index, (kind, price) in enumerate(levels)
            ]
            ear.set(number, *marks)
            before = plain.get(number, {})
            plain[number] = {mark: before.get(mark, False) for mark in marks}
        elif what == "drop":
            ear.watch.drop(number)
            plain.pop(number, None)
        else:
            expected = set()
            for position_id, known in plain.items():
                for mark, told in known.items():
                    reached = number >= mark.price if mark.above else number <= mark.price
                    if reached and not told:
                        known[mark] = True
                        expected.add((position_id, mark.kind, mark.target_id))
            found = ear.at(number)
            assert len(found) == len(set(found))
            assert set(found) == expected
