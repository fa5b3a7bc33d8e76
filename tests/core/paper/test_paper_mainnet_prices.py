"""Prices and markets that follow another network's indexer; here that of a second paper network."""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.paper.governance import load_governance
from core.paper.mainnet_markets import merged_rows, readable_rows, with_markets
from core.paper.network import PaperNetwork, PaperSettings
from core.paper.prices import Prices, PriceSettings
from tests.core.paper.indexer_kit import until

ANY = PaperSettings(grpc_port=0, rest_port=0, ws_port=0, rpc_port=0, prices="still", rest_limit=0)
NOWHERE = replace(
    ANY,
    prices="mainnet",
    mainnet_rest="http://127.0.0.1:9",
    mainnet_ws="ws://127.0.0.1:9/v4/ws",
)
GOVERNANCE = load_governance()
LINK = GOVERNANCE.by_ticker("LINK-USD")


@contextlib.asynccontextmanager
async def running(settings: PaperSettings, **how: Any) -> AsyncIterator[PaperNetwork]:
    network = PaperNetwork(settings, blocks=False, **how)
    await network.start()
    try:
        yield network
    finally:
        await network.close()


def following(source: PaperNetwork, **more: Any) -> PaperSettings:
    return replace(
        ANY,
        prices="mainnet",
        mainnet_rest=f"http://127.0.0.1:{source.rest_port}",
        mainnet_ws=f"ws://127.0.0.1:{source.ws_port}/v4/ws",
        **more,
    )


async def markets_of(network: PaperNetwork) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{network.rest_port}") as rest:
        return dict((await rest.get("/v4/perpetualMarkets")).json()["markets"])


async def prices_in(network: PaperNetwork) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{network.rest_port}") as rest:
        return dict((await rest.get("/paper/state")).json()["prices"])


def usd(network: PaperNetwork, ticker: str = "LINK-USD") -> Decimal:
    market = network.exchange.governance.by_ticker(ticker)
    return market.price_usd(network.exchange.oracle_price(market))


def is_followed(network: PaperNetwork) -> Callable[[], bool]:
    return lambda: network.exchange.prices.mode == "mainnet"


async def test_all_markets_are_taken_over_with_scales_margins_types_and_ids() -> None:
    async with running(ANY) as source, running(following(source)) as follower:
        theirs, ours = await markets_of(source), await markets_of(follower)

        assert ours.keys() == theirs.keys()
        same = (
            "clobPairId",
            "ticker",
            "status",
            "initialMarginFraction",
            "maintenanceMarginFraction",
            "atomicResolution",
            "quantumConversionExponent",
            "tickSize",
            "stepSize",
            "stepBaseQuantums",
            "subticksPerTick",
            "marketType",
            "openInterestLowerCap",
            "openInterestUpperCap",
        )
        for ticker, row in theirs.items():
            assert {name: ours[ticker][name] for name in same} == {name: row[name] for name in same}
            assert Decimal(ours[ticker]["oraclePrice"]) == Decimal(row["oraclePrice"])


async def test_prices_follow_while_they_can_and_the_state_says_so() -> None:
    async with running(ANY) as source, running(following(source)) as follower:
        await until(is_followed(follower))
        assert (await prices_in(follower))["mode"] == "mainnet"
        await follower.chain.make_block()

        source.exchange.set_price("LINK-USD", usd(source) * Decimal("1.05"))
        await source.chain.make_block()
        feed = follower.exchange.prices.source
        assert feed is not None
        await until(lambda: feed.price("LINK-USD") == usd(source))
        await follower.chain.make_block()

        assert usd(follower) == usd(source)


async def test_without_an_indexer_prices_walk_with_the_recorded_markets_and_say_so() -> None:
    lively = replace(NOWHERE, volatility=Decimal("0.05"))
    async with running(lively) as network:
        before = usd(network)
        for _ in range(30):
            await network.chain.make_block()

        said = await prices_in(network)
        assert (said["mode"], said["wanted"]) == ("walk", "mainnet")
        assert usd(network) != before
        assert network.exchange.governance.markets.keys() == GOVERNANCE.markets.keys()


async def test_an_indexer_that_comes_later_is_followed_without_a_jump() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    late = replace(NOWHERE, mainnet_ws=f"ws://127.0.0.1:{port}/v4/ws")
    async with running(late) as network:
        start = usd(network)
        async with running(replace(ANY, ws_port=port)) as source:
            source.exchange.set_price("LINK-USD", start * Decimal("1.02"))
            await source.chain.make_block()
            await until(is_followed(network), within_s=20)
            seen = [start]
            for _ in range(40):
                await network.chain.make_block()
                seen.append(usd(network))

            steps = [abs(after / before - 1) for before, after in itertools.pairwise(seen)]
            assert max(steps) < Decimal("0.005")
            assert abs(seen[-1] / usd(source) - 1) < Decimal("0.003")
        await until(lambda: network.exchange.prices.mode == "walk")


