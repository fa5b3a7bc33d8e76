"""Tells the holders of a market that dYdX changed how it may be traded.

What each market was last is in the ledger: a change that came while the bot was down is told at its
start, and none is told twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import structlog

from core.events import MarketChanged
from core.ledger import outbox, reconciliation
from core.trading import states
from core.trading.parts import Parts

log = structlog.get_logger(__name__)

State = tuple[str, str]
"""Status and type of a market in the indexer's words."""


class MarketWatch:
    """The markets of one network."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._known: dict[str, State] | None = None
        self._lock = asyncio.Lock()

    async def look(self, tickers: Iterable[str]) -> None:
        """Compares these markets with what they were last; never raises, so that prices go on."""
        found: dict[str, State] = {}
        for ticker in tickers:
            market = self._parts.venue.stream.markets.get(ticker)
            if market is not None:
                found[ticker] = (str(market.status), str(market.market_type))
        if self._known is not None and all(self._known.get(t) == one for t, one in found.items()):
            return
        try:
            async with self._lock:
                await self._take(found)
        except Exception:
            log.exception("a change of a market was not told", network=self._network)
            self._known = None  # read anew with the next news

    @property
    def _network(self) -> str:
        return self._parts.venue.network.name

    async def _take(self, found: Mapping[str, State]) -> None:
        if self._known is None:
            self._known = await reconciliation.market_states(self._network)
        known = self._known
        new = {ticker: one for ticker, one in found.items() if ticker not in known}
        if new:
            async with self._parts.ledger.executing():
                await reconciliation.add_market_states(self._network, new, self._parts.clock.now())
            known.update(new)
        for ticker, now_is in found.items():
            if known[ticker] != now_is:
                await self._change(ticker, known[ticker], now_is)
                known[ticker] = now_is

    async def _change(self, ticker: str, was: State, now_is: State) -> None:
        """The new state and its messages in one step."""
        now = self._parts.clock.now()
        log.info("a market changed", network=self._network, ticker=ticker, was=was, now=now_is)
        event = MarketChanged(self._network, ticker, was[0], now_is[0], was[1], now_is[1])
        mark = f"{ticker}:{now_is[0]}:{now_is[1]}:{int(now.timestamp() * 1000)}"
        async with self._parts.ledger.executing():
            await reconciliation.change_market_state(self._network, ticker, now_is, now)
            for trader_id in await reconciliation.traders_in_market(
                self._network, ticker, states.WORKING
            ):
                await outbox.put(
                    trader_id, event, key=f"market:{self._network}:{mark}:{trader_id}", now=now
                )
        self._parts.outbox_bell.ring()
