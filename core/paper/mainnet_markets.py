"""The markets of another network, taken over from what its indexer says of them.

Ticker, scales, margin fractions, open interest caps, market type and clob pair ids are as there.
What an indexer does not tell is chosen: the perpetual and the oracle market have the clob pair's
number, the oracle's exponent leaves ten digits, the least price change is a tenth of a per cent.
Source: docs/protocol.md, indexer REST.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from core.dydx.quantums import Scale
from core.paper.governance import Governance, LiquidityTier, Market

Row = dict[str, Any]

_FIELDS: Final = (
    "clobPairId",
    "ticker",
    "status",
    "oraclePrice",
    "initialMarginFraction",
    "maintenanceMarginFraction",
    "atomicResolution",
    "quantumConversionExponent",
    "stepBaseQuantums",
    "subticksPerTick",
    "marketType",
    "openInterestLowerCap",
    "openInterestUpperCap",
    "defaultFundingRate1H",
)
_TIERS: Final = "/dydxprotocol.perpetuals.Query/AllLiquidityTiers"
_NEXT_IDS: Final = {
    "/dydxprotocol.clob.Query/NextClobPairId": "next_clob_pair_id",
    "/dydxprotocol.perpetuals.Query/NextPerpetualId": "next_perpetual_id",
}
_ORACLE_DIGITS: Final = 10
_MIN_PRICE_CHANGE_PPM: Final = 1_000
_MILLION: Final = 1_000_000
_FIRST_NEW_TIER: Final = 100
# Premiums are measured at this much margin, in quote quantums.
_IMPACT_MARGIN: Final = 500 * _MILLION


def readable_rows(markets: Iterable[Any]) -> list[Row]:
    """The rows of tradable markets that can be taken over, by clob pair id; others are left out."""
    rows: dict[int, Row] = {}
    for given in markets:
        if not isinstance(given, dict) or given.get("status") != "ACTIVE":
            continue
        row = {name: given[name] for name in _FIELDS if name in given}
        try:
            _market(row, _tier(row, 0))
        except (KeyError, ValueError, TypeError, InvalidOperation):
            continue
        rows[int(row["clobPairId"])] = row
    return [rows[number] for number in sorted(rows)]


def merged_rows(kept: list[Row], new: list[Row]) -> list[Row]:
    """Rows kept from before under new ones. A market whose quantums would mean something else than
    before stays as it was, for there may be positions in it.
    """
    rows = {int(row["clobPairId"]): row for row in kept}
    for row in new:
        number = int(row["clobPairId"])
        if number not in rows or _means_the_same(rows[number], row):
            rows[number] = row
    return [rows[number] for number in sorted(rows)]


def with_markets(governance: Governance, rows: list[Row]) -> Governance:
    """Governance with these markets in place of its own; `rows` as `readable_rows` gave them."""
    tiers: dict[tuple[int, ...], LiquidityTier] = {}
    known = {
        (tier.initial_margin_ppm, tier.maintenance_fraction_ppm): tier.id
        for tier in (market.tier for market in governance.markets.values())
    }
    markets: dict[int, Market] = {}
    for row in rows:
        tier = _tier(row, 0)
        terms = (
            tier.initial_margin_ppm,
            tier.maintenance_fraction_ppm,
            tier.open_interest_lower_cap,
            tier.open_interest_upper_cap,
        )
        if terms not in tiers:
            number = known.pop(terms[:2], _FIRST_NEW_TIER + len(tiers))
            tiers[terms] = replace(tier, id=number)
        market = _market(row, tiers[terms])
        markets[market.id] = market
    next_id = max(markets, default=-1) + 1
    answers = governance.answers | {
        _TIERS: {"liquidity_tiers": [_tier_answer(tier) for tier in tiers.values()]},
        **{method: {field: next_id} for method, field in _NEXT_IDS.items()},
    }
    return replace(governance, markets=markets, answers=answers)


def _means_the_same(one: Row, other: Row) -> bool:
    names = ("ticker", "atomicResolution", "quantumConversionExponent")
    return all(one[name] == other[name] for name in names)


def _tier(row: Row, number: int) -> LiquidityTier:
    initial = int(Decimal(row["initialMarginFraction"]) * _MILLION)
    maintenance = int(Decimal(row["maintenanceMarginFraction"]) * _MILLION)
    if not 0 < maintenance <= initial <= _MILLION:
        raise ValueError("the margin fractions were out of range")
    return LiquidityTier(
        id=number,
        initial_margin_ppm=initial,
        maintenance_fraction_ppm=-(-maintenance * _MILLION // initial),
        open_interest_lower_cap=_cap(row.get("openInterestLowerCap")),
        open_interest_upper_cap=_cap(row.get("openInterestUpperCap")),
        impact_notional=_IMPACT_MARGIN * _MILLION // initial,
    )


def _cap(usd: str | None) -> int:
    return int(Decimal(usd or 0) * _MILLION)


def _tier_answer(tier: LiquidityTier) -> dict[str, Any]:
    return {
        "id": tier.id,
        "name": f"tier {tier.id}",
        "initial_margin_ppm": tier.initial_margin_ppm,
        "maintenance_fraction_ppm": tier.maintenance_fraction_ppm,
        "impact_notional": str(tier.impact_notional),
        "open_interest_lower_cap": str(tier.open_interest_lower_cap),
        "open_interest_upper_cap": str(tier.open_interest_upper_cap),
    }


def _market(row: Row, tier: LiquidityTier) -> Market:
    number, usd = int(row["clobPairId"]), Decimal(row["oraclePrice"])
    if not usd.is_finite() or usd <= 0:
        raise ValueError("the oracle price was not positive")
    exponent = usd.adjusted() - _ORACLE_DIGITS + 1
    scale = Scale(
        int(row["atomicResolution"]),
        int(row["quantumConversionExponent"]),
        int(row["stepBaseQuantums"]),
        int(row["subticksPerTick"]),
    )
    if scale.step_base_quantums < 1 or scale.subticks_per_tick < 1:
        raise ValueError("tick or step was not positive")
    kind: Literal["CROSS", "ISOLATED"] = "ISOLATED" if row["marketType"] == "ISOLATED" else "CROSS"
    return Market(
        id=number,
        ticker=str(row["ticker"]),
        market_id=number,
        scale=scale,
        tier=tier,
        market_type=kind,
        default_funding_ppm=int(Decimal(row.get("defaultFundingRate1H") or 0) * 8 * _MILLION),
        price_exponent=exponent,
        min_price_change_ppm=_MIN_PRICE_CHANGE_PPM,
        genesis_price=int(usd.scaleb(-exponent)),
    )
