"""Behaviour 25, the node's side: every fault by its name, at one node or at all."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import httpx
import pytest
from v4_proto.cosmos.base.tendermint.v1beta1 import query_pb2 as tendermint
from v4_proto.cosmos.base.tendermint.v1beta1 import query_pb2_grpc as tendermint_grpc
from v4_proto.cosmos.tx.v1beta1 import service_pb2 as tx
from v4_proto.cosmos.tx.v1beta1 import service_pb2_grpc as tx_grpc
from v4_proto.dydxprotocol.subaccounts import query_pb2 as subaccounts
from v4_proto.dydxprotocol.subaccounts import query_pb2_grpc as subaccounts_grpc

from core.dydx.protocol import Side
from core.paper.network import PaperNetwork, PaperSettings
from tests.core.paper.chain_kit import BUY, GTT, SOL, Trader, gas, leverage, trader

SETTINGS = PaperSettings(
    grpc_port=0, rest_port=0, ws_port=0, rpc_port=0, prices="still", rest_limit=0, nodes=2
)
DEADLINE_S = 2.0


@dataclass
class World:
    """A network of two nodes whose blocks the test makes, and a trader on it."""

    network: PaperNetwork
    rest: httpx.AsyncClient
    channels: list[Any]
    one: Trader
    client_id: int = 0

    async def faults(self, **body: Any) -> dict[str, Any]:
        answer = await self.rest.post("/paper/faults", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def block(self) -> None:
        await self.network.chain.make_block()

    def order(self, ahead: int = 20) -> bytes:
        self.client_id += 1
        gtb = self.network.exchange.height + ahead
        message = self.one.order(BUY, "1", "160", pair=SOL, client_id=self.client_id, gtb=gtb)
        return self.one.sign(message)

    def resting(self, ahead: int = 20) -> bytes:
        self.client_id += 1
        gtb = self.network.exchange.height + ahead
        how: dict[str, Any] = {"pair": SOL, "client_id": self.client_id, "gtb": gtb, "tif": GTT}
        return self.one.sign(self.one.order(BUY, "1", "100", **how))

    async def send(self, raw: bytes, node: int = 0) -> Any:
        request = tx.BroadcastTxRequest(tx_bytes=raw, mode=tx.BROADCAST_MODE_SYNC)
        stub = tx_grpc.ServiceStub(self.channels[node])
        return (await stub.BroadcastTx(request, timeout=DEADLINE_S)).tx_response

    async def code(self, raw: bytes, node: int = 0) -> int | grpc.StatusCode:
        """The chain's code, or how the call ended where there was none."""
        try:
            return int((await self.send(raw, node)).code)
        except grpc.aio.AioRpcError as error:
            return error.code()

    async def height(self, node: int) -> int:
        stub = tendermint_grpc.ServiceStub(self.channels[node])
        answer = await stub.GetLatestBlock(tendermint.GetLatestBlockRequest(), timeout=DEADLINE_S)
        return int(answer.block.header.height)

    async def named_height(self, node: int) -> int:
        """The block that a node names with an answer."""
        stub = subaccounts_grpc.QueryStub(self.channels[node])
        request = subaccounts.QueryGetSubaccountRequest(owner=self.one.address, number=0)
        call = stub.Subaccount(request, timeout=DEADLINE_S)
        return int(dict(await call.initial_metadata())["x-cosmos-block-height"])

    async def position(self, node: int = 0) -> int:
        """How many perpetuals the trader holds, by a node's committed state."""
        stub = subaccounts_grpc.QueryStub(self.channels[node])
        request = subaccounts.QueryGetSubaccountRequest(owner=self.one.address, number=0)
        answer = await stub.Subaccount(request, timeout=DEADLINE_S)
        return len(answer.subaccount.perpetual_positions)


