"""Bodies of the REST routes that the indexer is asked. Source: docs/protocol.md, indexer REST."""

from __future__ import annotations

import datetime as dt
from typing import Any

from core.dydx.indexer_types import (
    AssetPosition,
    Candle,
    FundingPayment,
    MarketRow,
    PerpetualPosition,
    RestFill,
    Subaccount,
    Trade,
    Transfer,
)
from core.dydx.wire import Wire


class Paged(Wire):
    """The three counts are there only when a page was asked for."""

    page_size: int | None = None
    total_results: int | None = None
    offset: int | None = None


class Fault(Wire):
    """One reason of a refusal; a parameter that was wrong is named."""

    msg: str
    code: str | None = None
    location: str | None = None
    param: str | None = None
    value: Any = None


class Faults(Wire):
    """The body of 400, 403, 404, 429 and 500."""

    errors: list[Fault]


class MarketsAnswer(Wire):
    markets: dict[str, MarketRow]


class SubaccountAnswer(Wire):
    subaccount: Subaccount


class PositionsAnswer(Wire):
    positions: list[PerpetualPosition]


class AssetsAnswer(Wire):
    positions: list[AssetPosition]


class FillsAnswer(Paged):
    fills: list[RestFill]


class TransfersAnswer(Paged):
    transfers: list[Transfer]


class FundingAnswer(Paged):
    funding_payments: list[FundingPayment]


class CandlesAnswer(Wire):
    candles: list[Candle]


class TradesAnswer(Paged):
    trades: list[Trade]


def utc_text(moment: dt.datetime) -> str:
    """A time as the indexer takes it in a query."""
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
