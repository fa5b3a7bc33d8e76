"""Nonces against the rule by which the chain takes them."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.dydx.nonces import (
    NONCE_FLOOR,
    Nonces,
    NoncesFull,
    SequenceNeeded,
    is_nonce,
    milliseconds,
    nonce_dead,
)

START = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)


def later(seconds: float) -> dt.datetime:
    return START + dt.timedelta(seconds=seconds)


class ChainRule:
    """How the chain judges a nonce: near the block's time, new, and among the twenty highest."""

    def __init__(self) -> None:
        self.kept: list[int] = []
        self.forgotten = 0

    def takes(self, nonce: int, block_time: dt.datetime) -> bool:
        block_ms = milliseconds(block_time)
        if abs(nonce - block_ms) > 30_000:
            return False
        stale = [kept for kept in self.kept if kept < block_ms - 30_000]
        self.forgotten = max([self.forgotten, *stale])
        self.kept = [kept for kept in self.kept if kept not in stale]
        if nonce <= self.forgotten or nonce in self.kept:
            return False
        if len(self.kept) == 20:
            smallest = min(self.kept)
            if nonce <= smallest:
                return False
            self.kept.remove(smallest)
            self.forgotten = smallest
        self.kept.append(nonce)
        return True


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("block"), st.integers(100, 4_000)),
        st.tuples(st.just("take"), st.integers(1, 6)),
        st.tuples(st.just("deliver"), st.integers(0, 30)),
        st.tuples(st.just("refuse"), st.integers(0, 30)),
    ),
    max_size=120,
)


@given(actions=ACTIONS, skew_s=st.sampled_from([0.0, -3_600.0, -2.0, 2.0, 3_600.0]))
def test_whatever_arrives_in_time_in_whatever_order_is_taken_by_the_chain(
    actions: list[tuple[str, int]], skew_s: float
) -> None:
    nonces, chain, time = Nonces(), ChainRule(), START
    waiting: list[int] = []
    seen: set[int] = set()
    for action, number in actions:
        if action == "block":
            time += dt.timedelta(milliseconds=number)
        elif action == "take":
            for _ in range(number):
                try:
                    nonce = nonces.take(
                        now=time + dt.timedelta(seconds=skew_s), block_time=time, block_age_s=0.4
                    )
                except NoncesFull:
                    break
                assert nonce not in seen
                assert nonce > max(seen, default=0)
                seen.add(nonce)
                waiting.append(nonce)
        elif waiting:
            nonce = waiting.pop(number % len(waiting))
            if action == "refuse":
                nonces.refused(nonce)
            elif not nonce_dead(nonce, time):
                assert chain.takes(nonce, time)
                nonces.decided(nonce)


@example(offset=-30_000)
@example(offset=-30_001)
@given(offset=st.integers(-40_000, 40_000))
def test_a_nonce_is_called_dead_exactly_when_no_later_block_can_take_it(offset: int) -> None:
    nonce = milliseconds(START) + offset
    blocks = [START + dt.timedelta(milliseconds=step) for step in range(0, 80_000, 500)]
    takes_it = any(ChainRule().takes(nonce, block) for block in blocks)

    assert nonce_dead(nonce, START) is not takes_it


def test_an_urgent_one_passes_when_the_chain_has_to_forget_another_for_it() -> None:
    nonces = Nonces()
    taken = [nonces.take(now=START, block_time=START) for _ in range(20)]

    with pytest.raises(NoncesFull) as full:
        nonces.take(now=START, block_time=START)
    urgent = nonces.take(now=START, block_time=START, urgent=True)

    assert full.value.free_at > START
    assert urgent > taken[-1]
    assert nonce_dead(taken[0], full.value.free_at)
    nonces.decided(taken[1])
    assert nonces.take(now=START, block_time=START) > urgent


@pytest.mark.parametrize(
    ("now", "age_s", "sequence"),
    [
        (later(19), None, False),
        (later(21), None, True),
        # The machine's clock is wrong; how long ago the block came is not.
        (later(3_600), 1.0, False),
        (later(1), 21.0, True),
    ],
)
def test_once_the_chain_stands_the_ordinary_sequence_is_used(
    now: dt.datetime, age_s: float | None, sequence: bool
) -> None:
    nonces = Nonces()
    if sequence:
        with pytest.raises(SequenceNeeded):
            nonces.take(now=now, block_time=START, block_age_s=age_s)

    made = nonces.take(now=now, block_time=START, block_age_s=age_s, committed_sequence=5)

    assert is_nonce(made) is not sequence
    if sequence:
        assert made == 5


def test_sequences_in_flight_are_counted_and_refused_ones_given_out_again() -> None:
    nonces = Nonces()

    def take(committed: int) -> int:
        return nonces.take(now=later(60), block_time=START, committed_sequence=committed)

    assert [take(7), take(7), take(7)] == [7, 8, 9]
    nonces.refused(9)
    assert take(7) == 9
    assert take(9) == 10
    assert take(12) == 12
    assert nonce_dead(7, START, 8)
    assert not nonce_dead(8, START, 8)
    assert not nonce_dead(8, later(10**6))


def test_after_a_rejection_the_next_one_keeps_a_distance_to_what_others_use() -> None:
    nonces = Nonces()
    first = nonces.take(now=START, block_time=START)
    nonces.refused(first, rejected=True)

    assert nonces.take(now=START, block_time=START) >= first + 5_000


def test_rejections_never_lead_out_of_the_window() -> None:
    nonces = Nonces()
    for _ in range(20):
        try:
            nonce = nonces.take(now=START, block_time=START)
        except NoncesFull:
            break
        assert nonce - milliseconds(START) <= 30_000
        nonces.refused(nonce, rejected=True)
    else:
        pytest.fail("the window was left")


def test_after_a_restart_no_number_is_used_again() -> None:
    before = Nonces()
    used = [before.take(now=START, block_time=START) for _ in range(20)]
    after = Nonces([*used[:10], 3])
    after.restore([*used[5:], 4])

    with pytest.raises(NoncesFull):
        after.take(now=START, block_time=START)
    after.decided(used[0])
    assert after.take(now=START, block_time=START) > used[-1]
    assert after.take(now=later(60), block_time=START, committed_sequence=3) == 5


def test_a_nonce_is_told_from_a_sequence_by_its_size() -> None:
    assert not is_nonce(NONCE_FLOOR - 1)
    assert is_nonce(NONCE_FLOOR)