async def test_the_markets_taken_over_outlive_the_indexer(tmp_path: Path) -> None:
    small = with_markets(GOVERNANCE, readable_rows(_rows())[:3])
    async with (
        running(ANY, governance=small) as source,
        running(following(source, state_dir=tmp_path)) as network,
    ):
        taken = network.exchange.governance.markets
        await network.chain.make_block()
    assert len(taken) == 3

    async with running(replace(NOWHERE, state_dir=tmp_path)) as again:
        assert again.exchange.governance.markets.keys() == taken.keys()
        assert {key: row.scale for key, row in again.exchange.governance.markets.items()} == {
            key: row.scale for key, row in taken.items()
        }


async def test_a_chain_that_began_with_its_own_markets_keeps_them(tmp_path: Path) -> None:
    async with running(replace(ANY, state_dir=tmp_path)) as network:
        await network.chain.make_block()
    small = with_markets(GOVERNANCE, readable_rows(_rows())[:3])
    async with (
        running(ANY, governance=small) as source,
        running(following(source, state_dir=tmp_path)) as network,
    ):
        assert network.exchange.governance.markets.keys() == GOVERNANCE.markets.keys()


def _rows() -> list[dict[str, Any]]:
    """What an indexer says of three markets, oddities included."""
    row = {
        "clobPairId": "7",
        "ticker": "ABC-USD",
        "status": "ACTIVE",
        "oraclePrice": "0.00001234",
        "initialMarginFraction": "0.2",
        "maintenanceMarginFraction": "0.1",
        "atomicResolution": -4,
        "quantumConversionExponent": -9,
        "stepBaseQuantums": 1_000_000,
        "subticksPerTick": 1_000_000,
        "marketType": "ISOLATED",
        "openInterestLowerCap": "500000",
        "openInterestUpperCap": "1000000",
        "defaultFundingRate1H": "0.0000125",
    }
    return [
        row,
        row | {"clobPairId": "3", "ticker": "DEF-USD", "oraclePrice": "97000.5"},
        row | {"clobPairId": "5", "ticker": "GHI-USD", "marketType": "CROSS"},
    ]


@pytest.mark.parametrize(
    "fault",
    [
        {"status": "FINAL_SETTLEMENT"},
        {"oraclePrice": None},
        {"oraclePrice": "0"},
        {"oraclePrice": "NaN"},
        {"maintenanceMarginFraction": "0.3"},
        {"initialMarginFraction": "x"},
        {"stepBaseQuantums": 0},
        {"clobPairId": "seven"},
    ],
)
def test_a_market_that_cannot_be_used_is_left_out(fault: dict[str, Any]) -> None:
    odd, *others = _rows()
    assert [row["ticker"] for row in readable_rows([odd | fault, *others, "junk"])] == [
        "DEF-USD",
        "GHI-USD",
    ]


def test_a_market_whose_units_changed_stays_as_it_was() -> None:
    kept = readable_rows(_rows())
    new = [
        kept[0] | {"subticksPerTick": 10},
        kept[1] | {"atomicResolution": -5},
        kept[2] | {"ticker": "GHI,RAYDIUM-USD"},
        kept[2] | {"clobPairId": "9", "ticker": "NEW-USD"},
    ]
    merged = merged_rows(kept, new)
    assert merged == [new[0], kept[1], kept[2], new[3]]


def test_margins_and_prices_are_exact() -> None:
    markets = with_markets(GOVERNANCE, readable_rows(_rows())).markets
    abc = markets[7]
    assert (abc.tier.initial_margin_ppm, abc.tier.maintenance_margin_ppm) == (200_000, 100_000)
    assert abc.tier.open_interest_upper_cap == 1_000_000_000_000
    assert abc.price_usd(abc.genesis_price) == Decimal("0.00001234")
    assert markets[3].price_usd(markets[3].genesis_price) == Decimal("97000.5")
    assert (abc.market_type, abc.default_funding_ppm) == ("ISOLATED", 100)


class _Feed:
    """Prices said by the test."""

    is_followed, epoch = True, 1

    def __init__(self, price: str) -> None:
        self.now = Decimal(price)

    def price(self, ticker: str) -> Decimal | None:
        return self.now if ticker == "LINK-USD" else None


def test_a_price_set_by_hand_glides_back_to_the_followed_one() -> None:
    feed = _Feed("10")
    prices = Prices(GOVERNANCE, PriceSettings(mode="mainnet"), feed)
    current = LINK.price_integer(Decimal(10))
    assert prices.next(LINK, current, 1) == current

    prices.set("LINK-USD", Decimal(11))
    current = prices.next(LINK, current, 2)
    assert LINK.price_usd(current) == 11
    seen = []
    for height in range(3, 130):
        before, current = current, prices.next(LINK, current, height)
        seen.append(before - current)
    assert LINK.price_usd(current) == 10
    assert all(0 <= step <= LINK.price_integer(Decimal("0.04")) for step in seen)

    feed.now = Decimal("10.5")
    assert LINK.price_usd(prices.next(LINK, current, 131)) == Decimal("10.5")
    other = GOVERNANCE.by_ticker("BTC-USD")
    assert prices.next(other, 123, 132) == 123
