"""How much each level of a ladder closes."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.trading.ladder import Rung, apportion, fractions, spread

D = Decimal
STEP = D("0.01")


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ([None], ["1"]),
        ([None, None], ["0.5", "0.5"]),
        (["0.5", None], ["0.5", "0.5"]),
        (["0.2", None, None], ["0.2", "0.4", "0.4"]),
        (["0.5", "0.25"], ["0.5", "0.25"]),
        (["0.8", "0.8"], ["0.8", "0.2"]),
        ([], []),
    ],
)
def test_levels_without_a_share_take_what_the_others_leave(
    given_: list[str | None], expected: list[str]
) -> None:
    assert fractions([None if one is None else D(one) for one in given_]) == [
        D(one) for one in expected
    ]


def test_three_equal_parts_are_the_whole() -> None:
    assert sum(fractions([None, None, None])) == 1


@pytest.mark.parametrize(
    ("size", "shares", "expected"),
    [
        pytest.param("1.00", ["0.5", "0.5"], ["0.50", "0.50"], id="even"),
        pytest.param(
            "0.10", ["0.25"] * 4, ["0.02", "0.02", "0.02", "0.04"], id="the last takes the rest"
        ),
        pytest.param(
            "0.03", ["0.25"] * 4, ["0", "0.01", "0", "0.02"], id="below a step: into the next"
        ),
        pytest.param("0.01", ["0.5", "0.5"], ["0", "0.01"], id="one step: the last closes it"),
        pytest.param("1.00", ["0.25", "0.25"], ["0.25", "0.25"], id="the rest has no target"),
        pytest.param("0.01", ["0.5"], ["0"], id="half a step is nothing to close"),
        pytest.param("0.05", [], [], id="no target"),
    ],
)
def test_a_position_is_split_into_whole_steps(
    size: str, shares: list[str], expected: list[str]
) -> None:
    found = apportion(D(size), [Fraction(share) for share in shares], STEP)
    assert found == [D(one) for one in expected]


def test_a_reduced_position_keeps_the_proportions_of_what_is_left() -> None:
    rungs = [Rung(D("0.25"), D("0.25")), Rung(D("0.5"), D("0.50"))]
    assert spread(D("0.60"), rungs, D("0.25"), STEP) == [D("0.20"), D("0.40")]


def test_a_level_half_filled_wants_only_its_other_half() -> None:
    rungs = [Rung(D("0.5"), D("0.50"), filled=D("0.25")), Rung(D("0.5"), D("0.50"))]
    assert spread(D("0.75"), rungs, D(0), STEP) == [D("0.25"), D("0.50")]


@given(
    st.integers(1, 100_000),
    st.lists(st.integers(1, 100), min_size=1, max_size=8),
)
def test_a_whole_ladder_always_closes_exactly_the_position(steps: int, weights: list[int]) -> None:
    size = steps * STEP
    shares = [Fraction(weight, sum(weights)) for weight in weights]
    found = apportion(size, shares, STEP)
    assert sum(found) == size
    assert all(one >= 0 and one % STEP == 0 for one in found)


@given(
    st.integers(1, 10_000),
    st.lists(st.integers(1, 100), min_size=1, max_size=6),
    st.integers(100, 600),
)
def test_a_ladder_never_closes_more_than_its_share(
    steps: int, weights: list[int], whole: int
) -> None:
    shares = [Fraction(weight, max(whole, sum(weights))) for weight in weights]
    found = apportion(steps * STEP, shares, STEP)
    assert sum(found) <= steps * STEP * Decimal(sum(weights)) / max(whole, sum(weights)) + STEP
    assert sum(found) <= steps * STEP
    assert all(one >= 0 for one in found)


@given(
    st.integers(1, 5_000),
    st.lists(st.sampled_from([D("0.1"), D("0.2"), D("0.25")]), min_size=1, max_size=4),
    st.integers(0, 5_000),
)
def test_targets_that_fill_one_after_the_other_close_all_that_they_may(
    steps: int, shares: list[Decimal], change: int
) -> None:
    """Whatever the position becomes meanwhile, the ladder never wants more than there is."""
    size = steps * STEP
    sizes = apportion(size, [Fraction(share) for share in shares], STEP)
    done = D(0)
    rungs = [Rung(share, part) for share, part in zip(shares, sizes, strict=True)]
    while rungs:
        filled = rungs.pop(0)
        size = max(size - filled.size, D(0))
        done += filled.fraction
        size += change * STEP
        left = spread(size, rungs, done, STEP)
        assert sum(left) <= size
        rungs = [Rung(row.fraction, part) for row, part in zip(rungs, left, strict=True)]
