"""The websocket server: accepts clients on /v4/ws and closes them all when asked to."""

from __future__ import annotations

import asyncio
import http
import json
import logging
from urllib.parse import urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from core.paper.indexer.connection import Connection
from core.paper.indexer.service import Indexer

PATH = "/v4/ws"
RESTARTING = json.dumps({"message": "Service restarting"}, separators=(",", ":"))
_log = logging.getLogger("core.paper.indexer.stream")
_log.setLevel(logging.ERROR)


class Stream:
    """All websocket connections of the indexer, in `connections`."""

    def __init__(self, indexer: Indexer) -> None:
        self._indexer = indexer
        self.connections: set[Connection] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._server: Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; answers the port (asked for as 0: any)."""
        self._server = await serve(
            self._handle,
            host,
            port,
            process_request=self._only_our_path,
            ping_interval=None,
            compression=None,
            close_timeout=1,
            max_size=64 * 1024,
            logger=_log,
        )
        return int(next(iter(self._server.sockets)).getsockname()[1])

    def close_connections(self) -> None:
        """Close every connection now, as a restart of the service does (1012)."""
        for connection in list(self.connections):
            task = asyncio.create_task(connection.close(1012, RESTARTING))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close all connections with 1012 and stop listening."""
        self.close_connections()
        await asyncio.gather(*self._closing, return_exceptions=True)
        if self._server is not None:
            self._server.close(close_connections=True)
            await self._server.wait_closed()

    async def _handle(self, socket: ServerConnection) -> None:
        connection = Connection(socket, self._indexer)
        self._indexer.ws_connections += 1
        self.connections.add(connection)
        try:
            await connection.serve()
        finally:
            self.connections.discard(connection)

    def _only_our_path(self, socket: ServerConnection, request: Request) -> Response | None:
        if urlsplit(request.path).path.rstrip("/") == PATH:
            return None
        return socket.respond(http.HTTPStatus.NOT_FOUND, "Not Found\n")
