"""What a venue takes for the chain's height and for current prices, and when it asks elsewhere."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from core.clock import SystemClock, SystemRandom
from core.dydx.indexer import Indexer, IndexerUnreachable
from core.dydx.indexer_types import Height, MarketRow
from core.dydx.network import Network, paper_network
from core.dydx.node import NodePool, NodeUnreachable
from core.dydx.node_types import Tip
from core.dydx.stream import BlockHeight, Stream, StreamEvent
from core.trading.venue import Venue

NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)
NODE_HEIGHT = 120


class SetClock(SystemClock):
    """Moves by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> dt.datetime:
        return NOW + dt.timedelta(seconds=self.seconds - 1000)

    def monotonic(self) -> float:
        return self.seconds


class ToldStream(Stream):
    """A stream that was told of blocks by the test instead of by a websocket."""

    open = True
    told: int | None = None
    told_at: float | None = None

    @property
    def height(self) -> int | None:
        return self.told

    @property
    def height_received(self) -> float | None:
        return self.told_at

    @property
    def connected(self) -> bool:
        return self.open

    def fresh(self, max_age_s: float) -> bool:
        at = self.told_at
        return self.open and at is not None and self._clock.monotonic() - at <= max_age_s


class OneNode(NodePool):
    """A node at block 120 with an oracle price of its own."""

    up = True

    async def tip(self) -> Tip:
        if not self.up:
            raise NodeUnreachable("down")
        return Tip(NODE_HEIGHT, NOW)

    async def oracle_price(self, ticker: str) -> Decimal | None:
        if not self.up:
            raise NodeUnreachable("down")
        return Decimal(28000)


class OneIndexer(Indexer):
    """Its REST does not answer before `at` is set."""

    at: int | None = None

    async def height(self) -> Height:
        if self.at is None:
            raise IndexerUnreachable("down")
        return Height(height=self.at, time=NOW)

    async def perpetual_markets(self) -> dict[str, MarketRow]:
        if self.at is None:
            raise IndexerUnreachable("down")
        return {"BTC-USD": BTC.model_copy(update={"oracle_price": Decimal(29500)})}


BTC = MarketRow.read(
    {
        "clobPairId": "0",
        "ticker": "BTC-USD",
        "status": "ACTIVE",
        "oraclePrice": "29000",
        "initialMarginFraction": "0.02",
        "maintenanceMarginFraction": "0.012",
        "atomicResolution": -10,
        "quantumConversionExponent": -9,
        "stepBaseQuantums": 1000000,
        "subticksPerTick": 100000,
        "marketType": "CROSS",
    }
)


class Scene:
    def __init__(self, network: Network) -> None:
        async def unheard(event: StreamEvent) -> None:
            raise AssertionError(f"nothing is connected, and yet {event}")

        self.clock = SetClock()
        self.stream = ToldStream(network, self.clock, SystemRandom(), unheard)
        self.stream.markets.replace({"BTC-USD": BTC})
        self.node, self.indexer = OneNode(network, self.clock), OneIndexer(network, self.clock)
        self.venue = Venue(network, self.node, self.indexer, self.stream, self.clock)

    def block(self, height: int, *, header_age_s: float) -> None:
        """The stream tells of a block now."""
        self.stream.told, self.stream.told_at = height, self.clock.monotonic()
        age = dt.timedelta(seconds=header_age_s)
        self.venue.note(BlockHeight(height, self.clock.now() - age))


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with contextlib.AsyncExitStack() as stack:
        made = Scene(paper_network())
        stack.push_async_callback(made.venue.close)
        yield made


async def test_the_height_comes_from_the_stream_while_its_block_is_new(scene: Scene) -> None:
    scene.block(119, header_age_s=1.9)
    assert await scene.venue.height() == 119


async def test_an_indexer_that_tells_old_blocks_punctually_is_not_asked_for_the_height(
    scene: Scene,
) -> None:
    scene.block(105, header_age_s=12)
    assert await scene.venue.height() == NODE_HEIGHT


async def test_a_stream_that_fell_silent_is_not_asked_for_the_height(scene: Scene) -> None:
    scene.block(112, header_age_s=1)
    scene.clock.seconds += 6
    assert await scene.venue.height() == NODE_HEIGHT


async def test_prices_of_a_moment_ago_count_although_websocket_and_rest_are_gone(
    scene: Scene,
) -> None:
    scene.block(119, header_age_s=1)
    scene.stream.open = False
    scene.clock.seconds += 3
    quote = await scene.venue.quotes.quote("BTC-USD")
    assert quote.stale is None
    assert quote.market is not None
    assert quote.market.oracle_price == Decimal(29000)


async def test_prices_that_nothing_renews_are_old_and_the_node_tells_a_better_one(
    scene: Scene,
) -> None:
    scene.block(119, header_age_s=1)
    scene.clock.seconds += 11
    quote = await scene.venue.quotes.quote("BTC-USD")
    assert quote.stale is not None
    assert "cannot be read" in quote.stale
    assert quote.market is not None
    assert quote.market.oracle_price == Decimal(28000)


async def test_without_node_and_indexer_the_last_price_is_all_there_is(scene: Scene) -> None:
    scene.block(119, header_age_s=1)
    scene.clock.seconds += 11
    scene.node.up = False
    quote = await scene.venue.quotes.quote("BTC-USD")
    assert quote.stale is not None
    assert quote.market is not None
    assert quote.market.oracle_price == Decimal(29000)


async def test_an_indexer_that_lags_gives_no_fresh_prices_however_readily_it_answers(
    scene: Scene,
) -> None:
    scene.block(100, header_age_s=20)
    scene.indexer.at = NODE_HEIGHT - 20
    quote = await scene.venue.quotes.quote("BTC-USD")
    assert quote.stale == "dYdX's indexer is 20 blocks behind the chain."


async def test_prices_are_read_by_request_while_the_stream_is_down(scene: Scene) -> None:
    scene.stream.open = False
    scene.indexer.at = NODE_HEIGHT - 1
    quote = await scene.venue.quotes.quote("BTC-USD")
    assert quote.stale is None
    assert quote.market is not None
    assert quote.market.oracle_price == Decimal(29500)


async def test_a_clock_that_is_wrong_costs_a_question_and_nothing_else(scene: Scene) -> None:
    scene.block(119, header_age_s=300)
    assert (await scene.venue.quotes.quote("BTC-USD")).stale is None


async def test_a_chain_that_stands_still_gives_no_fresh_prices(scene: Scene) -> None:
    scene.block(NODE_HEIGHT, header_age_s=1)
    scene.indexer.at = NODE_HEIGHT
    scene.clock.seconds += 11
    assert (await scene.venue.quotes.quote("BTC-USD")).stale is None
    scene.clock.seconds += 16
    quote = await scene.venue.quotes.quote("BTC-USD")
    assert quote.stale == "The chain makes no blocks at the moment."
