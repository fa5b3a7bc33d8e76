"""The indexer's websocket: prices, heights and subaccounts, kept up for as long as it runs.

Source: docs/protocol.md, indexer websocket.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from core.clock import Clock, Random
from core.dydx.indexer_types import Height
from core.dydx.markets import Markets
from core.dydx.message_order import MessageOrder
from core.dydx.network import Network, is_loopback
from core.dydx.pacing import Key, Pace
from core.dydx.stream_events import (
    BlockHeight,
    Connected,
    Disconnected,
    MarketsSnapshot,
    MarketsUpdate,
    ReconnectFailing,
    StreamEvent,
    SubaccountSnapshot,
    SubaccountUpdate,
    SubscriptionRefused,
)
from core.dydx.stream_types import (
    Frame,
    HeightContents,
    MarketsContents,
    MarketsState,
    Request,
    SubaccountContents,
    SubaccountState,
    read_frame,
)
from core.dydx.wire import Unreadable

__all__ = [
    "BlockHeight",
    "Connected",
    "Disconnected",
    "MarketsSnapshot",
    "MarketsUpdate",
    "ReconnectFailing",
    "Stream",
    "StreamEvent",
    "SubaccountSnapshot",
    "SubaccountUpdate",
    "SubscriptionRefused",
]

log = structlog.get_logger(__name__)

WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0)
HEIGHT: Key = ("v4_block_height", None)
MARKETS: Key = ("v4_markets", None)
SUBACCOUNTS = "v4_subaccounts"
SUBACCOUNT_LIMIT = 256
TICK_S = 0.5
SNAPSHOT_WAIT_S = 25.0
RETRY_S = 3.0
Action = Literal["subscribe", "unsubscribe"]


class _Lost(Exception):
    """The connection is of no use any more; the text is the reason."""


class Stream:
    """One network's live news, delivered to `on_event` one at a time and in order.

    After a loss it connects again after 1, 2, 4, 8 and 16 seconds and then every 16 seconds, and
    asks for all subscriptions anew. `markets` is kept current. Messages that cannot be read are
    counted in `unreadable` and skipped.
    """

    def __init__(
        self,
        network: Network,
        clock: Clock,
        random: Random,
        on_event: Callable[[StreamEvent], Awaitable[None]],
        *,
        waits_s: tuple[float, ...] = WAITS_S,
        gap_timeout_s: float = 2.0,
        silence_timeout_s: float = 60.0,
        healthy_after_s: float = 5.0,
        ping_interval_s: float = 10.0,
        ping_timeout_s: float = 10.0,
        open_timeout_s: float = 10.0,
    ) -> None:
        self.markets = Markets(clock)
        self.unreadable = 0
        self.gaps = 0
        self._network = network
        self._clock = clock
        self._random = random
        self._on_event = on_event
        self._waits_s = waits_s
        self._gap_timeout_s = gap_timeout_s
        self._silence_timeout_s = silence_timeout_s
        self._healthy_after_s = healthy_after_s
        self._ping_interval_s = ping_interval_s
        self._ping_timeout_s = ping_timeout_s
        self._open_timeout_s = open_timeout_s
        self._height: int | None = None
        self._height_received: float | None = None
        self._session: _Session | None = None
        self._subaccounts: dict[Key, None] = {}
        self._events: asyncio.Queue[StreamEvent] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    # what it knows

    @property
    def height(self) -> int | None:
        """The last block that the indexer told of."""
        return self._height

    @property
    def height_received(self) -> float | None:
        """When `height` came here, in seconds of the clock's monotonic counter."""
        return self._height_received

    @property
    def connected(self) -> bool:
        """Whether the websocket is open."""
        return self._session is not None

    def fresh(self, max_age_s: float) -> bool:
        """Whether the websocket is open and told of a block within the last `max_age_s` seconds."""
        received = self._height_received
        return (
            self.connected
            and received is not None
            and self._clock.monotonic() - received <= max_age_s
        )

    # life

    async def start(self) -> None:
        """Begins to connect; does not wait for it."""
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._run()),
                asyncio.create_task(self._deliver()),
            ]

    async def close(self) -> None:
        """Ends the connection and the delivery."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def subscribe(self, address: str, number: int) -> None:
        """Asks for a subaccount's news, now and after each reconnect; the snapshot comes as event.

        Unknown subaccounts may be subscribed too.
        """
        key = (SUBACCOUNTS, f"{address}/{number}")
        if key in self._subaccounts:
            return
        self._subaccounts[key] = None
        if len(self._subaccounts) > SUBACCOUNT_LIMIT:
            log.error("more subaccounts than one connection carries", limit=SUBACCOUNT_LIMIT)
        if self._session is not None:
            self._session.ask("subscribe", key)

    async def unsubscribe(self, address: str, number: int) -> None:
        """Ends a subaccount's news."""
        key = (SUBACCOUNTS, f"{address}/{number}")
        if key not in self._subaccounts:
            return
        del self._subaccounts[key]
        if self._session is not None:
            self._session.ask("unsubscribe", key)

    async def _deliver(self) -> None:
        while True:
            event = await self._events.get()
            try:
                await self._on_event(event)
            except Exception:
                log.exception("stream event failed", event_kind=type(event).__name__)

    def _tell(self, event: StreamEvent) -> None:
        self._events.put_nowait(event)

    async def _run(self) -> None:
        waits = 0
        while True:
            began = self._clock.monotonic()
            reason = await self._connection()
            lived = self._clock.monotonic() - began
            if self._height_received is not None and self._height_received >= began:
                waits = 0 if lived >= self._healthy_after_s else waits
            self._tell(Disconnected(reason, waits))
            log.warning("stream lost", network=self._network.name, reason=reason, attempt=waits)
            if waits == len(self._waits_s):
                log.error("stream cannot be reached", network=self._network.name, attempts=waits)
                self._tell(ReconnectFailing(waits))
            wait_s = self._waits_s[min(waits, len(self._waits_s) - 1)]
            waits += 1
            # A little unevenness, so that not all bots come back in the same instant.
            await self._clock.sleep(wait_s + self._random.below(250) / 1000)

    async def _connection(self) -> str:
        """One connection from its opening to its end; the reason why it ended."""
        try:
            async with connect(
                self._network.ws,
                open_timeout=self._open_timeout_s,
                ping_interval=self._ping_interval_s,
                ping_timeout=self._ping_timeout_s,
                close_timeout=1.0,
                max_size=32 * 1024 * 1024,
                max_queue=256,
                proxy=None if is_loopback(self._network.ws) else True,
            ) as socket:
                await self._converse(socket)
                return "ended"
        except _Lost as lost:
            return str(lost)
        except ConnectionClosed as closed:
            frame = closed.rcvd or closed.sent
            return f"closed {frame.code} {frame.reason}".strip() if frame else "connection broken"
        except TimeoutError:
            return "timed out"
        except (OSError, WebSocketException) as error:
            return f"cannot connect: {type(error).__name__}"
        except Exception as error:
            log.exception("stream failed", network=self._network.name)
            return f"failed: {type(error).__name__}"

    async def _converse(self, socket: ClientConnection) -> None:
        session = _Session(socket, self._clock)
        async with asyncio.timeout(self._open_timeout_s):
            hello = _parse(await socket.recv())
        if hello.get("type") != "connected":
            raise _Lost("the server did not greet")
        session.order.take(int(hello.get("message_id") or 0), self._clock.monotonic())
        for key in (HEIGHT, MARKETS, *self._subaccounts):
            session.ask("subscribe", key)
        self._session = session
        self._tell(Connected())
        asker = asyncio.create_task(session.ask_in_turn())
        try:
            await self._listen(session, asker)
        finally:
            self._session = None
            asker.cancel()
            await asyncio.gather(asker, return_exceptions=True)

    async def _listen(self, session: _Session, asker: asyncio.Task[None]) -> None:
        heard = self._clock.monotonic()
        while True:
            text: str | bytes | None = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    text = await session.socket.recv()
            now = self._clock.monotonic()
            if text is not None:
                heard = now
                self._take(session, text, now)
            if asker.done():
                asker.result()
            patience_s = SNAPSHOT_WAIT_S if session.waiting else self._gap_timeout_s
            if session.order.missing_for(now) > patience_s:
                self.gaps += 1
                raise _Lost("a message was lost")
            if now - heard > self._silence_timeout_s:
                raise _Lost("silent")

    # messages

    def _take(self, session: _Session, text: str | bytes, now: float) -> None:
        try:
            value = _parse(text)
        except Unreadable as error:
            self._count_unreadable(str(error))
            return
        message_id, kind = value.get("message_id"), value.get("type")
        if not isinstance(message_id, int):
            self._count_unreadable("a frame had no number")
            return
        fresh = session.order.take(message_id, now)
        if not fresh and kind != "error":
            return
        try:
            frame = read_frame(value)
        except Unreadable as error:
            self._count_unreadable(str(error))
            return
        if frame.dropped:
            self._count_unreadable(f"{frame.dropped} rows of {frame.channel} were left out")
        if frame.type == "error":
            self._take_error(session, frame)
            return
        if frame.type in ("subscribed", "unsubscribed"):
            session.waiting.discard(_key(frame))
        for part in frame.contents:
            self._take_part(frame, part)

    def _take_part(self, frame: Frame, part: Any) -> None:
        if isinstance(part, Height):
            self._take_height(part.height, part)
        elif isinstance(part, HeightContents):
            self._take_height(part.block_height, part)
        elif isinstance(part, MarketsState):
            self.markets.replace(part.markets)
            self._tell(MarketsSnapshot(self.markets.tickers()))
        elif isinstance(part, MarketsContents):
            self.markets.merge(part)
            prices = {t: row.oracle_price for t, row in (part.oracle_prices or {}).items()}
            self._tell(MarketsUpdate((*(part.trading or {}), *prices), prices))
        elif isinstance(part, SubaccountState | SubaccountContents):
            self._take_subaccount(frame, part)

    def _take_height(self, height: int, part: Height | HeightContents) -> None:
        if self._height is not None and height < self._height:
            return
        self._height = height
        self._height_received = self._clock.monotonic()
        self._tell(BlockHeight(height, part.time))

    def _take_subaccount(self, frame: Frame, part: SubaccountState | SubaccountContents) -> None:
        if _key(frame) not in self._subaccounts:
            return
        address, number = _subaccount_of(frame)
        if isinstance(part, SubaccountState):
            event: StreamEvent = SubaccountSnapshot(
                address, number, part.subaccount, tuple(part.orders or ()), part.block_height
            )
        else:
            event = SubaccountUpdate(
                address,
                number,
                fills=tuple(part.fills or ()),
                orders=tuple(part.orders or ()),
                perpetual_positions=tuple(part.perpetual_positions or ()),
                asset_positions=tuple(part.asset_positions or ()),
                transfers=(part.transfers,) if part.transfers else (),
                block_height=part.block_height,
            )
        self._tell(event)

    def _take_error(self, session: _Session, frame: Frame) -> None:
        """Errors of a subscription name it; others say that this program wrote nonsense."""
        message = frame.message or ""
        if frame.channel is None:
            log.error("stream answered with an error", network=self._network.name, error=message)
            return
        key = _key(frame)
        session.waiting.discard(key)
        if "already subscribed" in message:
            return
        log.warning("subscription failed", channel=frame.channel, error=message)
        if message.startswith("Internal error"):
            session.ask_later("subscribe", key)
        elif frame.channel == SUBACCOUNTS and key in self._subaccounts:
            address, number = _subaccount_of(frame)
            self._tell(SubscriptionRefused(address, number, message))

    def _count_unreadable(self, reason: str) -> None:
        self.unreadable += 1
        log.warning("stream message skipped", network=self._network.name, reason=reason)


