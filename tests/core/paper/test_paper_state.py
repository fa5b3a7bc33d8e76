"""Savepoints: what happened inside is undone, in tables and in what they say has changed."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from core.paper.state import State

KEYS = st.integers(0, 4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.integers(0, 9)),
        st.tuples(st.just("drop"), KEYS, st.just(0)),
    ),
    max_size=8,
)


class _Undone(Exception):
    pass


def work(state: State, steps: list[tuple[str, int, int]]) -> None:
    for what, key, value in steps:
        if what == "put":
            state.funding.put(key, value)
        else:
            state.funding.drop(key)


@given(before=STEPS, outer=STEPS, inner=STEPS, after=STEPS, fails=st.booleans())
def test_a_failed_savepoint_leaves_the_tables_and_their_changes_as_they_were(
    before: list[tuple[str, int, int]],
    outer: list[tuple[str, int, int]],
    inner: list[tuple[str, int, int]],
    after: list[tuple[str, int, int]],
    fails: bool,
) -> None:
    tried, plain = State(), State()
    for state in (tried, plain):
        work(state, before)
        state.publish(state.take_changes())
        work(state, before[:2])
    with suppress(_Undone), tried.savepoint():
        work(tried, outer)
        with suppress(_Undone), tried.savepoint():
            work(tried, inner)
            if fails:
                raise _Undone
        work(tried, after)
        raise _Undone
    if not fails:
        with tried.savepoint():
            work(tried, inner)
        work(plain, inner)

    assert tried.funding.working == plain.funding.working
    assert tried.take_changes() == plain.take_changes()
