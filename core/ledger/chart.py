"""Where strategies stand on TradingView's charts, as their alerts say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

from core.ledger.intents import OPEN_STATES
from core.ledger.models import ChartPosition, Intent, Order, Signal

LOOKED_BACK: int = 50


async def get(chart_id: int) -> ChartPosition | None:
    return await ChartPosition.get_or_none(id=chart_id)


async def of(strategy_id: int, ticker: str) -> ChartPosition | None:
    return await ChartPosition.get_or_none(strategy_id=strategy_id, ticker=ticker)


async def of_strategies(strategy_ids: Collection[int]) -> list[ChartPosition]:
    """All that these strategies ever said, oldest first."""
    return await ChartPosition.filter(strategy_id__in=list(strategy_ids)).order_by("id")


async def save(row: ChartPosition) -> None:
    """Writes a row, a new one too."""
    await row.save()


async def set_state(chart_id: int, state: str, since: dt.datetime | None) -> None:
    await ChartPosition.filter(id=chart_id).update(state=state, since=since)


async def last_signals(strategy_id: int) -> list[Signal]:
    """The youngest signals of a strategy, oldest first."""
    rows = await Signal.filter(strategy_id=strategy_id).order_by("-received_at").limit(LOOKED_BACK)
    return list(reversed(rows))


async def signals_since(strategy_ids: Collection[int], since: dt.datetime) -> list[Signal]:
    """The signals that came at or after a time, oldest first."""
    return await Signal.filter(strategy_id__in=list(strategy_ids), received_at__gte=since).order_by(
        "received_at"
    )


async def waiting_signals(strategy_ids: Collection[int]) -> set[int]:
    """Which of these strategies have a signal that is not over."""
    rows = await Signal.filter(
        strategy_id__in=list(strategy_ids), state__in=["stored", "asking"]
    ).only("strategy_id")
    return {row.strategy_id for row in rows}


async def open_work(account_ids: Collection[int]) -> list[dict[str, Any]]:
    """The payloads of intents that are not over, with `account_id`."""
    rows = await Intent.filter(account_id__in=list(account_ids), state__in=list(OPEN_STATES))
    return [{**row.payload, "account_id": row.account_id} for row in rows]


async def living_entries(
    account_ids: Collection[int], living: Collection[str]
) -> set[tuple[int, str]]:
    """Account and market of each order that may still open something."""
    rows = await Order.filter(
        account_id__in=list(account_ids), state__in=list(living), reduce_only=False
    ).only("account_id", "ticker")
    return {(row.account_id, row.ticker) for row in rows}
