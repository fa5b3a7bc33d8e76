"""What holds whatever traders do: nothing is created, no order overfills, no bytes crash a node."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.paper.book import BookShape
from core.paper.happenings import Filled, OrderKey
from tests.core.paper.chain_kit import BUY, GTT, IOC, POST_ONLY, SELL, SOL, Lab, Trader, lab

ACTIONS = st.lists(
    st.one_of(
        st.tuples(
            st.just("place"),
            st.integers(0, 2),
            st.sampled_from([BUY, SELL]),
            st.integers(1, 300),
            st.integers(-40, 40),
            st.sampled_from([GTT, IOC, POST_ONLY]),
            st.integers(1, 4),
            st.booleans(),
        ),
        st.tuples(st.just("cancel"), st.integers(0, 2), st.integers(1, 4)),
        st.tuples(st.just("price"), st.integers(-60, 60)),
        st.just(("block",)),
    ),
    max_size=25,
)
QUIETLY = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def play(made: Lab, traders: list[Trader], actions: list[tuple[object, ...]]) -> None:
    for number, action in enumerate(actions):
        match action:
            case (
                "place",
                int(who),
                int(side),
                int(size),
                int(offset),
                int(tif),
                int(cid),
                bool(ro),
            ):
                price = Decimal("152.5") + Decimal(offset) / 10
                made.place(
                    traders[who],
                    side,
                    size,
                    str(price),
                    client_id=cid,
                    tif=tif,
                    pair=SOL,
                    gtb=made.gtb + number,
                    reduce_only=ro and tif == IOC,
                )
            case ("cancel", int(who), int(cid)):
                made.send(traders[who], traders[who].cancel(cid, made.gtb + number, SOL))
            case ("price", int(offset)):
                made.exchange.set_price("SOL-USD", Decimal("152.5") + Decimal(offset) / 10)
            case _:
                made.block()
    made.blocks(2)


@QUIETLY
@given(ACTIONS)
def test_positions_sum_to_zero_and_no_order_fills_beyond_its_size(
    actions: list[tuple[object, ...]],
) -> None:
    made = lab(BookShape(levels=3, level_usd=Decimal(5_000)))
    traders = [made.funded(seed, usdc) for seed, usdc in ((1, 100_000), (2, 3_000), (3, 500))]

    play(made, traders, actions)

    held = made.exchange.state.subaccounts.committed.values()
    assert sum(row.position(SOL) for row in held) == 0
    fills: dict[tuple[OrderKey, int], int] = {}
    for one in traders:
        position = 0
        for fill in made.fills(one):
            assert fill.order is not None
            assert fill.quantums > 0
            assert fill.quantums % 1_000_000 == 0
            assert fill.quantums_before == position
            sign = 1 if fill.side == "BUY" else -1
            position += sign * fill.quantums
            limit = (fill.order.subticks - fill.subticks) * sign
            assert limit >= 0
            if fill.order.reduce_only:
                assert abs(position) < abs(fill.quantums_before)
            assert fill.total_filled_quantums <= fill.order.quantums
            fills[(fill.order.key, fill.total_filled_quantums)] = fill.quantums
        assert made.exchange.subaccount(one.key).position(SOL) == position
    events = [
        event
        for happening in made.told
        for event in getattr(happening, "events", ())
        if isinstance(event, Filled)
    ]
    by_match: dict[bytes, list[Filled]] = {}
    for event in events:
        by_match.setdefault(event.event_id, []).append(event)
    for sides in by_match.values():
        assert len({side.subaccount for side in sides}) == len(sides) <= 2
        assert len({(side.quantums, side.subticks) for side in sides}) == 1


@QUIETLY
@given(ACTIONS)
def test_the_same_orders_give_the_same_chain(actions: list[tuple[object, ...]]) -> None:
    def run() -> Lab:
        made = lab(BookShape())
        play(made, [made.funded(seed) for seed in (1, 2, 3)], actions)
        return made

    first, second = run(), run()

    assert first.told == second.told
    assert first.exchange.subaccounts() == second.exchange.subaccounts()


@QUIETLY
@given(st.data())
def test_no_bytes_crash_a_node(data: st.DataObject) -> None:
    made = lab(BookShape())
    one = made.funded(1)
    raw = bytearray(one.sign(one.order(BUY, 1, "160", pair=SOL, gtb=made.gtb)))
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))

    for candidate in (bytes(raw), bytes(raw[:cut]), data.draw(st.binary(max_size=60))):
        result = made.exchange.check_tx(candidate)
        assert (result.code == 0) == (result.log == "[]")
    made.block()
