"""What holds of orders in the chain's state whatever traders and prices do, restarts included."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.dydx.protocol import Side
from core.paper.happenings import BlockCommitted, Filled, StatefulChanged
from core.paper.orders import is_stateful
from tests.core.paper.chain_kit import BUY, GTT, IOC, LINK, POST_ONLY, SELL
from tests.core.paper.orders_kit import CONDITIONAL, LONG, Town

WHO = st.integers(0, 1)
SIDES = st.sampled_from([BUY, SELL])
PRICES = st.sampled_from(["7", "7.1", "7.15", "7.2", "7.25", "7.3", "7.4"])
ACTIONS = st.lists(
    st.one_of(
        st.tuples(
            st.just("long"),
            WHO,
            SIDES,
            st.integers(1, 30),
            PRICES,
            st.sampled_from([GTT, POST_ONLY]),
            st.sampled_from([4, 600]),
        ),
        st.tuples(
            st.just("conditional"),
            WHO,
            SIDES,
            st.integers(1, 30),
            PRICES,
            st.sampled_from([GTT, IOC, POST_ONLY]),
            st.sampled_from([1, 2]),
            PRICES,
        ),
        st.tuples(
            st.just("short"),
            WHO,
            SIDES,
            st.integers(1, 30),
            PRICES,
            st.sampled_from([GTT, IOC, POST_ONLY]),
        ),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("price"), PRICES),
        st.just(("block",)),
        st.just(("restart",)),
    ),
    max_size=40,
)


def play(town: Town, actions: list[tuple[Any, ...]]) -> None:
    traders, placed = (town.a, town.b), []
    for action in actions:
        match action:
            case ("long", who, side, size, price, tif, seconds):
                until = town.until(seconds)
                message = town.order(
                    traders[who], side, size, price, LONG, tif=tif, good_til_block_time=until
                )
                town.send(traders[who], message)
                placed.append((traders[who], message))
            case ("conditional", who, side, size, price, tif, kind, trigger):
                message = town.order(
                    traders[who],
                    side,
                    size,
                    price,
                    CONDITIONAL,
                    tif=tif,
                    reduce_only=tif == IOC,
                    trigger=(kind, trigger),
                )
                town.send(traders[who], message)
                placed.append((traders[who], message))
            case ("short", who, side, size, price, tif):
                town.now(traders[who], side, size, price, tif=tif)
            case ("cancel", number) if placed:
                who, message = placed[number % len(placed)]
                town.send(who, town.cancel(message))
            case ("price", price):
                town.exchange.set_price("LINK-USD", Decimal(price))
            case ("restart",):
                town.lab.block()
                town.restart()
            case _:
                town.lab.block()
                check(town)
    town.lab.blocks(2)
    check(town)


def check(town: Town) -> None:
    """State, counts, book and what was told agree after a block."""
    state = town.exchange.state
    counts = Counter(key.subaccount for key in state.stateful.committed)
    assert counts == Counter(state.stateful_counts.committed)
    bids, asks = (town.exchange.book_levels(LINK, side) for side in (Side.BUY, Side.SELL))
    assert not bids or not asks or bids[0][0] < asks[0][0]
    for entry in town.exchange._books[LINK].resting():
        key = entry.order.key
        if is_stateful(key):
            assert state.stateful.working[key].placed
            fill = state.fills.working.get(key)
            assert entry.remaining == entry.order.quantums - (fill.quantums if fill else 0)
    assert told_to_live(town) == set(state.stateful.committed)


def told_to_live(town: Town) -> set[Any]:
    """The orders that blocks told and neither ended nor filled."""
    living = set()
    for happening in town.lab.told:
        if not isinstance(happening, BlockCommitted):
            continue
        for event in happening.events:
            if isinstance(event, StatefulChanged):
                if event.status == "CANCELED":
                    living.discard(event.order.key)
                else:
                    living.add(event.order.key)
            elif isinstance(event, Filled) and event.order is not None:
                assert event.total_filled_quantums <= event.order.quantums
                if event.total_filled_quantums == event.order.quantums:
                    living.discard(event.order.key)
    return living


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ACTIONS)
def test_state_counts_book_and_events_agree_after_every_block(
    actions: list[tuple[Any, ...]],
) -> None:
    play(Town(), actions)
