"""Behaviour 25 of the paper network, its part about money: fees by ppm, margin formulas, isolated
markets, and what follows when an account no longer meets them.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from core.dydx.protocol import USDC_DENOM, Side
from core.paper.bankruptcy import bankruptcy_quote, fillable_subticks
from core.paper.book import Book, Level, Resting
from core.paper.fees import Fees
from core.paper.funds import insurance_fund
from core.paper.happenings import OrderKey, PaperOrder, SubaccountKey
from core.paper.liquidation import offers
from core.paper.margin import Collateral, Growth, Margin
from core.paper.state import Subaccount
from tests.core.paper.chain_kit import BUY, EIGEN, GOVERNANCE, LINK, SELL, SOL, lab
from tests.core.paper.money_kit import fund_of, rest, shown, usdc

USDC = 1_000_000
LINKS = 1_000_000
RULES = {"bankruptcy_adjustment_ppm": 1_000_000, "spread_ppm": 1_500_000}


def margin(interest: int = 0) -> Margin:
    """LINK at 7 USD and SOL at 20 USD: both 10 % initial, 5 % maintenance; EIGEN at 5 USD: 5 %
    and 3 %.
    """
    usd = {LINK: Decimal(7), SOL: Decimal(20), EIGEN: Decimal(5)}
    return Margin(
        GOVERNANCE.markets,
        lambda market: market.price_integer(usd[market.id]),
        lambda market: interest,
    )


@pytest.mark.parametrize(
    ("quote", "ppm", "fee"),
    [
        (1_000_000, 500, 500),
        (1_000_001, 500, 501),
        (1, 500, 1),
        (0, 500, 0),
        (2_000, 500, 1),
        (99_892_000, 500, 49_946),
        (1_000_000, -110, -110),
        (1_000_001, -110, -110),
        (9_090, -110, 0),
        (9_091, -110, -1),
        (99_892_000, -110, -10_988),
    ],
)
def test_25_a_fee_is_so_many_ppm_of_the_fill_rounded_up_and_so_is_a_rebate(
    quote: int, ppm: int, fee: int
) -> None:
    assert Fees(GOVERNANCE, lab().exchange.state).amount(quote, ppm) == fee


@pytest.mark.parametrize(
    ("held", "interest", "expected"),
    [
        (Subaccount(100 * USDC), 0, (100_000_000, 0, 0)),
        (Subaccount(0, ((LINK, 10 * LINKS),)), 0, (70_000_000, 7_000_000, 3_500_000)),
        (Subaccount(0, ((LINK, -10 * LINKS),)), 0, (-70_000_000, 7_000_000, 3_500_000)),
        (Subaccount(0, ((LINK, 1),)), 0, (7, 1, 1)),
        (Subaccount(0, ((LINK, 3),)), 0, (21, 3, 2)),
        (Subaccount(5, ((LINK, LINKS), (SOL, -(10**7)))), 0, (-12_999_995, 2_700_000, 1_350_000)),
        (Subaccount(0, ((EIGEN, LINKS),)), 0, (5_000_000, 250_000, 150_000)),
        (Subaccount(0, ((LINK, LINKS),)), 20 * 10**12 // 7, (7_000_000, 700_000, 350_000)),
        (Subaccount(0, ((LINK, LINKS),)), 5 * 10**12, (7_000_000, 3_850_000, 350_000)),
        (Subaccount(0, ((LINK, LINKS),)), 50 * 10**12, (7_000_000, 7_000_000, 350_000)),
    ],
)
def test_25_initial_margin_grows_with_open_interest_and_maintenance_does_not(
    held: Subaccount, interest: int, expected: tuple[int, int, int]
) -> None:
    """Each requirement is rounded up by itself, maintenance from the rounded base. The caps of
    LINK are 20 and 50 million USD of open interest.
    """
    assert margin(interest).collateral(held) == Collateral(*expected)


@pytest.mark.parametrize(
    ("chosen", "initial"), [(50_000, 7_000_000), (100_001, 7_000_070), (500_000, 35_000_000)]
)
def test_25_a_chosen_leverage_only_raises_the_initial_margin(chosen: int, initial: int) -> None:
    held = replace(Subaccount(0, ((LINK, 10 * LINKS),)), leverage=((LINK, chosen),))

    assert margin().collateral(held) == Collateral(70_000_000, initial, 3_500_000)


def test_25_the_open_interest_after_a_match_counts_for_that_match() -> None:
    """At the lower cap every further LINK makes the margin of all LINK dearer."""
    at_cap = 20 * 10**12 // 7
    before = Subaccount(70_000_000)
    after = Subaccount(0, ((LINK, 10 * LINKS),))
    tight = replace(after, usdc=after.usdc - 63_000_000)

    assert margin(at_cap).update(before, tight) == "Success"
    grown = margin(at_cap).update(before, tight, Growth(LINK, 10**11))
    assert grown == "NewlyUndercollateralized"
    assert margin(at_cap).update(before, tight, Growth(SOL, 10**11)) == "Success"


@pytest.mark.parametrize(
    ("old", "new", "result"),
    [
        (-5, -4, "Success"),
        (-5, -5, "StillUndercollateralized"),
        (-5, -6, "StillUndercollateralized"),
        (5, -1, "NewlyUndercollateralized"),
    ],
)
def test_25_a_debt_without_positions_may_only_shrink(old: int, new: int, result: str) -> None:
    assert margin().update(Subaccount(old), Subaccount(new)) == result


def test_25_an_isolated_market_beside_another_is_refused_with_2005() -> None:
    """In subaccount 128, which holds nothing else, the same order fills; then the other market is
    refused there.
    """
    made = lab()
    made.exchange.set_price("LINK-USD", Decimal(7))
    made.exchange.set_price("EIGEN-USD", Decimal(5))
    one, child, maker = made.funded(1), made.funded(1, 1_000, 128), made.funded(2)
    isolated = made.funded(2, 1_000, 128)
    rest(made, maker, SELL, 20, "7", LINK, 1)
    rest(made, isolated, SELL, 20, "5", EIGEN, 2)
    made.place(one, BUY, 10, "7", client_id=1)
    made.block()

    refused = made.place(one, BUY, 10, "5", client_id=2, pair=EIGEN)
    filled = made.place(child, BUY, 10, "5", client_id=3, pair=EIGEN)
    other = made.place(child, BUY, 10, "7", client_id=4)
    made.block()

    assert [(row.codespace, row.code) for row in (refused, filled, other)] == [
        ("clob", 2005),
        ("", 0),
        ("clob", 2005),
    ]
    assert [made.position(who, pair) for who, pair in ((one, EIGEN), (child, EIGEN))] == [0, 10]
    assert made.position(child, LINK) == 0


@pytest.mark.parametrize(("price", "liquidated"), [("22.129", False), ("22.128", True)])
def test_25_an_account_is_liquidated_once_maintenance_exceeds_its_equity(
    price: str, liquidated: bool
) -> None:
    """1,000 SOL bought for 23,510 with 2,500: the equity −21,021.755 + 1000 p meets 50 p at
    22.1282 USD.
    """
    made = lab()
    made.exchange.set_price("SOL-USD", Decimal("23.5"))
    one, maker = made.funded(1, 2_500), made.funded(2, 500_000)
    rest(made, maker, SELL, 1_000, "23.51", SOL, 1)
    made.place(one, BUY, 1_000, "23.51", pair=SOL)
    made.block()
    rest(made, maker, BUY, 1_000, "22.13", SOL, 2)
    made.exchange.set_price("SOL-USD", Decimal(price))
    made.blocks(2)

    fills = [row for row in made.fills(one) if row.kind == "LIQUIDATED"]
    assert bool(fills) is liquidated


def test_25_a_penalty_goes_to_the_insurance_fund_of_the_market() -> None:
    made = lab()
    made.exchange.set_price("EIGEN-USD", Decimal(5))
    one, maker = made.funded(1, 50, 128), made.funded(2, 10_000, 128)
    rest(made, maker, SELL, 190, "5", EIGEN, 1)
    made.place(one, BUY, 190, "5", pair=EIGEN)
    made.block()
    rest(made, maker, BUY, 500, "4.87", EIGEN, 2)
    made.exchange.set_price("EIGEN-USD", Decimal("4.875"))
    made.blocks(2)

    [fill] = [row for row in made.fills(one) if row.kind == "LIQUIDATED"]
    assert shown(fill) == ("LIQUIDATED", "SELL", "190", "4.87", "13.8795")
    assert (fund_of(made, EIGEN), fund_of(made, LINK)) == (13_879_500, 0)
    assert usdc(made, one) == "10.9455"
    assert one.address != maker.address


def test_25_a_penalty_takes_no_more_than_what_the_account_is_still_worth() -> None:
    """1,400 LINK bought at 7.2 with 1,020: at 6.5 the account is worth 34.96, much less than 1.5 %
    of 9,100.
    """
    made = lab()
    made.exchange.set_price("LINK-USD", Decimal("7.2"))
    one, maker = made.funded(1, 1_020), made.funded(2, 100_000)
    rest(made, maker, SELL, 1_400, "7.2", LINK, 1)
    made.place(one, BUY, 1_400, "7.2")
    made.block()
    rest(made, maker, BUY, 2_000, "6.5", LINK, 2)
    made.exchange.set_price("LINK-USD", Decimal("6.5"))
    made.blocks(14)

    fills = [row for row in made.fills(one) if row.kind == "LIQUIDATED"]
    assert sum(row.quantums for row in fills) == 1_400 * LINKS
    assert made.exchange.subaccount(one.key) == Subaccount()
    assert fund_of(made, LINK) == sum(row.fee_quote_quantums for row in fills) == 34_960_000


@pytest.mark.parametrize(
    ("fund", "kinds"),
    [
        (0, ["DELEVERAGED"]),
        (5_000_000, ["LIQUIDATED", "DELEVERAGED"]),
        (1_000_000_000, ["LIQUIDATED"] * 9),
    ],
)
def test_25_the_insurance_fund_pays_beyond_the_bankruptcy_price_as_long_as_it_lasts(
    fund: int, kinds: list[str]
) -> None:
    """1,400 LINK bought at 7.2 with 1,020; at 6.4 the account is 105 below zero, and each part of
    1,000 USD at 6.39 costs the fund some 13.
    """
    made = lab()
    made.exchange.set_price("LINK-USD", Decimal("7.2"))
    one, maker = made.funded(1, 1_020), made.funded(2, 100_000)
    rest(made, maker, SELL, 1_400, "7.2", LINK, 1)
    made.place(one, BUY, 1_400, "7.2")
    made.block()
    rest(made, maker, BUY, 45 if fund == 5_000_000 else 2_000, "6.39", LINK, 2)
    made.block()
    state = made.exchange.state
    state.pay(insurance_fund(GOVERNANCE.markets[LINK]), USDC_DENOM, fund)
    made.exchange.set_price("LINK-USD", Decimal("6.4"))
    made.blocks(14)

    fills = [row for row in made.fills(one) if row.order is None]
    assert [row.kind for row in fills] == kinds
    assert sum(row.quantums for row in fills) == 1_400 * LINKS
    assert made.exchange.subaccount(one.key) == Subaccount()
    paid = -sum(row.fee_quote_quantums for row in fills)
    assert fund_of(made, LINK) == fund - paid >= 0


@pytest.mark.parametrize(
    ("held", "delta", "quote", "subticks"),
    [
        (Subaccount(-6_800 * USDC, ((LINK, 1_000 * LINKS),)), -1_000 * LINKS, 6_800, "6.775"),
        (Subaccount(-6_800 * USDC, ((LINK, 1_000 * LINKS),)), -500 * LINKS, 3_400, "6.775"),
        (Subaccount(7_200 * USDC, ((LINK, -1_000 * LINKS),)), 1_000 * LINKS, -7_200, "7.225"),
        (Subaccount(-7_100 * USDC, ((LINK, 1_000 * LINKS),)), -1_000 * LINKS, 7_100, "6.475"),
        (Subaccount(-6_000 * USDC, ((LINK, 1_000 * LINKS),)), -1_000 * LINKS, 6_000, "7"),
        (Subaccount(-6_795 * USDC, ((LINK, 1_000 * LINKS),)), -1_000 * LINKS, 6_795, "6.783"),
        (Subaccount(7_205 * USDC, ((LINK, -1_000 * LINKS),)), 1_000 * LINKS, -7_205, "7.217"),
    ],
)
def test_25_the_worse_an_account_stands_the_further_from_the_oracle_it_is_offered(
    held: Subaccount, delta: int, quote: int, subticks: str
) -> None:
    """LINK at 7 USD: the limit is the oracle less at most 7.5 %, in proportion to what is missing
    of the maintenance margin of 350; to the tick that is better for the account.
    """
    market = GOVERNANCE.markets[LINK]

    price = market.scale.price_of(fillable_subticks(margin(), market, held, **RULES))

    assert bankruptcy_quote(margin(), market, held, delta) == quote * USDC
    assert price == Decimal(subticks)


def test_25_a_liquidation_takes_the_best_price_then_the_first_in_time_then_the_ladder() -> None:
    def resting(price: int, client_id: int) -> Resting:
        key = OrderKey(SubaccountKey("someone", 0), client_id, 0, LINK)
        return Resting(PaperOrder(key, "BUY", 5, price, 0, False, 9, None, 0), 5, client_id)

    book = Book(ladder_bids=[Level(104, 5), Level(102, 5), Level(101, 0)])
    for entry in (resting(102, 3), resting(103, 2), resting(102, 1)):
        book.rest(entry)

    found = offers(book, Side.BUY)

    assert [
        entry.subticks if isinstance(entry, Level) else entry.order.key.client_id for entry in found
    ] == [104, 2, 1, 3, 102]
