"""Funding: the chain's clocks, premiums, samples and rates, and what they bring about."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from v4_proto.dydxprotocol.epochs import query_pb2 as epochs
from v4_proto.dydxprotocol.perpetuals import query_pb2 as perpetuals

from core.paper.happenings import FundingIndexed, PremiumSampled
from tests.core.paper.chain_kit import BUY, LINK, NOON, SELL, SOL, lab
from tests.core.paper.money_kit import ask, events, governed, rest, shown


def test_clocks_tick_on_the_half_minute_and_on_the_hour() -> None:
    made = lab()
    heights: dict[str, list[dt.datetime]] = {"sample": [], "funding": []}
    while made.now < NOON + dt.timedelta(hours=1, minutes=2):
        made.now += dt.timedelta(seconds=9)
        block = made.block()
        for name, kind in (("sample", PremiumSampled), ("funding", FundingIndexed)):
            if any(isinstance(event, kind) for event in block.events):
                heights[name].append(block.time)

    assert [time.second // 10 for time in heights["sample"]] == [3] * 62
    assert len({time.replace(second=0) for time in heights["sample"]}) == 62
    assert [(time.hour, time.minute) for time in heights["funding"]] == [(13, 0)]
    answer = ask(
        made,
        "/dydxprotocol.epochs.Query/EpochInfoAll",
        epochs.QueryAllEpochInfoRequest(),
        epochs.QueryEpochInfoAllResponse,
    )
    two = int(NOON.timestamp()) + 7_200
    found = [(row.name, row.duration, row.next_tick) for row in answer.epoch_info]
    assert found[1:] == [("funding-tick", 3_600, two), ("stats-epoch", 3_600, two)]
    assert found[0][:2] == ("funding-sample", 60)


@pytest.mark.parametrize(
    ("bids", "asks", "premium"),
    [
        ([(500, "10.1"), (500, "10.0")], [], 9_999),
        ([(100, "10.1"), (500, "10.05")], [], 6_006),
        ([(400, "10.1")], [], 0),
        ([(500, "9.9")], [(500, "10.1")], 0),
        ([], [(600, "9.8")], -20_000),
        ([(60, "10.5"), (5_000, "9")], [], 0),
        ([(100_000, "60")], [], 3_000_000),
    ],
)
def test_the_premium_is_measured_at_the_impact_notional(
    bids: list[tuple[int, str]], asks: list[tuple[int, str]], premium: int
) -> None:
    """LINK at 10 USD, measured at 5,000 USD (its size rounded up: not 10,000): 400 at 10.1 are
    too few; a bid at 60 is capped.
    """
    made = lab()
    made.exchange.set_price("LINK-USD", Decimal(10))
    maker = made.funded(2, 100_000_000)
    for number, (side, size, price) in enumerate(
        [(BUY, *row) for row in bids] + [(SELL, *row) for row in asks]
    ):
        rest(made, maker, side, size, price, LINK, number)
    made.block()

    answer = ask(
        made,
        "/dydxprotocol.perpetuals.Query/PremiumVotes",
        perpetuals.QueryPremiumVotesRequest(),
        perpetuals.QueryPremiumVotesResponse,
    )
    votes = {
        row.perpetual_id: list(row.premiums) for row in answer.premium_votes.all_market_premiums
    }
    assert votes == ({LINK: [premium]} if premium else {})


@pytest.mark.parametrize(
    ("start", "step_s", "minutes", "samples"),
    [(0, 2, 30, range(29, 34)), (30, 2, 20, range(19, 24)), (0, 9, 30, range(1))],
    ids=["an hour", "half an hour", "too few votes in a minute"],
)
def test_a_premium_that_lasts_becomes_the_rate_of_the_hour(
    start: int, step_s: int, minutes: int, samples: range
) -> None:
    """The book stands one percent above the oracle for a while. A minute needs 15 votes and the
    hour 60 samples: what is missing counts as nothing. Then 100 ppm of interest come on top, all
    for eight hours.
    """
    made = governed(NOON + dt.timedelta(minutes=start))
    made.exchange.set_price("LINK-USD", Decimal(10))
    maker = made.funded(2, 1_000_000)
    until = made.now + dt.timedelta(minutes=minutes)
    number = 0
    while made.now < NOON + dt.timedelta(hours=1, seconds=10):
        if made.now < until and number % 30 == 0:
            rest(made, maker, BUY, 5_000, "10.1", LINK, number)
        number += 1
        made.now += dt.timedelta(seconds=step_s)
        made.block()
    made.blocks(2)

    found = [row.rate_ppm for row in events(made, PremiumSampled) if row.perpetual_id == LINK]
    [funding] = [row for row in events(made, FundingIndexed) if row.perpetual_id == LINK]
    assert found.count(9_999) in samples
    assert len(found) == 60 - start
    assert funding.rate_ppm == found.count(9_999) * 9_999 // 60 + 100
    assert funding.funding_index == funding.rate_ppm * 10 // 8


def test_funding_alone_can_make_an_account_liquidatable() -> None:
    """1,000 SOL with 0.225 USDC more than they need; an hour costs 0.27, the price stands still."""
    made = lab()
    made.exchange.set_price("SOL-USD", Decimal("23.5"))
    one, maker = made.funded(1, 2_500), made.funded(2, 500_000)
    rest(made, maker, SELL, 1_000, "23.51", SOL, 1)
    made.place(one, BUY, 1_000, "23.51", pair=SOL)
    made.exchange.set_price("SOL-USD", Decimal("22.1284"))
    made.blocks(3)
    before = made.position(one, SOL)
    while made.now < NOON + dt.timedelta(hours=1, seconds=-20):
        made.now += dt.timedelta(seconds=59)
        made.block()
    rest(made, maker, BUY, 1_000, "22.13", SOL, 2)
    still = made.position(one, SOL)
    for _ in range(8):
        made.now += dt.timedelta(seconds=5)
        made.block()

    forced = [row for row in made.fills(one) if row.kind == "LIQUIDATED"]
    assert [int(before), int(still)] == [1_000, 1_000]
    assert [shown(row)[2] for row in forced] == ["100"]
