"""Orders that wait for a price or a time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.paper.happenings import OrderKey, SubaccountKey
from core.paper.waiting import Waiting


def key(number: int) -> OrderKey:
    return OrderKey(SubaccountKey("dydx1", 0), number, 32, 2)


STEPS = st.lists(
    st.tuples(st.sampled_from(["push", "cancel", "take"]), st.integers(0, 9), st.integers(0, 30)),
    max_size=200,
)


@given(STEPS)
def test_what_is_due_and_alive_is_taken_once_and_nothing_else(
    steps: list[tuple[str, int, int]],
) -> None:
    alive: dict[OrderKey, int] = {}
    waiting = Waiting(lambda one, due: alive.get(one) == due)
    for what, number, due in steps:
        if what == "push":
            alive[key(number)] = due
            waiting.push(due, key(number))
        elif what == "cancel":
            alive.pop(key(number), None)
        else:
            expected = {one for one, at in alive.items() if at <= due}
            taken = waiting.take(due)
            assert (set(taken), len(taken)) == (expected, len(expected))
            for one in taken:
                del alive[one]


def test_a_price_that_reaches_nobody_looks_at_no_order() -> None:
    asked: list[int] = []

    def alive(one: OrderKey, due: int) -> bool:
        asked.append(due)
        return True

    waiting = Waiting(alive)
    for number in range(60):
        waiting.push(1_000 + number, key(number))

    assert waiting.take(999) == []
    assert asked == []


def test_orders_that_are_gone_do_not_pile_up() -> None:
    alive = {key(1): 500}
    waiting = Waiting(lambda one, due: alive.get(one) == due)
    waiting.push(500, key(1))
    for number in range(10_000):
        waiting.push(1_000, key(2 + number))

    assert len(waiting) < 200
    assert waiting.take(600) == [key(1)]
