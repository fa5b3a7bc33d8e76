"""The wires between the bot and the paper network, without sockets.

What speaks at both ends is the real code: the bot's node pool, indexer client and stream, and the
paper network's node, REST service and websocket connection. A wire can be cut or mute, and it is
where a machine may die: before a message left it, or before the answer came back.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from types import SimpleNamespace
from typing import Any, cast

import grpc
import httpx
from aiohttp import EMPTY_PAYLOAD, HttpVersion11, web
from aiohttp.http_parser import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.frames import Close
from yarl import URL

from core.paper.node import Node
from tests.sim.virtual import VirtualLoop, machine_now

KEEPALIVE_S = 20.0


async def moment(what: str) -> None:
    """A moment at which the machine that runs this may die."""
    machine = machine_now()
    if machine is not None:
        await machine.moment(what)


# the nodes


class Context:
    """What a gRPC servicer is handed."""

    def __init__(self) -> None:
        self.metadata: tuple[tuple[str, str], ...] = ()

    async def send_initial_metadata(self, metadata: Any) -> None:
        self.metadata = tuple(metadata)

    async def abort(self, code: grpc.StatusCode, details: str = "") -> None:
        raise _rpc_error(code, details, self.metadata)


def _rpc_error(
    code: grpc.StatusCode, details: str, metadata: tuple[tuple[str, str], ...] = ()
) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(
        code,
        grpc.aio.Metadata(*metadata),
        grpc.aio.Metadata(),
        details=details,
        debug_error_string=None,
    )


class _Call:
    """One unary call: awaited for its answer, then asked for its metadata."""

    def __init__(self, work: Callable[[Context], Awaitable[Any]]) -> None:
        self._work = work
        self._context = Context()

    def __await__(self) -> Generator[Any, None, Any]:
        return self._work(self._context).__await__()

    async def initial_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._context.metadata


class NodeWire:
    """The way to one node. `cut`: no connection comes about."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.cut = False

    def open(self) -> NodeChannel:
        return NodeChannel(self)


class NodeChannel:
    """Stands in for grpc.aio.Channel."""

    def __init__(self, wire: NodeWire) -> None:
        self._wire = wire
        self._closed = False

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        if self._closed:
            return grpc.ChannelConnectivity.SHUTDOWN
        if self._wire.cut:
            return grpc.ChannelConnectivity.TRANSIENT_FAILURE
        return grpc.ChannelConnectivity.READY

    async def wait_for_state_change(self, last: grpc.ChannelConnectivity) -> None:
        while self.get_state() is last:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.1)

    async def close(self, grace: float | None = None) -> None:
        self._closed = True

    def unary_stream(self, method: str, *args: Any, **_: Any) -> None:
        """Nobody calls such a method here; the generated stubs want to know it all the same."""

    def unary_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        **_: Any,
    ) -> Any:
        def begin(request: Any, timeout: float = 5.0, **_: Any) -> _Call:
            raw = request_serializer(request)

            async def work(context: Context) -> Any:
                answer = await self._ask(method, raw, context, timeout)
                return response_deserializer(answer) if response_deserializer else answer

            return _Call(work)

        return begin

    async def _ask(self, method: str, raw: bytes, context: Context, timeout_s: float) -> bytes:
        await moment(f"call {method.rpartition('/')[2]}")
        if self._closed or self._wire.cut:
            raise _rpc_error(grpc.StatusCode.UNAVAILABLE, "the connection is gone")
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._wire.node._serve(method, raw, context)
        except TimeoutError:
            raise _rpc_error(grpc.StatusCode.DEADLINE_EXCEEDED, "no answer in time") from None
        await moment(f"answer {method.rpartition('/')[2]}")
        if self._wire.cut:
            raise _rpc_error(grpc.StatusCode.UNAVAILABLE, "the connection broke")
        return answer


# the indexer's REST service


