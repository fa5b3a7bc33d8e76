"""A real websocket server that speaks the indexer's protocol from recorded frames."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from core.clock import SystemRandom
from core.dydx.network import Network, paper_network
from core.dydx.stream import Stream, StreamEvent
from tests.core.dydx.dydx_kit import recording

TRADER = "dydx1slfxgxshuqeswcvuc07lv9slurk9pmzwfxcv4v"
SUBSCRIPTION = f"{TRADER}/0"


@cache
def _frames() -> list[tuple[str, dict[str, Any]]]:
    return [
        (line["conn"], line["message"])
        for line in recording("ws")
        if line["dir"] == "in" and "frame" not in line
    ]


def recorded(conn: str) -> list[dict[str, Any]]:
    """The messages that the server sent on a recorded connection."""
    return [copy.deepcopy(message) for name, message in _frames() if name == conn]


def first(conn: str, kind: str, channel: str) -> dict[str, Any]:
    return copy.deepcopy(
        next(
            message
            for name, message in _frames()
            if name == conn and message["type"] == kind and message.get("channel") == channel
        )
    )


def height_message(number: int) -> dict[str, Any]:
    return {
        "type": "channel_data",
        "connection_id": "c",
        "channel": "v4_block_height",
        "id": "v4_block_height",
        "version": "1.0.0",
        "contents": {"blockHeight": str(number), "time": "2026-11-22T15:00:00.000Z"},
    }


class Client:
    """One connection as the server sees it."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.next_id = 0
        self.requests: list[dict[str, Any]] = []
        self.times: list[float] = []

    async def send(self, message: dict[str, Any], message_id: int | None = None) -> None:
        """Sends with the next number, or with one that is given."""
        if message_id is None:
            message_id, self.next_id = self.next_id, self.next_id + 1
        with contextlib.suppress(ConnectionClosed):
            await self.socket.send(json.dumps(message | {"message_id": message_id}))

    @property
    def subaccounts(self) -> list[str]:
        """The subaccounts that were asked for, in that order."""
        return [
            r["id"]
            for r in self.requests
            if r["type"] == "subscribe" and r["channel"] == "v4_subaccounts"
        ]

    def asked(self) -> list[tuple[str, str, str | None]]:
        return [(r["type"], r["channel"], r.get("id")) for r in self.requests]


class IndexerSocket:
    """Greets, answers subscriptions with recorded snapshots and notes what it was asked."""

    def __init__(self) -> None:
        self.clients: list[Client] = []
        self.port = 0
        self.attempts: list[float] = []
        self.greets = True
        self.on_request: Callable[[Client, dict[str, Any]], Any] | None = None
        self._server: Any = None
        self.snapshots = {
            "v4_block_height": first("market", "subscribed", "v4_block_height"),
            "v4_markets": first("market", "subscribed", "v4_markets"),
            "v4_subaccounts": first("snapshot-3", "subscribed", "v4_subaccounts"),
            "v4_orderbook": first("market", "subscribed", "v4_orderbook"),
            "v4_trades": first("market", "subscribed", "v4_trades"),
        }

    @property
    def client(self) -> Client:
        """The latest connection."""
        return self.clients[-1]

    @property
    def open(self) -> list[Client]:
        """The connections that stand, oldest first."""
        return [client for client in self.clients if client.socket.state is State.OPEN]

    def of(self, address: str, number: int) -> Client:
        """The standing connection that carries a subaccount."""
        return next(c for c in self.open if f"{address}/{number}" in c.subaccounts)

    def leading(self) -> list[Client]:
        """The standing connections that carry the markets."""
        return [c for c in self.open if ("subscribe", "v4_markets", None) in c.asked()]

    async def tell_height(self, number: int) -> None:
        """Tells a block to everybody."""
        for client in self.open:
            await client.send(height_message(number))

    @property
    def network(self) -> Network:
        return replace(paper_network(), ws=f"ws://127.0.0.1:{self.port}/v4/ws")

    async def start(self) -> None:
        self._server = await serve(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Goes away with all its connections, as in a deployment."""
        if self._server is not None:
            server, self._server = self._server, None
            server.close(close_connections=True)
            await server.wait_closed()

    async def _serve(self, socket: ServerConnection) -> None:
        client = Client(socket)
        self.attempts.append(time.monotonic())
        if not self.greets:
            await socket.close(1013, "not now")
            return
        await client.send({"type": "connected", "connection_id": "c"})
        self.clients.append(client)
        with contextlib.suppress(ConnectionClosed):
            async for text in socket:
                request = json.loads(text)
                client.requests.append(request)
                client.times.append(time.monotonic())
                if self.on_request is not None:
                    await self.on_request(client, request)
                else:
                    await self.answer(client, request)

    async def answer(self, client: Client, request: dict[str, Any]) -> None:
        if request["type"] == "subscribe":
            snapshot = dict(self.snapshots[request["channel"]])
            if "id" in request:
                snapshot["id"] = request["id"]
            await client.send(snapshot)
        else:
            confirmed: dict[str, Any] = {
                key: request[key] for key in ("channel", "id") if key in request
            }
            await client.send({"type": "unsubscribed", "connection_id": "c", **confirmed})


class Watcher:
    """Collects what a stream tells."""

    def __init__(self) -> None:
        self.events: list[StreamEvent] = []

    async def __call__(self, event: StreamEvent) -> None:
        self.events.append(event)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@asynccontextmanager
async def streaming(
    server: IndexerSocket, clock: Any, **options: Any
) -> AsyncIterator[tuple[Stream, Watcher]]:
    watcher = Watcher()
    values: dict[str, Any] = {"healthy_after_s": 0.0, "gap_timeout_s": 0.3}
    stream = Stream(server.network, clock, SystemRandom(), watcher, **(values | options))
    await stream.start()
    try:
        yield stream, watcher
    finally:
        await asyncio.wait_for(stream.close(), 5)
