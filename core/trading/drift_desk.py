"""The counter for TradingView's positions: what charts say, and bringing a strategy there."""

from __future__ import annotations

from decimal import Decimal
from typing import cast

from core.ledger import accounts, chart, intents, strategies
from core.ledger.models import ChartPosition, Strategy
from core.signals.alert import Alert, MarketPosition, Target
from core.trading.drift import DriftState, is_there
from core.trading.drift_guard import SMALLEST, held_by, size_that_counts
from core.trading.office import Office
from core.trading.views import ChartView, DeskError, TraderView
from core.trading.wishes import default_size, signal_payload


class DriftDesk:
    """Shows where charts and strategies stand, syncs a strategy, or leaves it as it is."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def chart_positions(self, trader: TraderView) -> list[ChartView]:
        """Where the charts of a trader's active strategies stand, as their alerts said last."""
        active = {
            row.id: row
            for row in await strategies.of_trader(trader.id)
            if row.state == "active" and row.mode != "shadow"
        }
        found = await chart.of_strategies(active)
        return [await self._view(active[row.strategy_id], row) for row in found]

    async def chart_position(self, trader: TraderView, strategy_id: int, ticker: str) -> ChartView:
        """One of them, whatever the strategy does now. Codes: unknown_strategy, unknown_target."""
        return await self._view(*await self._own(trader, strategy_id, ticker))

    async def chart_by_id(self, trader: TraderView, chart_id: int) -> ChartView:
        """As `chart_position`, by its number. Code: unknown_target."""
        row = await chart.get(chart_id)
        if row is None:
            raise _unknown_target()
        return await self.chart_position(trader, row.strategy_id, row.ticker)

    async def sync_strategy(
        self, trader: TraderView, strategy_id: int, ticker: str, key: str
    ) -> ChartView:
        """Brings a strategy to where its chart stood last; the outcome follows as events. The same
        `key` acts once. Codes: unknown_strategy, unknown_target, in_sync, size_missing, not_ready.
        """
        strategy, row = await self._own(trader, strategy_id, ticker)
        view = await self._view(strategy, row)
        if view.there:
            raise DeskError(
                "in_sync", f"{strategy.name} is {view.position} in {ticker} already: nothing to do."
            )
        size = row.size if strategy.sync or default_size(strategy) is None else None
        position = MarketPosition(row.position)
        if position is not MarketPosition.FLAT and size is None and default_size(strategy) is None:
            raise DeskError(
                "size_missing",
                "The alert named no size and the strategy has no default size. Set one first.",
            )
        lane = self._office.lanes.get(strategy.account_id)
        if lane is None:
            raise DeskError(
                "not_ready", "The bot is still checking this account on chain. Try again shortly."
            )
        now = self._office.clock.now()
        alert = Alert(action=None, symbol=ticker, target=Target(position, size), sync=True)
        payload = signal_payload(strategy, alert, now)
        payload |= {"ticker": ticker, "sync": True, "mode": "live"}
        async with self._office.ledger.executing():
            intent = await intents.add(
                account=await accounts.lock(strategy.account_id),
                key=f"button:{key}"[:96],
                source="button",
                kind="sync",
                payload=payload,
                now=now,
            )
        if intent is not None:
            lane.submit(intent)
        return view

    async def ignore_drift(self, trader: TraderView, strategy_id: int, ticker: str) -> ChartView:
        """Leaves a strategy as it is: nothing more is said until chart and strategy agree again, or
        the chart turns. Codes: unknown_strategy, unknown_target.
        """
        strategy, row = await self._own(trader, strategy_id, ticker)
        if row.state in ("differs", "told"):
            async with self._office.ledger.executing():
                await chart.set_state(row.id, "ignored", row.since)
            row.state = "ignored"
        return await self._view(strategy, row)

    async def _own(
        self, trader: TraderView, strategy_id: int, ticker: str
    ) -> tuple[Strategy, ChartPosition]:
        strategy = await strategies.get(strategy_id)
        if strategy is None or strategy.trader_id != trader.id or strategy.state == "deleted":
            raise DeskError("unknown_strategy", "This strategy does not exist any more.")
        row = await chart.of(strategy.id, ticker)
        if row is None:
            raise _unknown_target()
        return strategy, row

    async def _view(self, strategy: Strategy, row: ChartPosition) -> ChartView:
        account = await accounts.get(strategy.account_id)
        venue = self._office.venues.get(account.network)  # type: ignore[call-overload]
        market = venue.stream.markets.get(row.ticker) if venue is not None else None
        step: Decimal = market.step_size if market is not None else SMALLEST
        held = await held_by(strategy, row.ticker)
        position = MarketPosition(row.position)
        return ChartView(
            id=row.id,
            strategy_id=strategy.id,
            strategy_name=strategy.name,
            network=account.network,  # type: ignore[arg-type]
            ticker=row.ticker,
            position=position,
            size=row.size,
            said_at=row.said_at,
            held=held,
            there=is_there(position, size_that_counts(strategy, row), held, step),
            state=cast(DriftState, row.state),
            step_size=step,
        )


def _unknown_target() -> DeskError:
    return DeskError("unknown_target", "No alert of this strategy said where its chart stands.")
