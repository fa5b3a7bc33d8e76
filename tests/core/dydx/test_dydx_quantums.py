"""Market mathematics against the definition, with no amount too odd."""

from __future__ import annotations

from decimal import Decimal, getcontext, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.dydx.protocol import Side
from core.dydx.quantums import Scale, market_limit
from tests.core.dydx.dydx_kit import BTC, ETH, LINK, SCALES, SOL, recording

D = Decimal
scales = st.one_of(
    st.sampled_from(SCALES),
    st.builds(
        Scale,
        st.integers(-12, 3),
        st.integers(-9, -5),
        st.sampled_from([1, 10, 1_000_000, 10**9]),
        st.sampled_from([1, 100, 1_000_000]),
    ),
)
amounts = st.decimals("0", "1e12", allow_nan=False, allow_infinity=False, places=15)


@pytest.mark.parametrize(
    ("scale", "tick", "step"),
    [(BTC, "1", "0.0001"), (ETH, "0.1", "0.001"), (SOL, "0.01", "0.1"), (LINK, "0.001", "1")],
)
def test_tick_and_step_follow_from_the_scale(scale: Scale, tick: str, step: str) -> None:
    assert (scale.tick_size, scale.step_size) == (D(tick), D(step))


def test_tick_and_step_are_those_that_the_indexer_shows_for_every_market() -> None:
    compared = 0
    for line in recording("ws"):
        message = line["message"]
        if not isinstance(message, dict) or message.get("type") != "subscribed":
            continue
        if message.get("channel") != "v4_markets":
            continue
        for row in message["contents"]["markets"].values():
            scale = Scale(
                row["atomicResolution"],
                row["quantumConversionExponent"],
                row["stepBaseQuantums"],
                row["subticksPerTick"],
            )
            assert scale.tick_size == D(row["tickSize"])
            assert scale.step_size == D(row["stepSize"])
            compared += 1
    assert compared > 30


@given(scales, amounts)
def test_a_size_becomes_the_largest_number_of_steps_within_it(scale: Scale, size: Decimal) -> None:
    quantums = scale.quantums_down(size)

    exact = Fraction(size) / Fraction(10) ** scale.atomic_resolution
    assert quantums % scale.step_base_quantums == 0
    assert quantums <= exact < quantums + scale.step_base_quantums


@given(scales, st.integers(0, 10**18))
def test_a_size_of_whole_steps_comes_back_unchanged(scale: Scale, steps: int) -> None:
    quantums = steps * scale.step_base_quantums

    assert scale.quantums_down(scale.size_of(quantums)) == quantums
    assert scale.size_of(-quantums) == -scale.size_of(quantums)


@given(scales, amounts.filter(bool), st.sampled_from(Side))
def test_a_protective_price_is_rounded_away_to_a_whole_tick(
    scale: Scale, price: Decimal, side: Side
) -> None:
    subticks = scale.subticks_away(price, side)

    tick = Fraction(scale.tick_size)
    rounded = Fraction(scale.price_of(subticks))
    assert subticks % scale.subticks_per_tick == 0
    assert subticks > 0
    if side is Side.BUY:
        assert Fraction(price) <= rounded < Fraction(price) + tick or rounded == tick
    else:
        assert Fraction(price) - tick < rounded <= Fraction(price) or rounded == tick


@given(scales, st.integers(1, 10**15), st.integers(1, 10**15))
def test_the_worth_of_a_fill_is_rounded_down_as_on_chain(
    scale: Scale, quantums: int, subticks: int
) -> None:
    exact = Fraction(quantums * subticks) * Fraction(10) ** scale.quantum_conversion_exponent

    assert scale.quote_quantums(quantums, subticks) == exact.__floor__()


@given(amounts.filter(bool), st.integers(0, 9_999), st.sampled_from(Side))
def test_the_limit_of_a_market_order_is_never_tighter_than_the_slippage(
    oracle: Decimal, bps: int, side: Side
) -> None:
    limit = Fraction(ETH.price_of(market_limit(side, oracle, bps, ETH)))

    bound = Fraction(oracle) * (10_000 + side.sign * bps) / 10_000
    if side is Side.BUY:
        assert limit >= bound
    else:
        assert limit <= bound or limit == Fraction(ETH.tick_size)


@pytest.mark.parametrize("price", ["0", "-1"])
def test_there_is_no_limit_without_a_price(price: str) -> None:
    with pytest.raises(ValueError, match="not positive"):
        market_limit(Side.BUY, D(price), 100, ETH)


def test_the_precision_of_the_caller_does_not_matter() -> None:
    size, price = D("123456789.123456789"), D("1234567.891")
    before = ETH.quantums_down(size), market_limit(Side.BUY, price, 123, ETH)
    with localcontext() as context:
        context.prec = 3
        assert getcontext().prec == 3
        assert (ETH.quantums_down(size), market_limit(Side.BUY, price, 123, ETH)) == before
