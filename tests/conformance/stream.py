"""The indexer's websocket; every message that comes is held against its exact shape."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.conformance.checks import Mismatch
from tests.conformance.people import uuid_of
from tests.conformance.stream_shapes import frame_faults

Frame = dict[str, Any]


class Socket:
    """One connection. `frames` are all messages so far; `faults` what was wrong with their shapes
    or numbers.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._changed = asyncio.Condition()
        self.frames: list[Frame] = []
        self.faults: list[str] = []
        self.close_code: int | None = None
        self._reader = asyncio.create_task(self._read(), name="conformance-socket")

    @classmethod
    async def open(cls, url: str, **options: Any) -> Self:
        return cls(await connect(url, open_timeout=15, max_size=2**24, **options))

    async def close(self) -> None:
        await self._connection.close()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        try:
            async for text in self._connection:
                frame = json.loads(text)
                found = frame_faults(frame)
                if found:
                    place = f"{frame.get('type')} {frame.get('channel', '')}".strip()
                    self.faults.append(f"{place}: {found[0]}")
                await self._add(frame)
        except ConnectionClosed:
            pass
        async with self._changed:
            self.close_code = self._connection.close_code or 1006
            self._changed.notify_all()

    async def _add(self, frame: Frame) -> None:
        async with self._changed:
            self.frames.append(frame)
            self._changed.notify_all()

    async def say(self, what: Any) -> None:
        """Sends text as it is and anything else as JSON."""
        await self._connection.send(what if isinstance(what, str) else json.dumps(what))

    async def subscribe(self, channel: str, id_: str | None = None, **more: Any) -> Frame:
        """Subscribes and gives the confirmation."""
        seen = len(self.frames)
        message = {"type": "subscribe", "channel": channel, **more}
        if id_ is not None:
            message["id"] = id_
        await self.say(message)
        return await self.wait(
            f"the confirmation of {channel}",
            lambda f: (
                f["type"] == "subscribed" and f["channel"] == channel and id_ in (None, f.get("id"))
            ),
            since=seen,
        )

    async def wait(
        self,
        what: str,
        fits: Callable[[Frame], bool],
        *,
        since: int = 0,
        within_s: float = 20.0,
    ) -> Frame:
        """The first frame from index `since` on that fits. Raises Mismatch when none comes."""
        deadline = time.monotonic() + within_s
        at = since
        async with self._changed:
            while True:
                while at < len(self.frames):
                    if fits(self.frames[at]):
                        return self.frames[at]
                    at += 1
                left = deadline - time.monotonic()
                if left <= 0 or self.close_code is not None:
                    raise Mismatch(f"{what} did not come on the websocket")
                try:
                    async with asyncio.timeout(left):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    async def error(self, what: Any, *, within_s: float = 10.0) -> Frame:
        """Says something and gives the error that follows."""
        seen = len(self.frames)
        await self.say(what)
        return await self.wait(
            "an error", lambda f: f["type"] == "error", since=seen, within_s=within_s
        )

    async def closed(self, within_s: float = 20.0) -> int:
        """The code with which the server closed."""
        try:
            async with asyncio.timeout(within_s), self._changed:
                await self._changed.wait_for(lambda: self.close_code is not None)
        except TimeoutError:
            raise Mismatch("the server did not close the connection") from None
        assert self.close_code is not None
        return self.close_code


class Account:
    """What the stream says of one subaccount."""

    def __init__(self, socket: Socket, id_: str) -> None:
        self.socket, self.id = socket, id_

    @classmethod
    async def watch(cls, socket: Socket, address: str, number: int = 0) -> Self:
        id_ = f"{address}/{number}"
        await socket.subscribe("v4_subaccounts", id_)
        return cls(socket, id_)

    def _parts(self, frame: Frame, key: str) -> list[Any]:
        if frame["type"] != "channel_data" or frame.get("id") != self.id:
            return []
        found = frame["contents"].get(key) or []
        return found if isinstance(found, list) else [found]

    def mark(self) -> int:
        """Where the next message will stand, for `since`."""
        return len(self.socket.frames)

    def all(self, key: str, since: int = 0) -> list[Any]:
        """All rows of a kind so far."""
        return [row for frame in self.socket.frames[since:] for row in self._parts(frame, key)]

    async def row(
        self,
        what: str,
        key: str,
        fits: Callable[[Any], bool],
        *,
        since: int = 0,
        within_s: float = 20.0,
    ) -> Any:
        """The first row of a kind that fits."""
        frame = await self.socket.wait(
            what, lambda f: any(map(fits, self._parts(f, key))), since=since, within_s=within_s
        )
        return next(row for row in self._parts(frame, key) if fits(row))

    async def order(self, order_id: Any, status: str, reason: str | None = None, **how: Any) -> Any:
        """The first row of an order with a status and, if given, a removal reason."""
        uuid = uuid_of(order_id)

        def fits(row: Any) -> bool:
            return (
                row["id"] == uuid
                and row["status"] == status
                and (reason is None or row.get("removalReason") == f"ORDER_REMOVAL_REASON_{reason}")
            )

        try:
            return await self.row(f"{status} {reason or ''}".strip(), "orders", fits, **how)
        except Mismatch as late:
            raise Mismatch(f"{late}; it said {self.said(order_id)}") from None

    def said(self, order_id: Any) -> list[str]:
        """Every status of an order so far."""
        uuid = uuid_of(order_id)
        return [
            f"{row['status']} {row.get('removalReason', '')[21:]}".strip()
            for row in self.all("orders")
            if row["id"] == uuid
        ]

    async def fill(self, order_id: Any, **how: Any) -> Any:
        """The first fill of an order."""
        uuid = uuid_of(order_id)
        try:
            return await self.row("a fill", "fills", lambda row: row["orderId"] == uuid, **how)
        except Mismatch as late:
            raise Mismatch(f"{late}; the order said {self.said(order_id)}") from None

    def fills(self, order_id: Any) -> list[Any]:
        """All fills of an order so far."""
        uuid = uuid_of(order_id)
        return [row for row in self.all("fills") if row["orderId"] == uuid]
