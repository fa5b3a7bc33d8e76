"""What was refused waits longer each time, and no longer than its bound."""

from __future__ import annotations

from core.clock import SystemClock
from core.trading.patience import Patience


class Hands(SystemClock):
    """A clock whose hands are moved."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


def wait_of(patience: Patience, clock: Hands, key: object) -> float:
    """Seconds until it may be tried again; the clock stands there then."""
    begun = clock.now_s
    while not patience.is_over(key):
        clock.now_s += 0.5
    return clock.now_s - begun


def test_each_refusal_doubles_the_wait_up_to_its_bound() -> None:
    clock = Hands()
    patience, waits = Patience(clock), []
    for _ in range(5):
        patience.note("stop", refused=True, longest_s=8.0)
        waits.append(wait_of(patience, clock, "stop"))
    assert waits == [2.0, 4.0, 8.0, 8.0, 8.0]


def test_what_was_taken_or_is_not_wanted_any_more_begins_anew() -> None:
    clock = Hands()
    patience = Patience(clock)
    for key in ("taken", "unwanted", "wanted"):
        for _ in range(2):
            patience.note(key, refused=True, longest_s=30.0)
    patience.note("taken", refused=False, longest_s=30.0)
    assert patience.is_over("taken")
    patience.keep({"wanted"})
    assert patience.is_over("unwanted")
    assert not patience.is_over("wanted")
    patience.note("taken", refused=True, longest_s=30.0)
    assert wait_of(patience, clock, "taken") == 2.0
