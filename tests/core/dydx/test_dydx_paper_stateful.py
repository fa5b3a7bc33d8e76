"""Orders in the chain's state, from draft to proof, against the paper network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from core.clock import SystemClock, SystemRandom
from core.dydx.fate import Fate, Observed, fate
from core.dydx.faucet import fund
from core.dydx.indexer import Indexer
from core.dydx.keys import SigningKey
from core.dydx.limits import EquityTiers
from core.dydx.markets import Market, market_of
from core.dydx.network import Network, paper_network
from core.dydx.node import Broadcast, NodePool, OrderSighting, Outcome
from core.dydx.nonces import Nonces, milliseconds
from core.dydx.orders import (
    CancelDraft,
    Draft,
    OrderDraft,
    SignedTx,
    TwapTerms,
    limit_draft,
    sign,
    stop_market_draft,
    take_profit_limit_draft,
    twap_draft,
)
from core.dydx.protocol import Side
from core.paper.network import PaperNetwork, PaperSettings
from tests.core.dydx.dydx_kit import eventually

D = Decimal


@dataclass
class Trader:
    """A funded account on a paper network."""

    network: Network
    node: NodePool
    indexer: Indexer
    key: SigningKey
    account_number: int
    market: Market
    nonces: Nonces
    client_id: int = 0

    def terms(self, side: Side, size: str) -> dict[str, Any]:
        self.client_id += 1
        return {
            "address": self.key.address,
            "number": 0,
            "client_id": self.client_id,
            "market": self.market,
            "side": side,
            "size": D(size),
        }

    def price(self, part: str) -> Decimal:
        assert self.market.oracle_price is not None
        return self.market.oracle_price * D(part)

    async def end(self, seconds: int = 600) -> int:
        return int((await self.node.tip()).time.timestamp()) + seconds

    def signed(self, *drafts: Draft, sequence: int) -> SignedTx:
        return sign(drafts, self.key, self.network.chain_id, self.account_number, sequence=sequence)

    async def nonce(self) -> int:
        tip = await self.node.tip()
        return self.nonces.take(now=SystemClock().now(), block_time=tip.time)

    async def send(self, *drafts: Draft) -> Broadcast:
        signed = self.signed(*drafts, sequence=await self.nonce())
        return await self.node.broadcast(signed.tx)

    async def seen(self, draft: OrderDraft) -> OrderSighting:
        return await self.node.stateful_order(draft.ref)

    async def next_block(self) -> None:
        height = (await self.node.tip()).height
        await eventually(self.node.tip, lambda tip: tip.height > height)

    async def until_row(self, draft: OrderDraft, status: str | None = None) -> None:
        """The indexer has a row of the order, with this status."""
        await eventually(
            lambda: self.indexer.order(draft.order_uuid),
            lambda row: row and status in (None, row.status),
        )

    async def held(self, draft: OrderDraft) -> bool:
        return (await self.seen(draft)).order is not None

    async def gone(self, draft: OrderDraft) -> bool:
        return not await self.held(draft)


@pytest.fixture
async def trader() -> AsyncIterator[Trader]:
    paper = PaperNetwork(
        PaperSettings(grpc_port=0, rest_port=0, ws_port=0, rpc_port=0, prices="still", block_s=0.2)
    )
    await paper.start()
    network = paper_network(paper.grpc_port, paper.rest_port, paper.ws_port)
    clock, key = SystemClock(), SigningKey.generate(SystemRandom())
    node, indexer = NodePool(network, clock), Indexer(network, clock)
    await node.start()
    await fund(network, key.address, 0, D(10_000))
    await eventually(lambda: node.account(key.address), lambda found: found)
    account = await node.account(key.address)
    assert account is not None
    market = market_of((await indexer.perpetual_markets())["ETH-USD"])
    yield Trader(network, node, indexer, key, account.number, market, Nonces())
    await indexer.close()
    await node.close()
    await paper.close()


async def test_a_stop_rests_in_the_chains_state_until_it_is_replaced_in_one_transaction(
    trader: Trader,
) -> None:
    end = await trader.end()
    first = stop_market_draft(
        **trader.terms(Side.SELL, "1"), trigger_price=trader.price("0.9"), good_til_block_time=end
    )
    second = stop_market_draft(
        **trader.terms(Side.SELL, "0.5"), trigger_price=trader.price("0.8"), good_til_block_time=end
    )

    assert (await trader.send(first)).outcome is Outcome.ACCEPTED
    await eventually(lambda: trader.held(first), bool)
    seen = (await trader.seen(first)).order
    assert seen is not None
    assert (seen.quantums, seen.subticks) == (first.quantums, first.subticks)
    assert (seen.trigger_subticks, seen.reduce_only) == (first.trigger_subticks, True)
    assert (seen.triggered, seen.filled_quantums) == (False, 0)

    assert (await trader.send(CancelDraft.of(first), second)).outcome is Outcome.ACCEPTED
    await eventually(lambda: trader.held(second), bool)

    assert await trader.gone(first)
    await trader.until_row(first, "CANCELED")
    await trader.until_row(second, "UNTRIGGERED")


async def test_resting_orders_of_each_kind_are_taken_and_canceled(trader: Trader) -> None:
    end = await trader.end()
    orders: list[OrderDraft] = [
        limit_draft(
            **trader.terms(Side.BUY, "0.1"), price=trader.price("0.5"), good_til_block_time=end
        ),
        take_profit_limit_draft(
            **trader.terms(Side.SELL, "0.1"),
            trigger_price=trader.price("2"),
            price=trader.price("1.9"),
            good_til_block_time=end,
        ),
        twap_draft(
            **trader.terms(Side.BUY, "0.1"),
            terms=TwapTerms(300, 60, 10_000),
            good_til_block_time=end,
        ),
    ]
    for draft in orders:
        answer = await trader.send(draft)
        assert (answer.outcome, answer.raw_log) == (Outcome.ACCEPTED, "[]")
        await trader.next_block()
    for draft in orders:
        await trader.until_row(draft)

    canceled = await trader.send(*(CancelDraft.of(draft) for draft in orders))

    assert canceled.outcome is Outcome.ACCEPTED
    for draft in orders:
        await trader.until_row(draft, "CANCELED")
    with pytest.raises(ValueError, match="long-term and conditional"):
        await trader.seen(orders[2])


async def test_the_same_bytes_again_prove_nothing_and_place_nothing(trader: Trader) -> None:
    draft = limit_draft(
        **trader.terms(Side.BUY, "0.1"),
        price=trader.price("0.5"),
        good_til_block_time=await trader.end(),
    )
    signed = trader.signed(draft, sequence=await trader.nonce())
    await trader.node.broadcast(signed.tx)

    again = await trader.node.broadcast(signed.tx, resend=True)
    await eventually(lambda: trader.held(draft), bool)
    included = await trader.node.transaction(signed.tx_hash)

    assert (again.outcome, again.codespace, again.code) == (Outcome.UNKNOWN, "sdk", 19)
    assert included is not None
    assert included.code == 0


async def test_an_order_that_never_left_is_proved_dead_once_its_nonce_is_over(
    trader: Trader,
) -> None:
    draft = limit_draft(
        **trader.terms(Side.BUY, "0.1"),
        price=trader.price("0.5"),
        good_til_block_time=await trader.end(),
    )
    # Near the end of its window, so that a second of block time is enough.
    nonce = milliseconds((await trader.node.tip()).time) - 29_000
    signed = trader.signed(draft, sequence=nonce)

    async def judged() -> Fate:
        tip = await trader.node.tip()
        sighting = await trader.node.stateful_order(draft.ref, at_least=tip.height)
        height = (await trader.indexer.height()).height
        row = await trader.indexer.order(draft.order_uuid)
        return fate(
            Observed(
                sequence=nonce,
                tip=tip,
                sighting=sighting,
                indexer_height=height,
                row_seen=True,
                row_height=None if row is None else tip.height,
            )
        )

    assert await judged() is Fate.UNKNOWN
    await eventually(judged, lambda found: found is Fate.DEAD, timeout_s=30)

    late = await trader.node.broadcast(signed.tx)
    assert (late.outcome, late.codespace, late.code) == (Outcome.REFUSED, "sdk", 32)


async def test_the_ordinary_sequence_is_taken_as_well(trader: Trader) -> None:
    account = await trader.node.account(trader.key.address)
    assert account is not None
    draft = limit_draft(
        **trader.terms(Side.BUY, "0.1"),
        price=trader.price("0.5"),
        good_til_block_time=await trader.end(),
    )

    answer = await trader.node.broadcast(trader.signed(draft, sequence=account.sequence).tx)

    assert answer.outcome is Outcome.ACCEPTED
    await eventually(lambda: trader.held(draft), bool)
    after = await trader.node.account(trader.key.address)
    assert after is not None
    assert after.sequence == account.sequence + 1


async def test_the_limits_that_the_chain_names_are_the_ones_it_keeps(trader: Trader) -> None:
    slots = EquityTiers(await trader.node.equity_tiers()).slots(D(10_000))
    limits = (await trader.node.block_rate_limits()).stateful
    per_block = min(limit for blocks, limit in limits if blocks == 1)
    end = await trader.end()
    # Begin with a fresh block, so that all of them arrive in it.
    await trader.next_block()
    answers = [
        await trader.send(
            limit_draft(
                **trader.terms(Side.BUY, "0.001"),
                price=trader.price("0.5"),
                good_til_block_time=end,
            )
        )
        for _ in range(2 * per_block + 1)
    ]

    assert slots >= 2 * per_block + 1
    refused = {(a.codespace, a.code) for a in answers if a.outcome is Outcome.REFUSED}
    assert refused == {("clob", 5001)}
    assert answers[0].outcome is Outcome.ACCEPTED
