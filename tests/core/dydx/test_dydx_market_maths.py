"""Our market mathematics against exact rational arithmetic, over random markets and orders."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from core.dydx.orders import (
    OrderDraft,
    PriceTooSmall,
    SizeTooSmall,
    TwapTerms,
    limit_draft,
    market_draft,
    stop_limit_draft,
    stop_market_draft,
    take_profit_limit_draft,
    take_profit_market_draft,
    twap_draft,
)
from core.dydx.protocol import ConditionType, Side
from core.dydx.quantums import Scale
from tests.core.dydx.dydx_kit import SCALES, market

ADDRESS = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz"
UINT64 = 2**64
END = 1_800_000_000
TERMS = TwapTerms(300, 30, 10_000)


@st.composite
def scales(draw: Any) -> Scale:
    """Markets such as governance makes them: powers of ten, and ones that are not."""
    return Scale(
        atomic_resolution=draw(st.integers(-12, 4)),
        quantum_conversion_exponent=draw(st.integers(-12, 0)),
        step_base_quantums=draw(
            st.one_of(st.integers(0, 10).map(lambda n: 10**n), st.integers(1, 10**6))
        ),
        subticks_per_tick=draw(
            st.one_of(st.integers(0, 9).map(lambda n: 10**n), st.integers(1, 10**6))
        ),
    )


def just_below(whole: int, exponent: int, digits: int) -> Decimal:
    """A number that any rounding to less than `digits` digits would raise to the next whole one."""
    with localcontext(Context(prec=120)):
        return (whole - Decimal(1).scaleb(-digits)).scaleb(exponent)


# As people and TradingView write numbers: few digits or very many, tiny and huge.
AMOUNTS = st.one_of(
    st.builds(just_below, st.integers(1, 10**6), st.integers(-12, 4), st.integers(1, 40)),
    st.decimals("0", "1e9", allow_nan=False, places=4),
    st.decimals("0", "1", allow_nan=False, places=18),
    st.builds(lambda n, e: Decimal(n).scaleb(e), st.integers(0, 10**28), st.integers(-30, 8)),
)

ORDERS = st.fixed_dictionaries(
    {
        "side": st.sampled_from(Side),
        "size": AMOUNTS,
        "price": AMOUNTS,
        "trigger_price": AMOUNTS,
        "slippage_bps": st.integers(0, 9_999),
        "kind": st.sampled_from(
            ["market", "limit", "stop", "stop_limit", "take_profit", "take_profit_limit", "twap"]
        ),
        "taker_ppm": st.integers(-500, 1_000),
    }
)


# Exact values of a market, from the definitions.


def step_of(scale: Scale) -> Fraction:
    return scale.step_base_quantums * Fraction(10) ** scale.atomic_resolution


def tick_of(scale: Scale) -> Fraction:
    exponent = scale.quantum_conversion_exponent - 6 - scale.atomic_resolution
    return scale.subticks_per_tick * Fraction(10) ** exponent


def size_of(scale: Scale, quantums: int) -> Fraction:
    return quantums * Fraction(10) ** scale.atomic_resolution


def price_of(scale: Scale, subticks: int) -> Fraction:
    exponent = scale.quantum_conversion_exponent - 6 - scale.atomic_resolution
    return subticks * Fraction(10) ** exponent


def drafted(scale: Scale, order: dict[str, Any]) -> OrderDraft:
    where: Any = {
        "address": ADDRESS,
        "number": 0,
        "client_id": 1,
        "market": market(scale, order["price"]),
        "side": order["side"],
        "size": order["size"],
    }
    price, trigger, slippage = order["price"], order["trigger_price"], order["slippage_bps"]
    match order["kind"]:
        case "market":
            return market_draft(**where, slippage_bps=slippage, height=5)
        case "limit":
            return limit_draft(**where, price=price, height=5)
        case "twap":
            return twap_draft(**where, price=price, terms=TERMS, good_til_block_time=END)
        case "stop" | "take_profit" as kind:
            make = stop_market_draft if kind == "stop" else take_profit_market_draft
            return make(
                **where, trigger_price=trigger, slippage_bps=slippage, good_til_block_time=END
            )
        case kind:
            limited = stop_limit_draft if kind == "stop_limit" else take_profit_limit_draft
            return limited(**where, trigger_price=trigger, price=price, good_til_block_time=END)


def refused_rightly(scale: Scale, order: dict[str, Any], error: ValueError) -> None:
    """An order is turned away only where no valid one exists."""
    size, price = Fraction(order["size"]), Fraction(order["price"])
    trigger = Fraction(order["trigger_price"])
    parts = TERMS.parts if order["kind"] == "twap" else 1
    named = [
        *([price] if order["kind"] in ("limit", "stop_limit", "take_profit_limit", "twap") else []),
        *([trigger] if "stop" in order["kind"] or "take" in order["kind"] else []),
    ]
    if isinstance(error, SizeTooSmall):
        assert size < step_of(scale) * parts
    elif isinstance(error, PriceTooSmall):
        assert order["side"] is Side.BUY
        assert min(named) < tick_of(scale)
    elif "oracle price" in str(error):
        assert order["kind"] == "market"
        assert price == 0
    elif "positive number" in str(error):
        assert min(named) == 0
    else:
        assert "large" in str(error) or "size" in str(error) or "trigger" in str(error)
        highest = max(price, trigger) * 2
        assert size >= size_of(scale, UINT64) or highest >= price_of(scale, UINT64)


@settings(max_examples=200)
@given(scale=st.one_of(scales(), st.sampled_from(SCALES)), orders=st.lists(ORDERS, max_size=8))
def test_no_size_is_rounded_up_no_price_is_on_the_wrong_side_no_order_is_undersized(
    scale: Scale, orders: list[dict[str, Any]]
) -> None:
    asked = sent = Fraction(0)
    for order in orders:
        try:
            draft = drafted(scale, order)
        except ValueError as error:
            refused_rightly(scale, order, error)
            continue
        check_size(scale, order, draft)
        check_prices(scale, order, draft)
        check_worth(scale, order, draft)
        sign = order["side"].sign
        asked += abs(sign * Fraction(order["size"]))
        sent += abs(sign * size_of(scale, draft.quantums))
    assert asked - len(orders) * step_of(scale) <= sent <= asked


def check_size(scale: Scale, order: dict[str, Any], draft: OrderDraft) -> None:
    size = size_of(scale, draft.quantums)
    parts = draft.twap.parts if draft.twap else 1
    assert draft.quantums % scale.step_base_quantums == 0
    assert draft.quantums // parts >= scale.step_base_quantums
    assert Fraction(order["size"]) - step_of(scale) < size <= Fraction(order["size"])
    assert Fraction(scale.size_of(draft.quantums)) == size
    assert Fraction(scale.step_size) == step_of(scale)


def check_prices(scale: Scale, order: dict[str, Any], draft: OrderDraft) -> None:
    tick, price = tick_of(scale), price_of(scale, draft.subticks)
    assert draft.subticks % scale.subticks_per_tick == 0
    assert draft.subticks > 0
    assert Fraction(scale.price_of(draft.subticks)) == price
    assert Fraction(scale.tick_size) == tick
    if draft.condition_type is ConditionType.NONE:
        assert draft.trigger_subticks == 0
    else:
        trigger = price_of(scale, draft.trigger_subticks)
        assert draft.trigger_subticks % scale.subticks_per_tick == 0
        check_kept(order["side"], Fraction(order["trigger_price"]), trigger, tick)
    if order["kind"] in ("market", "stop", "take_profit"):
        reference = (
            Fraction(order["price"])
            if order["kind"] == "market"
            else price_of(scale, draft.trigger_subticks)
        )
        bound = reference * (10_000 + order["side"].sign * order["slippage_bps"]) / 10_000
        if order["side"] is Side.BUY:
            assert bound <= price < bound + tick
        else:
            assert bound - tick < price <= bound or (price == tick and bound < tick)
    else:
        check_kept(order["side"], Fraction(order["price"]), price, tick)


def check_kept(side: Side, named: Fraction, made: Fraction, tick: Fraction) -> None:
    """A price that a trader named is never passed, and missed by less than a tick."""
    if side is Side.BUY:
        assert named - tick < made <= named
    else:
        assert named <= made < named + tick


def check_worth(scale: Scale, order: dict[str, Any], draft: OrderDraft) -> None:
    exact = size_of(scale, draft.quantums) * price_of(scale, draft.subticks) * 10**6
    worth = scale.quote_quantums(draft.quantums, draft.subticks)
    assert worth <= exact < worth + 1
    fee = scale.fee_quantums(worth, order["taker_ppm"])
    exact_fee = Fraction(worth * order["taker_ppm"], 10**6)
    assert exact_fee <= fee < exact_fee + 1
