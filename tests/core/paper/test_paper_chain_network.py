"""The paper network over real sockets: the node's gRPC, the official client, faults, restarts."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest
from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.network import NodeConfig
from dydx_v4_client.node.client import NodeClient
from dydx_v4_client.wallet import Wallet
from v4_proto.cosmos.auth.v1beta1 import query_pb2 as auth_pb2
from v4_proto.cosmos.auth.v1beta1 import query_pb2_grpc as auth_grpc
from v4_proto.cosmos.bank.v1beta1 import query_pb2 as bank_pb2
from v4_proto.cosmos.bank.v1beta1 import query_pb2_grpc as bank_grpc
from v4_proto.cosmos.base.tendermint.v1beta1 import query_pb2 as tendermint_pb2
from v4_proto.cosmos.base.tendermint.v1beta1 import query_pb2_grpc as tendermint_grpc
from v4_proto.cosmos.tx.v1beta1 import service_pb2 as tx_pb2
from v4_proto.cosmos.tx.v1beta1 import service_pb2_grpc as tx_grpc
from v4_proto.dydxprotocol.clob import query_pb2 as clob_pb2
from v4_proto.dydxprotocol.clob import query_pb2_grpc as clob_grpc
from v4_proto.dydxprotocol.clob.order_pb2 import OrderId
from v4_proto.dydxprotocol.feetiers import query_pb2 as fee_pb2
from v4_proto.dydxprotocol.feetiers import query_pb2_grpc as fee_grpc
from v4_proto.dydxprotocol.perpetuals import query_pb2 as perpetuals_pb2
from v4_proto.dydxprotocol.perpetuals import query_pb2_grpc as perpetuals_grpc
from v4_proto.dydxprotocol.prices import query_pb2 as prices_pb2
from v4_proto.dydxprotocol.prices import query_pb2_grpc as prices_grpc
from v4_proto.dydxprotocol.subaccounts import query_pb2 as subaccounts_pb2
from v4_proto.dydxprotocol.subaccounts import query_pb2_grpc as subaccounts_grpc
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

from core.dydx.protocol import USDC_DENOM
from core.paper.codec import decode, encode
from core.paper.faults import OrderRefusal
from core.paper.happenings import BlockCommitted, Filled, Happening, SubaccountKey
from core.paper.journal import Journal, StateUnusable
from core.paper.network import PaperNetwork, PaperSettings
from core.paper.node import Node
from core.paper.prices import Prices, PriceSettings
from core.paper.shapes import serialized_integer
from tests.core.paper.chain_kit import (
    BUY,
    CHAIN_ID,
    GOVERNANCE,
    SOL,
    Trader,
    trader,
)

QUICK = PaperSettings(grpc_port=0, rest_port=0, ws_port=0, rpc_port=0, prices="still", block_s=0.05)
DEADLINE_S = 20.0
BROADCAST = "/cosmos.tx.v1beta1.Service/BroadcastTx"


@asynccontextmanager
async def running(settings: PaperSettings = QUICK, **how: Any) -> AsyncIterator[PaperNetwork]:
    network = PaperNetwork(settings, indexer=False, **how)
    await network.start()
    try:
        yield network
    finally:
        await network.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def funded(network: PaperNetwork, seed: int = 1, usdc: int = 20_000) -> Trader:
    one = trader(seed)
    await network.chain.included(network.exchange.give(one.address, 0, usdc * 1_000_000))
    account = network.exchange.account(one.address)
    assert account is not None
    one.wallet.account_number = account.number
    return one


def market_order(network: PaperNetwork, one: Trader, client_id: int = 1, size: str = "1") -> bytes:
    gtb = network.exchange.height + 20
    return one.sign(one.order(BUY, size, "160", pair=SOL, client_id=client_id, gtb=gtb))


@asynccontextmanager
async def channel(node: Node) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{node.port}") as opened:
        yield opened


async def broadcast(opened: Any, raw: bytes, mode: int = 2, timeout_s: float = 5.0) -> Any:
    request = tx_pb2.BroadcastTxRequest(tx_bytes=raw, mode=mode)
    answer = await tx_grpc.ServiceStub(opened).BroadcastTx(request, timeout=timeout_s)
    return answer.tx_response


async def status_of(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


async def test_the_official_client_trades_and_reads() -> None:
    async with running() as network:
        one = await funded(network)
        port = network.grpc_port

        async def official() -> tuple[Any, ...]:
            opened = grpc.insecure_channel(f"127.0.0.1:{port}")
            try:
                node = await NodeClient.connect(NodeConfig(CHAIN_ID, "adv4tnt", USDC_DENOM, opened))
                account = await node.get_account(one.address)
                one.wallet.account_number = account.account_number
                height = await node.latest_block_height()
                order = one.order(BUY, "1", "160", pair=SOL, gtb=height + 15).order
                placed = await node.place_order(one.wallet, order)
                transfer = await node.transfer(
                    one.wallet,
                    SubaccountId(owner=one.address, number=0),
                    SubaccountId(owner=one.address, number=1),
                    0,
                    5_000_000,
                )
                reads = [
                    await node.get_clob_pairs(),
                    await node.get_prices(),
                    await node.get_perpetuals(),
                    await node.get_fee_tiers(),
                    await node.get_user_fee_tier(one.address),
                    await node.get_user_stats(one.address),
                    await node.get_account_balances(one.address),
                    await node.get_equity_tier_limit_config(),
                    await node.get_rewards_params(),
                    await node.get_node_info(),
                    await node.get_subaccounts(),
                    await node.get_authenticators(one.address),
                ]
                return placed, transfer, reads
            finally:
                opened.close()

        placed, transfer, reads = await asyncio.to_thread(lambda: asyncio.run(official()))
        await until(lambda: network.exchange.subaccount(one.key).position(SOL) == 10_000_000)
        await network.chain.included(transfer.tx_response.txhash)

        assert (placed.tx_response.code, placed.tx_response.raw_log) == (0, "[]")
        assert transfer.tx_response.code == 0
        assert network.exchange.subaccount(SubaccountKey(one.address, 1)).usdc == 5_000_000
        assert len(reads[0].clob_pair) == len(GOVERNANCE.markets)
        assert network.nodes[0].calls[BROADCAST] == 2


async def test_answers_have_the_real_shapes() -> None:
    async with running(blocks=False) as network, channel_of(network) as opened:
        one = trader(1)
        network.exchange.give(one.address, 0, 20_000_000_000)
        subaccounts = subaccounts_grpc.QueryStub(opened)
        accounts = auth_grpc.QueryStub(opened)
        unknown = await subaccounts.Subaccount(
            subaccounts_pb2.QueryGetSubaccountRequest(owner=one.address)
        )
        no_account = await status_of(
            accounts.Account(auth_pb2.QueryAccountRequest(address=one.address))
        )
        await network.chain.make_block()
        one.wallet.account_number = 4
        assert (await broadcast(opened, market_order(network, one, size="2"))).code == 0
        await network.chain.make_block()

        held = await subaccounts.Subaccount(
            subaccounts_pb2.QueryGetSubaccountRequest(owner=one.address)
        )
        block = await tendermint_grpc.ServiceStub(opened).GetLatestBlock(
            tendermint_pb2.GetLatestBlockRequest()
        )
        account = await accounts.Account(auth_pb2.QueryAccountRequest(address=one.address))
        price = await prices_grpc.QueryStub(opened).MarketPrice(
            prices_pb2.QueryMarketPriceRequest(id=SOL)
        )
        tier = await fee_grpc.QueryStub(opened).UserFeeTier(
            fee_pb2.QueryUserFeeTierRequest(user=one.address)
        )
        balances = await bank_grpc.QueryStub(opened).AllBalances(
            bank_pb2.QueryAllBalancesRequest(address=one.address)
        )
        page = await clob_grpc.QueryStub(opened).ClobPairAll(_first_three())
        nothing = await status_of(
            perpetuals_grpc.QueryStub(opened).Perpetual(
                perpetuals_pb2.QueryPerpetualRequest(id=99999)
            )
        )
        short_term = await status_of(
            clob_grpc.QueryStub(opened).StatefulOrder(
                clob_pb2.QueryStatefulOrderRequest(order_id=OrderId(client_id=1, clob_pair_id=5))
            )
        )

        assert unknown.subaccount.id.owner == one.address
        assert not unknown.subaccount.asset_positions
        assert no_account == (grpc.StatusCode.NOT_FOUND, f"account {one.address} not found")
        position = held.subaccount.perpetual_positions[0]
        assert (position.perpetual_id, position.quantums) == (SOL, bytes.fromhex("0201312d00"))
        assert block.block.header.height == block.sdk_block.header.height == 3
        assert block.block.header.chain_id == CHAIN_ID
        assert block.block.header.time.ToDatetime() == network.exchange.time.replace(tzinfo=None)
        assert len(block.block.data.txs) == 1
        assert account.account.type_url == "/cosmos.auth.v1beta1.BaseAccount"
        assert (price.market_price.price, price.market_price.exponent) == (15_250_000_000, -8)
        assert (tier.tier.taker_fee_ppm, tier.tier.maker_fee_ppm) == (500, -110)
        assert [row.denom for row in balances.balances] == ["adv4tnt", USDC_DENOM]
        assert [row.id for row in page.clob_pair] == [0, 1, 2]
        assert page.pagination.next_key == b"\x00\x00\x00\x03"
        assert nothing == (grpc.StatusCode.NOT_FOUND, "Perpetual id 99999 not found.")
        assert short_term == (
            grpc.StatusCode.INTERNAL,
            "MustBeStatefulOrder: called with non-stateful order ID ({SubaccountId:{Owner: "
            "Number:0} ClientId:1 OrderFlags:0 ClobPairId:5})",
        )


@asynccontextmanager
async def channel_of(network: PaperNetwork) -> AsyncIterator[Any]:
    async with channel(network.nodes[0]) as opened:
        yield opened


def _first_three() -> Any:
    request = clob_pb2.QueryAllClobPairRequest()
    request.pagination.limit = 3
    return request


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "02"), (20_000_000, "0201312d00"), (-1, "0301"), (255, "02ff"), (-256, "030100")],
)
def test_integers_are_serialised_as_the_chain_does(value: int, text: str) -> None:
    assert serialized_integer(value).hex() == text


async def test_1_broadcast_modes_and_unknown_methods_answer_as_the_real_node() -> None:
    async with running() as network, channel_of(network) as opened:
        one = await funded(network)
        raw = market_order(network, one)

        empty = await status_of(broadcast(opened, b""))
        block_mode = await status_of(broadcast(opened, raw, mode=1))
        asynchronous = await broadcast(opened, b"nonsense", mode=3)
        unknown = await status_of(opened.unary_unary("/dydxprotocol.clob.Query/NoSuchMethod")(b""))
        not_found = await status_of(
            tx_grpc.ServiceStub(opened).GetTx(tx_pb2.GetTxRequest(hash="00" * 32))
        )
        simulated = await status_of(
            tx_grpc.ServiceStub(opened).Simulate(tx_pb2.SimulateRequest(tx_bytes=raw))
        )

        assert empty == (grpc.StatusCode.INVALID_ARGUMENT, "invalid empty tx")
        assert block_mode == (
            grpc.StatusCode.UNKNOWN,
            "unsupported return type unspecified; supported types: sync, async",
        )
        assert (asynchronous.code, asynchronous.codespace) == (0, "")
        assert unknown == (
            grpc.StatusCode.UNIMPLEMENTED,
            "unknown method NoSuchMethod for service dydxprotocol.clob.Query",
        )
        assert not_found == (grpc.StatusCode.NOT_FOUND, f"tx not found: {'00' * 32}")
        assert simulated[0] is grpc.StatusCode.UNKNOWN
        assert simulated[1].startswith("recovered: assert deliverTx mode failed")


async def test_8_the_same_bytes_give_sdk_19_with_an_empty_log_also_after_a_refusal() -> None:
    async with running() as network, channel_of(network) as opened:
        one = await funded(network)
        good = market_order(network, one)
        bad = one.sign(one.order(BUY, "1", "160", pair=SOL, gtb=1))

        answers = [await broadcast(opened, raw) for raw in (good, good, bad, bad)]

        assert [(row.codespace, row.code) for row in answers] == [
            ("", 0),
            ("sdk", 19),
            ("clob", 10),
            ("sdk", 19),
        ]
        assert [answers[1].raw_log, answers[3].raw_log] == ["", ""]


async def test_8_the_same_bytes_at_a_second_node_make_one_order() -> None:
    async with running() as network:
        second = await network.add_node()
        one = await funded(network)
        raw = market_order(network, one)

        async with channel_of(network) as first, channel(second) as other:
            answers = [await broadcast(first, raw), await broadcast(other, raw)]
        await until(lambda: network.exchange.subaccount(one.key).position(SOL) != 0)
        await network.chain.next_block()

        assert [row.code for row in answers] == [0, 19]
        assert network.exchange.subaccount(one.key).position(SOL) == 10_000_000
        assert (network.nodes[0].calls[BROADCAST], second.calls[BROADCAST]) == (1, 1)


async def test_25_a_killed_node_is_gone_and_the_others_go_on() -> None:
    async with running() as network:
        second = await network.add_node()
        one = await funded(network)

        await network.nodes[0].kill()

        async with channel_of(network) as dead, channel(second) as alive:
            code, _ = await status_of(broadcast(dead, market_order(network, one)))
            answer = await broadcast(alive, market_order(network, one, 2))
        assert code is grpc.StatusCode.UNAVAILABLE
        assert answer.code == 0


async def test_25_a_lost_answer_is_a_deadline_for_the_caller_and_a_fill_on_the_chain() -> None:
    async with running() as network, channel_of(network) as opened:
        one = await funded(network)
        network.nodes[0].faults.answer_lost = 1

        code, _ = await status_of(broadcast(opened, market_order(network, one), timeout_s=0.3))
        await until(lambda: network.exchange.subaccount(one.key).position(SOL) != 0)
        again = await broadcast(opened, market_order(network, one, 2))

        assert code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert again.code == 0


async def test_25_a_node_that_is_down_answers_unavailable_before_anything_happened() -> None:
    async with running() as network, channel_of(network) as opened:
        one = await funded(network)
        network.nodes[0].faults.down = True
        raw = market_order(network, one)

        code, _ = await status_of(broadcast(opened, raw))
        network.nodes[0].faults.down = False

        assert code is grpc.StatusCode.UNAVAILABLE
        assert (await broadcast(opened, raw)).code == 0


async def test_25_placements_can_be_refused_on_request() -> None:
    async with running() as network, channel_of(network) as opened:
        one = await funded(network)
        network.exchange.faults.order_refused = OrderRefusal("clob", 34, count=2)

        answers = [await broadcast(opened, market_order(network, one, n)) for n in (1, 2, 3)]

        assert [(row.codespace, row.code) for row in answers] == [
            ("clob", 34),
            ("clob", 34),
            ("", 0),
        ]
        assert answers[0].raw_log == "Order conflicts with ClobPair status"


async def test_25_a_round_trip_is_added_to_every_call() -> None:
    async with running() as network, channel_of(network) as opened:
        network.nodes[0].faults.rtt_ms = 60
        stub = tendermint_grpc.ServiceStub(opened)
        before = asyncio.get_running_loop().time()

        await stub.GetLatestBlock(tendermint_pb2.GetLatestBlockRequest())

        assert asyncio.get_running_loop().time() - before >= 0.06


async def test_a_port_that_is_taken_is_an_error() -> None:
    async with running() as network:
        with pytest.raises(OSError, match="was not free"):
            await PaperNetwork(replace(QUICK, grpc_port=network.grpc_port), indexer=False).start()


# -- time and prices ----------------------------------------------------------------------------


async def test_3_heights_advance_on_the_clock_and_nobody_misses_a_block() -> None:
    async with running() as network:
        heights: list[int] = []

        def note(happening: Happening) -> None:
            if isinstance(happening, BlockCommitted):
                heights.append(happening.height)

        network.chain.subscribe(note)
        for _ in range(5):
            await network.chain.next_block()

        assert heights == list(range(heights[0], heights[0] + len(heights)))


def walk(seed: int, volatility: str = "0.02") -> list[int]:
    prices = Prices(GOVERNANCE, PriceSettings("walk", seed, Decimal(volatility)))
    market, price, seen = GOVERNANCE.markets[SOL], 15_250_000_000, []
    for height in range(400):
        price = prices.next(market, price, height)
        seen.append(price)
    return seen


def test_walking_prices_follow_from_their_seed_and_move_by_the_markets_minimum() -> None:
    prices = walk(1)
    moves = [
        abs(after - before) * 1_000_000 / before
        for before, after in itertools.pairwise(prices)
        if after != before
    ]

    assert prices == walk(1)
    assert prices != walk(2)
    assert len(moves) > 10
    assert min(moves) >= GOVERNANCE.markets[SOL].min_price_change_ppm
    assert len(set(walk(1, "0"))) == 1


# -- what outlives the process ------------------------------------------------------------------


async def test_a_restart_keeps_height_positions_accounts_prices_and_order_memory(
    tmp_path: Path,
) -> None:
    settings = replace(QUICK, state_dir=tmp_path / "paper")
    async with running(settings) as network, channel_of(network) as opened:
        one = await funded(network)
        network.exchange.set_price("ETH-USD", Decimal(4000))
        await broadcast(opened, market_order(network, one))
        await until(lambda: network.exchange.subaccount(one.key).position(SOL) != 0)
    before = network.exchange

    async with running(settings, blocks=False) as again:
        after = again.exchange
        assert after.height == before.height
        assert after.subaccounts() == before.subaccounts()
        assert after.account(one.address) == before.account(one.address)
        assert after.balances(one.address) == before.balances(one.address)
        assert after.oracle_price(GOVERNANCE.markets[1]) == 4_000_000_000
        assert after.time == before.time
        async with channel_of(again) as reopened:
            resent = one.order(BUY, "1", "160", pair=SOL, gtb=after.height + 20)
            answer = await broadcast(reopened, one.sign(resent, memo="resent"))
        assert (answer.codespace, answer.code) == ("clob", 24)
        blocks = await again.journal.blocks_after(0)
        fills = [event for row in blocks for event in row.events if isinstance(event, Filled)]
        assert [fill.quantums for fill in fills] == [10_000_000]
        assert again.exchange.transaction(fills[0].transaction_hash) is not None


async def test_a_block_that_cannot_be_stored_is_never_shown(tmp_path: Path) -> None:
    async with running(replace(QUICK, state_dir=tmp_path), blocks=False) as network:
        await network.chain.make_block()
        height = network.exchange.height
        await network.journal._run(lambda: network.journal._connection().execute("DROP TABLE rows"))

        with pytest.raises(Exception, match="no such table"):
            await network.chain.make_block()

        assert network.exchange.height == height


async def test_a_state_of_another_chain_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path, CHAIN_ID)
    await journal.open()
    await journal.close()

    other = Journal(tmp_path, "another-chain")
    try:
        with pytest.raises(StateUnusable, match="move it away"):
            await other.open()
    finally:
        await other.close()


@pytest.mark.parametrize("damage", [True, False])
async def test_a_state_in_use_or_damaged_is_refused_and_left_alone(
    tmp_path: Path, damage: bool
) -> None:
    file = tmp_path / "paper.sqlite3"
    first = Journal(tmp_path, CHAIN_ID)
    if damage:
        file.write_bytes(b"no database at all" * 100)
    else:
        await first.open()
    before = file.read_bytes()

    second = Journal(tmp_path, CHAIN_ID)
    try:
        with pytest.raises(StateUnusable, match="could not be opened"):
            await second.open()
    finally:
        await second.close()
        await first.close()

    assert not damage or file.read_bytes() == before


async def test_another_parts_snapshot_lets_older_blocks_go(tmp_path: Path) -> None:
    async with running(replace(QUICK, state_dir=tmp_path), blocks=False) as network:
        for seed in (1, 2, 3):
            network.exchange.give(trader(seed).address, 0, 1_000_000)
            await network.chain.make_block()

        await network.journal.save_part("indexer", 3, b"rows")

        kept = await network.journal.blocks_after(0)
        assert [block.height for block in kept] == [4]
        assert await network.journal.part("indexer") == (3, b"rows")


# A published test account of the local network.
CARL = (
    "school artefact ghost shop exchange slender letter debris dose window alarm hurt whale tiger "
    "find found island what engine ketchup globe obtain glory manage"
)
SERVER = """
import asyncio, sys
from pathlib import Path
from core.paper import network
from core.paper.network import PaperSettings
from core.paper.serve import serve

