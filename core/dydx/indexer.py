"""The indexer's REST interface over one pooled connection. Source: docs/protocol.md."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterable
from typing import Any, TypeVar

import httpx

from core.clock import Clock
from core.dydx.answers import (
    AssetsAnswer,
    CandlesAnswer,
    Fault,
    Faults,
    FillsAnswer,
    FundingAnswer,
    MarketsAnswer,
    PositionsAnswer,
    SubaccountAnswer,
    TradesAnswer,
    TransfersAnswer,
    utc_text,
)
from core.dydx.budget import Budget
from core.dydx.enums import OrderStatus, Resolution
from core.dydx.indexer_types import (
    AssetPosition,
    Candle,
    Compliance,
    FundingPayment,
    Height,
    IndexerFill,
    IndexerOrder,
    MarketRow,
    Orderbook,
    PerpetualPosition,
    Subaccount,
    Trade,
    Transfer,
)
from core.dydx.network import Network, is_loopback
from core.dydx.wire import Unreadable, Wire

REQUESTS = 100
WINDOW_S = 10.0
PAGE = 100
LARGEST_PAGE = 1000
BLOCKED = frozenset({"GEOBLOCKED", "COMPLIANCE_BLOCKED"})
_PAUSES_S = (0.2, 0.6)
W = TypeVar("W", bound=Wire)


class IndexerError(Exception):
    """The indexer gave no usable answer; nothing may be concluded from it."""


class IndexerUnreachable(IndexerError):
    """No answer, or only that it cannot answer now. Try again later."""


class IndexerUnreadable(IndexerError):
    """An answer whose content is not understood."""


class IndexerRefused(IndexerError):
    """The indexer refuses this request; the same one will be refused again."""

    def __init__(self, status: int, errors: tuple[Fault, ...]) -> None:
        super().__init__(f"{status}: {'; '.join(fault.msg for fault in errors)}"[:300])
        self.status = status
        self.errors = errors

    @property
    def blocked(self) -> bool:
        """Whether dYdX does not serve this address or place: stop, and tell its trader."""
        return self.status == 403 and any(fault.code in BLOCKED for fault in self.errors)


class Indexer:
    """Typed answers of one network's indexer.

    All methods raise IndexerUnreachable, IndexerUnreadable or IndexerRefused. A request takes at
    most `total_timeout_s` seconds, waiting for the budget and repetitions included.
    """

    def __init__(
        self,
        network: Network,
        clock: Clock,
        *,
        total_timeout_s: float = 15.0,
        read_timeout_s: float = 5.0,
        requests: int = REQUESTS,
    ) -> None:
        self.network = network
        self._clock = clock
        self._total_timeout_s = total_timeout_s
        self._timeout = httpx.Timeout(read_timeout_s, connect=3.0)
        self._budget = Budget(clock, requests, WINDOW_S)
        self._client: httpx.AsyncClient | None = None
        self._asked = 0

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def height(self) -> Height:
        """The last block that the indexer has worked in."""
        return await self._get(Height, "/height")

    async def perpetual_markets(self) -> dict[str, MarketRow]:
        """All markets by ticker."""
        return (await self._get(MarketsAnswer, "/perpetualMarkets")).markets

    async def subaccount(self, address: str, number: int) -> Subaccount | None:
        """Equity and positions; None when nothing was ever deposited."""
        path = f"/addresses/{address}/subaccountNumber/{number}"
        answer = await self._find(SubaccountAnswer, path)
        return answer.subaccount if answer else None

    async def orders(
        self,
        address: str,
        number: int,
        *,
        statuses: Iterable[OrderStatus] = (),
        ticker: str | None = None,
        limit: int = PAGE,
    ) -> list[IndexerOrder]:
        """Orders, newest first. Short-term orders that never filled vanish from here."""
        rows = await self._fetch(
            "/orders",
            address=address,
            subaccountNumber=number,
            status=",".join(statuses) or None,
            ticker=ticker,
            limit=limit,
        )
        if not isinstance(rows, list):
            raise IndexerUnreadable("the orders were not a list")
        return [_read(IndexerOrder, row) for row in rows]

    async def order(self, order_uuid: str) -> IndexerOrder | None:
        """One order; None when it is not known (any more)."""
        return await self._find(IndexerOrder, f"/orders/{order_uuid}")

    async def fills(
        self,
        address: str,
        number: int,
        *,
        limit: int = PAGE,
        before_height: int | None = None,
        ticker: str | None = None,
    ) -> list[IndexerFill]:
        """Fills, newest first, of blocks up to and including `before_height`."""
        self._asked += 1
        answer = await self._get(
            FillsAnswer,
            "/fills",
            address=address,
            subaccountNumber=number,
            limit=limit,
            createdBeforeOrAtHeight=before_height,
            market=ticker,
            marketType="PERPETUAL" if ticker else None,
            # Caches keep answers for a second; a proof must not come from one.
            nonce=f"{self._clock.monotonic():.6f}-{self._asked}",
        )
        return list(answer.fills)

    async def all_fills_since(self, address: str, number: int, height: int) -> list[IndexerFill]:
        """Every fill of block `height` and later, oldest first."""
        found: dict[str, IndexerFill] = {}
        before: int | None = None
        limit = PAGE
        while True:
            page = await self.fills(address, number, limit=limit, before_height=before)
            found.update((row.id, row) for row in page if row.id not in found)
            if len(page) < limit or page[-1].created_at_height < height:
                break
            lowest = page[-1].created_at_height
            if lowest == before:
                # One block fills the whole page: only a larger page leads past it.
                if limit >= LARGEST_PAGE:
                    raise IndexerUnreadable("one block held more fills than one page can")
                limit = LARGEST_PAGE
            before = lowest
        return [row for row in reversed(found.values()) if row.created_at_height >= height]

    async def perpetual_positions(
        self, address: str, number: int, status: str | None = None, *, limit: int = PAGE
    ) -> list[PerpetualPosition]:
        """Position rows, newest first; `status` OPEN, CLOSED or LIQUIDATED."""
        answer = await self._get(
            PositionsAnswer,
            "/perpetualPositions",
            address=address,
            subaccountNumber=number,
            status=status,
            limit=limit,
        )
        return answer.positions

    async def asset_positions(self, address: str, number: int) -> list[AssetPosition]:
        """The USDC of a subaccount; empty for an unknown one."""
        answer = await self._find(
            AssetsAnswer, "/assetPositions", address=address, subaccountNumber=number
        )
        return answer.positions if answer else []

    async def transfers(self, address: str, number: int, *, limit: int = PAGE) -> list[Transfer]:
        """Deposits, withdrawals and transfers, newest first; empty for an unknown subaccount."""
        answer = await self._find(
            TransfersAnswer, "/transfers", address=address, subaccountNumber=number, limit=limit
        )
        return answer.transfers if answer else []

    async def funding_payments(
        self,
        address: str,
        number: int,
        *,
        after: dt.datetime | None = None,
        ticker: str | None = None,
        limit: int = PAGE,
    ) -> list[FundingPayment]:
        """Hourly payments from `after` on, newest first."""
        answer = await self._get(
            FundingAnswer,
            "/fundingPayments",
            address=address,
            subaccountNumber=number,
            afterOrAt=utc_text(after) if after else None,
            ticker=ticker,
            limit=limit,
        )
        return answer.funding_payments

    async def candles(
        self,
        ticker: str,
        resolution: Resolution,
        *,
        since: dt.datetime | None = None,
        until: dt.datetime | None = None,
        limit: int = PAGE,
    ) -> list[Candle]:
        """Candles, newest first."""
        answer = await self._get(
            CandlesAnswer,
            f"/candles/perpetualMarkets/{ticker}",
            resolution=resolution.value,
            fromISO=utc_text(since) if since else None,
            toISO=utc_text(until) if until else None,
            limit=limit,
        )
        return answer.candles

    async def orderbook(self, ticker: str) -> Orderbook:
        """Up to 100 levels a side."""
        return await self._get(Orderbook, f"/orderbooks/perpetualMarket/{ticker}")

    async def trades(self, ticker: str, *, limit: int = PAGE) -> list[Trade]:
        """Public trades, newest first."""
        path = f"/trades/perpetualMarket/{ticker}"
        return (await self._get(TradesAnswer, path, limit=limit)).trades

    async def compliance(self, address: str) -> Compliance:
        """What dYdX lets an address do."""
        return await self._get(Compliance, f"/compliance/screen/{address}")

    # one request

    async def _get(self, shape: type[W], path: str, **query: Any) -> W:
        return _read(shape, await self._fetch(path, **query))

    async def _find(self, shape: type[W], path: str, **query: Any) -> W | None:
        """As `_get`, but None where the indexer knows no such thing."""
        try:
            return await self._get(shape, path, **query)
        except IndexerRefused as refused:
            if refused.status == 404 and refused.errors:
                return None
            raise

    async def _fetch(self, path: str, **query: Any) -> Any:
        params = {key: value for key, value in query.items() if value is not None}
        try:
            async with asyncio.timeout(self._total_timeout_s):
                return await self._repeat(path, params)
        except TimeoutError:
            raise IndexerUnreachable(f"no answer within {self._total_timeout_s:.0f} s") from None

    async def _repeat(self, path: str, params: dict[str, Any]) -> Any:
        """Asks until there is an answer; a request that only reads may be repeated."""
        reason = ""
        for pause_s in (*_PAUSES_S, None):
            await self._budget.take()
            try:
                answer = await self._open().get(f"/v4{path}", params=params)
            except httpx.HTTPError as error:
                reason, wait_s = type(error).__name__, pause_s
            else:
                if answer.status_code < 500 and answer.status_code != 429:
                    return _body(answer)
                reason, wait_s = f"status {answer.status_code}", pause_s
                if answer.status_code == 429 and wait_s is not None:
                    wait_s = max(wait_s, _retry_after_s(answer))
            if wait_s is None:
                break
            await self._clock.sleep(wait_s)
        raise IndexerUnreachable(reason)

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                base_url=self.network.rest.rstrip("/"),
                timeout=self._timeout,
                limits=httpx.Limits(max_connections=20, keepalive_expiry=60.0),
                headers={"Accept": "application/json"},
                trust_env=not is_loopback(self.network.rest),
            )
        return self._client


def _read(shape: type[W], value: Any) -> W:
    try:
        return shape.read(value)
    except Unreadable as error:
        raise IndexerUnreadable(str(error)) from None


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
    raise IndexerRefused(answer.status_code, faults)


def _retry_after_s(answer: httpx.Response) -> float:
    """The header is in milliseconds, unlike what HTTP says of it; never more than one window."""
    text = answer.headers.get("retry-after", "")
    return min(int(text) / 1000, WINDOW_S) if text.isascii() and text.isdigit() else 1.0
