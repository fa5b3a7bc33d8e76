"""Where the stop stands."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.signals.alert import Level
from core.trading.trailing import (
    Stop,
    beyond,
    chain_step,
    in_force,
    next_best,
    trailing_price,
    worth_moving,
)

D = Decimal
ONE = D(1)


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        pytest.param(Stop(True), None, id="none"),
        pytest.param(Stop(True, fixed=D(90)), 90, id="as given"),
        pytest.param(Stop(True, fixed=D(90), even=D(100)), 100, id="break-even is better"),
        pytest.param(Stop(True, fixed=D(105), even=D(100)), 105, id="never moved back"),
        pytest.param(
            Stop(True, fixed=D(90), best=D(120), distance=Level(percent=D(10))), 108, id="trails"
        ),
        pytest.param(
            Stop(True, fixed=D(90), best=D(95), distance=Level(offset=D(10))), 90, id="not behind"
        ),
        pytest.param(
            Stop(False, fixed=D(110), best=D(80), distance=Level(percent=D(10))), 88, id="a short"
        ),
        pytest.param(Stop(False, fixed=D(110), even=D(100)), 100, id="a short's break-even"),
        pytest.param(
            Stop(True, best=None, distance=Level(percent=D(10))), None, id="not activated yet"
        ),
    ],
)
def test_the_stop_that_limits_the_loss_most_is_in_force(stop: Stop, expected: int | None) -> None:
    assert in_force(stop, ONE) == (None if expected is None else D(expected))


@pytest.mark.parametrize(
    ("long", "level", "expected"),
    [
        (True, None, "101"),
        (False, None, "100"),
        (True, Level(percent=D(1)), "102"),
        (False, Level(offset=D(5)), "95"),
        (True, Level(price=D(103)), "103"),
    ],
)
def test_break_even_is_rounded_to_the_winning_side(
    long: bool, level: Level | None, expected: str
) -> None:
    assert beyond(D("100.5"), level, long=long, tick=ONE) == D(expected)


@pytest.mark.parametrize(
    ("room", "expected"), [(18, "1"), (40, "1"), (9, "2"), (1, "18"), (0, None), (-3, None)]
)
def test_steps_on_chain_grow_as_placements_run_out(room: int, expected: str | None) -> None:
    assert chain_step(D(10), room, D("0.1")) == (None if expected is None else D(expected))


@pytest.mark.parametrize(
    ("wanted", "step", "long", "expected"),
    [
        ("101", "1", True, True),
        ("100.5", "1", True, False),
        ("99", "1", True, False),
        ("99", "1", False, True),
        ("105", None, True, False),
    ],
)
def test_an_order_follows_only_forward_and_only_by_whole_steps(
    wanted: str, step: str | None, long: bool, expected: bool
) -> None:
    moved = worth_moving(D(100), D(wanted), None if step is None else D(step), long=long)
    assert moved is expected


def test_a_distance_of_all_of_the_price_is_no_stop() -> None:
    assert trailing_price(D(5), Level(offset=D(6)), long=True, tick=ONE) is None


@given(
    st.booleans(),
    st.lists(st.integers(50, 200), min_size=1, max_size=30),
    st.integers(1, 20),
)
def test_a_trailing_stop_never_moves_back_and_keeps_its_distance(
    long: bool, prices: list[int], percent: int
) -> None:
    distance = Level(percent=D(percent))
    best = D(prices[0])
    last: Decimal | None = None
    for price in prices:
        better = price > best if long else price < best
        best = D(price) if better else best
        stop = in_force(Stop(long, best=best, distance=distance), D("0.01"))
        assert stop is not None
        if last is not None:
            assert stop >= last if long else stop <= last
        last = stop
        assert abs(best - stop) <= best * percent / 100 + D("0.01")
        following = next_best(best, distance, long=long, tick=D("0.01"))
        assert following > best if long else following < best
