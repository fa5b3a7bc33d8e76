"""Short days of the simulation: with faults and crashes, and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sim import soak
from tests.sim.day import Shape

pytestmark = [
    pytest.mark.timeout(600),
    # what a machine was doing when it died is never finished
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ROUGH = Shape(episodes=4, alerts=18, faults=9, crashes=2)
CALM = Shape(episodes=3, alerts=13, faults=0, crashes=0, wild=False)


@pytest.mark.parametrize("seed", [1, 2])
def test_after_faults_and_crashes_everything_comes_right(shop: Path, seed: int) -> None:
    outcome = soak.live(seed, shop, shape=ROUGH)

    assert outcome.violations == []
    assert outcome.counts["crashes"] >= ROUGH.crashes
    assert outcome.counts["alerts"] >= ROUGH.alerts
    assert outcome.counts["fills"] > 0


def test_a_day_without_faults_brings_no_alarm_and_no_late_stop(shop: Path) -> None:
    outcome = soak.live(5, shop, shape=CALM)

    assert outcome.violations == []
    assert outcome.counts["alarms"] == 0
    assert outcome.counts["fills"] > 0


def test_a_seed_brings_the_same_day_each_time(shop: Path) -> None:
    short = Shape(episodes=1, alerts=6, faults=3, crashes=1)

    first, again = (soak.live(3, shop, shape=short) for _ in range(2))

    assert first.counts == again.counts
    assert first.seconds == again.seconds
