"""Requests to the indexer's REST service: one pooled connection, the budget, repetitions."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from core.clock import Clock
from core.dydx.answers import Faults
from core.dydx.budget import Budget, Urgency
from core.dydx.indexer_errors import IndexerUnreachable, IndexerUnreadable, refusal
from core.dydx.network import Network, is_loopback
from core.dydx.wire import Unreadable

REQUESTS = 96
WINDOW_S = 10.2
"""A little below the 100 in 10 s that are allowed: requests do not arrive evenly as they leave."""
BULK_WAIT_S = 300.0
"""How long a bulk request may wait for its turn; with many accounts that takes a while."""
_PAUSES_S = (0.2, 0.6)


class IndexerHttp:
    """Asks one network's REST service within its budget.

    An ordinary request ends within `total_timeout_s` seconds, waiting for its turn and repetitions
    included; a bulk request may wait five minutes longer for its turn. `transport` carries the
    requests, by default over a pool of connections.
    """

    def __init__(
        self,
        network: Network,
        clock: Clock,
        *,
        total_timeout_s: float,
        read_timeout_s: float,
        requests: int,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._network = network
        self._clock = clock
        self._total_timeout_s = total_timeout_s
        self._transport = transport
        self._timeout = httpx.Timeout(read_timeout_s, connect=3.0)
        self._client: httpx.AsyncClient | None = None
        self.budget = Budget(clock, requests, WINDOW_S)
        self.refused_for_rate = 0
        self.height_seen = (0, float("-inf"))
        self._nonces = 0

    async def close(self) -> None:
        await self.budget.close()
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def nonce(self) -> str:
        """A parameter that makes a request unlike any before, so that no cache can answer it."""
        self._nonces += 1
        return f"{self._clock.monotonic():.6f}-{self._nonces}"

    async def get(
        self, path: str, params: dict[str, Any], *, account: str, urgency: Urgency
    ) -> Any:
        """The JSON of a route below /v4.

        Raises IndexerUnreachable, IndexerUnreadable, IndexerRefused or IndexerBlocked.
        """
        patience_s = self._total_timeout_s
        if urgency is Urgency.BULK:
            patience_s += BULK_WAIT_S
        try:
            async with asyncio.timeout(patience_s):
                return await self._repeat(path, params, account, urgency)
        except TimeoutError:
            raise IndexerUnreachable(f"no answer within {patience_s:.0f} s") from None

    async def _repeat(
        self, path: str, params: dict[str, Any], account: str, urgency: Urgency
    ) -> Any:
        """Asks until there is an answer; a request that only reads may be repeated."""
        reason = ""
        for pause_s in (*_PAUSES_S, None):
            await self.budget.take(account, urgency)
            try:
                answer = await self._open().get(f"/v4{path}", params=params)
            except httpx.HTTPError as error:
                reason = type(error).__name__
            else:
                if answer.status_code == 429:
                    self.refused_for_rate += 1
                    self.budget.slow_down(_retry_after_s(answer))
                elif answer.status_code < 500:
                    return _body(answer)
                reason = f"status {answer.status_code}"
            if pause_s is None:
                break
            if reason != "status 429":  # the budget pauses everybody for that
                await self._clock.sleep(pause_s)
        raise IndexerUnreachable(reason)

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                base_url=self._network.rest.rstrip("/"),
                timeout=self._timeout,
                transport=self._transport,
                limits=httpx.Limits(max_connections=20, keepalive_expiry=60.0),
                headers={"Accept": "application/json"},
                trust_env=not is_loopback(self._network.rest),
            )
        return self._client


def _body(answer: httpx.Response) -> Any:
    try:
        body = answer.json()
    except ValueError:
        raise IndexerUnreadable(f"an answer {answer.status_code} was no JSON") from None
    if answer.is_success:
        return body
    try:
        faults = tuple(Faults.read(body).errors)
    except Unreadable:
        faults = ()
    raise refusal(answer.status_code, faults)


def _retry_after_s(answer: httpx.Response) -> float:
    """The header is in milliseconds, unlike what HTTP says of it; never more than one window."""
    text = answer.headers.get("retry-after", "")
    return min(int(text) / 1000, WINDOW_S) if text.isascii() and text.isdigit() else 1.0
