"""A stranger with a webhook's address cannot flood its trader."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from core.signals.faults import AlertFault
from core.signals.flood import FaultGroups, Told

START = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


class HandClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> dt.datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing sleeps here")


def fault(code: str = "not_json") -> AlertFault:
    return AlertFault(code, "It was not JSON.")


def test_the_first_fault_is_told_at_once_and_the_next_ones_as_a_group() -> None:
    clock = HandClock()
    groups = FaultGroups(clock)
    first, last = fault(), fault("empty")

    assert groups.add(1, first) == Told(first, 1)
    assert [groups.add(1, fault()) for _ in range(998)] == [None] * 998
    assert groups.add(1, last) is None
    assert groups.flush(clock.now() + 14 * MINUTE) == []
    assert groups.flush(clock.now() + 15 * MINUTE) == [(1, last, 999)]
    assert groups.flush(clock.now() + 16 * MINUTE) == []


def test_strategies_are_grouped_apart() -> None:
    groups = FaultGroups(HandClock())

    assert groups.add(1, fault()) is not None
    assert groups.add(2, fault()) is not None


def test_after_a_quiet_window_a_fault_is_told_at_once_again() -> None:
    clock = HandClock()
    groups = FaultGroups(clock)
    groups.add(1, fault())
    clock.time += 15 * MINUTE

    assert groups.add(1, fault()) is not None


def test_what_is_held_is_not_lost_when_a_window_ends_before_the_flush() -> None:
    clock = HandClock()
    groups = FaultGroups(clock)
    groups.add(1, fault())
    groups.add(1, fault())
    clock.time += 20 * MINUTE

    assert groups.add(1, fault()) is None
    assert [count for _, _, count in groups.flush(clock.now())] == [2]


def test_a_flood_of_a_day_makes_a_dozen_messages() -> None:
    clock = HandClock()
    groups = FaultGroups(clock)
    told = counted = 0
    for _ in range(24 * 60):
        at_once = groups.add(1, fault())
        told += at_once is not None
        counted += at_once.count if at_once else 0
        clock.time += MINUTE
        for _, _, count in groups.flush(clock.now()):
            told += 1
            counted += count

    assert told <= 12
    assert counted >= 24 * 60 - 4 * 60


def test_who_proved_himself_is_told_each_fault_up_to_ten() -> None:
    groups = FaultGroups(HandClock())
    told = [groups.add(1, fault(), proved=True) for _ in range(20)]

    assert sum(1 for one in told if one is not None) == 11


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 40)), max_size=200))
def test_memory_is_bounded_and_each_fault_is_counted_once(
    arrivals: list[tuple[int, int]],
) -> None:
    clock = HandClock()
    groups = FaultGroups(clock, max_groups=100)
    counted = 0
    for strategy_id, minutes in arrivals:
        clock.time += minutes * MINUTE
        told = groups.add(strategy_id, fault())
        counted += told.count if told else 0
        counted += sum(count for _, _, count in groups.flush(clock.now()))
    clock.time += dt.timedelta(days=1)
    counted += sum(count for _, _, count in groups.flush(clock.now()))

    assert counted == len(arrivals)


def test_more_strategies_than_there_is_room_for_drop_the_oldest_group() -> None:
    groups = FaultGroups(HandClock(), max_groups=2)
    for strategy_id in (1, 2, 3):
        groups.add(strategy_id, fault())

    assert groups.add(3, fault()) is None
    assert groups.add(1, fault()) is not None
