"""Funding as the indexer keeps it: rates, and what each position paid at each full hour.

The chain settles funding only when a subaccount is touched; the indexer writes the payment at the
hour and adds what is not settled yet to what REST shows. Source: docs/protocol.md, market
mathematics.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from core.paper.governance import Market
from core.paper.happenings import FundingIndexed, PremiumSampled
from core.paper.indexer.records import FundingPaymentRow, FundingRow, SubaccountRow
from core.paper.indexer.texts import EXACT

if TYPE_CHECKING:
    from core.paper.indexer.rows import Rows

_HOURS: Final = 8
"""The chain tells rates per eight hours, the indexer per hour."""
_ROWS_KEPT: Final = 1_000


def hourly(rate_ppm: Decimal | int) -> Decimal:
    """The hourly rate of an eight-hour rate in ppm."""
    return EXACT.divide(Decimal(rate_ppm).scaleb(-6, EXACT), Decimal(_HOURS))


def default_rate(market: Market) -> Decimal:
    """The hourly rate of a market without any premium."""
    return hourly(market.default_funding_ppm)


def next_rate(rows: Rows, market: Market) -> Decimal:
    """The rate that the next funding would have; the default one before any sample."""
    return rows.next_rates.get(market.id, default_rate(market))


def sampled(rows: Rows, event: PremiumSampled) -> None:
    """Count a premium sample into the next rate of its market."""
    samples = rows.premiums.setdefault(event.perpetual_id, [])
    samples.append(event.rate_ppm)
    mean = EXACT.divide(Decimal(sum(samples)), Decimal(len(samples)))
    market = rows.markets[event.perpetual_id]
    rows.next_rates[market.id] = EXACT.add(hourly(mean), default_rate(market))


def human_index(market: Market, funding_index: int) -> Decimal:
    """A funding index in USDC per base unit."""
    return Decimal(funding_index).scaleb(-12 - market.scale.atomic_resolution, EXACT)


def indexed(rows: Rows, event: FundingIndexed, at: dt.datetime, height: int) -> None:
    """The funding of an hour: its rate, and a payment of every open position."""
    market = rows.markets[event.perpetual_id]
    rows.premiums.pop(market.id, None)
    price, rate = market.price_usd(event.oracle_price), hourly(event.rate_ppm)
    series = rows.funding.setdefault(market.id, [])
    series.append(FundingRow(market.id, rate, price, at, height))
    del series[:-_ROWS_KEPT]
    index = human_index(market, event.funding_index)
    moved = EXACT.subtract(index, rows.indices.get(market.id, Decimal(0)))
    rows.indices[market.id] = index
    holders = [key for key, each in rows.subaccounts.items() if market.id in each.positions]
    for key in holders:
        for row in rows.open_positions(key):
            if row.market != market.id:
                continue
            payment = EXACT.multiply(-row.size, moved)
            row.unsettled = EXACT.add(row.unsettled, payment)
            paid = FundingPaymentRow(
                key, market.id, price, abs(row.size), row.side, rate, payment, index, at, height
            )
            payments = rows.payments.setdefault(key, [])
            payments.append(paid)
            del payments[:-_ROWS_KEPT]


def unsettled(rows: Rows, row: SubaccountRow) -> Decimal:
    """Funding of a subaccount, in USDC, that was paid for but not settled on chain."""
    total = Decimal(0)
    if not row.positions:
        return total
    for position in rows.open_positions(row.key):
        total = EXACT.add(total, position.unsettled)
    return total