@contextlib.asynccontextmanager
async def world() -> AsyncIterator[World]:
    network = PaperNetwork(SETTINGS, blocks=False)
    await network.start()
    one = trader(1)
    network.exchange.give(one.address, 0, 20_000_000_000)
    await network.chain.make_block()
    account = network.exchange.account(one.address)
    assert account is not None
    one.wallet.account_number = account.number
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(network.close)
        address = f"http://127.0.0.1:{network.rest_port}"
        rest = await stack.enter_async_context(httpx.AsyncClient(base_url=address))
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{node.port}"))
            for node in network.nodes
        ]
        yield World(network, rest, channels, one)


async def test_25_a_lost_request_passes_the_deadline_and_changes_nothing() -> None:
    async with world() as here:
        assert (await here.faults(request_lost=1))["request_lost"] == 1
        raw = here.order()

        assert await here.code(raw) is grpc.StatusCode.DEADLINE_EXCEEDED
        await here.block()

        assert await here.position() == 0
        assert await here.code(raw) == 0
        await here.block()
        assert await here.position() == 1


async def test_25_a_lost_answer_passes_the_deadline_and_the_order_is_there() -> None:
    async with world() as here:
        await here.faults(answer_lost=1)
        raw = here.order()

        assert await here.code(raw) is grpc.StatusCode.DEADLINE_EXCEEDED
        await here.block()

        assert await here.position() == 1
        assert await here.code(raw) == 19


async def test_25_one_node_is_down_and_the_other_answers() -> None:
    async with world() as here:
        shown = await here.faults(node=0, node_down=True)
        assert [row["node_down"] for row in shown["nodes"]] == [True, False]
        raw = here.order()

        assert await here.code(raw, node=0) is grpc.StatusCode.UNAVAILABLE
        assert await here.code(raw, node=1) == 0
        await here.block()
        assert await here.position(node=1) == 1
        cleared = await here.faults(clear=True)
        assert [row["node_down"] for row in cleared["nodes"]] == [False, False]


async def test_25_one_node_is_slow_with_jitter_and_the_other_is_not() -> None:
    async with world() as here:
        await here.faults(node=1, rtt_ms=80, rtt_jitter_ms=40)
        loop = asyncio.get_running_loop()

        async def taken(node: int) -> float:
            before = loop.time()
            await here.height(node)
            return loop.time() - before

        await taken(0)
        await taken(1)  # connected now
        slow = [await taken(1) for _ in range(5)]
        assert min(slow) >= 0.04
        assert max(slow) - min(slow) > 0.005
        assert await taken(0) < 0.04


async def test_25_a_node_behind_answers_and_judges_by_what_it_knows() -> None:
    async with world() as here:
        await here.faults(node=1, node_behind_blocks=3)
        start = here.network.exchange.height
        assert await here.code(here.order(), node=0) == 0
        seen = []
        for _ in range(5):
            await here.block()
            seen.append((await here.height(0) - start, await here.height(1) - start))
        assert seen == [(1, 0), (2, 0), (3, 0), (4, 1), (5, 2)]
        assert (await here.position(node=0), await here.position(node=1)) == (1, 1)

        # Good for the others up to now + 41, for it up to 3 blocks less.
        assert await here.code(here.resting(ahead=41), node=1) == 11
        assert await here.code(here.resting(ahead=41), node=0) == 0
        # Good for it, dead for the others: accepted and never seen again.
        stale = here.resting(ahead=0)
        assert await here.code(stale, node=1) == 0
        fresh = here.order()
        assert await here.code(fresh, node=1) == 0
        await here.block()
        wire = here.one.order(BUY, "1", "100", pair=SOL).order
        assert (
            dict(here.network.exchange.book_levels(SOL, Side.BUY))[wire.subticks] == wire.quantums
        )
        held = here.network.exchange.subaccount(here.one.key).position(SOL)
        assert held == 2 * wire.quantums

        await here.faults(clear=True)
        assert await here.height(1) == await here.height(0)


async def test_a_node_may_name_the_block_behind_the_one_that_it_shows() -> None:
    async with world() as here:
        named = await here.named_height(1)
        await here.faults(node=1, node_number_ahead=1)
        assert [await here.named_height(1) for _ in range(2)] == [named + 1, named]
        await here.faults(node=1, node_number_ahead=True)
        assert await here.named_height(1) == named + 1
        assert await here.named_height(0) == named


