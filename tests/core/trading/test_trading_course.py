"""From a decision to its orders, one after the other."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.dydx.protocol import Side
from core.signals.meaning import Effect
from core.trading.course import UNFILLED_ATTEMPTS, Course, Leg, Made, given_up, next_leg

D = Decimal
STEP = D("0.001")
OPENS, CLOSES = True, False
CLOSE = Course(Effect.CLOSE, Side.SELL, closing=D(2))
REDUCE = Course(Effect.REDUCE, Side.SELL, closing=D("0.5"))
REVERSE = Course(Effect.REVERSE, Side.SELL, closing=D(2), opening=D(1))


def test_an_entry_is_one_order_whatever_it_fills() -> None:
    course = Course(Effect.OPEN, Side.BUY, opening=D(1))
    assert next_leg(course, [], D(0), STEP) == Leg("open", Side.BUY, D(1))
    for filled in ("0", "0.4", "1"):
        assert next_leg(course, [Made(OPENS, D(filled))], D(filled), STEP) is None


def test_a_close_goes_on_with_what_is_left() -> None:
    assert next_leg(CLOSE, [], D(2), STEP) == Leg("close", Side.SELL, D(2))
    left = next_leg(CLOSE, [Made(CLOSES, D("1.5"))], D("0.5"), STEP)
    assert left == Leg("close", Side.SELL, D("0.5"))
    assert next_leg(CLOSE, [Made(CLOSES, D("1.5")), Made(CLOSES, D("0.5"))], D(0), STEP) is None


def test_a_close_takes_what_came_to_the_position_after_it_was_decided() -> None:
    assert next_leg(CLOSE, [Made(CLOSES, D(2))], D("0.3"), STEP) == Leg(
        "close", Side.SELL, D("0.3")
    )


def test_a_reduction_closes_no_more_than_it_was_to() -> None:
    assert next_leg(REDUCE, [], D(2), STEP) == Leg("reduce", Side.SELL, D("0.5"))
    left = next_leg(REDUCE, [Made(CLOSES, D("0.2"))], D("1.8"), STEP)
    assert left == Leg("reduce", Side.SELL, D("0.3"))
    assert next_leg(REDUCE, [Made(CLOSES, D("0.5"))], D("1.5"), STEP) is None


@pytest.mark.parametrize("made", [[], [Made(CLOSES, D(0))], [Made(CLOSES, D("1.2"))]])
def test_a_reversal_opens_nothing_while_something_is_left(made: list[Made]) -> None:
    left = D(2) - sum((row.filled for row in made), D(0))
    leg = next_leg(REVERSE, made, left, STEP)
    assert leg == Leg("close", Side.SELL, left)


def test_a_reversal_opens_once_it_is_flat() -> None:
    closed = [Made(CLOSES, D(2))]
    assert next_leg(REVERSE, closed, D(0), STEP) == Leg("open", Side.SELL, D(1))
    assert next_leg(REVERSE, [*closed, Made(OPENS, D(0))], D(0), STEP) is None


def test_a_reversal_that_cannot_close_opens_nothing() -> None:
    made = [Made(CLOSES, D(0))] * UNFILLED_ATTEMPTS
    assert next_leg(REVERSE, made, D(2), STEP) is None
    assert given_up(REVERSE, made, D(2), STEP)


def test_a_close_without_a_match_is_given_up_after_some_attempts() -> None:
    made = [Made(CLOSES, D(0))] * (UNFILLED_ATTEMPTS - 1)
    assert next_leg(CLOSE, made, D(2), STEP) is not None
    assert next_leg(CLOSE, [*made, Made(CLOSES, D(0))], D(2), STEP) is None
    partly = [Made(CLOSES, D("0.1")), *made]
    assert next_leg(CLOSE, partly, D("1.9"), STEP) is not None


def test_what_is_below_a_step_is_left_alone_but_for_a_first_order_that_says_so() -> None:
    crumb = D("0.0004")
    assert next_leg(CLOSE, [Made(CLOSES, D(1))], crumb, STEP) is None
    assert next_leg(CLOSE, [], crumb, STEP) == Leg("close", Side.SELL, crumb)


@given(
    held=st.decimals("-5", "5", places=3),
    fills=st.lists(st.decimals("0", "2", places=3), max_size=6),
    course=st.sampled_from([CLOSE, REDUCE, REVERSE]),
)
def test_no_order_that_closes_is_larger_than_what_is_held_or_on_its_side(
    held: Decimal, fills: list[Decimal], course: Course
) -> None:
    leg = next_leg(course, [Made(CLOSES, size) for size in fills], held, STEP)
    if leg is None:
        return
    assert leg.size > 0
    if not leg.opens:
        assert leg.size <= abs(held)
        assert (held > 0) == (leg.side is Side.SELL)
    else:
        assert held <= 0, "a reversal opened against a position that was left"


@given(st.sampled_from(list(Effect)), st.sampled_from(list(Side)), st.decimals("0", "9", places=6))
def test_a_course_comes_back_from_the_ledger_as_it_was(
    effect: Effect, side: Side, size: Decimal
) -> None:
    course = Course(effect, side, size, size / 2)
    assert Course.from_json(course.to_json()) == course


def test_a_share_is_closed_by_what_the_chain_holds_first_and_then_against_the_others() -> None:
    first = next_leg(CLOSE, [], D(2), STEP, reducible=D("1.5"))
    assert first == Leg("close", Side.SELL, D("1.5"))
    assert first.reduce_only
    rest = next_leg(CLOSE, [Made(CLOSES, D("1.5"))], D("0.5"), STEP, reducible=D(0))
    assert rest == Leg("close", Side.SELL, D("0.5"), against_others=True)
    assert not rest.reduce_only
    assert not rest.opens


def test_an_order_that_rests_is_not_followed_by_another() -> None:
    """A stop that is to reduce a position did it once more for every look at it."""
    resting = Made(CLOSES, D(0), rests=True)
    assert next_leg(REDUCE, [resting], D(2), STEP) is None
    assert next_leg(CLOSE, [resting], D(2), STEP) is None
    assert next_leg(REDUCE, [Made(CLOSES, D(0))], D(2), STEP) is not None
