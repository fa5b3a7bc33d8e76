"""The indexer's REST interface over one pooled connection. Source: docs/protocol.md, REST."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Iterable
from typing import Any, Self, TypeVar

import httpx

from core.clock import Clock
from core.dydx.answers import (
    AddressAnswer,
    AssetsAnswer,
    CandlesAnswer,
    FillsAnswer,
    FundingAnswer,
    HistoricalFunding,
    HistoricalFundingAnswer,
    HistoricalPnlAnswer,
    MarketsAnswer,
    ParentAnswer,
    PnlAnswer,
    PnlTick,
    PositionsAnswer,
    Restricted,
    SubaccountAnswer,
    Time,
    TradesAnswer,
    TransfersAnswer,
    utc_text,
)
from core.dydx.budget import Urgency
from core.dydx.enums import OrderStatus, Resolution
from core.dydx.indexer_errors import (
    BlockCode,
    IndexerBlocked,
    IndexerError,
    IndexerRefused,
    IndexerUnreachable,
    IndexerUnreadable,
)
from core.dydx.indexer_http import REQUESTS, WINDOW_S, IndexerHttp
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
    ParentSubaccount,
    PerpetualPosition,
    Subaccount,
    Trade,
    Transfer,
)
from core.dydx.network import Network
from core.dydx.wire import Unreadable, Wire

__all__ = [
    "BlockCode",
    "Indexer",
    "IndexerBlocked",
    "IndexerError",
    "IndexerRefused",
    "IndexerUnreachable",
    "IndexerUnreadable",
    "Urgency",
]

PAGE = 100
LARGEST_PAGE = 1000
W = TypeVar("W", bound=Wire)


class Indexer:
    """Typed answers of one network's indexer.

    All methods raise IndexerUnreachable, IndexerUnreadable, IndexerRefused or IndexerBlocked. The
    budget is shared fairly among the accounts that are asked for; `urgently()` and `in_bulk()`
    give a view of the same indexer whose requests go before or after the others.

    With `parent=True` the rows of a parent subaccount and all its children are asked for, those
    that hold isolated markets (parent + 128 k).
    """

    def __init__(
        self,
        network: Network,
        clock: Clock,
        *,
        total_timeout_s: float = 15.0,
        read_timeout_s: float = 5.0,
        requests: int = REQUESTS,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.network = network
        self._clock = clock
        self._urgency = Urgency.NORMAL
        self._http = IndexerHttp(
            network,
            clock,
            total_timeout_s=total_timeout_s,
            read_timeout_s=read_timeout_s,
            requests=requests,
            transport=transport,
        )

    async def close(self) -> None:
        await self._http.close()

    def urgently(self) -> Self:
        """A view whose requests go first: for an order whose fate is unknown."""
        return self._view(Urgency.URGENT)

    def in_bulk(self) -> Self:
        """A view whose requests yield to others and may wait minutes for their turn."""
        return self._view(Urgency.BULK)

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return self._http.budget.waiting

    @property
    def requests_per_s(self) -> float:
        """How many requests the budget allows at present; fewer after a refusal for their rate."""
        return self._http.budget.limit / WINDOW_S

    @property
    def refused_for_rate(self) -> int:
        """How often the indexer answered 429 since the start."""
        return self._http.refused_for_rate

    # the network

    async def height(self) -> Height:
        """The last block that the indexer has worked in."""
        return await self._network_wide(Height, "/height")

    async def recent_height(self, max_age_s: float = 5.0) -> int:
        """A block that the indexer has worked in, asked at most `max_age_s` seconds ago.

        What is read now is of that block or of a later one.
        """
        known, at = self._http.height_seen
        if self._clock.monotonic() - at > max_age_s:
            known, at = (await self.height()).height, self._clock.monotonic()
            self._http.height_seen = (known, at)
        return known

    async def time(self) -> Time:
        """The indexer's clock."""
        return await self._network_wide(Time, "/time")

    async def perpetual_markets(self) -> dict[str, MarketRow]:
        """All markets by ticker."""
        return (await self._network_wide(MarketsAnswer, "/perpetualMarkets")).markets

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

    async def historical_funding(
        self, ticker: str, *, until: dt.datetime | None = None, limit: int = PAGE
    ) -> list[HistoricalFunding]:
        """Hourly funding rates of a market up to `until`, newest first."""
        answer = await self._get(
            HistoricalFundingAnswer,
            f"/historicalFunding/{ticker}",
            effectiveBeforeOrAt=utc_text(until) if until else None,
            limit=limit,
        )
        return answer.historical_funding

    # an address

    async def subaccounts(self, address: str) -> list[Subaccount]:
        """All subaccounts of an address; empty when nothing was ever deposited."""
        answer = await self._find(AddressAnswer, f"/addresses/{address}", _account=address)
        return answer.subaccounts if answer else []

    async def compliance(self, address: str) -> Compliance:
        """What dYdX lets an address do."""
        return await self._get(Compliance, f"/compliance/screen/{address}", _account=address)

    async def restricted(self, address: str) -> Restricted:
        """What the compliance provider says of an address."""
        return await self._get(Restricted, "/screen", address=address)

    # a subaccount

    async def subaccount(self, address: str, number: int) -> Subaccount | None:
        """Equity and positions; None when nothing was ever deposited."""
        path = f"/addresses/{address}/subaccountNumber/{number}"
        answer = await self._find(SubaccountAnswer, path, _account=f"{address}/{number}")
        return answer.subaccount if answer else None

    async def parent_subaccount(self, address: str, number: int) -> ParentSubaccount | None:
        """A parent with its children; None when nothing was ever deposited."""
        path = f"/addresses/{address}/parentSubaccountNumber/{number}"
        answer = await self._find(ParentAnswer, path, _account=f"{address}/{number}")
        return answer.subaccount if answer else None

    async def orders(
        self,
        address: str,
        number: int,
        *,
        statuses: Iterable[OrderStatus] = (),
        ticker: str | None = None,
        limit: int = PAGE,
        parent: bool = False,
    ) -> list[IndexerOrder]:
        """Orders, newest first. Short-term orders that never filled vanish from here."""
        path, owner = _of("/orders", address, number, parent)
        rows = await self._fetch(
            path,
            **owner,
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
        parent: bool = False,
    ) -> list[IndexerFill]:
        """Fills, newest first, of blocks up to and including `before_height`."""
        path, owner = _of("/fills", address, number, parent)
        answer = await self._get(
            FillsAnswer,
            path,
            **owner,
            limit=limit,
            createdBeforeOrAtHeight=before_height,
            market=ticker,
            marketType="PERPETUAL" if ticker else None,
            # Caches keep answers for a second; a proof must not come from one.
            nonce=self._http.nonce(),
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
        self,
        address: str,
        number: int,
        status: str | None = None,
        *,
        limit: int = PAGE,
        parent: bool = False,
    ) -> list[PerpetualPosition]:
        """Position rows, newest first; `status` OPEN, CLOSED or LIQUIDATED."""
        path, owner = _of("/perpetualPositions", address, number, parent)
        answer = await self._get(PositionsAnswer, path, **owner, status=status, limit=limit)
        return answer.positions

    async def asset_positions(
        self, address: str, number: int, *, parent: bool = False
    ) -> list[AssetPosition]:
        """The USDC of a subaccount; empty for an unknown one."""
        path, owner = _of("/assetPositions", address, number, parent)
        answer = await self._find(AssetsAnswer, path, **owner)
        return answer.positions if answer else []

    async def transfers(
        self,
        address: str,
        number: int,
        *,
        limit: int = PAGE,
        page: int | None = None,
        before_height: int | None = None,
        parent: bool = False,
    ) -> list[Transfer]:
        """Deposits, withdrawals and transfers, newest first; empty for an unknown subaccount."""
        path, owner = _of("/transfers", address, number, parent)
        answer = await self._find(
            TransfersAnswer,
            path,
            **owner,
            limit=limit,
            page=page,
            createdBeforeOrAtHeight=before_height,
            nonce=self._http.nonce(),
        )
        return answer.transfers if answer else []

    async def transfers_between(
        self, address: str, number: int, after_height: int, height: int
    ) -> list[Transfer]:
        """What moved in blocks above `after_height`, up to and including `height`."""
        found: list[Transfer] = []
        page = 1
        while True:
            rows = await self.transfers(
                address, number, limit=LARGEST_PAGE, before_height=height, page=page
            )
            found += [row for row in rows if after_height < row.created_at_height <= height]
            if len(rows) < LARGEST_PAGE or rows[-1].created_at_height <= after_height:
                return found
            page += 1

    async def funding_payments(
        self,
        address: str,
        number: int,
        *,
        after: dt.datetime | None = None,
        ticker: str | None = None,
        zeros: bool = False,
        limit: int = PAGE,
        page: int | None = None,
        parent: bool = False,
    ) -> list[FundingPayment]:
        """Hourly payments from `after` on, newest first; `zeros`: also those of nothing."""
        path, owner = _of("/fundingPayments", address, number, parent, "/parentSubaccount")
        answer = await self._get(
            FundingAnswer,
            path,
            **owner,
            afterOrAt=utc_text(after) if after else None,
            ticker=ticker,
            zeroPayments="true" if zeros else None,
            limit=limit,
            page=page,
            # Caches keep answers for ten seconds.
            nonce=self._http.nonce(),
        )
        return answer.funding_payments

    async def all_funding_since(
        self, address: str, number: int, after: dt.datetime
    ) -> list[FundingPayment]:
        """Every payment from `after` on, those of nothing too, oldest first."""
        found: dict[tuple[str, dt.datetime], FundingPayment] = {}
        page = 1
        while True:
            rows = await self.funding_payments(
                address, number, after=after, zeros=True, limit=LARGEST_PAGE, page=page
            )
            found.update(((row.ticker, row.created_at), row) for row in rows)
            if len(rows) < LARGEST_PAGE:
                return sorted(found.values(), key=lambda row: (row.created_at, row.ticker))
            page += 1

    async def historical_pnl(
        self,
        address: str,
        number: int,
        *,
        since: dt.datetime | None = None,
        limit: int = PAGE,
        parent: bool = False,
    ) -> list[PnlTick]:
        """Hourly equity and profit from `since` on, newest first; empty for an unknown one."""
        path, owner = _of("/historical-pnl", address, number, parent)
        after = utc_text(since) if since else None
        answer = await self._find(
            HistoricalPnlAnswer, path, **owner, createdOnOrAfter=after, limit=limit
        )
        return answer.historical_pnl if answer else []

    async def pnl(
        self,
        address: str,
        number: int,
        *,
        since: dt.datetime | None = None,
        daily: bool = False,
        limit: int = PAGE,
        parent: bool = False,
    ) -> list[PnlTick]:
        """The newer series of equity and profit, hourly or daily, newest first."""
        path, owner = _of("/pnl", address, number, parent)
        after = utc_text(since) if since else None
        answer = await self._find(
            PnlAnswer,
            path,
            **owner,
            createdOnOrAfter=after,
            daily="true" if daily else None,
            limit=limit,
        )
        return answer.pnl if answer else []

    # one request

    def _view(self, urgency: Urgency) -> Self:
        view = copy.copy(self)
        view._urgency = urgency
        return view

    async def _network_wide(self, shape: type[W], path: str) -> W:
        """What all accounts need goes before what one of them needs."""
        answer = await self._http.get(path, {}, account="", urgency=Urgency.URGENT)
        return _read(shape, answer)

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

    async def _fetch(self, path: str, *, _account: str = "", **query: Any) -> Any:
        params = {key: value for key, value in query.items() if value is not None}
        return await self._http.get(path, params, account=_account, urgency=self._urgency)


def _of(
    path: str, address: str, number: int, parent: bool, below: str = "/parentSubaccountNumber"
) -> tuple[str, dict[str, Any]]:
    """The route and the parameters that name a subaccount, or a parent and its children."""
    name = "parentSubaccountNumber" if parent else "subaccountNumber"
    owner = {"address": address, name: number, "_account": f"{address}/{number}"}
    return (path + below if parent else path), owner


def _read(shape: type[W], value: Any) -> W:
    try:
        return shape.read(value)
    except Unreadable as error:
        raise IndexerUnreadable(str(error)) from None
