"""One node of the paper network: a gRPC server with its own port, memory of hashes and faults.

Every method goes through one door that counts the call, adds the round trip, refuses while the node
is down, and answers unknown methods as the real node does.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from v4_proto.cosmos.base.abci.v1beta1.abci_pb2 import TxResponse
from v4_proto.cosmos.tx.v1beta1.service_pb2 import (
    BROADCAST_MODE_ASYNC,
    BROADCAST_MODE_SYNC,
    BroadcastTxRequest,
    BroadcastTxResponse,
)

from core.clock import Clock
from core.paper.exchange import CheckResult, Exchange
from core.paper.failures import Failed
from core.paper.faults import NodeFaults
from core.paper.follower import Follower
from core.paper.queries import Queries
from core.paper.state import Changes
from core.paper.transactions import tx_hash

BROADCAST: Final = "/cosmos.tx.v1beta1.Service/BroadcastTx"
_HEIGHT_HEADER: Final = "x-cosmos-block-height"
_CACHE_SIZE: Final = 200_000
_MAX_MESSAGE: Final = 16 * 1024 * 1024


@dataclass
class Gossip:
    """What the nodes tell each other: hashes of accepted transactions."""

    accepted: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def add(self, identity: str) -> None:
        """Remember an accepted transaction."""
        _remember(self.accepted, identity)


class Node(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """A gRPC server over the exchange. `calls` counts calls by full method name; `on_call` is told
    of each as it arrives.
    """

    def __init__(self, exchange: Exchange, gossip: Gossip, clock: Clock, name: str) -> None:
        self._shared = exchange
        self._own: Follower | None = None
        self.faults = NodeFaults()
        self.calls: Counter[str] = Counter()
        self.on_call: Callable[[str, bytes], None] | None = None
        self.name = name
        self.port = 0
        self._gossip = gossip
        self._clock = clock
        self._random = random.Random(name)  # noqa: S311
        self._queries = Queries(exchange, name)
        self._own_queries: tuple[Exchange, Queries] | None = None
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._server: Any = None

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes any free one. Raises OSError where the port is taken."""
        server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", _MAX_MESSAGE),
                ("grpc.max_send_message_length", _MAX_MESSAGE),
            ]
        )
        server.add_generic_rpc_handlers((self,))
        try:
            self.port = server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise OSError(f"the gRPC port {port} was not free") from error
        await server.start()
        self._server = server
        self._shared.follow(self._on_block)

    async def close(self, grace_s: float = 1.0) -> None:
        """Stop, letting calls end within the grace time."""
        if self._server is not None:
            self._shared.unfollow(self._on_block)
            await self._server.stop(grace_s)
            self._server = None

    async def kill(self) -> None:
        """Stop at once, as a crashed node does: open calls break off."""
        await self.close(0)

    def service(self, handler_call_details: Any) -> Any:
        """The door: every method is served by `_serve` with raw bytes."""
        method = str(handler_call_details.method)

        async def serve(request: bytes, context: Any) -> bytes:
            return await self._serve(method, request, context)

        return grpc.unary_unary_rpc_method_handler(serve)

    async def enter(self, method: str, request: bytes = b"") -> None:
        """Count a call, tell `on_call` of it, and let it travel for as long as the fault says."""
        self.calls[method] += 1
        if self.on_call is not None:
            self.on_call(method, request)
        faults = self.faults
        jitter_ms = self._random.randint(-faults.rtt_jitter_ms, faults.rtt_jitter_ms)
        travel_ms = faults.rtt_ms + jitter_ms
        if travel_ms > 0:
            await self._clock.sleep(travel_ms / 1000)

    def query(self, method: str, request: bytes) -> bytes:
        """The answer to a query by its full gRPC method. Raises Failed, or DecodeError."""
        known = self.exchange
        if known is self._shared:
            return self._queries.answer(method, request)
        if self._own_queries is None or self._own_queries[0] is not known:
            self._own_queries = (known, Queries(known, self.name))
        return self._own_queries[1].answer(method, request)

    @property
    def methods(self) -> list[str]:
        """Full names of the gRPC methods it answers."""
        return [*self._queries.methods, BROADCAST]

    @property
    def exchange(self) -> Exchange:
        """The chain as this node knows it."""
        if not self.faults.is_alone:
            self._own = None
            return self._shared
        if self._own is None:
            self._own = Follower(self._shared)
        return self._own.exchange

    def _on_block(self, changes: Changes) -> None:
        """A block is about to be shown to the others."""
        if self.exchange is not self._shared and self._own is not None:
            self._own.take(changes, self.faults.behind_blocks)

    async def _serve(self, method: str, request: bytes, context: Any) -> bytes:
        await self.enter(method, request)
        if self.faults.down:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the node is down")
        try:
            if method == BROADCAST:
                return await self.broadcast(BroadcastTxRequest.FromString(request))
            return await self._query(method, request, context)
        except DecodeError:
            await context.abort(grpc.StatusCode.INTERNAL, "grpc: error while unmarshaling request")
        except Failed as failure:
            await context.abort(failure.status, failure.details)
        raise AssertionError("abort always raises")

    async def _query(self, method: str, request: bytes, context: Any) -> bytes:
        """The answer, with the block it belongs to in its header; so has a refusal."""
        height = str(self.exchange.height + self.faults.take_number_ahead())
        try:
            return self.query(method, request)
        finally:
            await context.send_initial_metadata(((_HEIGHT_HEADER, height),))

    async def broadcast(self, request: BroadcastTxRequest) -> bytes:
        """What the node says of a transaction sent to it. Raises Failed."""
        raw = bytes(request.tx_bytes)
        if not raw:
            raise Failed(grpc.StatusCode.INVALID_ARGUMENT, "invalid empty tx")
        if request.mode not in (BROADCAST_MODE_SYNC, BROADCAST_MODE_ASYNC):
            raise Failed(
                grpc.StatusCode.UNKNOWN,
                "unsupported return type unspecified; supported types: sync, async",
            )
        await self.travel()
        result = self.submit(raw)
        if request.mode == BROADCAST_MODE_ASYNC:
            result = CheckResult(result.tx_hash, "", 0, "")
        if self.faults.take_lost_answer():
            await asyncio.Event().wait()
        response = TxResponse(
            txhash=result.tx_hash,
            codespace=result.codespace,
            code=result.code,
            raw_log=result.log,
        )
        return bytes(BroadcastTxResponse(tx_response=response).SerializeToString())

    async def travel(self) -> None:
        """Wait for ever where the broadcast at hand is to be lost on its way here."""
        if self.faults.take_lost_request():
            await asyncio.Event().wait()

    def submit(self, raw: bytes) -> CheckResult:
        """What this node's CheckTx says of a transaction. Bytes seen before, refused or not, give
        sdk 19 with an empty log.
        """
        identity, known = tx_hash(raw), self.exchange
        if identity in self._seen or identity in self._gossip.accepted:
            return CheckResult(identity, "sdk", 19, "")
        result = known.check_tx(raw)
        if (result.codespace, result.code) != ("sdk", 21):
            _remember(self._seen, identity)
        if not result.code and not self.faults.stands_apart:
            self._gossip.add(identity)
            if known is not self._shared:
                self._shared.check_tx(raw)  # the others judge for themselves, and tell nobody
        return result


def _remember(cache: OrderedDict[str, None], identity: str) -> None:
    cache[identity] = None
    while len(cache) > _CACHE_SIZE:
        cache.popitem(last=False)