class ChainOnly(network.PaperNetwork):
    def __init__(self, settings):
        super().__init__(settings, indexer=False)

import core.paper.serve as room
room.PaperNetwork = ChainOnly
asyncio.run(serve(PaperSettings(grpc_port=0, rpc_port=0, prices="still", block_s=0.05,
                                state_dir=Path(sys.argv[1]))))
"""


def started(folder: Path) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    return process, int(line.rsplit(":", 1)[1])


async def test_kill_9_loses_no_fill_that_was_shown(tmp_path: Path) -> None:
    carl = Trader(Wallet(KeyPair.from_mnemonic(CARL), 2, 0))
    request = subaccounts_pb2.QueryGetSubaccountRequest(owner=carl.address)
    process, port = await asyncio.to_thread(started, tmp_path)
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
            stub = subaccounts_grpc.QueryStub(opened)
            gtb = await _height(opened) + 20
            order = carl.order(BUY, "3", "160", pair=SOL, gtb=gtb)
            assert (await broadcast(opened, carl.sign(order))).code == 0
            async with asyncio.timeout(DEADLINE_S):
                shown = await stub.Subaccount(request, timeout=5)
                while not shown.subaccount.perpetual_positions:
                    shown = await stub.Subaccount(request, timeout=5)
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()

    process, port = await asyncio.to_thread(started, tmp_path)
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
            again = await subaccounts_grpc.QueryStub(opened).Subaccount(request, timeout=5)
            assert again == shown
            assert await _height(opened) >= gtb - 20
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, DEADLINE_S) == 0
    finally:
        process.kill()
        process.communicate()


async def _height(opened: Any) -> int:
    answer = await tendermint_grpc.ServiceStub(opened).GetLatestBlock(
        tendermint_pb2.GetLatestBlockRequest(), timeout=5
    )
    return int(answer.block.header.height)


async def test_block_events_survive_storage_unchanged() -> None:
    async with running(blocks=False) as network:
        seen: list[Happening] = []
        network.chain.subscribe(seen.append)
        one = trader(1)
        network.exchange.give(one.address, 0, 20_000_000_000)
        network.exchange.set_price("SOL-USD", Decimal(151))
        await network.chain.make_block()
        one.wallet.account_number = 4
        network.exchange.check_tx(market_order(network, one))
        await network.chain.make_block()

        assert len(seen) > 2
        for happening in seen:
            assert decode(encode(happening)) == happening
