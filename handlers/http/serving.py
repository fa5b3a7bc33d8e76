"""Listens: the application on a port, with limits against slow, many and malformed connections."""

from __future__ import annotations

import asyncio
import ipaddress
import sys
from collections import Counter
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from handlers.http.answers import error_answer
from handlers.http.app import drain

log = structlog.get_logger(__name__)

HEADERS_WITHIN_S = 10.0
KEEPALIVE_S = 150.0
LINGER_S = 1.0
MAX_CONNECTIONS = 4000
SHUTDOWN_WITHIN_S = 5.0


class Listener:
    """A served application."""

    def __init__(self, app: web.Application, runner: web.AppRunner, port: int) -> None:
        self._app = app
        self._runner = runner
        self.port = port

    def drain(self) -> None:
        """See handlers.http.app.drain."""
        drain(self._app)

    async def close(self) -> None:
        """Drains, stops listening, answers what is under way and waits for the desk."""
        self.drain()
        await self._runner.cleanup()


async def listen(
    app: web.Application,
    host: str,
    port: int,
    *,
    headers_within_s: float = HEADERS_WITHIN_S,
    max_connections: int | None = None,
) -> Listener:
    """Serves the application; port 0 takes a free one. Raises OSError if the port is taken.

    `headers_within_s`: how long a new connection may take for its first request's headers.
    """
    runner = _EdgeRunner(
        app,
        access_log=None,
        keepalive_timeout=KEEPALIVE_S,
        lingering_time=LINGER_S,
        shutdown_timeout=SHUTDOWN_WITHIN_S,
        auto_decompress=False,
        max_line_size=4096,
        max_field_size=4096,
        max_headers=64,
    )
    runner.limits = (headers_within_s, max_connections or _max_connections())
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except BaseException:
        await runner.cleanup()
        raise
    return Listener(app, runner, int(runner.addresses[0][1]))


def _max_connections() -> int:
    """Three quarters of the files that the process may open: the ledger and the chain need some."""
    if sys.platform == "win32":
        return MAX_CONNECTIONS // 8
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if soft < 0 else min(MAX_CONNECTIONS, soft * 3 // 4)


class _EdgeRunner(web.AppRunner):
    """Makes servers whose connections are guarded."""

    limits: tuple[float, int] = (HEADERS_WITHIN_S, MAX_CONNECTIONS)

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        return _EdgeServer(server, *self.limits)


class _EdgeServer(web.Server):
    """A server that bounds its connections, in all and by public address."""

    def __init__(self, plain: web.Server, headers_within_s: float, max_connections: int) -> None:
        super().__init__(
            plain.request_handler, request_factory=plain.request_factory, **plain._kwargs
        )
        self._options: dict[str, Any] = plain._kwargs
        self._headers_within_s = headers_within_s
        self._max_connections = max_connections
        self._open = 0
        self._by_address: Counter[str] = Counter()

    def __call__(self) -> web.RequestHandler:
        loop = asyncio.get_running_loop()
        return _EdgeConnection(self, self._headers_within_s, loop=loop, **self._options)

    def admits(self, address: str) -> bool:
        """Whether one more connection is taken, and counts it. A proxy's address is not bounded by
        itself: everybody comes from there.
        """
        if self._open >= self._max_connections:
            return False
        if _is_public(address) and self._by_address[address] >= self._max_connections // 2:
            return False
        self._open += 1
        self._by_address[address] += 1
        return True

    def left(self, address: str) -> None:
        self._open -= 1
        self._by_address[address] -= 1
        if self._by_address[address] <= 0:
            del self._by_address[address]


class _EdgeConnection(web.RequestHandler):
    """A connection whose first headers must come in time and whose errors tell nothing."""

    __slots__ = ("_address", "_admitted", "_edge", "_guard", "_headers_within_s")

    def __init__(self, edge: _EdgeServer, headers_within_s: float, **options: Any) -> None:
        super().__init__(edge, **options)
        self._edge = edge
        self._headers_within_s = headers_within_s
        self._address = ""
        self._admitted = False
        self._guard: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) else ""
        self._admitted = self._edge.admits(self._address)
        if not self._admitted:
            self.force_close()
            transport.close()
            return
        super().connection_made(transport)
        loop = asyncio.get_running_loop()
        self._guard = loop.call_later(self._headers_within_s, self._close_if_silent)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._guard is not None:
            self._guard.cancel()
        if self._admitted:
            self._admitted = False
            self._edge.left(self._address)
        super().connection_lost(exc)

    def _close_if_silent(self) -> None:
        if self._request_count == 0:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is not HTTP is answered without repeating it; its bytes reach no log."""
        if not isinstance(exc, HttpProcessingError):
            log.error("a connection failed", status=status, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the response had begun already")
        response = error_answer(status)
        response.headers["Server"] = ""
        response.force_close()
        return response


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_global
    except ValueError:
        return False
