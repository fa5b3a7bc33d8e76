"""What holds of money whatever traders, prices and clocks do: none is made and none is lost."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.paper.book import BookShape
from core.paper.clearing import Clearing, Deal
from core.paper.codec import decode, encode
from core.paper.exchange import Exchange
from core.paper.happenings import Filled, FundingIndexed, SubaccountChanged
from core.paper.settlement import settled
from core.paper.state import Subaccount
from tests.core.paper.chain_kit import (
    BUY,
    EIGEN,
    GOVERNANCE,
    GTT,
    IOC,
    LINK,
    SELL,
    SOL,
    Lab,
    Trader,
    lab,
)
from tests.core.paper.money_kit import all_usdc, events, rest

BASE = {SOL: Decimal(150), LINK: Decimal(14), EIGEN: Decimal(5)}
ORDERS = st.tuples(
    st.just("place"),
    st.integers(0, 3),
    st.sampled_from(sorted(BASE)),
    st.sampled_from([BUY, SELL]),
    st.integers(1, 60),
    st.integers(-30, 30),
    st.sampled_from([GTT, IOC]),
)
ACTIONS = st.lists(
    st.one_of(
        ORDERS,
        ORDERS,
        st.tuples(st.just("price"), st.sampled_from(sorted(BASE)), st.integers(-30, 30)),
        st.tuples(st.just("time"), st.sampled_from([20, 290, 1_700, 3_590])),
        st.tuples(st.just("book"), st.sampled_from([0, 3])),
        st.just(("block",)),
    ),
    max_size=40,
)
CAREFULLY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FUNDS = (3_000, 1_000, 20_000, 300)


def play(made: Lab, traders: list[Trader], actions: list[tuple[object, ...]]) -> None:
    for number, action in enumerate(actions):
        match action:
            case ("place", int(who), int(pair), int(side), int(size), int(percent), int(tif)):
                price = BASE[pair] * (100 + percent) / 100
                usd = BASE[pair]
                step = GOVERNANCE.markets[pair].scale.step_size
                amount = (Decimal(size) * 100 / usd / step).to_integral_value() * step
                tick = GOVERNANCE.markets[pair].scale.tick_size
                made.place(
                    traders[who],
                    side,
                    str(amount),
                    str(price // tick * tick),
                    client_id=number,
                    tif=tif,
                    pair=pair,
                )
            case ("price", int(pair), int(percent)):
                market = GOVERNANCE.markets[pair]
                made.exchange.set_price(market.ticker, BASE[pair] * (100 + percent) / 100)
                made.block()
            case ("time", int(seconds)):
                made.now += dt.timedelta(seconds=seconds)
                made.block()
            case ("book", int(levels)):
                made.exchange.shape_book(BookShape(levels=levels, level_usd=Decimal(2_000)))
            case _:
                made.block()
    made.blocks(3)


def world() -> tuple[Lab, list[Trader]]:
    """Four traders, two of them levered nearly as far as they may, on either side."""
    made = lab(BookShape(levels=3, level_usd=Decimal(2_000)))
    for pair, price in BASE.items():
        made.exchange.set_price(GOVERNANCE.markets[pair].ticker, price)
    traders = [made.funded(seed, usdc) for seed, usdc in enumerate(FUNDS, start=1)]
    made.exchange.shape_book(BookShape(levels=0))
    for client_id, (pair, side, size) in enumerate(
        [(SOL, BUY, 180), (LINK, SELL, 650)], start=1000
    ):
        levered, other = traders[client_id - 1000], traders[2]
        rest(made, levered, side, size, str(BASE[pair]), pair, client_id)
        made.place(other, BUY + SELL - side, size, str(BASE[pair]), client_id=client_id, pair=pair)
    made.block()
    assert made.position(traders[0], SOL) == 180
    assert made.position(traders[1], LINK) == -650
    return made, traders


@CAREFULLY
@given(ACTIONS)
def test_no_money_is_made_or_lost(actions: list[tuple[object, ...]]) -> None:
    """Subaccounts, wallets, fees and insurance funds always hold the same together, but for a
    millionth of a USDC that each settling of funding may round away.
    """
    made, traders = world()
    before = all_usdc(made)

    play(made, traders, actions)

    settlings = sum(len(row.funding) for row in events(made, SubaccountChanged))
    hours = sum(1 for row in events(made, FundingIndexed) if row.perpetual_id == SOL)
    dust = 2 * (settlings + hours + len(FUNDS) + 1)
    lost = before - all_usdc(made)
    assert 0 <= lost <= (dust if hours else 0)


@CAREFULLY
@given(ACTIONS)
def test_the_funds_never_owe_and_open_interest_is_what_is_held_long(
    actions: list[tuple[object, ...]],
) -> None:
    made, traders = world()

    play(made, traders, actions)

    state = made.exchange.state
    assert all(amount >= 0 for amount in state.balances.committed.values())
    held = state.subaccounts.committed.values()
    for pair in BASE:
        long = sum(max(row.position(pair), 0) for row in held)
        assert sum(row.position(pair) for row in held) == 0
        assert made.exchange.open_interest(GOVERNANCE.markets[pair]) == long
    for fill in events(made, Filled):
        assert (fill.order is None) == (fill.kind in ("LIQUIDATED", "DELEVERAGED", "OFFSETTING"))


@CAREFULLY
@given(ACTIONS)
def test_no_forced_fill_leaves_an_account_worse_covered(
    actions: list[tuple[object, ...]],
) -> None:
    """Whoever is liquidated or deleveraged has, for each USD of his maintenance requirement, at
    least what he had before; a penalty is at most 1.5 % of the fill.
    """
    made, traders = world()
    margin = made.exchange.margin
    forced: list[Deal] = []
    execute = Clearing.execute

    def watched(clearing: Clearing, deal: Deal, *, counts: bool = True) -> None:
        if deal.taker.penalty or not counts:
            forced.append(deal)
            old = margin.collateral(deal.taker.before.subaccount)
            new = margin.collateral(deal.taker.after)
            assert old.maintenance > max(old.net, 0)
            assert new.net * old.maintenance >= old.net * new.maintenance
        execute(clearing, deal, counts=counts)

    with mock.patch.object(Clearing, "execute", watched):
        play(made, traders, actions)

    for deal in forced:
        assert deal.taker.penalty <= deal.quote_quantums * 15_000 // 1_000_000
        assert deal.taker.fee == 0
        assert deal.maker.fee == 0


@CAREFULLY
@given(ACTIONS)
def test_a_restart_changes_nothing(actions: list[tuple[object, ...]]) -> None:
    made, traders = world()
    play(made, traders, actions)
    made.block()
    tables = {name: dict(table.committed) for name, table in made.exchange.state.tables()}
    stored = {
        name: {decode(encode(key)): decode(encode(value)) for key, value in rows.items()}
        for name, rows in tables.items()
    }
    again = Exchange(GOVERNANCE, book=BookShape(levels=0), prices=made.exchange.prices.settings)
    again.restore(stored)

    for one in traders:
        assert again.subaccount(one.key) == made.exchange.subaccount(one.key)
        assert again.collateral(one.key) == made.exchange.collateral(one.key)
    assert {name: dict(table.committed) for name, table in again.state.tables()} == tables


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(-(10**12), 10**12), st.integers(-(10**6), 10**6)),
        max_size=4,
        unique_by=lambda row: row[0],
    ),
    st.integers(-(10**12), 10**12),
)
def test_settling_pays_the_sum_rounded_down_once(
    rows: list[tuple[int, int, int]], usdc: int
) -> None:
    held = Subaccount(usdc)
    for key, quantums, _ in rows:
        if quantums:
            held = replace(held, positions=tuple(sorted((*held.positions, (key, quantums)))))
    indices = {key: index for key, _, index in rows}

    after = settled(held, indices)
    twice = settled(after.subaccount, indices)

    exact_ppm = -sum(quantums * index for _, quantums, index in rows)
    assert after.subaccount.usdc - usdc == exact_ppm // 1_000_000
    assert dict(after.funding) == {
        key: -quantums * index // 1_000_000 for key, quantums, index in rows if quantums and index
    }
    assert twice.subaccount == after.subaccount
    assert twice.funding == ()
