"""Several nodes as one: hedging, health, budgets, and answers of a known height."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from v4_proto.dydxprotocol.clob import query_pb2 as clob
from v4_proto.dydxprotocol.clob.order_pb2 import LongTermOrderPlacement, Order

from core.clock import SystemClock
from core.dydx.broadcasting import EndpointAnswer, sum_up
from core.dydx.codes import Outcome, Reaction
from core.dydx.drafts import OrderRef
from core.dydx.node import NodePool, NodeUnreachable
from core.dydx.node_health import (
    Standing,
    broadcast_order,
    calls_per_minute,
    compare_heights,
    query_order,
)
from core.dydx.protocol import ConditionType, OrderFlags, Side, TimeInForce
from tests.core.dydx.dydx_kit import FastClock, StillClock, until
from tests.core.dydx.node_kit import Node, check_tx, hang, network_of, refuse

TX = b"signed bytes"
REF = OrderRef("dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz", 0, 7, 1, OrderFlags.CONDITIONAL)


@pytest.fixture
async def nodes() -> AsyncIterator[list[Node]]:
    started = [await Node().start() for _ in range(3)]
    yield started
    await asyncio.gather(*(node.stop() for node in started))


class Pools:
    def __init__(self) -> None:
        self._made: list[NodePool] = []

    async def __call__(self, *nodes: Node, clock: Any = None, **options: Any) -> NodePool:
        network = network_of(*(node.address for node in nodes))
        values: dict[str, Any] = {"call_timeout_s": 5.0, "hedge_after_s": 0.1}
        made = NodePool(network, clock or SystemClock(), **(values | options))
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


def after(release: asyncio.Event, code: int, codespace: str = "") -> Callable[[Any], Any]:
    async def answer(context: Any) -> bytes:
        await release.wait()
        return check_tx(code, codespace)

    return answer


# hedging


async def test_while_the_first_node_is_silent_the_same_bytes_go_to_the_second(
    nodes: list[Node], pool_of: Pools
) -> None:
    nodes[0].behave = hang
    pool = await pool_of(*nodes)
    began = time.perf_counter()

    answer = await pool.broadcast(TX)

    assert answer.outcome is Outcome.ACCEPTED
    assert answer.endpoint == nodes[1].address
    assert time.perf_counter() - began < 2
    assert [a.outcome for a in answer.asked] == [Outcome.UNKNOWN, Outcome.ACCEPTED]
    assert nodes[0].received == nodes[1].received == [TX]
    assert nodes[2].received == []


async def test_a_refusal_at_the_second_node_waits_for_what_the_first_one_says(
    nodes: list[Node], pool_of: Pools
) -> None:
    release = asyncio.Event()
    nodes[0].behave = after(release, 0)
    nodes[1].behave = refuse(32, "sdk")
    pool = await pool_of(*nodes)
    sending = asyncio.create_task(pool.broadcast(TX))
    await until(lambda: nodes[1].received)

    release.set()
    answer = await sending

    assert answer.outcome is Outcome.ACCEPTED
    assert answer.endpoint == nodes[0].address


async def test_it_is_refused_once_both_have_refused(nodes: list[Node], pool_of: Pools) -> None:
    release = asyncio.Event()
    nodes[0].behave = after(release, 5001, "clob")
    nodes[1].behave = refuse(5001, "clob")
    pool = await pool_of(*nodes)
    sending = asyncio.create_task(pool.broadcast(TX))
    await until(lambda: nodes[1].received)
    release.set()
    answer = await sending

    assert answer.outcome is Outcome.REFUSED
    assert answer.meaning is not None
    assert answer.meaning.reaction is Reaction.BACK_OFF


async def test_copies_go_out_at_once_and_all_of_them_arrive(
    nodes: list[Node], pool_of: Pools
) -> None:
    release = asyncio.Event()
    nodes[1].behave = after(release, 0)
    pool = await pool_of(*nodes)

    answer = await pool.broadcast(TX, copies=2)

    assert answer.outcome is Outcome.ACCEPTED
    await until(lambda: nodes[1].received == [TX])
    release.set()
    assert nodes[2].received == []


async def test_closing_ends_the_calls_that_nobody_waits_for(nodes: list[Node]) -> None:
    nodes[0].behave = hang
    pool = NodePool(
        network_of(nodes[0].address, nodes[1].address),
        SystemClock(),
        call_timeout_s=60.0,
        hedge_after_s=0.05,
    )
    await pool.start()
    assert (await pool.broadcast(TX)).outcome is Outcome.ACCEPTED

    await asyncio.wait_for(pool.close(), 5)


async def test_a_broadcast_that_the_closing_overtakes_ends_as_unknown(nodes: list[Node]) -> None:
    nodes[0].behave = nodes[1].behave = hang
    pool = NodePool(
        network_of(*(node.address for node in nodes)), SystemClock(), hedge_after_s=0.05
    )
    await pool.start()
    sending = asyncio.create_task(pool.broadcast(TX))
    await until(lambda: nodes[1].received)

    await pool.close()

    answer = await asyncio.wait_for(sending, 5)
    assert answer.outcome is Outcome.UNKNOWN
    assert nodes[2].received == []


CODES = {
    "accepted": (0, ""),
    "refused": (5001, "clob"),
    "malformed": (9003, "clob"),
    "known": (19, "sdk"),
    "sequence": (32, "sdk"),
    "full": (20, "sdk"),
    "panic": (111222, "undefined"),
    "silent": None,
    "unsent": None,
}


@pytest.mark.parametrize("resend", [False, True])
@pytest.mark.parametrize("said", list(itertools.product(CODES, repeat=2)))
def test_two_answers_prove_only_what_both_together_prove(
    said: tuple[str, str], resend: bool
) -> None:
    asked = []
    for name in said:
        pair = CODES[name]
        if pair is None:
            outcome = Outcome.UNSENT if name == "unsent" else Outcome.UNKNOWN
            asked.append(EndpointAnswer(name, outcome))
        else:
            asked.append(EndpointAnswer(name, Outcome.UNKNOWN, *pair))

    result = sum_up(TX, asked, resend=resend)

    sent = [name for name in said if name != "unsent"]
    definitive = {"malformed"} if resend else {"refused", "malformed", "sequence", "full"}
    if "accepted" in sent:
        assert result.outcome is Outcome.ACCEPTED
    elif not sent:
        assert result.outcome is Outcome.UNSENT
    elif set(sent) <= definitive:
        assert result.outcome is Outcome.REFUSED
    else:
        assert result.outcome is Outcome.UNKNOWN
        if result.meaning is not None and "malformed" not in sent:
            assert result.meaning.reaction is Reaction.LOOK
        # A refusal here may come of an acceptance there.
        for answer in result.asked:
            if answer.endpoint in {"silent", "known", "panic"}:
                assert answer.outcome is Outcome.UNKNOWN
            if answer.endpoint in {"refused", "sequence", "full"}:
                assert answer.outcome is Outcome.UNKNOWN


# health


async def test_a_node_behind_the_chain_gets_no_orders_even_when_it_is_the_only_one_left(
    nodes: list[Node], pool_of: Pools
) -> None:
    nodes[0].height, nodes[1].height = 994, 1_000
    pool = await pool_of(nodes[0], nodes[1], clock=FastClock(), behind_blocks=5)
    await until(lambda: pool.nodes()[0].behind)

    assert (await pool.broadcast(TX)).endpoint == nodes[1].address
    await nodes[1].stop()
    answer = await pool.broadcast(b"another")
    assert answer.outcome is Outcome.UNSENT
    assert nodes[0].received == []
    # It may still be asked what it knows.
    assert (await pool.tip()).height == 994

    nodes[0].height = 1_002
    await until(lambda: not pool.nodes()[0].behind)
    assert (await pool.broadcast(TX)).endpoint == nodes[0].address


async def test_a_gateway_that_takes_orders_and_no_queries_stays_the_first_choice(
    nodes: list[Node], pool_of: Pools
) -> None:
    gateway = await Node(tells_status=False, tells_block=False).start()
    clock = FastClock()
    pool = await pool_of(gateway, nodes[0], clock=clock)
    await until(lambda: len(clock.slept) >= 3)

    assert (await pool.tip()).height == nodes[0].height
    assert (await pool.broadcast(TX)).endpoint == gateway.address
    assert pool.nodes()[0].failures == 0
    await gateway.stop()


def standings(count: int = 4) -> tuple[StillClock, list[Standing]]:
    clock = StillClock()
    return clock, [Standing(f"https://node-{n}", clock, 100) for n in range(count)]


def test_nodes_that_are_well_are_asked_in_the_order_of_the_settings() -> None:
    _, known = standings()
    for standing in known:
        standing.answered(0.05)

    assert broadcast_order(known) == known == query_order(known)


def test_silence_used_up_budgets_frequent_failures_and_slowness_put_a_node_behind_others() -> None:
    clock, known = standings(6)
    silent, used_up, shaky, slow, well, also = known
    for standing in known:
        standing.answered(0.05)
    silent.healthy = False
    for _ in range(100):
        used_up.called()
    for _ in range(3):
        shaky.failed()
    for _ in range(10):
        slow.answered(1.5)

    assert broadcast_order(known) == [well, also, slow, shaky, used_up, silent]
    assert used_up not in query_order(known)
    clock.seconds += 301
    assert broadcast_order(known) == [used_up, shaky, well, also, slow, silent]


def test_who_is_behind_is_judged_by_heights_of_the_same_moment() -> None:
    _, (first, second, third, unseen) = standings()
    compare_heights([(first, 995), (second, 994), (third, 1_000)], 5)

    assert [s.behind for s in (first, second, third, unseen)] == [False, True, False, False]
    assert second not in broadcast_order([first, second, third])
    assert query_order([first, second, third])[-1] is second


@pytest.mark.parametrize(
    ("address", "limit"),
    [
        ("https://dydx-dao-grpc-1.polkachu.com:443", 300),
        ("https://dydx-ops-grpc.kingnodes.com:443", 250),
        ("https://oegs.dydx.trade:443", 600),
        ("https://notpolkachu.com:443", 600),
        ("http://127.0.0.1:9090", None),
    ],
)
def test_each_operator_has_its_own_budget(address: str, limit: int | None) -> None:
    assert calls_per_minute(address) == limit


def test_a_part_of_a_budget_is_left_to_orders() -> None:
    clock = StillClock()
    standing = Standing("https://node", clock, 10)
    asked = 0
    while standing.may_query():
        standing.called()
        asked += 1
        clock.seconds += 1

    assert (asked, standing.calls_left) == (8, 2)
    clock.seconds += standing.wait_s()
    assert standing.may_query()


async def test_a_query_waits_when_the_budgets_of_all_nodes_are_used_up(
    nodes: list[Node],
) -> None:
    clock = StillClock()
    address = nodes[0].address
    pool = NodePool(network_of(address), clock, budgets={address: 10})
    for _ in range(8):
        await pool.tip()

    with pytest.raises(NodeUnreachable, match="budget"):
        await pool.tip()
    assert (await pool.broadcast(TX)).outcome is Outcome.ACCEPTED
    clock.seconds += 55
    assert (await pool.tip()).height == nodes[0].height
    assert clock.slept
    await pool.close()


# answers of a known height


@pytest.mark.parametrize("names_height", [True, False])
async def test_positions_are_read_at_the_height_that_is_needed_or_not_at_all(
    nodes: list[Node], pool_of: Pools, names_height: bool
) -> None:
    for node in nodes:
        node.names_height = names_height
    nodes[0].height, nodes[1].height = 998, 1_000
    pool = await pool_of(nodes[0], nodes[1], behind_blocks=100)

    known = await pool.subaccount("dydx1known", 0, at_least=999)

    assert known.height == (999 if names_height else 1_000)
    assert known.exists
    assert known.positions
    with pytest.raises(NodeUnreachable, match="no block 1001"):
        await pool.subaccount("dydx1known", 0, at_least=1_001)
    unknown = await pool.subaccount("dydx1nobody", 0)
    assert not unknown.exists
    assert unknown.height == (998 if names_height else None)


@pytest.mark.parametrize("names_height", [True, False])
async def test_an_order_that_is_not_there_is_told_with_the_block_that_shows_it(
    nodes: list[Node], pool_of: Pools, names_height: bool
) -> None:
    nodes[0].names_height = names_height
    pool = await pool_of(nodes[0])

    gone = await pool.stateful_order(REF, at_least=nodes[0].height)

    assert (gone.height, gone.order) == (nodes[0].height, None)
    with pytest.raises(NodeUnreachable):
        await pool.stateful_order(REF, at_least=nodes[0].height + 1)


async def test_an_order_is_not_gone_because_a_node_names_a_block_that_it_does_not_show_yet(
    nodes: list[Node], pool_of: Pools
) -> None:
    node = nodes[0]
    node.orders[REF.client_id] = clob.QueryStatefulOrderResponse(
        order_placement=LongTermOrderPlacement(
            order=Order(side=1, quantums=5, subticks=6, good_til_block_time=7)
        )
    )
    pool = await pool_of(node)

    node.torn = 1
    placed_in_it = await pool.stateful_order(REF, at_least=node.height)
    node.torn = 1
    asked_before_it = await pool.stateful_order(REF, at_least=node.height - 1)

    assert placed_in_it.order is not None
    assert (asked_before_it.height, asked_before_it.order) == (node.height - 1, None)


async def test_an_order_in_the_chains_state_is_read_whole(
    nodes: list[Node], pool_of: Pools
) -> None:
    order = Order(
        side=2,
        quantums=5,
        subticks=6,
        good_til_block_time=7,
        time_in_force=1,
        reduce_only=True,
        condition_type=1,
        conditional_order_trigger_subticks=8,
    )
    nodes[0].orders[REF.client_id] = clob.QueryStatefulOrderResponse(
        order_placement=LongTermOrderPlacement(order=order), fill_amount=2, triggered=True
    )
    pool = await pool_of(nodes[0])

    found = (await pool.stateful_order(REF)).order

    assert found is not None
    assert (found.ref, found.side, found.quantums, found.subticks) == (REF, Side.SELL, 5, 6)
    assert found.good_til_block_time == 7
    assert (found.time_in_force, found.reduce_only) == (TimeInForce.IOC, True)
    assert (found.condition_type, found.trigger_subticks) == (ConditionType.STOP_LOSS, 8)
    assert (found.filled_quantums, found.triggered) == (2, True)


async def test_height_and_time_cost_a_few_bytes_or_a_whole_block_where_need_be(
    nodes: list[Node], pool_of: Pools
) -> None:
    plain = await Node(tells_status=False).start()
    pool, other = await pool_of(nodes[0]), await pool_of(plain)
    await until(lambda: pool.nodes()[0].height and other.nodes()[0].height)
    for node in (nodes[0], plain):
        node.asked.clear()

    tips = {await pool.tip(), await other.tip()}

    assert len(tips) == 1
    assert tips.pop().time.isoformat() == "2026-11-24T12:00:00.123000+00:00"
    assert nodes[0].asked == ["Status"]
    assert plain.asked == ["GetLatestBlock"]
    await plain.stop()


async def test_what_an_account_pays_is_read_from_the_chain(
    nodes: list[Node], pool_of: Pools
) -> None:
    tier = await (await pool_of(nodes[0])).fee_tier("dydx1known")

    assert (tier.name, tier.maker_ppm, tier.taker_ppm) == ("1", -110, 500)
