"""The money side of the recorded network, to the last digit: liquidation, deleveraging, funding and
trading rewards as a real node made them from the same trades and prices.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from v4_proto.dydxprotocol.clob.order_pb2 import BuilderCodeParameters

from core.dydx.protocol import USDC_DENOM
from core.paper.funds import DISTRIBUTION, FEE_COLLECTOR, module_address
from core.paper.happenings import (
    Filled,
    FundingIndexed,
    PremiumSampled,
    Rewarded,
    SubaccountChanged,
)
from tests.core.paper.chain_kit import BUY, GOVERNANCE, GTT, LINK, NOON, SELL, SOL, lab, trader
from tests.core.paper.money_kit import events, fund_of, rest, shown, usdc

ETH = 1


def test_a_liquidation_takes_a_tenth_a_block_until_the_account_is_safe() -> None:
    """Steps 41 to 43 of the recorded story."""
    made = lab()
    made.exchange.set_price("SOL-USD", Decimal("23.5"))
    one, maker = made.funded(1, 2500), made.funded(2, 500_000)
    rest(made, maker, SELL, "850.6", "23.51", SOL, 101)
    rest(made, maker, SELL, "149.4", "23.52", SOL, 102)
    made.place(one, BUY, 1000, "23.9", pair=SOL)
    made.block()
    opened = usdc(made, one)
    for price in ("22.5", "22.2"):
        made.exchange.set_price("SOL-USD", Decimal(price))
        made.blocks(2)
    safe = made.position(one, SOL)
    rest(made, maker, BUY, 100, "22.18", SOL, 103)
    rest(made, maker, BUY, 1000, "21.98", SOL, 104)
    made.block()
    start = made.exchange.height
    made.exchange.set_price("SOL-USD", Decimal(22))
    made.block()
    balances = []
    for _ in range(5):
        made.block()
        balances.append(usdc(made, one))
    parts = events(made, Filled, start)
    made.exchange.set_price("SOL-USD", Decimal("23.5"))
    rest(made, maker, BUY, 1000, "23.48", SOL, 105)
    made.block()
    made.place(one, SELL, 2000, "22", client_id=2, pair=SOL, reduce_only=True)
    made.block()

    assert (opened, int(safe)) == ("-21023.249747", 1000)
    assert [shown(part) for part in parts if part.subaccount == one.key] == [
        ("LIQUIDATED", "SELL", "100", "22.18", "33.27"),
        ("LIQUIDATED", "SELL", "90", "21.98", "29.673"),
    ]
    assert [shown(part) for part in parts if part.subaccount == maker.key] == [
        ("LIQUIDATION", "BUY", "100", "22.18", "0"),
        ("LIQUIDATION", "BUY", "90", "21.98", "0"),
    ]
    assert [(part.order, part.total_filled_quantums) for part in parts][::2] == [(None, 0)] * 2
    assert balances == ["-18838.519747", *["-16889.992747"] * 4]
    assert usdc(made, one) == "2119.297853"
    assert fund_of(made, SOL) == 62_943_000


def test_an_account_below_zero_is_closed_against_those_who_hold_the_opposite() -> None:
    """Step 61 of the recorded story."""
    made = lab()
    made.exchange.set_price("LINK-USD", Decimal("7.2"))
    loser, trader, other = made.funded(1, 1000), made.funded(2, 20_000), made.funded(3, 20_000)
    rest(made, other, SELL, 10, "7.21", LINK, 106)
    made.place(trader, BUY, 10, "7.21")
    rest(made, loser, BUY, 1300, "7.2", LINK, 107)
    made.place(trader, SELL, 1300, "7.1", client_id=2)
    made.block()
    before, worth = usdc(made, loser), made.exchange.subaccount(trader.key).usdc
    start = made.exchange.height
    made.exchange.set_price("LINK-USD", Decimal("6.3"))
    made.blocks(3)

    fills = events(made, Filled, start)
    assert before == "-8358.9704"
    assert [(row.subaccount, *shown(row), row.liquidity) for row in fills] == [
        (loser.key, "DELEVERAGED", "SELL", "1290", "6.4299772310077519", "0", "TAKER"),
        (trader.key, "OFFSETTING", "BUY", "1290", "6.4299772310077519", "0", "MAKER"),
        (loser.key, "DELEVERAGED", "SELL", "10", "6.4299772", "0", "TAKER"),
        (other.key, "OFFSETTING", "BUY", "10", "6.4299772", "0", "MAKER"),
    ]
    assert [row.order for row in fills] == [None] * 4
    assert usdc(made, loser) == "0"
    assert worth - made.exchange.subaccount(trader.key).usdc == 8_294_670_628
    assert made.exchange.open_interest(GOVERNANCE.markets[LINK]) == 0


def test_an_hour_of_funding_moves_the_index_and_is_paid_when_the_account_is_touched() -> None:
    """Block 859 of the recording, the payments as its indexer shows them."""
    made = lab()
    prices = {"SOL-USD": "23.5", "LINK-USD": "7.204646989", "ETH-USD": "1811.985252"}
    for ticker, price in prices.items():
        made.exchange.set_price(ticker, Decimal(price))
    one, maker = made.funded(1, 100_000), made.funded(2, 1_000_000)
    for number, (pair, size, price) in enumerate(
        [(SOL, "1300", "23.5"), (LINK, "187", "7.2"), (ETH, "0.15", "1812")], start=1
    ):
        rest(made, maker, SELL, size, price, pair, number)
        made.place(one, BUY, size, price, client_id=number, pair=pair)
    made.block()
    while made.now < NOON + dt.timedelta(hours=1):
        made.now += dt.timedelta(seconds=29)
        made.block()
    start = made.exchange.height
    made.blocks(2)
    rates = {
        row.perpetual_id: (row.rate_ppm, row.funding_index) for row in events(made, FundingIndexed)
    }
    untouched = made.exchange.subaccount(one.key)
    made.exchange.give(one.address, 0, 1_000_000)
    made.block()

    [changed] = [row for row in events(made, SubaccountChanged, start) if row.subaccount == one.key]
    samples = events(made, PremiumSampled)
    assert (rates[SOL], rates[LINK], rates[ETH]) == ((100, 29), (100, 90), (100, 22))
    assert len(rates) == len(GOVERNANCE.markets)
    assert changed.funding == ((ETH, -3_300), (LINK, -16_830), (SOL, -377_000))
    assert changed.usdc_quote_quantums == untouched.usdc + 1_000_000 - 397_130
    again = made.exchange.subaccount(one.key)
    assert again.indices == ((ETH, 22), (LINK, 90), (SOL, 29))
    assert {row.rate_ppm for row in samples} == {0}


@pytest.mark.parametrize(
    ("ticker", "fills", "reward"),
    [
        ("SOL-USD", [("850.6", "23.51"), ("149.4", "23.52")], 386398892869464761),
        ("ETH-USD", [("0.05", "1812.8")], 1489549807288969),
        ("LINK-USD", [("1300", "7.2")], 153826626800493808),
        ("SOL-USD", [("1", "23.51")], 386327402930727),
    ],
)
def test_a_taker_is_rewarded_in_the_native_coin(
    ticker: str, fills: list[tuple[str, str]], reward: int
) -> None:
    made = lab()
    market = GOVERNANCE.by_ticker(ticker)
    made.exchange.set_price("ATOM-USD", Decimal("8.433494428"))
    made.exchange.set_price(ticker, Decimal(fills[0][1]))
    one, maker = made.funded(1, 20_000), made.funded(2, 500_000)
    for number, (size, price) in enumerate(fills):
        rest(made, maker, SELL, size, price, market.id, number)
    total = sum(Decimal(size) for size, _ in fills)
    coins = made.exchange.balance(one.address, "adv4tnt")
    treasury = made.exchange.balance(module_address("rewards_treasury"), "adv4tnt")
    made.place(one, BUY, str(total), fills[-1][1], pair=market.id)
    made.block()

    rewards = events(made, Rewarded)
    paid = made.exchange.balance(one.address, "adv4tnt") - coins
    left = made.exchange.balance(module_address("rewards_treasury"), "adv4tnt")
    assert len(rewards) == 1
    assert (rewards[0].owner, rewards[0].amount) == (one.address, paid)
    assert paid == treasury - left == reward


def test_fees_go_to_the_collector_and_from_there_to_those_who_stake() -> None:
    made = lab()
    made.exchange.set_price("LINK-USD", Decimal("7.2"))
    one, maker = made.funded(1, 20_000), made.funded(2, 20_000)
    rest(made, maker, SELL, 1300, "7.2", LINK, 110)
    made.block()
    made.place(one, BUY, 1300, "7.2")
    made.block()
    collected = made.exchange.balance(FEE_COLLECTOR, USDC_DENOM)
    staked = made.exchange.balance(DISTRIBUTION, USDC_DENOM)
    made.block()

    assert collected == 4_680_000 - 1_029_600
    assert made.exchange.balance(FEE_COLLECTOR, USDC_DENOM) == 0
    assert made.exchange.balance(DISTRIBUTION, USDC_DENOM) == staked + collected


def test_a_builder_gets_his_part_of_both_sides_on_top_of_the_fees() -> None:
    """As a real node did it: the builder's fee is rounded up and no part of the fill's fee."""
    made = lab()
    market = GOVERNANCE.by_ticker("NEAR-USD")
    made.exchange.set_price("NEAR-USD", Decimal("1.3"))
    one, maker, builder = made.funded(1, 1_000), made.funded(2, 100_000), trader(3)
    for who, side, size, ppm, client_id in ((maker, SELL, 100, 777, 1), (one, BUY, 51, 1234, 2)):
        code = BuilderCodeParameters(builder_address=builder.address, fee_ppm=ppm)
        made.place(
            who,
            side,
            size,
            "1.32",
            client_id=client_id,
            tif=GTT,
            pair=market.id,
            builder_code_parameters=code,
        )
    made.block()

    fills = events(made, Filled)
    assert [(row.fee_quote_quantums, row.builder_fee_quote_quantums) for row in fills] == [
        (33_660, 83_073),
        (-7_405, 52_308),
    ]
    assert made.exchange.balance(builder.address, USDC_DENOM) == 135_381
    assert (usdc(made, one), usdc(made, maker)) == ("932.563267", "100067.275097")