async def test_25_a_node_that_stands_apart_accepts_and_nothing_comes_of_it() -> None:
    async with world() as here:
        await here.faults(node=1, node_stands_apart=True)
        raw = here.order()

        assert await here.code(raw, node=1) == 0
        assert await here.code(raw, node=1) == 19
        await here.block()
        assert await here.position(node=0) == await here.position(node=1) == 0
        # It judges as every node does, and follows the chain.
        bad = here.one.sign(here.one.order(BUY, "1", "160", pair=SOL, gtb=1))
        assert await here.code(bad, node=1) == 10
        assert await here.height(1) == await here.height(0)
        # The other node never heard of it.
        assert await here.code(raw, node=0) == 0
        await here.block()
        assert await here.position(node=1) == 1


async def test_25_a_halted_chain_takes_transactions_and_makes_them_a_block_later() -> None:
    network = PaperNetwork(
        PaperSettings(
            grpc_port=0, rest_port=0, ws_port=0, rpc_port=0, prices="still", block_s=0.03
        ),
        indexer=True,
    )
    await network.start()
    try:
        one = trader(1)
        await network.chain.included(network.exchange.give(one.address, 0, 10**10))
        account = network.exchange.account(one.address)
        assert account is not None
        one.wallet.account_number = account.number
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{network.rest_port}") as rest:
            await rest.post("/paper/faults", json={"chain_halted": True})
            # What was in the making when it halted may still be shown.
            await _stands_still(network)
            height = network.exchange.height
            sent = network.nodes[0].submit(one.sign(leverage(one), sequence=0, fee=gas()))
            assert sent.code == 0
            with pytest.raises(TimeoutError):
                await network.chain.next_block(0.3)
            assert network.exchange.height == height
            await rest.post("/paper/faults", json={"chain_halted": False})
        assert await network.chain.included(sent.tx_hash) > height
    finally:
        await network.close()


async def test_25_clocks_that_are_ahead_date_the_blocks_and_move_the_nonces() -> None:
    async with world() as here:
        await here.faults(clock_skew_ms=40_000)
        await here.block()
        await here.block()
        exchange, clock = here.network.exchange, here.network.clock

        assert exchange.time - clock.now() > dt.timedelta(seconds=35)
        by_the_wall = int(clock.now().timestamp() * 1000)
        by_the_chain = int(exchange.time.timestamp() * 1000)
        message = leverage(here.one)
        assert await here.code(here.one.sign(message, sequence=by_the_wall)) == 32
        assert await here.code(here.one.sign(message, sequence=by_the_chain)) == 0


async def test_25_a_round_trip_set_for_all_nodes_keeps_what_one_node_has_of_its_own() -> None:
    async with world() as here:
        await here.faults(node=1, node_down=True)
        shown = await here.faults(rtt_ms=5)
        assert [row["node_down"] for row in shown["nodes"]] == [False, True]
        assert [row["rtt_ms"] for row in shown["nodes"]] == [5, 5]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"node": 2, "node_down": True}, "node must be null"),
        ({"node": True}, "node must be null"),
        ({"clock_skew_ms": 10**9}, "clock_skew_ms must be a whole number from -60000 to 60000."),
        ({"node_behind_blocks": -1}, "node_behind_blocks must be a whole number from 0 to 1000."),
        ({"request_lost": "some"}, "request_lost must be true, false, or how many times"),
        ({"node_stands_apart": 1}, "node_stands_apart must be true or false."),
    ],
)
async def test_a_fault_that_cannot_be_is_refused_with_a_sentence(
    body: dict[str, Any], sentence: str
) -> None:
    async with world() as here:
        answer = await here.rest.post("/paper/faults", json=body)
        assert answer.status_code == 400
        assert sentence in answer.json()["errors"][0]["msg"]


async def _stands_still(network: PaperNetwork) -> None:
    async with asyncio.timeout(5):
        while True:
            with contextlib.suppress(TimeoutError):
                await network.chain.next_block(0.2)
                continue
            return
