"""Candles of every resolution, made from trades."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from core.paper.indexer.records import CandleRow, TradeRow
from core.paper.indexer.texts import EXACT

RESOLUTIONS: Final = {
    "1MIN": 60,
    "5MINS": 300,
    "15MINS": 900,
    "30MINS": 1_800,
    "1HOUR": 3_600,
    "4HOURS": 14_400,
    "1DAY": 86_400,
}
_KEPT: Final = 1_500


def key_of(clob_pair_id: int, resolution: str) -> str:
    """Name of a series: one market in one resolution."""
    return f"{clob_pair_id}/{resolution}"


class Candles:
    """Series of candles, oldest first."""

    def __init__(self, mid_price: Callable[[int], Decimal | None]) -> None:
        self.series: dict[str, list[CandleRow]] = {}
        self._mid_price = mid_price

    def take(self, trade: TradeRow, open_interest: Decimal) -> list[CandleRow]:
        """Count a trade in; answers the candle of each resolution that it changed."""
        return [self._take(trade, each, open_interest) for each in RESOLUTIONS]

    def of(self, clob_pair_id: int, resolution: str) -> list[CandleRow]:
        """Candles of a market, oldest first."""
        return self.series.get(key_of(clob_pair_id, resolution), [])

    def _take(self, trade: TradeRow, resolution: str, open_interest: Decimal) -> CandleRow:
        series = self.series.setdefault(key_of(trade.market, resolution), [])
        started_at = _started_at(trade.created_at, RESOLUTIONS[resolution])
        mid = self._mid_price(trade.market)
        if not series or series[-1].started_at != started_at:
            series.append(_new_candle(trade, resolution, started_at, open_interest, mid))
            del series[:-_KEPT]
        candle = series[-1]
        candle.low = min(candle.low, trade.price)
        candle.high = max(candle.high, trade.price)
        candle.close = trade.price
        candle.base_volume = EXACT.add(candle.base_volume, trade.size)
        candle.usd_volume = EXACT.fma(trade.price, trade.size, candle.usd_volume)
        candle.trades += 1
        candle.mid_close = mid
        return candle


def _started_at(at: dt.datetime, seconds: int) -> dt.datetime:
    whole = int(at.timestamp()) // seconds * seconds
    return dt.datetime.fromtimestamp(whole, dt.UTC)


def _new_candle(
    trade: TradeRow,
    resolution: str,
    started_at: dt.datetime,
    open_interest: Decimal,
    mid: Decimal | None,
) -> CandleRow:
    return CandleRow(
        started_at=started_at,
        market=trade.market,
        resolution=resolution,
        low=trade.price,
        high=trade.price,
        open=trade.price,
        close=trade.price,
        base_volume=Decimal(0),
        usd_volume=Decimal(0),
        trades=0,
        starting_open_interest=open_interest,
        mid_open=mid,
        mid_close=mid,
    )
