"""Prices of the moments at which days began, kept in the ledger.

While the bot runs they are the oracle's, taken within seconds of the moment. What it was not there
for is read from the indexer's candles; where nobody traded then, the last price before it counts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import structlog

from core.clock import Clock
from core.dydx.enums import Resolution
from core.dydx.indexer import IndexerError
from core.ledger import risk
from core.ledger.database import Ledger
from core.trading.venue import Venue

log = structlog.get_logger(__name__)

PROMPT: Final = dt.timedelta(seconds=30)
KEPT: Final = dt.timedelta(days=4)
WITHIN_S: Final = 4.0
MINUTE: Final = dt.timedelta(minutes=1)


class DayPrices:
    """Looks prices up, and completes what is missing."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._prices: dict[tuple[str, str, dt.datetime], Decimal] = {}

    async def load(self) -> None:
        """Reads the last days' prices; called at start."""
        rows = await risk.day_prices(self._clock.now() - KEPT)
        self._prices = {(row.network, row.ticker, row.at): row.price for row in rows}

    def get(self, network: str, ticker: str, at: dt.datetime) -> Decimal | None:
        return self._prices.get((network, ticker, at))

    async def complete(self, venue: Venue, at: dt.datetime, tickers: Iterable[str]) -> None:
        """Finds the prices of a moment that are missing; what cannot be found stays missing."""
        network = venue.network.name
        for ticker in sorted(set(tickers)):
            if self.get(network, ticker, at) is not None:
                continue
            found = await self._find(venue, ticker, at)
            if found is None:
                continue
            price, source = found
            async with self._ledger.executing():
                kept = await risk.add_day_price(network, ticker, at, price, source)
            if kept:
                self._prices[network, ticker, at] = price
            else:
                await self.load()

    async def _find(self, venue: Venue, ticker: str, at: dt.datetime) -> tuple[Decimal, str] | None:
        market = venue.stream.markets.get(ticker)
        price = market.oracle_price if market is not None else None
        if price is not None and venue.prices_fresh and self._clock.now() - at <= PROMPT:
            return price, "oracle"
        try:
            candles = await venue.indexer.candles(
                ticker, Resolution.ONE_MINUTE, until=at + MINUTE, limit=2
            )
            if not candles:
                candles = await venue.indexer.candles(ticker, Resolution.ONE_DAY, limit=3)
        except IndexerError as error:
            log.info("a price of a day's begin cannot be read", reason=type(error).__name__)
            return None
        for candle in candles:  # newest first
            if candle.started_at == at:
                return candle.open, "candle"
            if candle.started_at < at:
                return candle.close, "candle"
        return (price, "late") if price is not None and venue.prices_fresh else None
