"""Market objects: what governance fixed, with the price and the statistics of the last day."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.paper.governance import Market
from core.paper.indexer import funding
from core.paper.indexer.records import ZERO
from core.paper.indexer.texts import EXACT, number, ppm

if TYPE_CHECKING:
    from core.paper.indexer.rows import Rows

Json = dict[str, Any]
_DAY = dt.timedelta(hours=24)


def market_object(rows: Rows, market: Market, interest: Decimal) -> Json:
    """A market as REST and the v4_markets snapshot show it."""
    tier, scale = market.tier, market.scale
    volume, trades = _day_volume(rows, market)
    return {
        "clobPairId": str(market.id),
        "ticker": market.ticker,
        "status": "ACTIVE",
        "oraclePrice": number(rows.price(market.id)),
        "priceChange24H": number(_day_change(rows, market)),
        "volume24H": number(volume),
        "trades24H": trades,
        "nextFundingRate": number(funding.next_rate(rows, market)),
        "initialMarginFraction": ppm(tier.initial_margin_ppm),
        "maintenanceMarginFraction": ppm(tier.maintenance_margin_ppm),
        "openInterest": number(interest),
        "atomicResolution": scale.atomic_resolution,
        "quantumConversionExponent": scale.quantum_conversion_exponent,
        "tickSize": number(scale.tick_size),
        "stepSize": number(scale.step_size),
        "stepBaseQuantums": scale.step_base_quantums,
        "subticksPerTick": scale.subticks_per_tick,
        "marketType": market.market_type,
        "openInterestLowerCap": number(Decimal(tier.open_interest_lower_cap).scaleb(-6, EXACT)),
        "openInterestUpperCap": number(Decimal(tier.open_interest_upper_cap).scaleb(-6, EXACT)),
        "baseOpenInterest": "0",
        "defaultFundingRate1H": number(funding.default_rate(market)),
    }


def all_markets(rows: Rows, limit: int | None = None) -> Json:
    """Markets by ticker, in order of their clob pair ids."""
    interest = rows.open_interest()
    chosen = sorted(rows.markets.values(), key=lambda market: market.id)[:limit]
    return {
        market.ticker: market_object(rows, market, interest.get(market.id, ZERO))
        for market in chosen
    }


def changes(rows: Rows) -> Json:
    """Statistics that moved since they were last told, by ticker, partial objects."""
    interest = rows.open_interest()
    told: Json = {}
    for market in sorted(rows.markets.values(), key=lambda market: market.id):
        volume, trades = _day_volume(rows, market)
        now = {
            "priceChange24H": number(_day_change(rows, market)),
            "volume24H": number(volume),
            "trades24H": trades,
            "nextFundingRate": number(funding.next_rate(rows, market)),
            "openInterest": number(interest.get(market.id, ZERO)),
        }
        last = rows.told_markets.get(market.ticker, {})
        changed = {key: value for key, value in now.items() if last.get(key) != value}
        if last and changed:
            told[market.ticker] = changed
        rows.told_markets[market.ticker] = now
    return told


def _day_volume(rows: Rows, market: Market) -> tuple[Decimal, int]:
    """USD volume and trades of the last 24 hours, to five minutes."""
    volume, count = ZERO, 0
    for candle in reversed(rows.candles.of(market.id, "5MINS")):
        if rows.time is not None and candle.started_at < rows.time - _DAY:
            break
        volume = EXACT.add(volume, candle.usd_volume)
        count += candle.trades
    return volume, count


def _day_change(rows: Rows, market: Market) -> Decimal:
    oracle = rows.oracles[market.market_id]
    if not oracle.recent:
        return ZERO
    return EXACT.subtract(oracle.price, oracle.recent[0][1])
