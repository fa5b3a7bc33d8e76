"""REST routes about markets and the chain. Source: docs/protocol.md, indexer REST."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from core.paper.governance import Market
from core.paper.indexer import markets, shapes, views
from core.paper.indexer.candles import RESOLUTIONS
from core.paper.indexer.checks import Checks, refusal
from core.paper.indexer.records import ZERO
from core.paper.indexer.service import Indexer
from core.paper.indexer.texts import iso, number

Handler = Callable[[web.Request], Awaitable[Any]]
SECOND = "public, max-age=1"
TEN_SECONDS = "public, max-age=10"
UNCACHED = "no-cache, no-store, no-transform"
_RESOLUTION_TEXT = f"resolution must be a valid Candle Resolution, one of {','.join(RESOLUTIONS)}"


def routes(indexer: Indexer) -> list[tuple[str, Handler, str | None]]:
    """(path, handler, Cache-Control)."""
    site = MarketRoutes(indexer)
    return [
        ("/height", site.height, None),
        ("/time", site.time, UNCACHED),
        ("/perpetualMarkets", site.perpetual_markets, SECOND),
        ("/orderbooks/perpetualMarket/{ticker}", site.orderbook, SECOND),
        ("/trades/perpetualMarket/{ticker}", site.trades, SECOND),
        ("/candles/perpetualMarkets/{ticker}", site.candles, SECOND),
        ("/historicalFunding/{ticker}", site.historical_funding, TEN_SECONDS),
        ("/sparklines", site.sparklines, TEN_SECONDS),
        ("/screen", site.screen, None),
        ("/compliance/screen/{address}", site.compliance, None),
    ]


class MarketRoutes:
    """Handlers; each gives the body or raises Invalid."""

    def __init__(self, indexer: Indexer) -> None:
        self._indexer = indexer
        self._rows = indexer.rows

    async def height(self, request: web.Request) -> Any:
        return views.height(self._rows)

    async def time(self, request: web.Request) -> Any:
        now = self._indexer.clock.now()
        return {"iso": iso(now), "epoch": int(now.timestamp() * 1000) / 1000}

    async def perpetual_markets(self, request: web.Request) -> Any:
        checks = self._checks(request)
        limit = checks.limit()
        ticker = checks.ticker(self._rows.by_ticker)
        market = checks.ticker(self._rows.by_ticker, "market")
        checks.done()
        if ticker is not None and market is not None:
            raise refusal(400, "Only one of ticker or market may be provided")
        chosen = ticker or market
        if chosen is None:
            return {"markets": markets.all_markets(self._rows, limit)}
        found = self._rows.by_ticker[chosen]
        interest = self._rows.open_interest().get(found.id, ZERO)
        return {"markets": {chosen: markets.market_object(self._rows, found, interest)}}

    async def orderbook(self, request: web.Request) -> Any:
        ticker = request.match_info["ticker"]
        if ticker not in self._rows.by_ticker:
            raise refusal(404, f"{ticker} not found in markets of type PERPETUAL")
        return self._indexer.book(self._rows.by_ticker[ticker].id)

    async def trades(self, request: web.Request) -> Any:
        checks = self._checks(request)
        market = self._market(checks)
        limit, page = checks.limit(), checks.page()
        before = checks.height("createdBeforeOrAtHeight")
        at = checks.time("createdBeforeOrAt")
        checks.done()
        found = [
            trade
            for trade in self._rows.trades.get(market.id, [])
            if (before is None or trade.created_height <= before)
            and (at is None or trade.created_at <= at)
        ]
        if page is None:
            return {"trades": [shapes.trade_rest(each) for each in found[::-1][:limit]]}
        offset = (page - 1) * limit
        return {
            "trades": [shapes.trade_rest(each) for each in found[offset : offset + limit]],
            "pageSize": limit,
            "totalResults": len(found),
            "offset": offset,
        }

    async def candles(self, request: web.Request) -> Any:
        checks = self._checks(request)
        market = self._market(checks)
        limit = checks.limit()
        resolution = checks.required_choice("resolution", RESOLUTIONS, _RESOLUTION_TEXT)
        since, until = checks.time("fromISO"), checks.time("toISO")
        checks.done()
        found = [
            row
            for row in reversed(self._rows.candles.of(market.id, resolution))
            if (since is None or row.started_at >= since)
            and (until is None or row.started_at < until)
        ]
        return {"candles": [shapes.candle(row, market.ticker) for row in found[:limit]]}

    async def historical_funding(self, request: web.Request) -> Any:
        checks = self._checks(request)
        market = self._market(checks)
        limit = checks.limit()
        before = checks.height("effectiveBeforeOrAtHeight")
        at = checks.time("effectiveBeforeOrAt")
        checks.done()
        found = [
            {
                "ticker": market.ticker,
                "rate": number(row.rate),
                "price": number(row.price),
                "effectiveAtHeight": str(row.effective_height),
                "effectiveAt": iso(row.effective_at),
            }
            for row in reversed(self._rows.funding.get(market.id, []))
            if (before is None or row.effective_height <= before)
            and (at is None or row.effective_at <= at)
        ]
        return {"historicalFunding": found[:limit]}

    async def sparklines(self, request: web.Request) -> Any:
        checks = self._checks(request)
        periods = {"ONE_DAY": ("1HOUR", 24), "SEVEN_DAYS": ("4HOURS", 42)}
        text = f"timePeriod must be a valid Time Period, one of {','.join(periods)}"
        period = checks.required_choice("timePeriod", periods, text)
        checks.done()
        resolution, count = periods[period]
        return {
            market.ticker: [
                number(row.close)
                for row in reversed(self._rows.candles.of(market.id, resolution)[-count:])
            ]
            for market in self._rows.markets.values()
        }

    async def screen(self, request: web.Request) -> Any:
        checks = self._checks(request)
        if "address" not in request.query:
            checks.fail("address", "Invalid value", "query")
        checks.done()
        return {"restricted": False}

    async def compliance(self, request: web.Request) -> Any:
        if self._indexer.faults.address_blocked is None:
            return {"status": "COMPLIANT"}
        now = iso(self._indexer.clock.now())
        return {"status": "BLOCKED", "reason": "MANUAL", "updatedAt": now}

    def _checks(self, request: web.Request) -> Checks:
        return Checks(request.query, request.match_info)

    def _market(self, checks: Checks) -> Market:
        ticker = checks.ticker(self._rows.by_ticker)
        checks.done()
        return self._rows.by_ticker[ticker or ""]
