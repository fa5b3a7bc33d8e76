"""The client against the paper network: the real protocols from deposit to fill."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from core.clock import SystemClock, SystemRandom
from core.dydx.faucet import fund
from core.dydx.indexer import Indexer
from core.dydx.keys import SigningKey
from core.dydx.network import Network, paper_network
from core.dydx.node import NodePool, Outcome
from core.dydx.orders import SignedOrder, market_draft, sign_order
from core.dydx.protocol import Side
from core.dydx.stream import Stream, SubaccountSnapshot, SubaccountUpdate
from core.paper.network import PaperNetwork, PaperSettings
from tests.core.dydx.dydx_kit import eventually, until
from tests.core.dydx.stream_kit import Watcher

D = Decimal
TICKER = "ETH-USD"


@dataclass
class Venue:
    """A paper network and this client on it."""

    network: Network
    node: NodePool
    indexer: Indexer
    stream: Stream
    watcher: Watcher
    key: SigningKey
    account_number: int = 0

    def order(self, client_id: int, side: Side, size: str, **changes: Any) -> SignedOrder:
        market = self.stream.markets.get(TICKER)
        assert market is not None
        assert self.stream.height is not None
        values: dict[str, Any] = {
            "address": self.key.address,
            "number": 0,
            "client_id": client_id,
            "market": market,
            "side": side,
            "size": D(size),
            "slippage_bps": 200,
            "height": self.stream.height,
        }
        draft = market_draft(**(values | changes))
        return sign_order(draft, self.key, self.network.chain_id, self.account_number)

    def fills(self) -> list[Any]:
        return [fill for u in self.watcher.of(SubaccountUpdate) for fill in u.fills]


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    paper = PaperNetwork(
        PaperSettings(grpc_port=0, rest_port=0, ws_port=0, rpc_port=0, prices="still", block_s=0.2)
    )
    await paper.start()
    network = paper_network(paper.grpc_port, paper.rest_port, paper.ws_port)
    clock, random, watcher = SystemClock(), SystemRandom(), Watcher()
    key = SigningKey.generate(random)
    made = Venue(
        network=network,
        node=NodePool(network, clock),
        indexer=Indexer(network, clock),
        stream=Stream(network, clock, random, watcher),
        watcher=watcher,
        key=key,
    )
    await made.node.start()
    await made.stream.start()
    await made.stream.subscribe(key.address, 0)
    await fund(network, key.address, 0, D(10_000))
    await until(lambda: made.stream.markets.loaded and made.stream.height)
    await eventually(lambda: made.indexer.subaccount(key.address, 0), lambda found: found)
    account = await made.node.account(key.address)
    assert account is not None
    made.account_number = account.number
    yield made
    await made.stream.close()
    await made.indexer.close()
    await made.node.close()
    await paper.close()


async def test_a_market_order_is_accepted_filled_and_found_everywhere(venue: Venue) -> None:
    signed = venue.order(1, Side.BUY, "0.5")

    answer = await venue.node.broadcast(signed.tx)
    await until(lambda: sum(fill.size for fill in venue.fills()) == D("0.5"))

    assert (answer.outcome, answer.code) == (Outcome.ACCEPTED, 0)
    assert answer.tx_hash == signed.tx_hash
    told = venue.fills()
    assert {fill.order_id for fill in told} == {signed.order_uuid}
    read = await venue.indexer.all_fills_since(venue.key.address, 0, 0)
    assert [fill.id for fill in read] == [fill.id for fill in told]
    market = venue.stream.markets.get(TICKER)
    assert market is not None
    held = await venue.node.subaccount(venue.key.address, 0)
    assert market.scale.size_of(held.positions[1]) == D("0.5")
    order = await venue.indexer.order(signed.order_uuid)
    assert order is not None
    assert order.status == "FILLED"
    rows = await venue.indexer.perpetual_positions(venue.key.address, 0, status="OPEN")
    assert [(row.market, row.size) for row in rows] == [(TICKER, D("0.5"))]
    assert venue.stream.unreadable == 0


async def test_the_same_bytes_sent_again_prove_nothing_and_fill_nothing(venue: Venue) -> None:
    signed = venue.order(2, Side.BUY, "0.2")
    await venue.node.broadcast(signed.tx)

    again = await venue.node.broadcast(signed.tx, resend=True)
    await until(lambda: venue.fills())

    assert (again.outcome, again.codespace, again.code) == (Outcome.UNKNOWN, "sdk", 19)
    await until(lambda: venue.stream.height and venue.stream.height > signed.draft.last_block)
    read = await venue.indexer.all_fills_since(venue.key.address, 0, 0)
    assert sum(fill.size for fill in read) == D("0.2")


async def test_the_same_order_with_a_later_end_does_not_fill_twice(venue: Venue) -> None:
    first = venue.order(3, Side.BUY, "0.2")
    await venue.node.broadcast(first.tx)
    await until(lambda: venue.fills())
    raised = replace(first.draft, good_til_block=first.draft.last_block + 1)
    again = sign_order(raised, venue.key, venue.network.chain_id, venue.account_number)

    answer = await venue.node.broadcast(again.tx, resend=True)

    assert answer.outcome is Outcome.UNKNOWN
    assert answer.codespace == "clob"
    assert answer.code in (20, 24)


async def test_refusals_of_the_chain_are_understood(venue: Venue) -> None:
    flat = venue.order(4, Side.SELL, "0.1", reduce_only=True)
    late = venue.order(5, Side.BUY, "0.1", height=1, good_til_blocks=1)
    early = venue.order(6, Side.BUY, "0.1", height=10**6)
    elsewhere = sign_order(
        venue.order(7, Side.BUY, "0.1").draft, venue.key, "dydx-mainnet-1", venue.account_number
    )
    await eventually(venue.node.latest_block, lambda block: block.height >= 4)

    for signed, code in ((flat, ("clob", 2001)), (late, ("clob", 10)), (early, ("clob", 11))):
        answer = await venue.node.broadcast(signed.tx)
        assert (answer.codespace, answer.code) == code
        assert answer.outcome is Outcome.REFUSED
    wrong = await venue.node.broadcast(elsewhere.tx)
    assert (wrong.codespace, wrong.code) == ("sdk", 4)
    assert await venue.indexer.all_fills_since(venue.key.address, 0, 0) == []


async def test_an_oversize_reduce_only_order_closes_exactly_the_position(venue: Venue) -> None:
    await venue.node.broadcast(venue.order(8, Side.BUY, "0.3").tx)
    await until(lambda: sum(fill.signed_size for fill in venue.fills()) == D("0.3"))

    await venue.node.broadcast(venue.order(9, Side.SELL, "5", reduce_only=True).tx)
    await until(lambda: sum(fill.signed_size for fill in venue.fills()) == 0)

    assert (await venue.node.subaccount(venue.key.address, 0)).positions.get(1, 0) == 0


async def test_queries_of_the_node_are_answered(venue: Venue) -> None:
    await venue.node.verify_chain()
    pairs = await venue.node.clob_pairs()
    tiers = await venue.node.equity_tiers()
    limits = await venue.node.block_rate_limits()

    assert len(pairs) >= 30
    by_id = {pair.id: pair for pair in pairs}
    for ticker in venue.stream.markets.tickers():
        market = venue.stream.markets.get(ticker)
        assert market is not None
        pair = by_id[market.clob_pair_id]
        assert pair.step_base_quantums == market.scale.step_base_quantums
        assert pair.subticks_per_tick == market.scale.subticks_per_tick
    assert tiers
    assert limits.stateful
    assert await venue.node.account("dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz") is None
    height = await venue.indexer.height()
    assert abs(height.height - (await venue.node.latest_block()).height) < 10


async def test_the_snapshot_of_a_funded_account_shows_its_money(venue: Venue) -> None:
    await venue.stream.unsubscribe(venue.key.address, 0)
    await venue.stream.subscribe(venue.key.address, 0)
    await until(lambda: any(s.subaccount is not None for s in venue.watcher.of(SubaccountSnapshot)))

    told = venue.watcher.of(SubaccountSnapshot)[-1]
    assert told.subaccount.equity == D(10_000)
