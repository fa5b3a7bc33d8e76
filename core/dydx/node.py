"""The node over gRPC: broadcasts with ordered fallback, and queries of committed state.

Nothing here blocks the event loop and nothing waits without end. Source: docs/protocol.md,
broadcast and confirmation.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from core.clock import Clock
from core.dydx.codes import CodeMeaning, Outcome, Reaction, classify
from core.dydx.endpoint import CallFailed, Endpoint, NotConnected
from core.dydx.network import Network
from core.dydx.node_queries import (
    Block,
    BlockRateLimits,
    ChainAccount,
    ClobPair,
    CommittedSubaccount,
    EquityTier,
    Queries,
)

__all__ = [
    "Block",
    "BlockRateLimits",
    "Broadcast",
    "ChainAccount",
    "ClobPair",
    "CommittedSubaccount",
    "EndpointAnswer",
    "EquityTier",
    "NodePool",
    "NodeUnreachable",
    "Outcome",
    "WrongChain",
]

log = structlog.get_logger(__name__)

PROBE_INTERVAL_S = 20.0
LATE_CONNECT_S = 0.15
T = TypeVar("T")


class NodeUnreachable(Exception):
    """No node of the network answered a query. Nothing was changed by it."""


class WrongChain(NodeUnreachable):
    """A node belongs to another chain than the settings say."""


@dataclass(frozen=True)
class EndpointAnswer:
    """What one node said to a broadcast. `code` is None where it said nothing."""

    endpoint: str
    outcome: Outcome
    code: int | None = None
    codespace: str = ""
    raw_log: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Broadcast:
    """What is known after a broadcast.

    Accepted: a node answered 0. Refused: every node that was sent a byte answered a definitive
    code. Unsent: none was. All else is unknown. `asked` are the nodes in the order of asking, those
    without a connection included; the other fields are of the answer that decided.
    """

    outcome: Outcome
    tx_hash: str
    code: int | None
    codespace: str
    raw_log: str
    endpoint: str | None
    asked: tuple[EndpointAnswer, ...]
    meaning: CodeMeaning | None


class NodePool:
    """All nodes of a network in their order of preference, with warm connections.

    A node that failed goes behind the healthy ones until a probe in the background finds it well
    again, so that an order never waits twice for the same dead node. A broadcast takes at most
    `total_timeout_s` seconds plus one call.
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
    ) -> None:
        self.network = network
        self._clock = clock
        self._connect_timeout_s = connect_timeout_s
        self._call_timeout_s = call_timeout_s
        self._query_timeout_s = query_timeout_s
        self._total_timeout_s = total_timeout_s
        self._probe_interval_s = probe_interval_s
        self._endpoints: tuple[Endpoint, ...] = ()
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Opens and warms the channels; does not mind nodes that are down."""
        self._closed = False
        self._open()
        await asyncio.gather(
            *(self._warm(endpoint) for endpoint in self._endpoints), return_exceptions=True
        )
        if not self._tasks:
            self._tasks.add(asyncio.create_task(self._probe_forever()))

    async def close(self) -> None:
        """Ends the probes and closes the channels; after it nothing is sent any more."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        endpoints, self._endpoints = self._endpoints, ()
        await asyncio.gather(*(endpoint.close() for endpoint in endpoints))

    @property
    def healthy(self) -> tuple[str, ...]:
        """The endpoints that are believed to answer, in the order in which they are asked."""
        return tuple(endpoint.address for endpoint in self._in_order() if endpoint.healthy)

    async def broadcast(self, tx: bytes, *, resend: bool = False) -> Broadcast:
        """Sends a signed transaction: to the first node, and the same bytes to the next one where
        a node was not connected or said nothing. Never raises, except when cancelled.

        `resend`: these bytes, or others of the same order, were sent before and their fate is open.
        """
        self._open()
        started = self._clock.monotonic()
        connect_until = started + self._connect_timeout_s
        endpoints = self._in_order()
        for endpoint in endpoints:
            endpoint.poke()
        asked: list[EndpointAnswer] = []
        for endpoint in endpoints:
            now = self._clock.monotonic()
            if asked and now - started > self._total_timeout_s:
                break
            doubtful = resend or any(a.outcome is Outcome.UNKNOWN for a in asked)
            patience = max(connect_until - now, LATE_CONNECT_S)
            answer, reaction = await self._send(endpoint, tx, patience, doubtful)
            asked.append(answer)
            if answer.outcome is Outcome.ACCEPTED:
                break
            if answer.outcome is Outcome.REFUSED and reaction is not Reaction.OTHER_NODE:
                break
            if answer.code is not None and answer.outcome is Outcome.UNKNOWN:
                break
        return _sum_up(tx, asked, resend)

    async def _send(
        self, endpoint: Endpoint, tx: bytes, patience: float, doubtful: bool
    ) -> tuple[EndpointAnswer, Reaction | None]:
        try:
            await endpoint.connected(patience)
            answer = await endpoint.broadcast(tx, self._call_timeout_s)
        except NotConnected as error:
            self._demote(endpoint, str(error))
            return EndpointAnswer(endpoint.address, Outcome.UNSENT, detail=str(error)), None
        except CallFailed as error:
            if error.silent:
                self._demote(endpoint, str(error))
            return EndpointAnswer(endpoint.address, Outcome.UNKNOWN, detail=str(error)), None
        except Exception as error:
            # Whatever went wrong, the bytes may have left.
            log.exception("broadcast failed", endpoint=endpoint.address)
            detail = type(error).__name__
            return EndpointAnswer(endpoint.address, Outcome.UNKNOWN, detail=detail), None
        endpoint.healthy = True
        meaning = classify(answer.codespace, answer.code, resend=doubtful)
        return (
            EndpointAnswer(
                endpoint.address, meaning.outcome, answer.code, answer.codespace, answer.raw_log
            ),
            meaning.reaction,
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
            *(ask(endpoint) for endpoint in self._endpoints), return_exceptions=True
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

    async def subaccount(self, address: str, number: int) -> CommittedSubaccount:
        """Committed USDC and positions; empty for an unknown one. Raises NodeUnreachable."""
        return await self._ask(lambda queries: queries.subaccount(address, number))

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

    async def _ask(self, query: Callable[[Queries], Awaitable[T]]) -> T:
        self._open()
        started = self._clock.monotonic()
        endpoints = self._in_order()
        for endpoint in endpoints:
            endpoint.poke()
        reasons: list[str] = []
        for endpoint in endpoints:
            waited = self._clock.monotonic() - started
            if reasons and waited > self._total_timeout_s:
                break
            try:
                await endpoint.connected(max(self._connect_timeout_s - waited, LATE_CONNECT_S))
                answer = await query(Queries(endpoint, self._query_timeout_s))
            except (NotConnected, CallFailed) as error:
                if not isinstance(error, CallFailed) or error.silent:
                    self._demote(endpoint, str(error))
                reasons.append(f"{endpoint.address}: {error}")
                continue
            endpoint.healthy = True
            return answer
        raise NodeUnreachable("; ".join(reasons) or "no node is configured")

    # health

    def _open(self) -> None:
        if not self._endpoints and not self._closed:
            self._endpoints = tuple(Endpoint(address) for address in self.network.grpc)

    def _in_order(self) -> tuple[Endpoint, ...]:
        """Preference first, those that failed last behind the others."""
        return tuple(sorted(self._endpoints, key=lambda endpoint: not endpoint.healthy))

    def _demote(self, endpoint: Endpoint, reason: str) -> None:
        if endpoint.healthy:
            log.warning("node failed", endpoint=endpoint.address, reason=reason)
        endpoint.healthy = False

    async def _warm(self, endpoint: Endpoint) -> None:
        try:
            await endpoint.connected(self._connect_timeout_s)
        except NotConnected as error:
            self._demote(endpoint, str(error))

    async def _probe_forever(self) -> None:
        while True:
            await self._clock.sleep(self._probe_interval_s)
            await asyncio.gather(*(self._probe(e) for e in self._endpoints))

    async def _probe(self, endpoint: Endpoint) -> None:
        """Keeps a connection in use and finds out whether a node that failed is well again."""
        try:
            await endpoint.connected(self._connect_timeout_s)
            ready = await Queries(endpoint, self._query_timeout_s).ready()
        except (NotConnected, CallFailed) as error:
            self._demote(endpoint, str(error))
            return
        if not ready:
            self._demote(endpoint, "it is catching up with the chain")
            return
        if not endpoint.healthy:
            log.info("node answers again", endpoint=endpoint.address)
        endpoint.healthy = True


def _sum_up(tx: bytes, asked: list[EndpointAnswer], resend: bool) -> Broadcast:
    """The rule of Broadcast's docstring."""
    tx_hash = hashlib.sha256(tx).hexdigest().upper()
    sent = [answer for answer in asked if answer.outcome is not Outcome.UNSENT]
    accepted = [answer for answer in sent if answer.outcome is Outcome.ACCEPTED]
    if accepted:
        outcome, deciding = Outcome.ACCEPTED, accepted[0]
    elif not sent:
        outcome, deciding = Outcome.UNSENT, None
    elif all(answer.outcome is Outcome.REFUSED for answer in sent):
        outcome, deciding = Outcome.REFUSED, sent[-1]
    else:
        coded = [answer for answer in sent if answer.code is not None]
        outcome, deciding = Outcome.UNKNOWN, (coded or sent)[-1]
    meaning = None
    if deciding is not None and deciding.code is not None:
        doubtful = resend or outcome is Outcome.UNKNOWN
        meaning = classify(deciding.codespace, deciding.code, resend=doubtful)
    return Broadcast(
        outcome=outcome,
        tx_hash=tx_hash,
        code=None if deciding is None else deciding.code,
        codespace="" if deciding is None else deciding.codespace,
        raw_log="" if deciding is None else deciding.raw_log,
        endpoint=None if deciding is None else deciding.endpoint,
        asked=tuple(asked),
        meaning=meaning,
    )
