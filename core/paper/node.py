"""One node of the paper network: a gRPC server with its own port, memory of hashes and faults.

Every method goes through one door that counts the call, adds the round trip, refuses while the node
is down, and answers unknown methods as the real node does.
"""

from __future__ import annotations

import asyncio
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
from core.paper.queries import Queries
from core.paper.transactions import tx_hash

_BROADCAST: Final = "/cosmos.tx.v1beta1.Service/BroadcastTx"
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
        self.exchange = exchange
        self.faults = NodeFaults()
        self.calls: Counter[str] = Counter()
        self.on_call: Callable[[str, bytes], None] | None = None
        self.name = name
        self.port = 0
        self._gossip = gossip
        self._clock = clock
        self._queries = Queries(exchange, name)
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

    async def close(self, grace_s: float = 1.0) -> None:
        """Stop, letting calls end within the grace time."""
        if self._server is not None:
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
        if self.faults.rtt_ms:
            await self._clock.sleep(self.faults.rtt_ms / 1000)

    def query(self, method: str, request: bytes) -> bytes:
        """The answer to a query by its full gRPC method. Raises Failed, or DecodeError."""
        return self._queries.answer(method, request)

    async def _serve(self, method: str, request: bytes, context: Any) -> bytes:
        await self.enter(method, request)
        if self.faults.down:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the node is down")
        try:
            if method == _BROADCAST:
                return await self._broadcast(BroadcastTxRequest.FromString(request))
            return self._queries.answer(method, request)
        except DecodeError:
            await context.abort(grpc.StatusCode.INTERNAL, "grpc: error while unmarshaling request")
        except Failed as failure:
            await context.abort(failure.status, failure.details)
        raise AssertionError("abort always raises")

    async def _broadcast(self, request: BroadcastTxRequest) -> bytes:
        raw = bytes(request.tx_bytes)
        if not raw:
            raise Failed(grpc.StatusCode.INVALID_ARGUMENT, "invalid empty tx")
        if request.mode not in (BROADCAST_MODE_SYNC, BROADCAST_MODE_ASYNC):
            raise Failed(
                grpc.StatusCode.UNKNOWN,
                "unsupported return type unspecified; supported types: sync, async",
            )
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

    def submit(self, raw: bytes) -> CheckResult:
        """What this node's CheckTx says of a transaction. Bytes seen before, refused or not, give
        sdk 19 with an empty log.
        """
        identity = tx_hash(raw)
        if identity in self._seen or identity in self._gossip.accepted:
            return CheckResult(identity, "sdk", 19, "")
        result = self.exchange.check_tx(raw)
        if (result.codespace, result.code) != ("sdk", 21):
            _remember(self._seen, identity)
        if not result.code:
            self._gossip.add(identity)
        return result


def _remember(cache: OrderedDict[str, None], identity: str) -> None:
    cache[identity] = None
    while len(cache) > _CACHE_SIZE:
        cache.popitem(last=False)
