"""Candles of every resolution, made from trades."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
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
    """Series of candles, oldest first.

    A market has candles from its first trade on. At each new span the old candle gets its last
    middle price and a new one begins, without trades where there were none.
    """

    def __init__(self, mid_price: Callable[[int], Decimal | None]) -> None:
        self.series: dict[str, list[CandleRow]] = {}
        self._mid_price = mid_price

    def begins_span(self, at: dt.datetime, previous: dt.datetime | None) -> bool:
        """Whether a block at this time begins a new span of the shortest resolution."""
        return previous is None or _started_at(at, 60) != _started_at(previous, 60)

    def take(
        self, at: dt.datetime, made: Mapping[int, list[TradeRow]], interest: Mapping[int, Decimal]
    ) -> list[CandleRow]:
        """Count a block's trades in, with the open interest before the block by market; answers the
        candles that were made or changed.
        """
        changed: list[CandleRow] = []
        known = {int(key.partition("/")[0]) for key in self.series}
        for market in sorted(known | made.keys()):
            for resolution in RESOLUTIONS:
                changed += self._advance(
                    market, resolution, at, made.get(market, []), interest.get(market, Decimal(0))
                )
        return changed

    def of(self, clob_pair_id: int, resolution: str) -> list[CandleRow]:
        """Candles of a market, oldest first."""
        return self.series.get(key_of(clob_pair_id, resolution), [])

    def _advance(
        self,
        market: int,
        resolution: str,
        at: dt.datetime,
        trades: list[TradeRow],
        interest: Decimal,
    ) -> list[CandleRow]:
        series = self.series.setdefault(key_of(market, resolution), [])
        started_at = _started_at(at, RESOLUTIONS[resolution])
        changed: list[CandleRow] = []
        if not series or series[-1].started_at != started_at:
            mid = self._mid_price(market)
            if series:
                series[-1].mid_close = mid
                changed.append(series[-1])
            price = trades[0].price if trades else series[-1].close
            series.append(_new_candle(market, resolution, started_at, price, interest, mid))
            changed.append(series[-1])
            del series[:-_KEPT]
        elif trades:
            changed.append(series[-1])
        for trade in trades:
            _count(series[-1], trade)
        return changed


def _count(candle: CandleRow, trade: TradeRow) -> None:
    """Count a trade into its candle; the first one sets the opening price anew."""
    if not candle.trades:
        candle.open = candle.low = candle.high = trade.price
    candle.low = min(candle.low, trade.price)
    candle.high = max(candle.high, trade.price)
    candle.close = trade.price
    candle.base_volume = EXACT.add(candle.base_volume, trade.size)
    candle.usd_volume = EXACT.fma(trade.price, trade.size, candle.usd_volume)
    candle.trades += 1


def _started_at(at: dt.datetime, seconds: int) -> dt.datetime:
    whole = int(at.timestamp()) // seconds * seconds
    return dt.datetime.fromtimestamp(whole, dt.UTC)


def _new_candle(
    market: int,
    resolution: str,
    started_at: dt.datetime,
    price: Decimal,
    open_interest: Decimal,
    mid: Decimal | None,
) -> CandleRow:
    return CandleRow(
        started_at=started_at,
        market=market,
        resolution=resolution,
        low=price,
        high=price,
        open=price,
        close=price,
        base_volume=Decimal(0),
        usd_volume=Decimal(0),
        trades=0,
        starting_open_interest=open_interest,
        mid_open=mid,
        mid_close=mid,
    )
