"""Our checks before signing against the stateless checks of the paper network's node."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from core.dydx.drafts import (
    BatchCancelDraft,
    CancelDraft,
    Draft,
    OrderDraft,
    TransferDraft,
    TwapTerms,
)
from core.dydx.protocol import ConditionType, OrderFlags, Side, TimeInForce
from core.dydx.signing import message_of
from core.paper.refusals import Refused
from core.paper.stateless import check_message

ADDRESS = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz"
KINDS = [OrderFlags.SHORT_TERM, OrderFlags.CONDITIONAL, OrderFlags.LONG_TERM, OrderFlags.TWAP]

TERMS = st.builds(
    TwapTerms,
    duration_s=st.sampled_from([0, 299, 300, 330, 3_600, 86_400, 86_430]),
    interval_s=st.sampled_from([0, 29, 30, 60, 3_600, 3_630]),
    price_tolerance_ppm=st.sampled_from([0, 10_000, 999_999, 1_000_000]),
)
CHANGES: dict[str, st.SearchStrategy[Any]] = {
    "address": st.sampled_from(["", "dydx1other", ADDRESS[:-1] + "q"]),
    "number": st.sampled_from([128_000, 128_001]),
    "quantums": st.sampled_from([0, 1]),
    "subticks": st.sampled_from([0, 1]),
    "reduce_only": st.booleans(),
    "time_in_force": st.sampled_from(TimeInForce),
    "condition_type": st.sampled_from(ConditionType),
    "trigger_subticks": st.sampled_from([0, 1]),
    "end": st.sampled_from([0, 1]),
    "twap": st.none() | TERMS,
}


@st.composite
def orders(draw: Any) -> OrderDraft:
    """Orders that are right but for a few fields."""
    flags = draw(st.sampled_from(KINDS))
    conditional, twap = flags is OrderFlags.CONDITIONAL, flags is OrderFlags.TWAP
    immediate = flags in (OrderFlags.SHORT_TERM, OrderFlags.CONDITIONAL)
    draft = OrderDraft(
        address=ADDRESS,
        number=0,
        client_id=1,
        clob_pair_id=1,
        side=draw(st.sampled_from(Side)),
        quantums=5,
        subticks=0 if twap else 5,
        order_flags=flags,
        time_in_force=TimeInForce.IOC if immediate else TimeInForce.UNSPECIFIED,
        reduce_only=immediate and draw(st.booleans()),
        condition_type=ConditionType.STOP_LOSS if conditional else ConditionType.NONE,
        trigger_subticks=5 if conditional else 0,
        twap=TwapTerms(300, 30, 0) if twap else None,
    )
    changes = {
        name: draw(CHANGES[name])
        for name in draw(st.lists(st.sampled_from(sorted(CHANGES)), max_size=3))
    }
    end = changes.pop("end", 7)
    ends: dict[str, Any] = {"good_til_block_time" if flags.stateful else "good_til_block": end}
    # The chain does not look at terms that do not belong to an order; here they are refused.
    if not twap:
        changes.pop("twap", None)
    return replace(draft, **changes, **ends)


@st.composite
def cancels(draw: Any) -> CancelDraft:
    flags = draw(st.sampled_from(KINDS))
    end = draw(st.sampled_from([0, 7]))
    return CancelDraft(
        address=draw(st.sampled_from([ADDRESS, "dydx1other"])),
        number=draw(st.sampled_from([0, 128_001])),
        client_id=1,
        clob_pair_id=1,
        order_flags=flags,
        good_til_block=None if flags.stateful else end,
        good_til_block_time=end if flags.stateful else None,
    )


BATCHES = st.builds(
    BatchCancelDraft,
    address=st.sampled_from([ADDRESS, "dydx1other"]),
    number=st.sampled_from([0, 128_001]),
    batches=st.lists(
        st.tuples(
            st.integers(0, 3),
            st.one_of(
                st.lists(st.integers(0, 5), max_size=5).map(tuple),
                st.integers(30, 60).map(lambda count: tuple(range(count))),
            ),
        ),
        max_size=4,
    ).map(tuple),
    good_til_block=st.just(7),
)
TRANSFERS = st.builds(
    TransferDraft,
    address=st.just(ADDRESS),
    number=st.sampled_from([0, 1, 128_001]),
    recipient=st.sampled_from([ADDRESS, "dydx1other"]),
    recipient_number=st.sampled_from([0, 1, 128_001]),
    usdc=st.sampled_from([0, 1]),
)


@settings(max_examples=500)
@given(draft=st.one_of(orders(), cancels(), BATCHES, TRANSFERS))
def test_exactly_what_a_node_takes_at_first_sight_is_signed(draft: Draft) -> None:
    try:
        draft.check()
        signed = True
    except ValueError:
        signed = False
    try:
        check_message(message_of(draft))
        taken = True
    except Refused:
        taken = False
    assert signed is taken
