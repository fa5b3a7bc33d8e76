"""What a venue takes for the chain's height and for current prices, and when it asks elsewhere."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from core.clock import SystemClock, SystemRandom
from core.dydx.indexer import Indexer, IndexerUnreachable
from core.dydx.indexer_types import MarketRow
from core.dydx.network import Network, paper_network
from core.dydx.node import Block, NodePool
from core.dydx.stream import BlockHeight, Stream, StreamEvent
from core.trading.decision import Refusal
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
    """A node at block 120."""

    async def latest_block(self) -> Block:
        return Block(NODE_HEIGHT, NOW, self.network.chain_id)


class DeadIndexer(Indexer):
    """Its REST does not answer."""

    async def perpetual_markets(self) -> dict[str, MarketRow]:
        raise IndexerUnreachable("down")


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
        self.venue = Venue(
            network,
            OneNode(network, self.clock),
            DeadIndexer(network, self.clock),
            self.stream,
            self.clock,
        )

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
    market = await scene.venue.market("BTC-USD")
    assert market is not None
    assert market.oracle_price == Decimal(29000)


async def test_prices_that_nothing_renews_are_refused(scene: Scene) -> None:
    scene.block(119, header_age_s=1)
    scene.clock.seconds += 11
    with pytest.raises(Refusal) as refused:
        await scene.venue.market("BTC-USD")
    assert refused.value.code == "prices_stale"
