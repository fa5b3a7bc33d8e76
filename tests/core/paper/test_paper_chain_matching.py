"""Orders on the exchange: matching, fills at the block, order memory, collateral. The numbers in
the names are those of docs/protocol.md's list of behaviours; some figures are recorded ones.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.dydx.protocol import Side
from core.dydx.quantums import Scale
from core.paper.book import Book, BookShape
from core.paper.clearing import SYNTHETIC_MAKER
from core.paper.happenings import (
    Filled,
    OracleMoved,
    OrderOpened,
    OrderRemoved,
    SubaccountChanged,
    Transferred,
)
from tests.core.paper.chain_kit import (
    BUY,
    EIGEN,
    GOVERNANCE,
    GTT,
    IOC,
    LINK,
    POST_ONLY,
    SELL,
    SOL,
    Lab,
    Trader,
    lab,
)


@pytest.fixture
def town() -> tuple[Lab, Trader, Trader]:
    """An empty book, a taker T with 20,000 USDC and a maker M with 50,000."""
    made = lab()
    made.exchange.set_price("LINK-USD", Decimal("7.2"))
    return made, made.funded(1), made.funded(2, 50_000)


def offers(made: Lab, maker: Trader, *rows: tuple[str, str]) -> None:
    for number, (size, price) in enumerate(rows):
        result = made.place(maker, SELL, size, price, client_id=100 + number, tif=GTT)
        assert result.code == 0


def figures(fills: list[Filled]) -> list[tuple[int, int, int]]:
    return [(fill.quantums, fill.subticks, fill.fee_quote_quantums) for fill in fills]


def test_14_one_order_fills_at_several_makers_prices_best_price_then_first_in_time(
    town: tuple[Lab, Trader, Trader],
) -> None:
    made, one, maker = town
    third = made.funded(3)
    offers(made, maker, ("10", "7.22"), ("10", "7.21"))
    assert made.place(third, SELL, 10, "7.21", client_id=1, tif=GTT).code == 0

    made.place(one, BUY, 25, "7.3")
    made.block()

    assert figures(made.fills(one)) == [
        (10_000_000, 7_210_000_000, 36_050),
        (10_000_000, 7_210_000_000, 36_050),
        (5_000_000, 7_220_000_000, 18_050),
    ]
    assert [fill.total_filled_quantums for fill in made.fills(one)] == [
        10_000_000,
        20_000_000,
        25_000_000,
    ]
    assert made.position(third) == -10
    assert figures(made.fills(maker)) == [
        (10_000_000, 7_210_000_000, -7_931),
        (5_000_000, 7_220_000_000, -3_971),
    ]
    taker_ids = [fill.event_id for fill in made.fills(one)]
    assert len(set(taker_ids)) == 3
    assert {fill.event_id for fill in made.fills(maker)} <= set(taker_ids)


@pytest.mark.parametrize(("size", "rebate"), [("8", -6_327), ("12", -9_490)])
def test_25_the_recorded_makers_rebate_is_rounded_up(
    town: tuple[Lab, Trader, Trader], size: str, rebate: int
) -> None:
    made, one, maker = town
    made.place(one, BUY, 20, "7.19", tif=GTT)

    made.place(maker, SELL, size, "7.1")
    made.block()

    assert [fill.fee_quote_quantums for fill in made.fills(one)] == [rebate]


def test_19_a_fill_is_told_and_can_be_queried_only_once_its_block_is_shown(
    town: tuple[Lab, Trader, Trader],
) -> None:
    made, one, maker = town
    offers(made, maker, ("10", "7.21"))
    made.place(one, BUY, 10, "7.3")

    assert made.fills(one) == []
    assert made.position(one) == 0
    commit = made.exchange.commit(made.now)
    assert made.position(one) == 0
    made.exchange.publish(commit)

    assert made.position(one) == 10
    assert len(made.fills(one)) == 1


def test_2_and_13_an_ioc_that_fills_nothing_is_accepted_and_never_rests(
    town: tuple[Lab, Trader, Trader],
) -> None:
    made, one, maker = town

    result = made.place(one, BUY, 10, "6.5")
    opened, removed = made.told[-2:]
    offers(made, maker, ("10", "6.4"))
    made.block()

    assert (result.code, result.log) == (0, "[]")
    assert isinstance(opened, OrderOpened)
    assert isinstance(removed, OrderRemoved)
    assert (removed.reason, removed.status, removed.optimistic_filled_quantums) == (
        "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK",
        "BEST_EFFORT_CANCELED",
        0,
    )
    assert made.position(one) == 0


def test_20_a_partly_filled_ioc_is_removed_before_its_fill_is_told(
    town: tuple[Lab, Trader, Trader],
) -> None:
    made, one, maker = town
    offers(made, maker, ("5", "7.23"))

    made.place(one, BUY, 12, "7.23")
    removals = [row.reason for row in made.removals(one)]
    made.block()

    assert removals == ["IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK"]
    assert figures(made.fills(one)) == [(5_000_000, 7_230_000_000, 18_075)]


def test_2_a_taker_without_collateral_gets_code_0_and_no_fill(
    town: tuple[Lab, Trader, Trader],
) -> None:
    made, one, _ = town
    rich = made.funded(3, 500_000)
    offers(made, rich, ("40000", "7.21"))

    result = made.place(one, BUY, 40_000, "7.25")
    made.block()

    assert result.code == 0
    assert [row.reason for row in made.removals(one)] == ["UNDERCOLLATERALIZED"]
    assert made.fills(one) == []


def test_2_what_the_collateral_allows_fills_before_the_order_is_dropped(
    town: tuple[Lab, Trader, Trader],
) -> None:
    made, one, _ = town
    rich = made.funded(3, 500_000)
    offers(made, rich, ("100", "7.205"), ("40000", "7.21"))

    made.place(one, BUY, 40_100, "7.25")
    made.block()

    assert [row.reason for row in made.removals(one)] == ["UNDERCOLLATERALIZED"]
    assert figures(made.fills(one)) == [(100_000_000, 7_205_000_000, 360_250)]


def test_18_a_maker_without_collateral_rests_and_is_removed_when_matched(
    town: tuple[Lab, Trader, Trader],
) -> None:
    made, one, maker = town
    poor = Trader(maker.wallet, 9)
    assert made.place(poor, SELL, 10, "7.205", tif=GTT).code == 0
    offers(made, maker, ("10", "7.21"))

    made.place(one, BUY, 10, "7.25")
    made.block()

    assert [row.reason for row in made.removals(poor)] == ["UNDERCOLLATERALIZED"]
    assert figures(made.fills(one)) == [(10_000_000, 7_210_000_000, 36_050)]


def test_12_a_reduce_only_order_is_capped_at_the_position_and_told_as_resized(
    town: tuple[Lab, Trader, Trader],
) -> None:
    made, one, maker = town
    offers(made, maker, ("183", "7.21"))
    made.place(one, BUY, 183, "7.3", client_id=1)
    made.block()
    made.place(maker, BUY, 1000, "7.19", client_id=2, tif=GTT)

    result = made.place(one, SELL, 4000, "7", client_id=2, reduce_only=True)
    made.block()

    assert result.code == 0
    assert figures(made.fills(one))[1:] == [(183_000_000, 7_190_000_000, 657_885)]
    assert made.position(one) == 0
    assert [(row.reason, row.order is None) for row in made.removals(one)] == [
        ("REDUCE_ONLY_RESIZE", False),
        ("REDUCE_ONLY_RESIZE", True),
    ]


@pytest.mark.parametrize("held", [0, 10])
def test_12_a_reduce_only_order_that_would_not_reduce_is_refused_with_2001_and_not_told(
    town: tuple[Lab, Trader, Trader], held: int
) -> None:
    made, one, maker = town
    if held:
        offers(made, maker, ("10", "7.21"))
        made.place(one, BUY, held, "7.3", client_id=1)
        made.block()
    before = len(made.told)

    result = made.place(one, BUY, 10, "7.3", client_id=2, reduce_only=True)

    assert (result.codespace, result.code, result.log) == (
        "clob",
        2001,
        "Reduce-only orders cannot increase the position size",
    )
    assert len(made.told) == before


def test_13_a_post_only_order_that_would_cross_is_told_and_refused_with_2003(
    town: tuple[Lab, Trader, Trader],
) -> None:
    made, one, maker = town
    offers(made, maker, ("10", "7.215"))

    crossing = made.place(one, BUY, 10, "7.215", tif=POST_ONLY, client_id=1)
    resting = made.place(one, BUY, 10, "7.21", tif=POST_ONLY, client_id=2)

    assert (crossing.codespace, crossing.code) == ("clob", 2003)
    assert [row.reason for row in made.removals(one)] == ["POST_ONLY_WOULD_CROSS_MAKER_ORDER"]
    assert resting.code == 0
    assert made.exchange.book_levels(LINK, Side.BUY) == [(7_210_000_000, 10_000_000)]


def test_15_an_own_order_in_the_way_is_removed_and_matching_goes_on(
    town: tuple[Lab, Trader, Trader],
) -> None:
    made, one, maker = town
    made.place(one, SELL, 10, "7.2", client_id=1, tif=GTT)
    offers(made, maker, ("10", "7.25"))

    made.place(one, BUY, 10, "7.3", client_id=2)
    made.block()

    assert [row.reason for row in made.removals(one)] == ["SELF_TRADE_ERROR"]
    assert made.position(one) == 10
    assert made.position(maker) == -10


def test_an_order_can_be_filled_in_parts_while_it_rests(town: tuple[Lab, Trader, Trader]) -> None:
    made, one, maker = town
    made.place(one, BUY, 20, "7.19", tif=GTT)

    made.place(maker, SELL, 8, "7.1", client_id=1)
    made.block()
    made.place(maker, SELL, 20, "7.1", client_id=2)
    made.block()

    assert [fill.total_filled_quantums for fill in made.fills(one)] == [8_000_000, 20_000_000]
    assert [fill.liquidity for fill in made.fills(one)] == ["MAKER", "MAKER"]
    assert made.position(maker) == -20


def test_16_reversing_with_one_order_is_one_fill_of_the_full_size(
    town: tuple[Lab, Trader, Trader],
) -> None:
    made, one, maker = town
    offers(made, maker, ("30", "7.21"))
    made.place(one, BUY, 30, "7.3", client_id=1)
    made.block()
    made.place(maker, BUY, 50, "7.19", client_id=2, tif=GTT)

    made.place(one, SELL, 50, "7", client_id=2)
    made.block()

    reversal = made.fills(one)[1]
    assert (reversal.quantums, reversal.quantums_before) == (50_000_000, 30_000_000)
    assert made.position(one) == -20


REPLACEMENTS: dict[str, tuple[dict[str, Any], int, str]] = {
    "lower good-til-block": ({"gtb": -1}, 20, "reduce the GoodTilBlock or GoodTilBlockTime of"),
    "other side": ({"gtb": 1, "side": SELL, "price": "7.9"}, 20, "change the Side of the"),
    "other time in force": ({"gtb": 1, "tif": POST_ONLY}, 20, "change the TimeInForce of the"),
    "IOC": ({"gtb": 1, "tif": IOC}, 20, "change the TimeInForce of the"),
}


@pytest.mark.parametrize("case", REPLACEMENTS)
def test_16_a_replacement_may_not_change_side_kind_or_expire_earlier(
    town: tuple[Lab, Trader, Trader], case: str
) -> None:
    made, one, _ = town
    how, code, text = REPLACEMENTS[case]
    first = made.exchange.height + 10
    made.place(one, BUY, 20, "6.9", gtb=first, tif=GTT)

    result = made.place(
        one,
        how.get("side", BUY),
        10,
        str(how.get("price", "6.95")),
        gtb=first + int(str(how["gtb"])),
        tif=how.get("tif", GTT),
    )

    assert (result.codespace, result.code) == ("clob", code)
    assert result.log == (
        f"New order cannot {text} existing order: Replacing an existing order failed"
    )


def test_16_a_replacement_takes_the_place_of_the_resting_order_and_keeps_what_was_filled(
    town: tuple[Lab, Trader, Trader],
) -> None:
    made, one, maker = town
    made.place(one, BUY, 20, "7.19", tif=GTT)
    made.place(maker, SELL, 8, "7.1", client_id=1)
    made.block()

    result = made.place(one, BUY, 12, "7.1", gtb=made.gtb, tif=GTT)

    assert result.code == 0
    assert [row.reason for row in made.removals(one)] == ["REPLACED"]
    assert made.exchange.book_levels(LINK, Side.BUY) == [(7_100_000_000, 4_000_000)]


def test_16_a_resent_ioc_cannot_fill_twice_and_is_forgotten_40_blocks_after_its_expiry(
    town: tuple[Lab, Trader, Trader],
) -> None:
    made, one, maker = town
    made.place(maker, SELL, 1000, "7.21", client_id=1, tif=GTT, gtb=made.exchange.height + 41)
    gtb = made.gtb
    made.place(one, BUY, 10, "7.3", gtb=gtb)
    memo = made.send(one, one.order(BUY, 10, "7.3", gtb=gtb), memo="again")
    raised = made.place(one, BUY, 10, "7.3", gtb=gtb + 1)
    larger = made.place(one, BUY, 20, "7.3", gtb=gtb + 1)
    made.block()
    later = made.place(one, BUY, 10, "7.3", gtb=gtb + 2)
    larger_later = made.place(one, BUY, 30, "7.3", gtb=gtb + 3)

    assert [row.code for row in (memo, raised, larger, later, larger_later)] == [
        20,
        24,
        2004,
        24,
        2004,
    ]
    assert raised.log == (
        "Order remaining amount is less than `MinOrderBaseQuantums`. Remaining amount: 0. Order: "
        f'order_id: <\n  subaccount_id: <\n    owner: "{one.address}"\n  >\n  client_id: 1\n'
        "  clob_pair_id: 2\n>\nside: SIDE_BUY\nquantums: 10000000\nsubticks: 7300000000\n"
        f"good_til_block: {gtb + 1}\ntime_in_force: TIME_IN_FORCE_IOC\nclient_metadata: 1\n"
        ": Order is fully filled"
    )
    assert made.position(one) == 10
    made.blocks(gtb + 39 - made.exchange.height)
    assert made.place(one, BUY, 10, "7.3").code == 24
    made.block()
    assert made.place(one, BUY, 10, "7.3").code == 0


def test_17_cancels_take_out_what_expires_no_later_and_are_remembered(
    town: tuple[Lab, Trader, Trader],
) -> None:
    made, one, _ = town
    until = made.gtb
    made.place(one, BUY, 10, "6.9", client_id=1, gtb=until, tif=GTT)

    earlier = made.send(one, one.cancel(1, until - 1))
    assert made.exchange.book_levels(LINK, Side.BUY) != []
    same = made.send(one, one.cancel(1, until))
    again = made.send(one, one.cancel(1, until), memo="again")
    unknown = made.send(one, one.cancel(2, until))
    killed = made.place(one, BUY, 10, "6.9", client_id=2, gtb=until, tif=GTT)
    alive = made.place(one, BUY, 10, "6.9", client_id=2, gtb=until + 1, tif=GTT)

    assert (earlier.code, same.code, unknown.code, alive.code) == (0, 0, 0, 0)
    assert (again.codespace, again.code) == ("clob", 9)
    assert (killed.codespace, killed.code) == ("clob", 7)
    assert killed.log.endswith(
        f"Cancellation GoodTilBlock: {until}: Attempt to place an order that is already canceled"
    )
    assert [(row.reason, row.order is None) for row in made.removals(one)] == [
        ("USER_CANCELED", False),
        ("USER_CANCELED", True),
        ("USER_CANCELED", True),
    ]


def test_20_an_order_matches_in_its_last_block_and_expires_once_that_is_committed(
    town: tuple[Lab, Trader, Trader],
) -> None:
    made, one, maker = town
    until = made.exchange.height + 2
    made.place(one, BUY, 20, "7.15", gtb=until, tif=GTT)
    made.block()
    made.place(maker, SELL, 8, "7.1")

    made.block()
    made.place(maker, SELL, 8, "7.1", client_id=2)
    made.block()

    assert made.position(one) == 8
    removed = made.removals(one)
    assert [(row.reason, row.status, row.optimistic_filled_quantums) for row in removed] == [
        ("EXPIRED", "CANCELED", 8_000_000)
    ]


def test_25_an_isolated_market_is_alone_in_its_subaccount(
    town: tuple[Lab, Trader, Trader],
) -> None:
    made, one, maker = town
    isolated = Trader(maker.wallet, 128)
    made.exchange.give(isolated.address, 128, 5_000_000_000)
    offers(made, maker, ("10", "7.21"))
    made.place(one, BUY, 10, "7.3", client_id=1)
    made.block()
    made.place(isolated, SELL, 10, "1.1", pair=EIGEN, tif=GTT)

    refused = made.place(one, BUY, 10, "1.2", pair=EIGEN, client_id=2)

    assert (refused.codespace, refused.code, refused.log) == (
        "clob",
        2005,
        "Order would violate isolated subaccount constraints.",
    )
    assert [row.reason for row in made.removals(one)] == [
        "VIOLATES_ISOLATED_SUBACCOUNT_CONSTRAINTS"
    ]


# -- the synthetic maker ------------------------------------------------------------------------


def test_the_synthetic_ladder_stands_around_the_oracle_price_in_ticks_and_steps() -> None:
    made = lab(BookShape())

    asks = made.exchange.book_levels(SOL, Side.SELL)
    bids = made.exchange.book_levels(SOL, Side.BUY)

    scale = GOVERNANCE.markets[SOL].scale
    assert [scale.price_of(subticks) for subticks, _ in asks] == [
        Decimal(text) for text in ("152.58", "152.66", "152.73", "152.81", "152.89", "152.96")
    ]
    assert [scale.price_of(subticks) for subticks, _ in bids][:2] == [
        Decimal("152.42"),
        Decimal("152.34"),
    ]
    assert [scale.size_of(quantums) for _, quantums in asks][:1] == [Decimal("131.0")]


def test_every_market_has_a_ladder_of_six_distinct_levels_a_side() -> None:
    made = lab(BookShape())

    assert len(GOVERNANCE.markets) >= 30
    for market in GOVERNANCE.markets.values():
        for side in Side:
            levels = made.exchange.book_levels(market.id, side)
            assert len(levels) == 6
            assert all(
                subticks % market.scale.subticks_per_tick == 0
                and quantums % market.scale.step_base_quantums == 0
                for subticks, quantums in levels
            )


def test_a_market_order_against_the_ladder_shows_no_row_of_the_synthetic_maker() -> None:
    made = lab(BookShape())
    one = made.funded(1)

    made.place(one, BUY, 200, "160", pair=SOL)
    block = made.block()

    owners = {
        event.subaccount for event in block.events if isinstance(event, Filled | SubaccountChanged)
    }
    assert owners == {one.key}
    assert [fill.quantums for fill in made.fills(one)] == [1_310_000_000, 690_000_000]
    assert SYNTHETIC_MAKER not in made.exchange.subaccounts()
    market = GOVERNANCE.markets[SOL]
    assert made.exchange.open_interest(market) == 2_000_000_000


@pytest.mark.parametrize(("price", "makers"), [("152.58", 1), ("152.59", 0)])
def test_a_trader_comes_before_the_ladder_at_its_price_and_after_it_at_a_worse_one(
    price: str, makers: int
) -> None:
    made = lab(BookShape())
    one, maker = made.funded(1), made.funded(2)
    made.place(maker, SELL, 1, price, pair=SOL, tif=GTT)

    made.place(one, BUY, 1, "160", pair=SOL)
    made.block()

    assert [fill.subticks for fill in made.fills(one)] == [15_258_000_000]
    assert len(made.fills(maker)) == makers


def test_the_ladder_is_used_up_within_a_block_and_stands_anew_in_the_next() -> None:
    made = lab(BookShape(levels=1, level_usd=Decimal(1_525)))
    one = made.funded(1)
    size = made.exchange.book_levels(SOL, Side.SELL)[0][1]

    made.place(one, BUY, "9.9", "160", pair=SOL, client_id=1)
    made.place(one, BUY, "9.9", "160", pair=SOL, client_id=2)
    made.block()

    assert sum(fill.quantums for fill in made.fills(one)) == size
    assert made.exchange.book_levels(SOL, Side.SELL)[0][1] == size


def test_a_resting_order_is_filled_at_its_own_price_when_the_oracle_moves_through_it() -> None:
    made = lab(BookShape())
    one = made.funded(1)
    made.place(one, BUY, 10, "150", pair=SOL, tif=GTT, gtb=made.exchange.height + 20)

    made.exchange.set_price("SOL-USD", Decimal(140))
    made.block()
    made.block()

    assert [(fill.liquidity, fill.subticks) for fill in made.fills(one)] == [
        ("MAKER", 15_000_000_000)
    ]
    assert made.position(one, SOL) == 10


def test_a_price_set_by_hand_applies_at_the_next_block_however_small_the_move() -> None:
    made = lab()
    market = GOVERNANCE.markets[SOL]

    made.exchange.set_price("SOL-USD", Decimal("152.50001"))
    before = made.exchange.oracle_price(market)
    block = made.block()

    assert before == 15_250_000_000
    assert block.events == (OracleMoved(SOL, 15_250_001_000, -8),)
    assert made.exchange.oracle_price(market) == 15_250_001_000


@pytest.mark.parametrize("text", ["0", "-1", "NaN", "Infinity", "1e40"])
def test_an_impossible_price_is_refused(text: str) -> None:
    made = lab()

    with pytest.raises(ValueError, match="price"):
        made.exchange.set_price("SOL-USD", Decimal(text))


# -- the faucet ---------------------------------------------------------------------------------


def test_the_faucet_pays_in_the_next_block_and_makes_the_account_known() -> None:
    made = lab()
    one = Trader(made.funded(9).wallet)
    fresh = Trader(lab().funded(8).wallet)
    identity = made.exchange.give(fresh.address, 0, 5_000_000)
    assert made.exchange.account(fresh.address) is None

    block = made.block()

    transferred, changed = block.events
    assert isinstance(transferred, Transferred)
    assert (transferred.sender_number, transferred.quote_quantums) == (None, 5_000_000)
    assert transferred.transaction_hash == identity
    assert changed == SubaccountChanged(fresh.key, 5_000_000, ())
    account = made.exchange.account(fresh.address)
    assert account is not None
    assert (account.sequence, account.public_key) == (0, None)
    assert set(made.exchange.balances(fresh.address).values()) == {10**18, 20_000_000}
    assert one.address != fresh.address


@pytest.mark.parametrize(
    ("address", "number", "amount"),
    [("nonsense", 0, 1), ("cosmos1qqqqqqqq", 0, 1), (None, 128_001, 1), (None, 0, 0)],
)
def test_the_faucet_refuses_what_it_cannot_pay(
    address: str | None, number: int, amount: int
) -> None:
    made = lab()

    with pytest.raises(ValueError, match="was not"):
        made.exchange.give(address or made.funded(1).address, number, amount)


# -- faults -------------------------------------------------------------------------------------


def test_a_withheld_fill_comes_once_the_fault_is_cleared() -> None:
    made = lab(BookShape())
    one = made.funded(1)
    made.exchange.faults.fill_withheld = frozenset({"SOL-USD"})

    withheld = made.place(one, BUY, 1, "160", pair=SOL, client_id=1)
    other = made.place(one, BUY, 1, "20", pair=LINK, client_id=2)
    made.blocks(3)

    assert (withheld.code, other.code) == (0, 0)
    assert made.position(one, SOL) == 0
    assert made.position(one, LINK) == 1
    made.exchange.faults.fill_withheld = False
    made.blocks(2)
    assert made.position(one, SOL) == 1


def test_a_withheld_order_expires_without_a_fill() -> None:
    made = lab(BookShape())
    one = made.funded(1)
    made.exchange.faults.fill_withheld = True

    made.place(one, BUY, 1, "160", pair=SOL)
    made.blocks(12)
    made.exchange.faults.fill_withheld = False
    made.blocks(2)

    assert [row.reason for row in made.removals(one)] == ["EXPIRED"]
    assert made.fills(one) == []


def test_the_ladder_of_one_market_can_be_shaped_alone() -> None:
    made = lab(BookShape())

    made.exchange.shape_book(BookShape(levels=0), "SOL-USD")

    assert made.exchange.book_levels(SOL, Side.BUY) == []
    assert made.exchange.book_levels(LINK, Side.BUY) != []


def test_a_ladder_never_reaches_a_price_of_zero() -> None:
    book = Book()

    book.quote(Scale(-6, -9, 1_000_000, 1_000_000), Decimal("0.003"), BookShape(levels=9))

    assert [level.subticks for level in book.ladder(Side.BUY)] == [2_000_000, 1_000_000]
