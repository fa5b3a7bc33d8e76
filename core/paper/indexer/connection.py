"""One websocket connection: its numbering, subscriptions, limits, batches and heartbeat.

The order of checks and the texts are those of the real service, its slip in one text included.
Source: docs/protocol.md, indexer websocket.
"""

from __future__ import annotations

import asyncio
import collections
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from core.paper.indexer import channels
from core.paper.indexer.channels import LIMITS, NO_ID, NoSnapshot
from core.paper.indexer.disturbance import Disturbance
from core.paper.indexer.service import Indexer
from core.paper.indexer.updates import Update

Json = dict[str, Any]
PER_SECOND: Final = 2
RATE_LIMITED: Final = json.dumps({"message": "Rate limited"}, separators=(",", ":"))
_UNSENT_AT_MOST: Final = 20_000


@dataclass(frozen=True)
class _Subscription:
    channel: str
    id: str
    batched: bool


class Connection:
    """Serves one client until it or the network goes away."""

    def __init__(self, socket: ServerConnection, indexer: Indexer) -> None:
        self._socket = socket
        self._indexer = indexer
        self._id = str(indexer.random.uuid4())
        self._next_id = 0
        self._subscriptions: dict[tuple[str, str], _Subscription] = {}
        self._awaited: collections.Counter[str] = collections.Counter()
        self._attempts: dict[tuple[str, str], list[float]] = {}
        self._invalid: list[float] = []
        self._batches: dict[tuple[str, str, str, int | None], list[Json]] = {}
        self._out: asyncio.Queue[tuple[float, str]] = asyncio.Queue()
        self._snapshots: set[asyncio.Task[None]] = set()
        self._closing: tuple[int, str] | None = None
        self._disturbance = Disturbance(lambda: indexer.faults, indexer.ws_connections)

    async def serve(self) -> None:
        """Serve until the connection ends."""
        indexer = self._indexer
        indexer.listeners.append(self.tell)
        tasks = [
            asyncio.create_task(self._write(), name="paper-ws-write"),
            asyncio.create_task(self._flush_batches(), name="paper-ws-batches"),
            asyncio.create_task(self._beat(), name="paper-ws-heartbeat"),
        ]
        try:
            self._send({"type": "connected", **self._numbered()})
            async for frame in self._socket:
                if indexer.rtt_s:
                    await indexer.clock.sleep(indexer.rtt_s / 2)
                self._take(frame)
                if self._closing is not None:
                    await self._drain()
                    await self._socket.close(*self._closing)
        except ConnectionClosed:
            pass
        finally:
            indexer.listeners.remove(self.tell)
            for key in list(self._subscriptions):
                self._drop(key)
            for task in [*tasks, *self._snapshots]:
                task.cancel()
            await asyncio.gather(*tasks, *self._snapshots, return_exceptions=True)

    @property
    def waiting(self) -> int:
        """How many snapshots are being fetched."""
        return len(self._snapshots)

    async def close(self, code: int, reason: str) -> None:
        """Close the connection from this side."""
        with suppress(ConnectionClosed):
            await self._socket.close(code, reason)

    def tell(self, update: Update) -> None:
        """Send an update to this client if it is subscribed to it."""
        self._tell_on(update, update.channel, update.id, update.contents, None)
        if update.channel == "v4_subaccounts":
            assert update.number is not None
            address = update.id.partition("/")[0]
            contents = update.parent_contents or update.contents
            parent_id = f"{address}/{update.number % 128}"
            self._tell_on(update, "v4_parent_subaccounts", parent_id, contents, update.number)

    def _tell_on(
        self, update: Update, channel: str, id_: str, contents: Json, n: int | None
    ) -> None:
        subscription = self._subscriptions.get((channel, id_))
        if subscription is None:
            return
        if subscription.batched:
            key = (channel, id_, update.version, n)
            self._batches.setdefault(key, []).append(contents)
        else:
            self._send_data("channel_data", channel, id_, update.version, contents, n)

    def _send_data(
        self, kind: str, channel: str, id_: str, version: str, contents: Any, n: int | None
    ) -> None:
        message: Json = {"type": kind, **self._numbered()}
        if channel != "v4_markets":
            message["id"] = id_
        message |= {"channel": channel, "version": version, "contents": contents}
        if n is not None:
            message["subaccountNumber"] = n
        for text in self._disturbance.passed(_text(message)):
            self._send_text(text)

    # -- what the client says -----------------------------------------------------------------

    def _take(self, frame: str | bytes) -> None:
        try:
            message = json.loads(frame)
        except (ValueError, RecursionError):
            self._say_invalid("Invalid message: could not parse")
            return
        if message is None:
            self._say("Internal error")
            return
        kind = message.get("type") if isinstance(message, dict) else None
        if not kind:
            self._say_invalid("Invalid message: type is required")
        elif kind in ("subscribe", "unsubscribe"):
            self._take_channel(kind, message)
        elif kind != "ping":
            self._say_invalid(f"Invalid message type: {_js(kind)}")

    def _take_channel(self, kind: str, message: Json) -> None:
        channel, id_ = message.get("channel"), message.get("id", _MISSING)
        if not channel:
            self._say_invalid("Invalid subscribe message: channel is required")
            return
        if not isinstance(channel, str) or channel not in LIMITS:
            self._say(f"Invalid channel: {_js(channel)}")
            return
        if channel not in NO_ID and not isinstance(id_, str):
            self._say(f"Invalid id: {_js(id_)}")
            return
        shown = {"id": id_} if isinstance(id_, str) and channel != "v4_markets" else {}
        used = id_ if isinstance(id_, str) and channel != "v4_markets" else channel
        if kind == "unsubscribe":
            self._drop((channel, used))
            self._send({"type": "unsubscribed", **self._numbered(), "channel": channel, **shown})
        else:
            self._subscribe(channel, used, shown, batched=message.get("batched") is True)

    def _subscribe(self, channel: str, id_: str, shown: Json, *, batched: bool) -> None:
        if not channels.is_valid_id(self._indexer, channel, id_):
            self._say_counted(f"Invalid subscription id for channel: ({channel}-{id_})")
            return
        attempts = self._attempts.setdefault((channel, id_), [])
        if self._too_many(attempts):
            self._say_counted(
                f"Too many subscribe attempts for channel {channel}-{id_}. "
                "Please  reconnect and try again."
            )
            self._closing = (1008, RATE_LIMITED)
            return
        held = sum(each.channel == channel for each in self._subscriptions.values())
        if held + self._awaited[channel] >= LIMITS[channel]:
            self._say_counted(
                f"Per-connection subscription limit reached for {channel} "
                f"(limit={LIMITS[channel]})."
            )
            return
        number = self._numbered()
        self._awaited[channel] += 1
        task = asyncio.create_task(
            self._answer_subscription(_Subscription(channel, id_, batched), shown, number),
            name="paper-ws-snapshot",
        )
        self._snapshots.add(task)
        task.add_done_callback(self._snapshots.discard)

    async def _answer_subscription(
        self, subscription: _Subscription, shown: Json, number: Json
    ) -> None:
        """Fetch the snapshot, and only a moment later begin to forward: what happens in between
        is lost to the client, as on the real service.
        """
        channel, id_ = subscription.channel, subscription.id
        end = {"channel": channel, **shown}
        try:
            contents = channels.snapshot(self._indexer, channel, id_)
            slow_ms = self._indexer.settings.snapshot_ms + self._indexer.faults.ws_snapshot_ms
            await self._indexer.clock.sleep(slow_ms / 1000)
        except NoSnapshot as failure:
            self._send({"type": "error", "message": str(failure), **number, **end})
            return
        finally:
            self._awaited[channel] -= 1
        if (channel, id_) in self._subscriptions:
            text = f"Invalid subscribe message: already subscribed ({channel}-{id_})"
            self._send({"type": "error", "message": text, **number, **end})
            return
        self._subscriptions[channel, id_] = subscription
        if channel == "v4_orderbook":
            self._indexer.watch_book(self._indexer.rows.by_ticker[id_].id, +1)
        if channel != "v4_markets":
            end["id"] = id_
        self._send({"type": "subscribed", **number, **end, "contents": contents})

    def _drop(self, key: tuple[str, str]) -> None:
        subscription = self._subscriptions.pop(key, None)
        if subscription is not None and subscription.channel == "v4_orderbook":
            self._indexer.watch_book(self._indexer.rows.by_ticker[subscription.id].id, -1)

    def _too_many(self, times: list[float]) -> bool:
        now = self._indexer.clock.monotonic()
        times[:] = [at for at in times if now - at < 1]
        times.append(now)
        return len(times) > PER_SECOND

    # -- what it is told ------------------------------------------------------------------------

    def _numbered(self) -> Json:
        number = self._next_id
        self._next_id += 1
        return {"connection_id": self._id, "message_id": number}

    def _say(self, text: str) -> None:
        """An error that reuses the last number."""
        last = {"connection_id": self._id, "message_id": self._next_id - 1}
        self._send({"type": "error", "message": text, **last})

    def _say_counted(self, text: str) -> None:
        """An error with a number of its own."""
        self._send({"type": "error", "message": text, **self._numbered()})

    def _say_invalid(self, text: str) -> None:
        """An error for a message that makes no sense; the third within a second ends it."""
        if self._too_many(self._invalid):
            self._say("Too many invalid messages. Please reconnect and try again.")
            self._closing = (1008, RATE_LIMITED)
        else:
            self._say(text)

    def _send(self, message: Json) -> None:
        self._send_text(_text(message))

    def _send_text(self, text: str) -> None:
        due = self._indexer.clock.monotonic() + self._indexer.rtt_s / 2
        self._out.put_nowait((due, text))
        if self._out.qsize() > _UNSENT_AT_MOST:
            self._socket.transport.abort()

    async def _write(self) -> None:
        while True:
            due, text = await self._out.get()
            left = due - self._indexer.clock.monotonic()
            if left > 0:
                await self._indexer.clock.sleep(left)
            with suppress(ConnectionClosed):
                await self._socket.send(text)
            self._out.task_done()

    async def _drain(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._out.join(), timeout=2)

    async def _flush_batches(self) -> None:
        while True:
            await self._indexer.clock.sleep(self._indexer.settings.batch_ms / 1000)
            for text in self._disturbance.released():
                self._send_text(text)
            batches, self._batches = self._batches, {}
            for (channel, id_, version, n), contents in batches.items():
                if (channel, id_) in self._subscriptions:
                    self._send_data("channel_batch_data", channel, id_, version, contents, n)

    async def _beat(self) -> None:
        """Ping with an empty payload; no pong in time ends the connection with 1011."""
        settings = self._indexer.settings
        while True:
            await self._indexer.clock.sleep(settings.ping_interval_s)
            try:
                pong = await self._socket.ping(b"")
                async with asyncio.timeout(settings.pong_timeout_s):
                    await pong
            except TimeoutError:
                await self.close(1011, "Heartbeat timeout")
                return
            except ConnectionClosed:
                return


def _text(message: Json) -> str:
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False)


class _Missing:
    """What a client did not send at all."""


_MISSING: Final = _Missing()


def _js(value: Any) -> str:
    """A value as JavaScript would print it in a text."""
    if value is _MISSING:
        return "undefined"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "[object Object]"
    if isinstance(value, list):
        return ",".join("" if each is None else _js(each) for each in value)
    return str(value)
