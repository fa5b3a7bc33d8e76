"""Rows and objects of the indexer, as REST and stream share them.

All field names are the indexer's in snake_case; amounts are Decimal, heights integers, times UTC.
Source: docs/protocol.md, indexer objects.
"""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from core.dydx.enums import (
    ComplianceReason,
    ComplianceStatus,
    FillType,
    Liquidity,
    MarketStatus,
    MarketType,
    OrderStatus,
    OrderTimeInForce,
    OrderType,
    PositionSide,
    PositionStatus,
    RemovalReason,
    Resolution,
    TransferType,
)
from core.dydx.protocol import Side
from core.dydx.wire import Moment, Number, Whole, Wire


class Height(Wire):
    """The last block that the indexer has worked in."""

    height: Whole
    time: Moment


class MarketRow(Wire):
    """A perpetual market as the indexer describes it."""

    clob_pair_id: Whole
    ticker: str
    status: MarketStatus
    oracle_price: Number | None = None
    price_change_24h: Number | None = Field(default=None, alias="priceChange24H")
    volume_24h: Number | None = Field(default=None, alias="volume24H")
    trades_24h: int | None = Field(default=None, alias="trades24H")
    next_funding_rate: Number | None = None
    initial_margin_fraction: Number
    maintenance_margin_fraction: Number
    open_interest: Number | None = None
    atomic_resolution: int
    quantum_conversion_exponent: int
    tick_size: Number | None = None
    step_size: Number | None = None
    step_base_quantums: int
    subticks_per_tick: int
    market_type: MarketType
    open_interest_lower_cap: Number | None = None
    open_interest_upper_cap: Number | None = None
    base_open_interest: Number | None = None
    default_funding_rate_1h: Number | None = Field(default=None, alias="defaultFundingRate1H")


class AssetPosition(Wire):
    """The USDC of a subaccount; side SHORT means that it is owed."""

    symbol: str
    side: PositionSide
    size: Number
    asset_id: Whole
    subaccount_number: int | None = None


class PerpetualPosition(Wire):
    """A position row; `size` is signed, negative for SHORT.

    `realized_pnl` is not fit for accounting: here it is net of fees and without funding.
    """

    market: str
    status: PositionStatus
    side: PositionSide
    size: Number
    max_size: Number
    entry_price: Number
    exit_price: Number | None = None
    realized_pnl: Number | None = None
    unrealized_pnl: Number | None = None
    net_funding: Number
    sum_open: Number
    sum_close: Number
    created_at: Moment
    created_at_height: Whole
    closed_at: Moment | None = None
    subaccount_number: int


class Subaccount(Wire):
    """Equity and positions. `free_collateral` can be too high while open interest is."""

    address: str
    subaccount_number: int
    equity: Number
    free_collateral: Number
    open_perpetual_positions: dict[str, PerpetualPosition]
    asset_positions: dict[str, AssetPosition]
    margin_enabled: bool | None = None
    updated_at_height: Whole | None = None
    latest_processed_block_height: Whole | None = None


class ParentSubaccount(Wire):
    """A subaccount below 128 with its children (parent + 128 k), which hold isolated markets."""

    address: str
    parent_subaccount_number: int
    equity: Number
    free_collateral: Number
    child_subaccounts: list[Subaccount]


class IndexerOrder(Wire):
    """An order row of REST or stream.

    The removal of an order that the indexer never knew lacks side, size, type and time in force;
    stream rows say removal reason and optimistic fill, REST rows never do.
    """

    id: str
    subaccount_id: str
    client_id: Whole
    clob_pair_id: Whole
    order_flags: Whole
    ticker: str
    status: OrderStatus
    side: Side | None = None
    size: Number | None = None
    price: Number | None = None
    type: OrderType | None = None
    time_in_force: OrderTimeInForce | None = None
    post_only: bool | None = None
    reduce_only: bool | None = None
    good_til_block: Whole | None = None
    good_til_block_time: Moment | None = None
    trigger_price: Number | None = None
    total_filled: Number | None = None
    total_optimistic_filled: Number | None = None
    removal_reason: RemovalReason | None = None
    client_metadata: Whole | None = None
    created_at: Moment | None = None
    created_at_height: Whole | None = None
    updated_at: Moment | None = None
    updated_at_height: Whole | None = None
    subaccount_number: int | None = None
    builder_address: str | None = None
    fee_ppm: Number | None = None
    order_router_address: str | None = None
    duration: Whole | None = None
    interval: Whole | None = None
    price_tolerance: Whole | None = None


class IndexerFill(Wire):
    """One fill. `fee` is in USDC, negative for a rebate; `size` is unsigned.

    `order_id` is None for what the chain did itself (liquidation, deleveraging).
    """

    id: str
    ticker: str
    side: Side
    liquidity: Liquidity
    type: FillType
    size: Number
    price: Number
    fee: Number
    created_at: Moment
    created_at_height: Whole
    order_id: str | None = None
    client_metadata: Whole | None = None
    affiliate_rev_share: Number | None = None
    builder_fee: Number | None = None
    builder_address: str | None = None
    order_router_fee: Number | None = None
    order_router_address: str | None = None
    position_size_before: Number | None = None
    position_side_before: PositionSide | None = None
    entry_price_before: Number | None = None

    @property
    def signed_size(self) -> Decimal:
        """Negative for a SELL."""
        return self.size * self.side.sign


class RestFill(IndexerFill):
    """A fill as REST answers it."""

    ticker: str = Field(alias="market")
    market_type: str
    subaccount_number: int


class TransferParty(Wire):
    """One end of a transfer; without a number it is the wallet."""

    address: str
    subaccount_number: int | None = None
    parent_subaccount_number: int | None = None


class Transfer(Wire):
    """Money that entered, left or moved; `id` only in REST."""

    id: str | None = None
    sender: TransferParty
    recipient: TransferParty
    size: Number
    symbol: str
    type: TransferType
    created_at: Moment
    created_at_height: Whole
    transaction_hash: str


class FundingPayment(Wire):
    """One hourly payment; negative was paid by the account."""

    created_at: Moment
    created_at_height: Whole
    perpetual_id: Whole
    ticker: str
    oracle_price: Number
    size: Number
    side: PositionSide
    rate: Number
    payment: Number
    subaccount_number: Whole
    funding_index: Number


class Candle(Wire):
    """Prices of one span of time, from trades."""

    started_at: Moment
    ticker: str
    resolution: Resolution
    low: Number
    high: Number
    open: Number
    close: Number
    base_token_volume: Number
    usd_volume: Number
    trades: int
    starting_open_interest: Number
    orderbook_mid_price_open: Number | None = None
    orderbook_mid_price_close: Number | None = None
    id: str | None = None


class Level(Wire):
    """One price of the book."""

    price: Number
    size: Number


class Orderbook(Wire):
    """At most 100 levels a side, best first. One node's view: it can be crossed."""

    bids: list[Level]
    asks: list[Level]


class Trade(Wire):
    """A public trade; the height is in snapshots and REST only."""

    id: str
    side: Side
    size: Number
    price: Number
    type: FillType
    created_at: Moment
    created_at_height: Whole | None = None


class Compliance(Wire):
    """What dYdX says of an address. Nothing but `status` where there is no record."""

    status: ComplianceStatus
    reason: ComplianceReason | None = None
    updated_at: Moment | None = None