class _Session:
    """One open connection: what was asked of it and which numbers came."""

    def __init__(self, socket: ClientConnection, clock: Clock) -> None:
        self.socket = socket
        self.order = MessageOrder()
        self.waiting: set[Key] = set()
        self._clock = clock
        self._pace = Pace(clock)
        self._asks: deque[tuple[Action, Key]] = deque()
        self._retries: deque[tuple[float, tuple[Action, Key]]] = deque()
        self._bell = asyncio.Event()

    def ask(self, action: Action, key: Key) -> None:
        """Queues a subscription or its end."""
        if action == "unsubscribe":
            self._retries = deque(retry for retry in self._retries if retry[1][1] != key)
        self._asks.append((action, key))
        self._bell.set()

    def ask_later(self, action: Action, key: Key) -> None:
        """Queues it for a second try after a pause."""
        self._retries.append((self._clock.monotonic() + RETRY_S, (action, key)))
        self._bell.set()

    async def ask_in_turn(self) -> None:
        """Sends what is queued, as fast as the indexer allows."""
        while True:
            now = self._clock.monotonic()
            while self._retries and self._retries[0][0] <= now:
                self._asks.append(self._retries.popleft()[1])
            if not self._asks:
                self._bell.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S if self._retries else None):
                        await self._bell.wait()
                continue
            action, key = self._asks.popleft()
            await self._pace.wait(key)
            if action == "subscribe":
                self.waiting.add(key)
            else:
                self.waiting.discard(key)
            await self.socket.send(json.dumps(_request(action, key)))


def _request(action: Action, key: Key) -> dict[str, Any]:
    channel, name = key
    fields: dict[str, Any] = {"type": action, "channel": channel}
    if name is not None:
        fields["id"] = name
    if action == "subscribe":
        fields["batched"] = key == MARKETS
    return Request(**fields).wire()


def _parse(text: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        raise Unreadable("a frame was no JSON") from None
    if not isinstance(value, dict):
        raise Unreadable("a frame was no object")
    return value


def _key(frame: Frame) -> Key:
    channel = frame.channel or ""
    return (channel, frame.id if channel == SUBACCOUNTS else None)


def _subaccount_of(frame: Frame) -> tuple[str, int]:
    address, _, number = (frame.id or "").rpartition("/")
    return address, int(number)
