"""A desk with one webhook, and raw requests over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from aiohttp import web
from prometheus_client import CollectorRegistry

from core.signals.faults import AlertFault
from core.signals.grammar import secret_of
from core.signals.identity import secret_hash, secret_matches
from core.signals.reading import read_object
from core.trading.views import AlertAnswer
from handlers.http.app import build_http
from handlers.http.health import Check
from handlers.http.metrics import Metrics
from handlers.http.serving import Listener, listen
from handlers.http.signals import DoorLimits, SignalDoor

UUID_TEXT = "7b0f6c1e-52c4-4a76-9c53-0c6b6a3f5d11"
SECRET = "k7Jd0PqLx3-VtR9_bWm2ZcYhN5sFgA8uEoIrT1yQwXz"
PATH = f"/api/webhooks/signal/{UUID_TEXT}"
GOOD = f'{{"secret": "{SECRET}", "symbol": "BTC-USD", "action": "buy"}}'.encode()
ANSWER = {
    "success": True,
    "signal_id": "0b9f2f0e-0000-4000-8000-000000000001",
    "order_id": None,
    "symbol": "BTC-USD",
    "side": "BUY",
    "size": Decimal("0.10000000000000000055"),
    "tx_hash": None,
    "status": "PENDING",
}
QUICK = DoorLimits(floor_s=0, slow_s=0)


class OneStrategyDesk:
    """A desk with one strategy, which proves both factors and counts what it was asked."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.stored: list[bytes] = []
        self.hindrance: Callable[[], Awaitable[None]] | None = None

    async def receive_alert(self, webhook_uuid: str, raw: bytes) -> AlertAnswer:
        self.bodies.append(raw)
        try:
            known = UUID(webhook_uuid) == UUID(UUID_TEXT)
        except ValueError:
            known = False
        try:
            given = secret_of(read_object(raw))
        except AlertFault:
            given = None
        if not secret_matches(given, secret_hash(SECRET) if known else ""):
            return AlertAnswer(404, {"success": False, "error": "something_else"})
        if self.hindrance is not None:
            await self.hindrance()
        self.stored.append(raw)
        return AlertAnswer(200, dict(ANSWER))


@dataclass
class Ready:
    """Readiness as a test wants it."""

    found: list[Check] = field(default_factory=lambda: [Check("ledger", ok=True)])
    error: Exception | None = None

    def checks(self) -> Sequence[Check]:
        if self.error is not None:
            raise self.error
        return self.found


@dataclass
class Served:
    """A served application and what it was built of."""

    listener: Listener
    desk: OneStrategyDesk
    readiness: Ready
    metrics: Metrics

    @property
    def port(self) -> int:
        return self.listener.port

    async def ask(
        self, method: str, path: str, body: bytes = b"", *headers: str, keep: bool = False
    ) -> Answered:
        """One request with its length on a connection of its own."""
        lines = [
            f"{method} {path} HTTP/1.1",
            "Host: desk",
            f"Content-Length: {len(body)}",
            *([] if keep else ["Connection: close"]),
            *headers,
        ]
        return await self.send("\r\n".join([*lines, "", ""]).encode() + body)

    async def send(self, raw: bytes) -> Answered:
        """Raw bytes; all that comes back until the connection ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(raw)
            async with asyncio.timeout(10):
                return Answered(await reader.read())
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@dataclass(frozen=True)
class Answered:
    """The bytes of an answer."""

    raw: bytes

    @property
    def status(self) -> int:
        return int(self.raw.split(b" ", 2)[1])

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def headers(self) -> dict[str, str]:
        lines = self.raw.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def but_its_date(self) -> bytes:
        return b"\r\n".join(
            line for line in self.raw.split(b"\r\n") if not line.startswith(b"Date: ")
        )


@contextlib.asynccontextmanager
async def serving(
    *,
    limits: DoorLimits = QUICK,
    extra_routes: Sequence[web.AbstractRouteDef] = (),
    make_door: Callable[[OneStrategyDesk, Metrics], SignalDoor] | None = None,
    headers_within_s: float = 10,
    max_connections: int | None = None,
) -> AsyncIterator[Served]:
    """The application on a free port."""
    desk, readiness, metrics = OneStrategyDesk(), Ready(), Metrics(CollectorRegistry())
    app = build_http(
        desk=desk,
        readiness=readiness,
        metrics=metrics,
        extra_routes=extra_routes,
        limits=limits,
        door=make_door(desk, metrics) if make_door else None,
    )
    listener = await listen(
        app,
        "127.0.0.1",
        0,
        headers_within_s=headers_within_s,
        max_connections=max_connections,
    )
    try:
        yield Served(listener, desk, readiness, metrics)
    finally:
        await listener.close()


async def until(condition: Callable[[], bool], within_s: float = 5) -> None:
    """Waits for a condition."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - a condition of another task
            await asyncio.sleep(0.005)
