"""One connection of the stream, kept up for as long as it is wanted."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from core.clock import Clock, Random
from core.dydx.network import Network, is_loopback
from core.dydx.pacing import Key, Pace
from core.dydx.stream_session import GAP, HEIGHT, TICK_S, Action, Session, parse
from core.dydx.stream_types import Frame
from core.dydx.wire import Unreadable

log = structlog.get_logger(__name__)

WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0)
TOO_MANY = 1008


class Lost(Exception):
    """The connection is of no use any more; the text is the reason."""


@dataclass(frozen=True)
class Patience:
    """How long a connection waits for what, in seconds.

    `waits_s` are the pauses before the attempts to connect again; the last one goes on for ever.
    """

    waits_s: tuple[float, ...] = WAITS_S
    gap_timeout_s: float = 2.0
    silence_timeout_s: float = 60.0
    healthy_after_s: float = 5.0
    ping_interval_s: float = 10.0
    ping_timeout_s: float = 10.0
    open_timeout_s: float = 10.0


Dial = Callable[[str, Patience], AbstractAsyncContextManager[ClientConnection]]


def dial(address: str, patience: Patience) -> AbstractAsyncContextManager[ClientConnection]:
    """Opens a websocket; leaving the context closes it."""
    return connect(
        address,
        open_timeout=patience.open_timeout_s,
        ping_interval=patience.ping_interval_s,
        ping_timeout=patience.ping_timeout_s,
        close_timeout=1.0,
        max_size=32 * 1024 * 1024,
        max_queue=256,
        proxy=None if is_loopback(address) else True,
    )


class Owner(Protocol):
    """Who is told what happens to a connection."""

    def next_session(self) -> int:
        """A number that grows with every session of all connections."""

    def goes_first(self, key: Key) -> bool:
        """Whether a subscription is asked for before the others."""

    def link_up(self, link: Link) -> None:
        """It is open; its subscriptions are about to be asked for."""

    def link_down(self, link: Link, reason: str) -> None:
        """It is gone, or could not be opened."""

    def link_in_trouble(self, link: Link, attempts: int, since: dt.datetime) -> None:
        """The last of the pauses passed in vain."""

    def link_recovered(self, link: Link, since: dt.datetime) -> None:
        """After trouble it delivers again."""

    def link_told(self, link: Link, session: Session, frame: Frame) -> None:
        """A message came."""

    def link_skipped(self, link: Link, reason: str) -> None:
        """A message, or rows of one, could not be read."""


class Link:
    """A websocket with the subscriptions it is to carry; after a loss it asks for all of them anew.

    It connects again after 1, 2, 4, 8 and 16 seconds and then every 16 seconds. Every connection
    carries the block height, as its sign of life: `height` is the last one told, `known_to` the
    last one told while no message was missing.
    """

    def __init__(
        self,
        number: int,
        network: Network,
        clock: Clock,
        random: Random,
        owner: Owner,
        patience: Patience,
        dial: Dial,
    ) -> None:
        self.number = number
        self.keys: dict[Key, None] = {HEIGHT: None}
        self.session: Session | None = None
        self.height: int | None = None
        self.alive_at: float | None = None
        self.known_to: int | None = None
        self.attempts = 0
        self.opened = 0
        self.gaps = 0
        self.pace = Pace(clock)
        self._network = network
        self._clock = clock
        self._random = random
        self._owner = owner
        self._patience = patience
        self._dial = dial
        self._counts: Counter[str] = Counter()
        self._lost_since = clock.now()
        self._troubled = False
        self._task: asyncio.Task[None] | None = None

    # what it carries

    def count(self, channel: str) -> int:
        """How many subscriptions of a channel it carries."""
        return self._counts[channel]

    def add(self, key: Key) -> None:
        """Asks for a subscription, now if it is open and after each reconnect."""
        if key not in self.keys:
            self._counts[key[0]] += 1
        self.keys[key] = None
        self._ask("subscribe", key)

    def drop(self, key: Key) -> None:
        """Ends a subscription."""
        del self.keys[key]
        self._counts[key[0]] -= 1
        self._ask("unsubscribe", key)

    def _ask(self, action: Action, key: Key) -> None:
        if self.session is not None:
            self.session.ask(action, key, first=self._owner.goes_first(key))

    def note_height(self, height: int) -> None:
        """The connection lives while its heights grow."""
        if self.session is not None:
            self.session.told_height = True
            if self.session.order.complete:
                self.known_to = max(height, self.known_to or 0)
        if self.height is None or height > self.height:
            self.height = height
            self.alive_at = self._clock.monotonic()

    def alive(self, max_age_s: float) -> bool:
        """Whether it is open and told of a new block within the last `max_age_s` seconds."""
        at = self.alive_at
        return (
            self.session is not None
            and at is not None
            and self._clock.monotonic() - at <= max_age_s
        )

    def missing_for(self) -> float:
        """For how many seconds a message has been missing; 0 when none is."""
        session = self.session
        return 0.0 if session is None else session.order.missing_for(self._clock.monotonic())

    # life

    def start(self) -> None:
        """Begins to connect; does not wait for it."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Ends the connection."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            reason = await self._connection()
            log.warning(
                "stream lost",
                network=self._network.name,
                connection=self.number,
                reason=reason,
                attempt=self.attempts,
            )
            self._owner.link_down(self, reason)
            waits_s = self._patience.waits_s
            if self.attempts == len(waits_s) and not self._troubled:
                self._troubled = True
                log.error(
                    "stream cannot be reached", network=self._network.name, attempts=self.attempts
                )
                self._owner.link_in_trouble(self, self.attempts, self._lost_since)
            wait_s = waits_s[min(self.attempts, len(waits_s) - 1)]
            self.attempts += 1
            # A little unevenness, so that not all connections come back in the same instant.
            await self._clock.sleep(wait_s + self._random.below(250) / 1000)

    async def _connection(self) -> str:
        """One connection from its opening to its end; the reason why it ended."""
        try:
            async with self._dial(self._network.ws, self._patience) as socket:
                try:
                    await self._converse(socket)
                except Lost as lost:
                    return str(lost)
                return "ended"
        except ConnectionClosed as closed:
            frame = closed.rcvd or closed.sent
            if frame is not None and frame.code == TOO_MANY:
                self.pace.slow_down()
            return f"closed {frame.code} {frame.reason}".strip() if frame else "connection broken"
        except TimeoutError:
            return "timed out"
        except (OSError, WebSocketException) as error:
            return f"cannot connect: {type(error).__name__}"
        except Exception as error:
            log.exception("stream failed", network=self._network.name)
            return f"failed: {type(error).__name__}"

    async def _converse(self, socket: ClientConnection) -> None:
        session = Session(socket, self._clock, self.pace, self._owner.next_session())
        async with asyncio.timeout(self._patience.open_timeout_s):
            hello = parse(await socket.recv())
        if hello.get("type") != "connected":
            raise Lost("the server did not greet")
        session.order.take(int(hello.get("message_id") or 0), self._clock.monotonic())
        self.pace.begin()
        self._owner.link_up(self)
        self.opened += 1
        for key in self.keys:
            session.ask("subscribe", key, first=self._owner.goes_first(key))
        self.session = session
        asker = asyncio.create_task(session.ask_in_turn())
        try:
            await self._listen(session, asker)
        finally:
            self.session = None
            if self.attempts == 0:
                self._lost_since = self._clock.now()
            asker.cancel()
            await asyncio.gather(asker, return_exceptions=True)

    async def _listen(self, session: Session, asker: asyncio.Task[None]) -> None:
        began = heard = self._clock.monotonic()
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
            self._note_health(session, now - began)
            trouble = session.trouble(now, self._patience.gap_timeout_s)
            if trouble is not None:
                self.gaps += trouble == GAP
                raise Lost(trouble)
            if now - heard > self._patience.silence_timeout_s:
                raise Lost("silent")

    def _take(self, session: Session, text: str | bytes, now: float) -> None:
        try:
            frame = session.take(text, now)
        except Unreadable as error:
            self._owner.link_skipped(self, str(error))
            return
        if frame is not None:
            self._owner.link_told(self, session, frame)

    def _note_health(self, session: Session, lived_s: float) -> None:
        """Only a connection that lasts and delivers makes the next pause short again."""
        if not session.told_height or lived_s < self._patience.healthy_after_s:
            return
        self.attempts = 0
        if self._troubled:
            self._troubled = False
            self._owner.link_recovered(self, self._lost_since)
