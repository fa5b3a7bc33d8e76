"""Oracle prices that follow a real indexer: its markets once at the start, then its price channel.

While it cannot be reached it is tried again and again; who asks is told that nothing is followed.
Source: docs/protocol.md, indexer websocket, v4_markets.
"""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from core.clock import Clock
from core.paper.mainnet_markets import Row, readable_rows

_REST_DEADLINE_S: Final = 5.0
_OPEN_DEADLINE_S: Final = 10.0
_SUBSCRIBED_WITHIN_S: Final = 15.0
_PING_S: Final = 10.0
_PAUSES_S: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
_MAX_FRAME: Final = 16 * 1024 * 1024
_SUBSCRIBE: Final = json.dumps({"type": "subscribe", "channel": "v4_markets", "batched": True})


class Unreachable(Exception):
    """The indexer did not answer, or not with markets."""


async def fetch_markets(rest_url: str) -> list[Row]:
    """The tradable markets of an indexer, `rest_url` without /v4. Raises Unreachable."""
    try:
        async with (
            asyncio.timeout(_REST_DEADLINE_S),
            httpx.AsyncClient(timeout=_REST_DEADLINE_S) as client,
        ):
            answer = await client.get(f"{rest_url.rstrip('/')}/v4/perpetualMarkets")
            markets = answer.raise_for_status().json()["markets"]
            rows = readable_rows(markets.values())
    except (httpx.HTTPError, OSError, TimeoutError, ValueError, KeyError, AttributeError) as error:
        raise Unreachable(f"{rest_url} gave no markets ({error!r})") from error
    if not rows:
        raise Unreachable(f"{rest_url} had no market to trade")
    return rows


class MainnetPrices:
    """The latest oracle price of each market, by ticker.

    `is_followed` while the price channel is open and subscribed; `epoch` grows with each
    subscription, so that a reader sees that there was a gap before these prices.
    """

    def __init__(self, ws_url: str, clock: Clock) -> None:
        self._url = ws_url
        self._clock = clock
        self._latest: dict[str, Decimal] = {}
        self.is_followed = False
        self.epoch = 0

    def price(self, ticker: str) -> Decimal | None:
        """USD, None for a market that the indexer has not named."""
        return self._latest.get(ticker)

    async def run(self) -> None:
        """Follow until cancelled."""
        failures = 0
        while True:
            epoch = self.epoch
            try:
                await self._follow()
            except (OSError, TimeoutError, ValueError, WebSocketException):
                pass
            finally:
                self.is_followed = False
            failures = 0 if self.epoch != epoch else failures + 1
            await self._clock.sleep(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])

    async def _follow(self) -> None:
        async with connect(
            self._url,
            open_timeout=_OPEN_DEADLINE_S,
            ping_interval=_PING_S,
            ping_timeout=_PING_S,
            close_timeout=1,
            max_size=_MAX_FRAME,
        ) as socket:
            await socket.send(_SUBSCRIBE)
            async with asyncio.timeout(_SUBSCRIBED_WITHIN_S):
                await self._until_subscribed(socket)
            async for frame in socket:
                self._take(json.loads(frame))

    async def _until_subscribed(self, socket: ClientConnection) -> None:
        while not self.is_followed:
            message = json.loads(await socket.recv())
            if message.get("type") == "error":
                raise ValueError(message.get("message"))
            self._take(message)

    def _take(self, message: Any) -> None:
        if not isinstance(message, dict) or message.get("channel") != "v4_markets":
            return
        contents = message.get("contents")
        if message.get("type") == "subscribed" and isinstance(contents, dict):
            self._note(contents.get("markets"))
            self.epoch += 1
            self.is_followed = True
            return
        for part in contents if isinstance(contents, list) else [contents]:
            if isinstance(part, dict):
                self._note(part.get("oraclePrices"))

    def _note(self, prices: Any) -> None:
        """Take prices as they stand in a snapshot or an update; what is no price is left out."""
        if not isinstance(prices, dict):
            return
        for ticker, row in prices.items():
            try:
                usd = Decimal(row["oraclePrice"])
            except (KeyError, TypeError, InvalidOperation):
                continue
            if usd.is_finite() and usd > 0:
                self._latest[ticker] = usd