class RestWire(httpx.AsyncBaseTransport):
    """Carries requests to the REST application. `cut`: no connection comes about; `mute`: no answer
    does.
    """

    def __init__(self, app: web.Application, loop: asyncio.AbstractEventLoop) -> None:
        app.freeze()
        self._app = app
        self._loop = loop
        self._protocol = cast(
            Any,
            SimpleNamespace(
                ssl_context=None,
                peername=("127.0.0.1", 1),
                sockname=("127.0.0.1", 3002),
                transport=None,
            ),
        )
        self.cut = False
        self.mute = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await moment("request")
        if self.cut:
            raise httpx.ConnectError("the connection was refused")
        timeout_s = request.extensions.get("timeout", {}).get("read") or 30.0
        try:
            async with asyncio.timeout(timeout_s):
                if self.mute:
                    await asyncio.Event().wait()
                answer = await self._app._handle(self._request(request))
        except TimeoutError:
            raise httpx.ReadTimeout("no answer in time") from None
        assert isinstance(answer, web.Response)
        body = answer.body if isinstance(answer.body, bytes) else b""
        return httpx.Response(answer.status, headers=list(answer.headers.items()), content=body)

    def _request(self, request: httpx.Request) -> web.Request:
        path = request.url.raw_path.decode()
        headers = CIMultiDictProxy(CIMultiDict(request.headers.items()))
        message = RawRequestMessage(
            request.method,
            path,
            HttpVersion11,
            headers,
            (),
            False,
            None,
            False,
            False,
            URL(path, encoded=True),
        )
        return web.Request(
            message, EMPTY_PAYLOAD, self._protocol, cast(Any, None), cast(Any, None), self._loop
        )


# the indexer's websocket


class Pipe:
    """One websocket: two ends, each with what it was sent."""

    def __init__(self) -> None:
        self.to_client: asyncio.Queue[str | None] = asyncio.Queue()
        self.to_server: asyncio.Queue[str | None] = asyncio.Queue()
        self.end: Close | None = None
        self.is_open = True
        self.mute = False

    def close(self, end: Close | None) -> None:
        """Ends it for both sides; None as when a connection breaks."""
        if self.is_open:
            self.is_open = False
            self.end = end
            self.to_client.put_nowait(None)
            self.to_server.put_nowait(None)

    def closed(self) -> ConnectionClosed:
        return ConnectionClosedError(self.end, None)


class _End:
    def __init__(self, pipe: Pipe, inbox: asyncio.Queue[str | None]) -> None:
        self._pipe = pipe
        self._inbox = inbox

    async def recv(self) -> str:
        if self._inbox.empty() and not self._pipe.is_open:
            raise self._pipe.closed()
        text = await self._inbox.get()
        if text is None:
            raise self._pipe.closed()
        return text


class ClientEnd(_End):
    """What the bot's stream holds."""

    async def send(self, text: str) -> None:
        await moment("websocket")
        if not self._pipe.is_open:
            raise self._pipe.closed()
        if not self._pipe.mute:
            self._pipe.to_server.put_nowait(text)


class ServerEnd(_End):
    """What the paper indexer's connection holds."""

    @property
    def transport(self) -> ServerEnd:
        return self

    def abort(self) -> None:
        self._pipe.close(None)

    async def __aiter__(self) -> AsyncIterator[str]:
        while True:
            try:
                yield await self.recv()
            except ConnectionClosed:
                return

    async def send(self, text: str) -> None:
        if not self._pipe.is_open:
            raise self._pipe.closed()
        if not self._pipe.mute:
            self._pipe.to_client.put_nowait(text)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self._pipe.close(Close(code, reason))

    async def ping(self, payload: bytes = b"") -> asyncio.Future[None]:
        pong: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self._pipe.mute:
            pong.set_result(None)
        return pong


class StreamWire:
    """The way to the websocket service. `cut`: no connection comes about."""

    def __init__(self, accept: Callable[[Any], Awaitable[None]], loop: VirtualLoop) -> None:
        self._accept = accept
        self._loop = loop
        self.pipes: set[Pipe] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self.cut = False

    def dial(self, address: str, patience: Any) -> Any:
        """In place of `core.dydx.stream_link.dial`."""
        return self._open()

    @contextlib.asynccontextmanager
    async def _open(self) -> AsyncIterator[ClientEnd]:
        await moment("dial")
        if self.cut:
            raise ConnectionRefusedError("the connection was refused")
        pipe = Pipe()
        with self._loop.outside():
            serving = asyncio.ensure_future(
                self._loop.create_task(self._serve(ServerEnd(pipe, pipe.to_server)))
            )
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        self.pipes.add(pipe)
        try:
            yield ClientEnd(pipe, pipe.to_client)
        finally:
            pipe.close(None)
            self.pipes.discard(pipe)

    async def _serve(self, end: ServerEnd) -> None:
        await self._accept(end)

    def break_all(self) -> None:
        """Every connection breaks without a word."""
        for pipe in list(self.pipes):
            pipe.close(None)

    def mute_all(self) -> None:
        """Every connection stays open and carries nothing more, until its keep-alive runs out."""
        for pipe in list(self.pipes):
            pipe.mute = True
            end = Close(1011, "keepalive ping timeout")
            self._loop.call_later(KEEPALIVE_S, pipe.close, end)


def body_of(answer: httpx.Response) -> Any:
    """The JSON of an answer."""
    return json.loads(answer.content)
