"""Broadcasts and queries against real gRPC servers that behave badly."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import grpc
import pytest
from v4_proto.cosmos.auth.v1beta1.auth_pb2 import BaseAccount, ModuleAccount
from v4_proto.cosmos.auth.v1beta1.query_pb2 import QueryParamsRequest
from v4_proto.cosmos.vesting.v1beta1.vesting_pb2 import (
    BaseVestingAccount,
    PermanentLockedAccount,
)

from core.clock import SystemClock
from core.dydx.node import NodePool, NodeUnreachable, Outcome, WrongChain
from tests.core.dydx.dydx_kit import FastClock, until
from tests.core.dydx.node_kit import (
    Node,
    accept,
    check_tx,
    fail,
    hang,
    network_of,
    raw,
    refuse,
)

TX = b"signed bytes"


def unused_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
async def nodes() -> AsyncIterator[list[Node]]:
    started = [await Node().start() for _ in range(5)]
    yield started
    await asyncio.gather(*(node.stop() for node in started))


class Pools:
    def __init__(self) -> None:
        self._made: list[NodePool] = []

    async def __call__(self, *addresses: str, clock: Any = None, **options: Any) -> NodePool:
        values: dict[str, Any] = {
            "connect_timeout_s": 1.0,
            "call_timeout_s": 0.8,
            "query_timeout_s": 1.0,
        }
        made = NodePool(network_of(*addresses), clock or SystemClock(), **(values | options))
        self._made.append(made)
        await made.start()
        return made

    async def close(self) -> None:
        for made in self._made:
            await made.close()


@pytest.fixture
async def pool_of() -> AsyncIterator[Pools]:
    pools = Pools()
    yield pools
    await pools.close()


async def test_an_accepted_order_reached_one_node_only(nodes: list[Node], pool_of: Pools) -> None:
    pool = await pool_of(*(node.address for node in nodes))

    answer = await pool.broadcast(TX)

    assert answer.outcome is Outcome.ACCEPTED
    assert (answer.code, answer.raw_log, answer.endpoint) == (0, "[]", nodes[0].address)
    assert answer.meaning is not None
    assert [len(node.received) for node in nodes] == [1, 0, 0, 0, 0]
    assert nodes[0].received == [TX]
    assert len(answer.tx_hash) == 64


async def test_a_warm_broadcast_is_one_call_and_takes_milliseconds(
    nodes: list[Node], pool_of: Pools
) -> None:
    pool = await pool_of(nodes[0].address, probe_interval_s=1_000)
    await until(lambda: pool.nodes()[0].height)
    nodes[0].asked.clear()
    await pool.broadcast(TX)
    rounds = []
    for _ in range(10):
        began = time.perf_counter()
        await pool.broadcast(TX)
        rounds.append(time.perf_counter() - began)

    assert min(rounds) < 0.02
    assert nodes[0].asked == []
    assert len(nodes[0].received) == 11


@pytest.mark.parametrize(
    ("code", "codespace", "name"),
    [
        (34, "clob", "ErrOrderConflictsWithClobPairStatus"),
        (5001, "clob", "ErrBlockRateLimitExceeded"),
        (4, "sdk", "ErrUnauthorized"),
    ],
)
async def test_a_definitive_refusal_ends_the_broadcast(
    nodes: list[Node], pool_of: Pools, code: int, codespace: str, name: str
) -> None:
    nodes[0].behave = refuse(code, codespace, b"because")
    pool = await pool_of(nodes[0].address, nodes[1].address)

    answer = await pool.broadcast(TX)

    assert answer.outcome is Outcome.REFUSED
    assert (answer.code, answer.codespace, answer.raw_log) == (code, codespace, "because")
    assert answer.meaning is not None
    assert answer.meaning.name == name
    assert nodes[1].received == []


async def test_a_node_that_is_not_there_was_sent_nothing_and_the_next_takes_over(
    nodes: list[Node], pool_of: Pools
) -> None:
    pool = await pool_of(unused_address(), nodes[0].address)

    answer = await pool.broadcast(TX)

    assert answer.outcome is Outcome.ACCEPTED
    assert answer.endpoint == nodes[0].address


async def test_a_dead_first_node_costs_no_time_once_it_is_known(
    nodes: list[Node], pool_of: Pools
) -> None:
    pool = await pool_of(unused_address(), nodes[0].address, connect_timeout_s=1.0)
    began = time.perf_counter()
    answer = await pool.broadcast(TX)

    assert time.perf_counter() - began < 0.5
    assert [a.endpoint for a in answer.asked] == [nodes[0].address]


async def test_without_any_node_the_order_is_unsent(pool_of: Pools) -> None:
    pool = await pool_of(unused_address(), unused_address())

    answer = await pool.broadcast(TX)

    assert answer.outcome is Outcome.UNSENT
    assert (answer.code, answer.endpoint, answer.meaning) == (None, None, None)
    assert {a.outcome for a in answer.asked} == {Outcome.UNSENT}
    assert len(answer.asked) == 2


async def test_a_silent_node_makes_the_same_bytes_go_to_the_next(
    nodes: list[Node], pool_of: Pools
) -> None:
    nodes[0].behave = hang
    pool = await pool_of(nodes[0].address, nodes[1].address)

    answer = await pool.broadcast(TX)

    assert answer.outcome is Outcome.ACCEPTED
    assert [a.outcome for a in answer.asked] == [Outcome.UNKNOWN, Outcome.ACCEPTED]
    assert nodes[0].received == nodes[1].received == [TX]


async def test_silence_here_and_a_refusal_there_is_unknown(
    nodes: list[Node], pool_of: Pools
) -> None:
    nodes[0].behave = hang
    nodes[1].behave = refuse(34, "clob")
    pool = await pool_of(nodes[0].address, nodes[1].address)

    answer = await pool.broadcast(TX)

    assert answer.outcome is Outcome.UNKNOWN
    assert (answer.code, answer.codespace) == (34, "clob")
    assert answer.meaning is not None
    assert answer.meaning.outcome is Outcome.UNKNOWN


async def test_silence_here_and_a_malformed_order_there_is_still_unknown(
    nodes: list[Node], pool_of: Pools
) -> None:
    nodes[0].behave = hang
    nodes[1].behave = refuse(9003, "clob")
    pool = await pool_of(nodes[0].address, nodes[1].address)

    assert (await pool.broadcast(TX)).outcome is Outcome.UNKNOWN


async def test_silence_everywhere_is_unknown_and_ends_in_bounded_time(
    nodes: list[Node], pool_of: Pools
) -> None:
    for node in nodes:
        node.behave = hang
    pool = await pool_of(*(node.address for node in nodes), call_timeout_s=0.3, total_timeout_s=0.5)
    began = time.perf_counter()

    answer = await pool.broadcast(TX)

    assert answer.outcome is Outcome.UNKNOWN
    assert answer.code is None
    assert time.perf_counter() - began < 3
    assert 2 <= len(answer.asked) < 5


async def test_a_node_that_dies_after_it_took_the_order_leaves_it_unknown(
    nodes: list[Node], pool_of: Pools
) -> None:
    async def die(context: Any) -> bytes:
        await nodes[0].stop()
        return check_tx(0)

    nodes[0].behave = die
    pool = await pool_of(nodes[0].address, unused_address())

    answer = await pool.broadcast(TX)

    assert answer.outcome is Outcome.UNKNOWN
    assert nodes[0].received == [TX]
    assert [a.outcome for a in answer.asked] == [Outcome.UNKNOWN, Outcome.UNSENT]


async def test_a_lost_answer_and_an_acceptance_elsewhere_is_accepted(
    nodes: list[Node], pool_of: Pools
) -> None:
    nodes[0].behave = fail(grpc.StatusCode.UNAVAILABLE)
    pool = await pool_of(nodes[0].address, nodes[1].address)

    answer = await pool.broadcast(TX)

    assert answer.outcome is Outcome.ACCEPTED
    assert answer.asked[0].outcome is Outcome.UNKNOWN


async def test_a_duplicate_at_the_second_node_proves_nothing(
    nodes: list[Node], pool_of: Pools
) -> None:
    nodes[0].behave = hang
    nodes[1].behave = refuse(19, "sdk")
    pool = await pool_of(nodes[0].address, nodes[1].address, nodes[2].address)

    answer = await pool.broadcast(TX)

    assert answer.outcome is Outcome.UNKNOWN
    assert nodes[2].received == []


@pytest.mark.parametrize("code", [20, 24, 2004, 7, 5001])
async def test_on_a_resend_a_refusal_may_speak_of_the_first_copy(
    nodes: list[Node], pool_of: Pools, code: int
) -> None:
    nodes[0].behave = refuse(code, "clob")
    pool = await pool_of(nodes[0].address)

    assert (await pool.broadcast(TX)).outcome is Outcome.REFUSED
    assert (await pool.broadcast(TX, resend=True)).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(("code", "codespace"), [(20, "sdk"), (11, "clob")])
async def test_a_node_that_cannot_take_it_now_is_passed_over(
    nodes: list[Node], pool_of: Pools, code: int, codespace: str
) -> None:
    nodes[0].behave = refuse(code, codespace)
    pool = await pool_of(nodes[0].address, nodes[1].address)

    answer = await pool.broadcast(TX)

    assert answer.outcome is Outcome.ACCEPTED
    assert [a.outcome for a in answer.asked] == [Outcome.REFUSED, Outcome.ACCEPTED]


async def test_refused_by_every_node_that_was_asked_is_refused(
    nodes: list[Node], pool_of: Pools
) -> None:
    nodes[0].behave = refuse(20, "sdk")
    nodes[1].behave = refuse(11, "clob")
    pool = await pool_of(nodes[0].address, nodes[1].address, unused_address())

    answer = await pool.broadcast(TX)

    assert answer.outcome is Outcome.REFUSED
    assert answer.code == 11


async def test_a_code_that_is_not_listed_is_unknown(nodes: list[Node], pool_of: Pools) -> None:
    nodes[0].behave = refuse(111222, "undefined")
    pool = await pool_of(nodes[0].address, nodes[1].address)

    answer = await pool.broadcast(TX)

    assert answer.outcome is Outcome.UNKNOWN
    assert nodes[1].received == []


async def test_a_log_that_is_no_text_is_read_all_the_same(
    nodes: list[Node], pool_of: Pools
) -> None:
    nodes[0].behave = refuse(9, "sdk", b"account \xff\xfe\x80 does not exist")
    pool = await pool_of(nodes[0].address)

    answer = await pool.broadcast(TX)

    assert answer.outcome is Outcome.REFUSED
    assert answer.raw_log == r"account \xff\xfe\x80 does not exist"


@pytest.mark.parametrize("answer", [b"", b"\xff\xff", b"\x0a\x05"])
async def test_an_answer_that_cannot_be_read_is_unknown(
    nodes: list[Node], pool_of: Pools, answer: bytes
) -> None:
    nodes[0].behave = raw(answer)
    pool = await pool_of(nodes[0].address)

    assert (await pool.broadcast(TX)).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "status",
    [
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    ],
)
async def test_a_grpc_error_is_no_code_of_the_chain(
    nodes: list[Node], pool_of: Pools, status: Any
) -> None:
    nodes[0].behave = fail(status)
    pool = await pool_of(nodes[0].address)

    answer = await pool.broadcast(TX)

    assert (answer.outcome, answer.code) == (Outcome.UNKNOWN, None)
    assert status.name in answer.asked[0].detail


async def test_five_nodes_die_one_after_another_and_each_next_takes_over(
    nodes: list[Node], pool_of: Pools
) -> None:
    pool = await pool_of(*(node.address for node in nodes))

    for place, node in enumerate(nodes):
        answer = await pool.broadcast(b"order %d" % place)
        assert answer.outcome is Outcome.ACCEPTED
        assert answer.endpoint == node.address
        assert node.received == [b"order %d" % place]
        await node.stop()

    last = await pool.broadcast(b"one more")
    assert last.outcome is Outcome.UNSENT
    with pytest.raises(NodeUnreachable):
        await pool.latest_block()


async def test_the_preferred_node_is_used_again_once_it_is_well(
    nodes: list[Node], pool_of: Pools
) -> None:
    clock = FastClock()
    first, second = nodes[0], nodes[1]
    pool = await pool_of(first.address, second.address, clock=clock, probe_interval_s=20)
    await first.stop()
    assert (await pool.broadcast(TX)).endpoint == second.address
    await until(lambda: pool.healthy == (second.address,))

    await first.start()
    await until(lambda: pool.healthy == (first.address, second.address))

    assert (await pool.broadcast(TX)).endpoint == first.address
    assert 20 in clock.slept


async def test_a_node_that_catches_up_with_the_chain_goes_behind_the_others(
    nodes: list[Node], pool_of: Pools
) -> None:
    nodes[0].syncing = True
    pool = await pool_of(nodes[0].address, nodes[1].address, clock=FastClock())
    await until(lambda: pool.healthy == (nodes[1].address,))

    assert (await pool.broadcast(TX)).endpoint == nodes[1].address
    nodes[0].syncing = False
    await until(lambda: pool.healthy == (nodes[0].address, nodes[1].address))


async def test_a_closed_pool_sends_nothing(nodes: list[Node]) -> None:
    pool = NodePool(network_of(nodes[0].address), SystemClock())
    await pool.start()
    await pool.close()

    assert (await pool.broadcast(TX)).outcome is Outcome.UNSENT
    assert nodes[0].received == []


async def test_a_pool_that_was_never_started_still_sends(
    nodes: list[Node],
) -> None:
    pool = NodePool(network_of(nodes[0].address), SystemClock())

    assert (await pool.broadcast(TX)).outcome is Outcome.ACCEPTED
    await pool.close()


async def test_closing_the_pool_leaves_nothing_running(nodes: list[Node]) -> None:
    def ours() -> set[asyncio.Task[Any]]:
        return {task for task in asyncio.all_tasks() if "AioServer" not in repr(task)}

    before = ours()
    pool = NodePool(network_of(nodes[0].address, unused_address()), SystemClock())
    await pool.start()
    await pool.broadcast(TX)
    assert len(ours()) > len(before)

    await pool.close()

    await until(lambda: ours() <= before, 3)


async def test_a_cancelled_broadcast_is_cancelled(nodes: list[Node], pool_of: Pools) -> None:
    nodes[0].behave = hang
    pool = await pool_of(nodes[0].address, call_timeout_s=30.0)
    task = asyncio.create_task(pool.broadcast(TX))
    await until(lambda: nodes[0].received)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_queries_are_answered_by_the_first_node_that_is_well(
    nodes: list[Node], pool_of: Pools
) -> None:
    pool = await pool_of(unused_address(), nodes[0].address)

    block = await pool.latest_block()

    assert (block.height, block.chain_id) == (1234, "localdydxprotocol")
    assert block.time.isoformat() == "2026-11-24T12:00:00.123000+00:00"


async def test_a_query_goes_to_the_next_node_when_one_is_silent(
    nodes: list[Node], pool_of: Pools
) -> None:
    nodes[0].query_delay.clear()
    pool = await pool_of(nodes[0].address, nodes[1].address, query_timeout_s=0.2)

    assert (await pool.latest_block()).height == 1234
    assert pool.healthy == (nodes[1].address,)


async def test_an_account_is_known_by_number_and_sequence(
    nodes: list[Node], pool_of: Pools
) -> None:
    pool = await pool_of(nodes[0].address)

    known = await pool.account("dydx1known")

    assert known is not None
    assert (known.address, known.number, known.sequence) == ("dydx1known", 0, 5)
    assert await pool.account("dydx1nobody") is None
    assert pool.healthy == (nodes[0].address,)


async def test_an_account_of_another_kind_is_known_by_its_number_too(
    nodes: list[Node], pool_of: Pools
) -> None:
    base = BaseAccount(address="dydx1odd", account_number=41, sequence=2)
    nodes[0].accounts = {
        "module": ModuleAccount(base_account=base, name="gov"),
        "locked": PermanentLockedAccount(
            base_vesting_account=BaseVestingAccount(base_account=base)
        ),
        "strange": QueryParamsRequest(),
    }
    pool = await pool_of(nodes[0].address)

    for kind in ("module", "locked"):
        known = await pool.account(kind)
        assert known is not None
        assert (known.address, known.number, known.sequence) == ("dydx1odd", 41, 2)
    with pytest.raises(NodeUnreachable, match="unknown kind"):
        await pool.account("strange")
    assert pool.healthy == (nodes[0].address,)


async def test_committed_positions_are_read_with_their_sign(
    nodes: list[Node], pool_of: Pools
) -> None:
    pool = await pool_of(nodes[0].address)

    known = await pool.subaccount("dydx1known", 0)
    empty = await pool.subaccount("dydx1nobody", 0)

    assert known.usdc == Decimal("-1.5")
    assert known.positions == {0: 5_000_000_000, 5: -7}
    assert (empty.usdc, empty.positions) == (Decimal(0), {})
    with pytest.raises(NodeUnreachable, match="sign byte"):
        await pool.subaccount("dydx1odd", 0)


async def test_lists_of_several_pages_are_read_to_their_end(
    nodes: list[Node], pool_of: Pools
) -> None:
    pool = await pool_of(nodes[0].address)

    pairs = await pool.clob_pairs()

    assert [pair.id for pair in pairs] == [0, 1, 2, 3, 4, 5]
    assert {pair.status for pair in pairs} == {"ACTIVE"}
    assert await pool.balances("dydx1known") == {"a": 1, "b": 99999999999999999999999}


async def test_limits_of_the_chain_are_read(nodes: list[Node], pool_of: Pools) -> None:
    pool = await pool_of(nodes[0].address)

    tiers = await pool.equity_tiers()
    limits = await pool.block_rate_limits()

    assert [(tier.equity, tier.limit) for tier in tiers] == [(Decimal(0), 0), (Decimal(20), 10)]
    assert limits.short_term == ((5, 4000),)
    assert limits.stateful == ((100, 20),)


async def test_a_node_of_another_chain_is_a_clear_error(nodes: list[Node], pool_of: Pools) -> None:
    nodes[1].chain_id = "dydx-mainnet-1"
    right = await pool_of(nodes[0].address, unused_address())
    await right.verify_chain()

    wrong = await pool_of(nodes[0].address, nodes[1].address)
    with pytest.raises(WrongChain) as caught:
        await wrong.verify_chain()
    for part in (nodes[1].address, "dydx-mainnet-1", "localdydxprotocol", "paper"):
        assert part in str(caught.value)

    none = await pool_of(unused_address())
    with pytest.raises(NodeUnreachable):
        await none.verify_chain()


async def test_a_server_that_speaks_no_grpc_is_sent_nothing(pool_of: Pools) -> None:
    async def http1(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(http1, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pool = await pool_of(f"http://127.0.0.1:{port}", connect_timeout_s=0.3)

    answer = await pool.broadcast(TX)

    assert answer.outcome is Outcome.UNSENT
    server.close()


async def test_tls_is_verified(pool_of: Pools) -> None:
    plain = await Node().start()
    pool = await pool_of(f"https://127.0.0.1:{plain.port}", connect_timeout_s=0.3)

    assert (await pool.broadcast(TX)).outcome is Outcome.UNSENT
    assert plain.received == []
    await plain.stop()


async def test_many_broadcasts_at_once_share_one_channel(nodes: list[Node], pool_of: Pools) -> None:
    nodes[0].behave = accept
    pool = await pool_of(nodes[0].address, call_timeout_s=5.0)

    answers = await asyncio.gather(*(pool.broadcast(b"%d" % n) for n in range(200)))

    assert {answer.outcome for answer in answers} == {Outcome.ACCEPTED}
    assert len(set(nodes[0].received)) == len(nodes[0].received) == 200
