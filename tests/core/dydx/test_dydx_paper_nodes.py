"""Several nodes of the paper network of which one is at fault: what is known, and one fill."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal

import pytest

from core.clock import SystemClock, SystemRandom
from core.dydx.faucet import fund
from core.dydx.indexer import Indexer
from core.dydx.keys import SigningKey
from core.dydx.markets import Market, market_of
from core.dydx.network import paper_network
from core.dydx.node import NodePool, Outcome
from core.dydx.orders import SignedOrder, market_draft, sign_order
from core.dydx.protocol import Side
from core.paper.faults import NodeFaults
from core.paper.network import PaperNetwork, PaperSettings
from tests.core.dydx.dydx_kit import eventually
from tests.core.dydx.node_kit import network_of

D = Decimal
SIZE = D("0.1")


@dataclass
class Scene:
    """Three nodes, a pool over all of them, and a funded account."""

    paper: PaperNetwork
    pool: NodePool
    indexer: Indexer
    key: SigningKey
    account_number: int
    market: Market
    client_id: int = 0

    async def order(self) -> SignedOrder:
        self.client_id += 1
        draft = market_draft(
            address=self.key.address,
            number=0,
            client_id=self.client_id,
            market=self.market,
            side=Side.BUY,
            size=SIZE,
            slippage_bps=200,
            height=self.paper.exchange.height,
        )
        return sign_order(draft, self.key, self.pool.network.chain_id, self.account_number)

    async def filled_once_it_is_over(self, signed: SignedOrder) -> Decimal:
        """What was filled in all when the order can do nothing any more."""
        last = signed.draft.last_block
        await eventually(self.indexer.height, lambda at: at.height > last)
        fills = await self.indexer.all_fills_since(self.key.address, 0, 0)
        return sum((f.size for f in fills if f.order_id == signed.order_uuid), D(0))


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    paper = PaperNetwork(
        PaperSettings(
            grpc_port=0,
            rest_port=0,
            ws_port=0,
            rpc_port=0,
            prices="still",
            block_s=0.2,
            nodes=3,
        )
    )
    await paper.start()
    clock, key = SystemClock(), SigningKey.generate(SystemRandom())
    whole = paper_network(paper.grpc_port, paper.rest_port, paper.ws_port)
    pool = NodePool(
        network_of(*(f"http://127.0.0.1:{node.port}" for node in paper.nodes)),
        clock,
        call_timeout_s=1.0,
        hedge_after_s=0.2,
        probe_interval_s=0.3,
    )
    indexer = Indexer(whole, clock)
    await pool.start()
    await fund(whole, key.address, 0, D(10_000))
    await eventually(lambda: pool.account(key.address), lambda found: found)
    account = await pool.account(key.address)
    assert account is not None
    market = market_of((await indexer.perpetual_markets())["ETH-USD"])
    yield Scene(paper, pool, indexer, key, account.number, market)
    await indexer.close()
    await pool.close()
    await paper.close()


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (NodeFaults(request_lost=True), Outcome.ACCEPTED),
        (NodeFaults(rtt_ms=700), Outcome.ACCEPTED),
        (NodeFaults(down=True), Outcome.ACCEPTED),
        # The first took it and told the others, who only say that they know the bytes.
        (NodeFaults(answer_lost=True), Outcome.UNKNOWN),
    ],
)
async def test_an_order_is_filled_once_whatever_the_first_node_does(
    scene: Scene, fault: NodeFaults, outcome: Outcome
) -> None:
    signed = await scene.order()
    scene.paper.nodes[0].faults = fault

    answer = await scene.pool.broadcast(signed.tx)
    again = await scene.pool.broadcast(signed.tx, resend=True)

    assert answer.outcome is outcome
    assert again.outcome is Outcome.UNKNOWN
    assert await scene.filled_once_it_is_over(signed) == SIZE


async def test_a_node_behind_the_chain_is_sent_nothing(scene: Scene) -> None:
    scene.paper.nodes[0].faults = NodeFaults(behind_blocks=30)

    async def behind() -> bool:
        return scene.pool.nodes()[0].behind

    await eventually(behind, bool, timeout_s=20)
    signed = await scene.order()
    answer = await scene.pool.broadcast(signed.tx)

    assert answer.outcome is Outcome.ACCEPTED
    assert f"http://127.0.0.1:{scene.paper.nodes[0].port}" not in {a.endpoint for a in answer.asked}
    at = scene.paper.exchange.height
    seen = await scene.pool.subaccount(scene.key.address, 0, at_least=at)
    assert seen.height is not None
    assert seen.height >= at


async def test_two_copies_reach_the_chain_where_one_node_keeps_everything_to_itself(
    scene: Scene,
) -> None:
    scene.paper.nodes[0].faults = NodeFaults(stands_apart=True)
    alone, twice = await scene.order(), await scene.order()

    assert (await scene.pool.broadcast(alone.tx)).outcome is Outcome.ACCEPTED
    assert (await scene.pool.broadcast(twice.tx, copies=2)).outcome is Outcome.ACCEPTED

    assert await scene.filled_once_it_is_over(alone) == 0
    assert await scene.filled_once_it_is_over(twice) == SIZE
