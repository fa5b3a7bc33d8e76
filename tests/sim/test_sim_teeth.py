"""The judge finds defects that are switched on; the soak tries all of them, this test some."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sim import soak
from tests.sim.day import Shape
from tests.sim.defects import DEFECTS, switched_on

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
SHORT = Shape(episodes=2, alerts=10, faults=4, crashes=1)
DAYS = 20


def test_there_are_at_least_ten_defects() -> None:
    assert len(DEFECTS) >= 10


@pytest.mark.parametrize("name", ["no_dedupe", "stop_not_placed", "fills_booked_twice"])
def test_a_defect_is_found_within_twenty_days(shop: Path, name: str) -> None:
    with switched_on(name):
        found = next(
            (
                outcome.violations
                for seed in range(1, DAYS + 1)
                if (outcome := soak.live(seed, shop, shape=SHORT)).violations
            ),
            [],
        )

    assert found
