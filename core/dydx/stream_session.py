"""One open websocket: what was asked of it, what came, and whether something is missing."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from typing import Any, Literal

from websockets.asyncio.client import ClientConnection

from core.clock import Clock
from core.dydx.message_order import MessageOrder
from core.dydx.pacing import Key, Pace
from core.dydx.stream_types import Frame, Request, read_frame
from core.dydx.wire import Unreadable

HEIGHT: Key = ("v4_block_height", None)
MARKETS: Key = ("v4_markets", None)
SUBACCOUNTS = "v4_subaccounts"
BATCHED = frozenset({"v4_markets", "v4_orderbook"})
TICK_S = 0.5
ANSWER_WAIT_S = 25.0
GAP = "a message was lost"
Action = Literal["subscribe", "unsubscribe"]
_NAMELESS = frozenset({"v4_markets", "v4_block_height"})


class Session:
    """The asking and the counting of one connection.

    `number` grows with every session of the stream, so that news can be told apart by age.
    """

    def __init__(self, socket: ClientConnection, clock: Clock, pace: Pace, number: int) -> None:
        self.socket = socket
        self.number = number
        self.order = MessageOrder()
        self.told_height = False
        self._clock = clock
        self._pace = pace
        self._waiting: dict[Key, float] = {}
        self._first: deque[tuple[Action, Key]] = deque()
        self._asks: deque[tuple[Action, Key]] = deque()
        self._retries: list[tuple[float, Key]] = []
        self._bell = asyncio.Event()

    # asking

    def ask(self, action: Action, key: Key, *, first: bool = False) -> None:
        """Queues a subscription or its end; `first` before the others."""
        if action == "unsubscribe":
            self._retries = [retry for retry in self._retries if retry[1] != key]
            for queue in (self._first, self._asks):
                if ("subscribe", key) in queue:
                    queue.remove(("subscribe", key))
                    return
        (self._first if first else self._asks).append((action, key))
        self._bell.set()

    def ask_later(self, key: Key, pause_s: float) -> None:
        """Queues a subscription for another try after a pause."""
        self._retries.append((self._clock.monotonic() + pause_s, key))
        self._bell.set()

    async def ask_in_turn(self) -> None:
        """Sends what is queued, as fast as the indexer allows."""
        while True:
            self._take_retries(self._clock.monotonic())
            queue = self._first or self._asks
            if not queue:
                self._bell.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S if self._retries else None):
                        await self._bell.wait()
                continue
            action, key = queue.popleft()
            await self._pace.wait(key)
            self._waiting.pop(key, None)
            if action == "subscribe":
                self._waiting[key] = self._clock.monotonic()
            await self.socket.send(json.dumps(_request(action, key)))

    def _take_retries(self, now: float) -> None:
        due = [key for at, key in self._retries if at <= now]
        if due:
            self._retries = [retry for retry in self._retries if retry[0] > now]
            self._asks.extend(("subscribe", key) for key in due)

    # what comes

    def take(self, text: str | bytes, now: float) -> Frame | None:
        """The frame of a text; None when it came before. Raises Unreadable."""
        value = parse(text)
        message_id, kind = value.get("message_id"), value.get("type")
        if type(message_id) is not int:
            raise Unreadable("a frame had no number")
        if not self.order.take(message_id, now) and kind != "error":
            return None
        return read_frame(value)

    def answered(self, key: Key) -> None:
        """A subscription was confirmed, ended or refused."""
        self._waiting.pop(key, None)

    def trouble(self, now: float, gap_timeout_s: float) -> str | None:
        """Why this connection is of no use any more, if so."""
        patience_s = ANSWER_WAIT_S if self._waiting else gap_timeout_s
        if self.order.missing_for(now) > patience_s:
            return GAP
        if self._waiting and now - next(iter(self._waiting.values())) > ANSWER_WAIT_S:
            return "a subscription was not answered"
        return None


def parse(text: str | bytes) -> dict[str, Any]:
    """The object of a message. Raises Unreadable."""
    try:
        value = json.loads(text)
    except ValueError:
        raise Unreadable("a frame was no JSON") from None
    if not isinstance(value, dict):
        raise Unreadable("a frame was no object")
    return value


def key_of(frame: Frame) -> Key:
    """What a frame belongs to."""
    channel = frame.channel or ""
    return (channel, None if channel in _NAMELESS else frame.id)


def subaccount_of(key: Key) -> tuple[str, int]:
    """Address and number of a subaccount's channel."""
    address, _, number = (key[1] or "").rpartition("/")
    return address, int(number)


def _request(action: Action, key: Key) -> dict[str, Any]:
    channel, name = key
    fields: dict[str, Any] = {"type": action, "channel": channel}
    if name is not None:
        fields["id"] = name
    if action == "subscribe":
        fields["batched"] = channel in BATCHED
    return Request(**fields).wire()
