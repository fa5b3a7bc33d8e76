"""Looks whether strategies hold what TradingView says, and tells a lasting difference once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, cast

import structlog

from core.events import DriftFound
from core.ledger import accounts, chart, outbox, signals, strategies
from core.ledger.models import ChartPosition, Signal, Strategy
from core.signals.alert import MarketPosition
from core.signals.symbols import SymbolUnknown, resolve
from core.trading import states
from core.trading.drift import Drift, DriftState, advanced, is_there, restarted
from core.trading.office import Office
from core.trading.share_keeper import share_of
from core.trading.venue import Venue

log = structlog.get_logger(__name__)

GUARDED_MODES: Final = frozenset({"live", "ask"})
LET_BE: Final = "ignored"
OVERLAP: Final = dt.timedelta(seconds=10)
SMALLEST: Final = Decimal("1e-12")


async def held_by(strategy: Strategy, ticker: str) -> Decimal:
    """What a strategy holds in a market of its account, signed."""
    return await share_of(strategy.account_id, ticker, strategy.id)


def size_that_counts(strategy: Strategy, row: ChartPosition) -> Decimal | None:
    """The chart's size where the strategy is to follow it."""
    size: Decimal | None = row.size if strategy.sync else None
    return size


class DriftGuard:
    """Guards the active strategies of all accounts that were taken over; a job calls `look`."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._read_to: dt.datetime | None = None
        self._begun: set[int] = set()
        self._networks: dict[int, str] = {}

    async def look(self) -> None:
        """Takes over what alerts said since, then compares."""
        self._networks = {
            row.id: row.network
            for row in await accounts.active()
            if self._office.lanes.is_reconciled(row.id)
        }
        guarded = {
            row.id: row
            for row in await strategies.living()
            if row.state == "active"
            and row.mode in GUARDED_MODES
            and row.account_id in self._networks
        }
        rows = {(row.strategy_id, row.ticker): row for row in await chart.of_strategies(guarded)}
        now = self._office.clock.now()
        for signal in await self._new_signals(guarded):
            await self._take(guarded[signal.strategy_id], signal, rows)
        self._read_to = now
        await self._compare(guarded, list(rows.values()), now)

    async def _new_signals(self, guarded: dict[int, Strategy]) -> list[Signal]:
        found: list[Signal] = []
        for strategy_id in guarded.keys() - self._begun:
            found += await chart.last_signals(strategy_id)
        known = guarded.keys() & self._begun
        if known and self._read_to is not None:
            found += await chart.signals_since(known, self._read_to - OVERLAP)
        self._begun = set(guarded)
        return [row for row in found if row.parsed.get("target")]

    async def _take(
        self,
        strategy: Strategy,
        signal: Signal,
        rows: dict[tuple[int, str], ChartPosition],
    ) -> None:
        """Notes the target of a signal, unless a younger one is known."""
        venue = self._venue(strategy)
        ticker = _ticker_of(strategy, signal, venue)
        if ticker is None:
            return
        target: dict[str, Any] = signal.parsed["target"]
        said_at, position = _said_at(signal), MarketPosition(target["position"])
        size = Decimal(target["size"]) if target.get("size") else None
        row = rows.get((strategy.id, ticker))
        if row is not None and (row.signal_id == signal.id or said_at < row.said_at):
            return
        if row is None:
            row = ChartPosition(strategy_id=strategy.id, ticker=ticker, state="agrees", since=None)
            rows[(strategy.id, ticker)] = row
        else:
            drift = restarted(_drift(row), MarketPosition(row.position), position)
            row.state, row.since = drift.state, drift.since
        row.partition, row.position, row.size = strategy.partition, position.value, size
        row.signal_id, row.said_at = signal.id, said_at
        async with self._office.ledger.executing():
            await chart.save(row)

    async def _compare(
        self, guarded: dict[int, Strategy], rows: Sequence[ChartPosition], now: dt.datetime
    ) -> None:
        concerned = {guarded[row.strategy_id].account_id for row in rows}
        waiting = await chart.waiting_signals(guarded)
        work = await chart.open_work(concerned)
        entries = await chart.living_entries(concerned, states.WORKING)
        for row in rows:
            strategy = guarded[row.strategy_id]
            market = self._venue(strategy).stream.markets.get(row.ticker)
            held = await held_by(strategy, row.ticker)
            there = is_there(
                MarketPosition(row.position),
                size_that_counts(strategy, row),
                held,
                market.step_size if market is not None else SMALLEST,
            )
            settled = (
                strategy.id not in waiting
                and (strategy.account_id, row.ticker) not in entries
                and not any(_concerns(one, strategy, row.ticker) for one in work)
            )
            before = _drift(row)
            after = advanced(before, now, there=there, settled=settled)
            if after != before:
                await self._note(strategy, row, await self._unless_let_be(row, after))

    async def _unless_let_be(self, row: ChartPosition, drift: Drift) -> Drift:
        """A trader who let the signal be that named the target knows of the difference."""
        if drift.state != "told":
            return drift
        signal = await signals.get(row.signal_id)
        let_be = signal is not None and signal.reason_code == LET_BE
        return Drift("ignored", drift.since) if let_be else drift

    async def _note(self, strategy: Strategy, row: ChartPosition, drift: Drift) -> None:
        """Writes the new state down, with the message where it is to be told."""
        async with self._office.ledger.executing():
            await chart.set_state(row.id, drift.state, drift.since)
            if drift.state == "told":
                log.info("a strategy drifted", strategy=strategy.id, ticker=row.ticker)
                assert drift.since is not None
                await outbox.put(
                    strategy.trader_id,
                    DriftFound(strategy.id, row.ticker),
                    key=f"drift:{row.id}:{drift.since.isoformat()}",
                    now=self._office.clock.now(),
                )
        row.state, row.since = drift.state, drift.since
        self._office.outbox_bell.ring()

    def _venue(self, strategy: Strategy) -> Venue:
        return self._office.venues[self._networks[strategy.account_id]]  # type: ignore[index]


def _drift(row: ChartPosition) -> Drift:
    return Drift(cast(DriftState, row.state), row.since)


def _said_at(signal: Signal) -> dt.datetime:
    """The alert's own time, else when it came."""
    time = signal.parsed.get("time")
    return dt.datetime.fromisoformat(time) if time else signal.received_at


def _ticker_of(strategy: Strategy, signal: Signal, venue: Venue) -> str | None:
    """The market that a signal is about; None for a symbol that dYdX does not know."""
    symbol = str(signal.parsed["symbol"])
    symbol = (strategy.aliases or {}).get(symbol, symbol)
    try:
        return resolve(symbol, venue.stream.markets.tickers())
    except SymbolUnknown:
        return None


def _concerns(payload: dict[str, Any], strategy: Strategy, ticker: str) -> bool:
    """Whether an intent that is not over may change what a strategy holds in a market."""
    if payload["account_id"] != strategy.account_id:
        return False
    return payload.get("strategy_id") == strategy.id or payload.get("ticker") == ticker
