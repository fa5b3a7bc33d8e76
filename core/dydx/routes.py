"""All REST routes of the indexer with the shape of their bodies.

The desk asks only some of them; the whole table shows that the indexer is understood. Source:
docs/protocol.md, indexer REST.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from core.dydx.answers import (
    AddressAnswer,
    AssetsAnswer,
    CandlesAnswer,
    Faults,
    FillsAnswer,
    FundingAnswer,
    HistoricalFundingAnswer,
    HistoricalPnlAnswer,
    MarketsAnswer,
    Paged,
    ParentAnswer,
    PnlAnswer,
    PnlTick,
    PositionsAnswer,
    Restricted,
    SubaccountAnswer,
    Time,
    TradesAnswer,
    TransfersAnswer,
    TransfersBetween,
)
from core.dydx.enums import OrderType, PositionSide
from core.dydx.indexer_types import (
    AssetPosition,
    Compliance,
    Height,
    IndexerOrder,
    Orderbook,
    PerpetualPosition,
)
from core.dydx.protocol import Side
from core.dydx.wire import Moment, Number, Unreadable, Whole, Wire


class NoRoute(Wire):
    """The body of an unknown route or thing."""

    error: str
    error_code: int | None = None
    message: str | None = None


class HistoricalTrade(Wire):
    """One order's part in a position's history."""

    id: str
    action: str
    side: Side
    position_side: PositionSide | None
    prev_size: Number
    additional_size: Number
    execution_price: Number
    entry_price: Number | None
    net_fee: Number
    net_realized_pnl: Number
    net_realized_pnl_percent: Number | None
    value: Number
    margin_mode: str
    market_id: str
    order_id: str | None
    order_type: OrderType | None
    subaccount_number: int
    time: Moment


class TradeHistoryAnswer(Paged):
    trade_history: list[HistoricalTrade]


class Reward(Wire):
    trading_reward: Number
    created_at: Moment | None = None
    created_at_height: Whole | None = None
    period: str | None = None
    started_at: Moment | None = None
    started_at_height: Whole | None = None
    ended_at: Moment | None = None
    ended_at_height: Whole | None = None


class RewardsAnswer(Wire):
    rewards: list[Reward]


class Trader(Wire):
    address: str
    subaccount_id: str
    subaccount_number: int
    username: str


class TraderAnswer(Wire):
    result: Trader


class AffiliateMetadata(Wire):
    is_affiliate: bool
    is_volume_eligible: bool
    referral_code: str


class AffiliateSnapshot(Wire):
    affiliate_list: list[Any]
    total: int
    current_offset: int


class AffiliateVolume(Wire):
    total_volume: int | float


class VaultPosition(Wire):
    ticker: str
    equity: Number
    asset_position: AssetPosition
    perpetual_position: PerpetualPosition | None = None


class VaultPositions(Wire):
    positions: list[VaultPosition]


class MegavaultPnl(Wire):
    megavault_pnl: list[PnlTick]


class VaultPnl(Wire):
    ticker: str
    historical_pnl: list[PnlTick]


class VaultsPnl(Wire):
    vaults_pnl: list[VaultPnl]


class Message(Wire):
    message: str


class Health(Wire):
    ok: bool


Sparklines = dict[str, list[Number]]

_ADDRESS = r"/addresses/[^/]+"
_ROUTES: tuple[tuple[str, Any], ...] = (
    (r"/height", Height),
    (r"/time", Time),
    (r"/health", Health),
    (r"/perpetualMarkets", MarketsAnswer),
    (_ADDRESS, AddressAnswer),
    (_ADDRESS + r"/subaccountNumber/\d+", SubaccountAnswer),
    (_ADDRESS + r"/parentSubaccountNumber/\d+", ParentAnswer),
    (_ADDRESS + r"/testNotification", Message),
    (r"/perpetualPositions(/parentSubaccountNumber)?", PositionsAnswer),
    (r"/assetPositions(/parentSubaccountNumber)?", AssetsAnswer),
    (r"/orders(/parentSubaccountNumber)?", list[IndexerOrder]),
    (r"/orders/[0-9a-f-]{36}", IndexerOrder),
    (r"/fills(/parentSubaccountNumber)?", FillsAnswer),
    (r"/transfers(/parentSubaccountNumber)?", TransfersAnswer),
    (r"/transfers/between", TransfersBetween),
    (r"/fundingPayments(/parentSubaccount)?", FundingAnswer),
    (r"/historicalFunding/[^/]+", HistoricalFundingAnswer),
    (r"/candles/perpetualMarkets/[^/]+", CandlesAnswer),
    (r"/orderbooks/perpetualMarket/[^/]+", Orderbook),
    (r"/trades/perpetualMarket/[^/]+", TradesAnswer),
    (r"/compliance/screen/[^/]+", Compliance),
    (r"/screen", Restricted),
    (r"/historical-pnl(/parentSubaccountNumber)?", HistoricalPnlAnswer),
    (r"/pnl(/parentSubaccountNumber)?", PnlAnswer),
    (r"/tradeHistory(/parentSubaccountNumber)?", TradeHistoryAnswer),
    (r"/historicalBlockTradingRewards/[^/]+", RewardsAnswer),
    (r"/historicalTradingRewardAggregations/[^/]+", RewardsAnswer),
    (r"/sparklines", Sparklines),
    (r"/trader/search", TraderAnswer),
    (r"/affiliates/metadata", AffiliateMetadata),
    (r"/affiliates/snapshot", AffiliateSnapshot),
    (r"/affiliates/total_volume", AffiliateVolume),
    (r"/vault/v1/megavault/historicalPnl", MegavaultPnl),
    (r"/vault/v1/megavault/positions", VaultPositions),
    (r"/vault/v1/vaults/historicalPnl", VaultsPnl),
)


@dataclass(frozen=True)
class Answer:
    """A body with its type, or no body at all."""

    value: Any
    _adapter: TypeAdapter[Any] | None

    def wire(self) -> Any:
        """The JSON this was read from; an empty text where there was none."""
        if self._adapter is None:
            return ""
        return self._adapter.dump_python(self.value, mode="json", by_alias=True, exclude_unset=True)


def read_answer(path: str, status: int, body: Any) -> Answer:
    """The typed body of any route, for whoever wants to know that all of it is understood.

    `path` is below /v4, without query. Raises Unreadable for an unknown route, field or value.
    """
    if body == "":
        return Answer(None, None)
    kind: Any
    if status >= 400:
        kind = Faults if isinstance(body, dict) and "errors" in body else NoRoute
    else:
        found = [shape for pattern, shape in _ROUTES if re.fullmatch(pattern, path)]
        if not found:
            raise Unreadable(f"an answer {status} came from an unknown route")
        kind = found[0]
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    try:
        return Answer(adapter.validate_python(body), adapter)
    except ValidationError as error:
        listed = [f"{fault['loc']}: {fault['type']}" for fault in error.errors()[:5]]
        raise Unreadable(f"an answer {status} could not be read: {listed}") from None
