"""Bodies of the REST routes that the indexer is asked. Source: docs/protocol.md, indexer REST."""

from __future__ import annotations

import datetime as dt
from typing import Any

from core.dydx.indexer_types import (
    AssetPosition,
    Candle,
    FundingPayment,
    MarketRow,
    ParentSubaccount,
    PerpetualPosition,
    RestFill,
    Subaccount,
    Trade,
    Transfer,
)
from core.dydx.wire import Moment, Number, Whole, Wire


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


class Time(Wire):
    """The indexer's clock; `epoch` is in seconds."""

    iso: Moment
    epoch: float


class AddressAnswer(Wire):
    subaccounts: list[Subaccount]
    total_trading_rewards: Number


class ParentAnswer(Wire):
    subaccount: ParentSubaccount


class TransfersBetween(Wire):
    transfers_subset: list[Transfer]
    total_net_transfers: Number


class HistoricalFunding(Wire):
    """The funding rate of one hour, and the oracle price it was settled at."""

    ticker: str
    rate: Number
    price: Number
    effective_at: Moment
    effective_at_height: Whole


class HistoricalFundingAnswer(Wire):
    historical_funding: list[HistoricalFunding]


class Restricted(Wire):
    """Whether the compliance provider restricts an address."""

    restricted: bool
    reason: str | None = None


class PnlTick(Wire):
    """Equity and profit at one moment, in USDC. The two series write different heights."""

    equity: Number
    total_pnl: Number
    net_transfers: Number
    created_at: Moment
    created_at_height: Whole | None = None
    block_height: Whole | None = None
    block_time: Moment | None = None


class HistoricalPnlAnswer(Paged):
    historical_pnl: list[PnlTick]


class PnlAnswer(Paged):
    pnl: list[PnlTick]


def utc_text(moment: dt.datetime) -> str:
    """A time as the indexer takes it in a query."""
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
