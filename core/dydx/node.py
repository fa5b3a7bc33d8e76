"""The nodes of a network over gRPC: broadcasts with fallback and hedging, queries of its state.

Nothing here blocks the event loop and nothing waits without end. Source: docs/protocol.md,
broadcast and confirmation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

import grpc
import structlog

from core.clock import Clock
from core.dydx.authenticators import Authenticator
from core.dydx.broadcasting import Broadcast, EndpointAnswer, Hedge, Manner, sum_up
from core.dydx.codes import Outcome, classify
from core.dydx.drafts import OrderRef
from core.dydx.endpoint import CallFailed, Endpoint, NotConnected, open_channel
from core.dydx.limits import BlockRateLimits, EquityTier
from core.dydx.network import Network
from core.dydx.node_health import (
    BEHIND_BLOCKS,
    NodeHealth,
    Standing,
    broadcast_order,
    calls_per_minute,
    compare_heights,
    query_order,
)
from core.dydx.node_queries import Queries
from core.dydx.node_types import (
    Block,
    ChainAccount,
    ClobPair,
    CommittedOrder,
    CommittedSubaccount,
    FeeTier,
    OrderSighting,
    Tip,
    TransactionResult,
)
from core.dydx.protocol import OrderFlags

__all__ = [
    "Block",
    "BlockRateLimits",
    "Broadcast",
    "ChainAccount",
    "ClobPair",
    "CommittedOrder",
    "CommittedSubaccount",
    "EndpointAnswer",
    "EquityTier",
    "FeeTier",
    "Manner",
    "NodeHealth",
    "NodePool",
    "NodeUnreachable",
    "OrderSighting",
    "Outcome",
    "Tip",
    "TransactionResult",
    "WrongChain",
]

log = structlog.get_logger(__name__)

PROBE_INTERVAL_S = 10.0
LATE_CONNECT_S = 0.15
T = TypeVar("T")
Seen = TypeVar("Seen", CommittedSubaccount, OrderSighting)


class NodeUnreachable(Exception):
    """No node of the network answered a query. Nothing was changed by it."""


class WrongChain(NodeUnreachable):
    """A node belongs to another chain than the settings say."""


class NodePool:
    """All nodes of a network in their order of preference, with warm connections.

    A node that failed goes behind the healthy ones until a look in the background finds it well
    again, so that an order never waits twice for the same dead node; one that is more than
    `behind_blocks` behind the best gets no orders at all. A broadcast takes at most
    `total_timeout_s` seconds plus one call.

    `hedge_after_s` is how long the first node may be silent before the same bytes also go to the
    second (None: never before it failed). `budgets` are calls per minute by address, for nodes
    that allow another number than is known of their operators or `DEFAULT_CALLS_PER_MINUTE`.
    `channels` opens the channel to an address.
    """

    def __init__(
        self,
        network: Network,
        clock: Clock,
        *,
        connect_timeout_s: float = 1.0,
        call_timeout_s: float = 3.0,
        query_timeout_s: float = 5.0,
        total_timeout_s: float = 8.0,
        probe_interval_s: float = PROBE_INTERVAL_S,
        hedge_after_s: float | None = 0.5,
        behind_blocks: int = BEHIND_BLOCKS,
        budgets: Mapping[str, int] | None = None,
        channels: Callable[[str], grpc.aio.Channel] = open_channel,
    ) -> None:
        self.network = network
        self._channels = channels
        self._clock = clock
        self._connect_timeout_s = connect_timeout_s
        self._call_timeout_s = call_timeout_s
        self._query_timeout_s = query_timeout_s
        self._manner = Manner(hedge_after_s=hedge_after_s, total_s=total_timeout_s)
        self._probe_interval_s = probe_interval_s
        self._behind_blocks = behind_blocks
        own = budgets or {}
        self._standings = {
            address: Standing(address, clock, own.get(address, calls_per_minute(address)))
            for address in network.grpc
        }
        self._endpoints: dict[str, Endpoint] = {}
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._left_over: set[asyncio.Task[EndpointAnswer]] = set()
        self._oracle_ids: dict[str, int] = {}

    async def start(self) -> None:
        """Opens and warms the channels; does not mind nodes that are down."""
        self._closed = False
        self._open()
        await asyncio.gather(*(self._warm(endpoint) for endpoint in self._endpoints.values()))
        if not self._tasks:
            self._tasks.add(asyncio.create_task(self._probe_forever()))

    async def close(self) -> None:
        """Ends the probes and closes the channels; after it nothing is sent any more."""
        self._closed = True
        tasks = [*self._tasks, *self._left_over]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
        self._left_over.clear()
        endpoints, self._endpoints = self._endpoints, {}
        await asyncio.gather(*(endpoint.close() for endpoint in endpoints.values()))

    @property
    def healthy(self) -> tuple[str, ...]:
        """The nodes that are believed to answer, in the order in which they get transactions."""
        if not self._endpoints:
            return ()
        return tuple(s.address for s in broadcast_order(self._standings.values()) if s.healthy)

    def nodes(self) -> tuple[NodeHealth, ...]:
        """What is known of each node, in the order of the settings."""
        return tuple(standing.report() for standing in self._standings.values())

    async def broadcast(self, tx: bytes, *, resend: bool = False, copies: int = 1) -> Broadcast:
        """Sends a signed transaction: to the first node, and the same bytes to the next one where
        a node was not connected, said nothing for a while or at all, or could not take it now.
        Nodes with an open connection go first. Never raises, except when cancelled.

        `resend`: these bytes, or others of the same order, were sent before and their fate is open.
        `copies`: how many nodes get the bytes at once; the chain takes them once all the same.
        """
        self._open()
        endpoints = self._endpoints
        ranked = [s.address for s in broadcast_order(self._standings.values())]
        ranked = [address for address in ranked if address in endpoints]
        order = sorted(ranked, key=lambda address: not endpoints[address].ready)
        for address in order:
            endpoints[address].poke()
        connect_until = self._clock.monotonic() + self._connect_timeout_s

        async def send(address: str) -> EndpointAnswer:
            patience = max(connect_until - self._clock.monotonic(), LATE_CONNECT_S)
            return await self._send(endpoints[address], tx, patience)

        hedge = Hedge(order, send, replace(self._manner, copies=copies), resend=resend)
        asked = await hedge.run()
        for call in hedge.left_over:
            self._left_over.add(call)
            call.add_done_callback(self._left_over.discard)
        return sum_up(tx, asked, resend=resend)

    async def _send(self, endpoint: Endpoint, tx: bytes, patience: float) -> EndpointAnswer:
        try:
            await endpoint.connected(patience)
        except NotConnected as error:
            self._demote(endpoint, str(error))
            return EndpointAnswer(endpoint.address, Outcome.UNSENT, detail=str(error))
        began = self._clock.monotonic()
        try:
            answer = await endpoint.broadcast(tx, self._call_timeout_s)
        except CallFailed as error:
            if error.silent or error.status == "UNIMPLEMENTED":
                self._demote(endpoint, str(error))
            return EndpointAnswer(endpoint.address, Outcome.UNKNOWN, detail=str(error))
        except Exception as error:
            # Whatever went wrong, the bytes may have left.
            log.exception("broadcast failed", endpoint=endpoint.address)
            return EndpointAnswer(endpoint.address, Outcome.UNKNOWN, detail=type(error).__name__)
        self._well(endpoint, began)
        outcome = classify(answer.codespace, answer.code).outcome
        return EndpointAnswer(
            endpoint.address, outcome, answer.code, answer.codespace, answer.raw_log
        )

    # queries

    async def verify_chain(self) -> None:
        """Compares the chain id of every node that answers with the settings.

        Raises WrongChain naming the first that differs, NodeUnreachable when none answers.
        """
        self._open()

        async def ask(endpoint: Endpoint) -> tuple[str, str]:
            await endpoint.connected(self._connect_timeout_s)
            block = await Queries(endpoint, self._query_timeout_s).latest_block()
            return endpoint.address, block.chain_id

        results = await asyncio.gather(
            *(ask(endpoint) for endpoint in self._endpoints.values()), return_exceptions=True
        )
        answers = [result for result in results if isinstance(result, tuple)]
        if not answers:
            raise NodeUnreachable(f"no node of {self.network.name} answered")
        for address, chain_id in answers:
            if chain_id != self.network.chain_id:
                raise WrongChain(
                    f"{address} belongs to the chain {chain_id}, "
                    f"but {self.network.name} is set to {self.network.chain_id}"
                )

    async def latest_block(self) -> Block:
        """The last committed block. Raises NodeUnreachable."""
        return await self._ask(lambda queries: queries.latest_block())

    async def account(self, address: str) -> ChainAccount | None:
        """Number and committed sequence; None when the chain does not know the address.

        Raises NodeUnreachable.
        """
        return await self._ask(lambda queries: queries.account(address))

    async def tip(self) -> Tip:
        """Height and time of the last committed block, for a few bytes. Raises NodeUnreachable."""
        return await self._ask(lambda queries: queries.tip())

    async def subaccount(
        self, address: str, number: int, *, at_least: int | None = None
    ) -> CommittedSubaccount:
        """Committed USDC and positions; empty for an unknown one.

        With `at_least` the answer belongs to that block or a later one, and so it does to the
        `height` that it then has. Raises NodeUnreachable, also where no node has that block yet:
        the positions are then not known.
        """
        return await self._ask_at(lambda queries: queries.subaccount(address, number), at_least)

    async def stateful_order(self, ref: OrderRef, *, at_least: int | None = None) -> OrderSighting:
        """A long-term or conditional order as the chain's state holds it.

        With `at_least` the answer, also that the order is not there, belongs to that block or a
        later one, and so it does to the `height` that it then has. Raises NodeUnreachable, also
        where no node has that block yet, and ValueError for kinds that the chain cannot be asked
        for: short-term and TWAP orders.
        """
        if ref.order_flags not in (OrderFlags.LONG_TERM, OrderFlags.CONDITIONAL):
            raise ValueError("a node can be asked for long-term and conditional orders only")
        return await self._ask_at(lambda queries: queries.stateful_order(ref), at_least)

    async def oracle_price(self, ticker: str) -> Decimal | None:
        """A market's committed oracle price in USD; None where the chain knows no such market.

        Raises NodeUnreachable.
        """
        if ticker not in self._oracle_ids:
            self._oracle_ids = await self._ask(lambda queries: queries.oracle_ids())
        market_id = self._oracle_ids.get(ticker)
        if market_id is None:
            return None
        return await self._ask(lambda queries: queries.oracle_price(market_id))

    async def fee_tier(self, address: str) -> FeeTier:
        """What an account pays for its fills. Raises NodeUnreachable."""
        return await self._ask(lambda queries: queries.fee_tier(address))

    async def clob_pairs(self) -> tuple[ClobPair, ...]:
        """All order books of the chain. Raises NodeUnreachable."""
        return await self._ask(lambda queries: queries.clob_pairs())

    async def equity_tiers(self) -> tuple[EquityTier, ...]:
        """How many stateful orders which equity allows. Raises NodeUnreachable."""
        return await self._ask(lambda queries: queries.equity_tiers())

    async def block_rate_limits(self) -> BlockRateLimits:
        """How many orders an account may send in how many blocks. Raises NodeUnreachable."""
        return await self._ask(lambda queries: queries.block_rate_limits())

    async def balances(self, address: str) -> dict[str, int]:
        """Coins of the wallet by denom, in smallest units. Raises NodeUnreachable."""
        return await self._ask(lambda queries: queries.balances(address))

    async def authenticators(self, address: str) -> tuple[Authenticator, ...]:
        """The authenticators of an account, in no order to rely on. Raises NodeUnreachable."""
        return await self._ask(lambda queries: queries.authenticators(address))

    async def transaction(self, tx_hash: str) -> TransactionResult | None:
        """A transaction in a block, with its code there; None while no block holds it. Short-term
        orders are never found. Raises NodeUnreachable.
        """
        return await self._ask(lambda queries: queries.transaction(tx_hash))

    async def simulate(self, tx: bytes) -> int:
        """The gas that a transaction would use. Never ask for orders: the node panics on them.

        Raises NodeUnreachable, also when the chain would refuse the transaction.
        """
        return await self._ask(lambda queries: queries.simulate(tx))

    async def _ask(self, query: Callable[[Queries], Awaitable[T]]) -> T:
        self._open()
        started = self._clock.monotonic()
        reasons: list[str] = []
        for endpoint in await self._for_queries():
            waited = self._clock.monotonic() - started
            if reasons and waited > self._manner.total_s:
                break
            try:
                await endpoint.connected(max(self._connect_timeout_s - waited, LATE_CONNECT_S))
                began = self._clock.monotonic()
                answer = await query(Queries(endpoint, self._query_timeout_s))
            except (NotConnected, CallFailed) as error:
                if not isinstance(error, CallFailed) or error.silent:
                    self._demote(endpoint, str(error))
                reasons.append(f"{endpoint.address}: {error}")
                continue
            self._well(endpoint, began)
            return answer
        raise NodeUnreachable("; ".join(reasons) or "no node is configured")

    async def _ask_at(
        self, query: Callable[[Queries], Awaitable[Seen]], at_least: int | None
    ) -> Seen:
        if at_least is None:
            return await self._ask(query)
        wanted = at_least

        async def ask(queries: Queries) -> Seen:
            # A node reads its state first and the number of its block after that, so that it may
            # name the block behind the one it shows. What it says later is not older than that.
            seen = await query(queries)
            named = seen.height
            if named is not None and named > wanted:
                return replace(seen, height=named - 1)
            if named is None:
                named = (await queries.tip()).height
            if named >= wanted:
                seen = await query(queries)
                if seen.height is None or seen.height >= named:
                    return replace(seen, height=named)
            raise CallFailed("OK", f"it has no block {wanted} yet", silent=False)

        return await self._ask(ask)

    # health

    async def _for_queries(self) -> list[Endpoint]:
        """The nodes to ask, the best first. Where the budgets of all are used up it waits for the
        first that has room again, and gives up where that takes too long.
        """
        order = query_order(self._standings.values())
        if not order and self._standings:
            wait_s = min(standing.wait_s() for standing in self._standings.values())
            if wait_s > self._manner.total_s:
                raise NodeUnreachable("the request budget of every node is used up for now")
            await self._clock.sleep(wait_s)
            order = query_order(self._standings.values())
        endpoints = [self._endpoints[s.address] for s in order if s.address in self._endpoints]
        for endpoint in endpoints:
            endpoint.poke()
        return endpoints

    def _open(self) -> None:
        if not self._endpoints and not self._closed:
            self._endpoints = {
                address: Endpoint(address, standing, self._channels(address))
                for address, standing in self._standings.items()
            }

    def _demote(self, endpoint: Endpoint, reason: str) -> None:
        endpoint.standing.failed()
        if endpoint.standing.healthy:
            log.warning("node failed", endpoint=endpoint.address, reason=reason)
        endpoint.standing.healthy = False

    def _well(self, endpoint: Endpoint, began: float) -> None:
        endpoint.standing.answered(self._clock.monotonic() - began)
        if not endpoint.standing.healthy:
            log.info("node answers again", endpoint=endpoint.address)
        endpoint.standing.healthy = True

    async def _warm(self, endpoint: Endpoint) -> None:
        try:
            await endpoint.connected(self._connect_timeout_s)
        except NotConnected as error:
            self._demote(endpoint, str(error))

    async def _probe_forever(self) -> None:
        while True:
            await self._probe_all()
            await self._clock.sleep(self._probe_interval_s)

    async def _probe_all(self) -> None:
        """Keeps the connections in use, finds out whether a node that failed is well again, and
        which nodes are behind the others.
        """
        looks = await asyncio.gather(
            *(self._probe(endpoint) for endpoint in self._endpoints.values()),
            return_exceptions=True,
        )
        for look in looks:
            if isinstance(look, Exception):
                # One odd answer must not end the looks at all the others.
                log.error("a node could not be looked at", error=repr(look))
        before = {address for address, s in self._standings.items() if s.behind}
        compare_heights([look for look in looks if isinstance(look, tuple)], self._behind_blocks)
        for address, standing in self._standings.items():
            if standing.behind and address not in before:
                log.warning("node is behind the chain", endpoint=address, height=standing.height)

    async def _probe(self, endpoint: Endpoint) -> tuple[Standing, int] | None:
        began = self._clock.monotonic()
        try:
            await endpoint.connected(self._connect_timeout_s)
            queries = Queries(endpoint, self._query_timeout_s)
            ready = await queries.ready()
            began = self._clock.monotonic()
            tip = await queries.tip()
        except NotConnected as error:
            self._demote(endpoint, str(error))
            return None
        except CallFailed as error:
            if error.silent:
                self._demote(endpoint, str(error))
            else:
                # A gateway for orders may know no queries; it is well all the same.
                self._well(endpoint, began)
            return None
        if ready:
            self._well(endpoint, began)
        else:
            self._demote(endpoint, "it is catching up with the chain")
        return endpoint.standing, tip.height
