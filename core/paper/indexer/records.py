"""The rows that the indexer keeps, and how they are written down for a restart."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from core.dydx.protocol import order_uuid, subaccount_uuid
from core.paper.happenings import OrderKey, PaperOrder, SubaccountKey, TwapTerms

ZERO = Decimal(0)


@dataclass
class SubaccountRow:
    """A subaccount: USDC in quote quantums, signed position quantums by perpetual id."""

    key: SubaccountKey
    usdc: int
    positions: dict[int, int]
    updated_height: int
    net_transfers: int = 0


@dataclass
class PositionRow:
    """A perpetual position from its opening to its end. Sizes are signed base units; `fees` are
    those of its fills, `own_pnl` the realised result of fills that were no liquidations.
    `unsettled` is funding of past hours that the chain has not settled yet.
    """

    id: str
    subaccount: SubaccountKey
    market: int
    side: str
    size: Decimal
    max_size: Decimal
    created_at: dt.datetime
    created_height: int
    status: str = "OPEN"
    entry_price: Decimal = ZERO
    exit_price: Decimal | None = None
    sum_open: Decimal = ZERO
    sum_close: Decimal = ZERO
    net_funding: Decimal = ZERO
    fees: Decimal = ZERO
    own_pnl: Decimal = ZERO
    closed_at: dt.datetime | None = None
    unsettled: Decimal = ZERO


@dataclass
class OrderRow:
    """An order with a committed fill, or a stateful one. `total_filled` is in quantums."""

    id: str
    order: PaperOrder
    status: str
    total_filled: int
    created_at: dt.datetime
    created_height: int
    updated_at: dt.datetime
    updated_height: int


@dataclass
class MemoryOrder:
    """An order that the indexer holds in its cache: a short-term one that rests in the node's
    memory, or a stateful one on the book.
    """

    id: str
    order: PaperOrder
    status: str


@dataclass(frozen=True)
class FillRow:
    """One side of a match. `*_before` describe the position row before the fill; deleveraging does
    not tell them.
    """

    id: str
    subaccount: SubaccountKey
    order_id: str | None
    market: int
    side: str
    liquidity: str
    kind: str
    size: Decimal
    price: Decimal
    quote_amount: Decimal
    fee: Decimal
    client_metadata: str | None
    event_id: str
    transaction_hash: str
    created_at: dt.datetime
    created_height: int
    size_before: Decimal | None
    entry_before: Decimal | None
    side_before: str | None
    builder_fee: Decimal | None = None
    builder_address: str | None = None
    order_router_address: str | None = None


@dataclass(frozen=True)
class TransferRow:
    """Money that moved; a side without a number is a wallet."""

    id: str
    sender: str
    sender_number: int | None
    recipient: str
    recipient_number: int | None
    size: Decimal
    transaction_hash: str
    created_at: dt.datetime
    created_height: int


@dataclass(frozen=True)
class TradeRow:
    """A match as the public sees it; `side` is the taker's."""

    id: str
    market: int
    side: str
    size: Decimal
    price: Decimal
    kind: str
    created_at: dt.datetime
    created_height: int


@dataclass
class CandleRow:
    """Prices and volume of one market in one span of time."""

    started_at: dt.datetime
    market: int
    resolution: str
    low: Decimal
    high: Decimal
    open: Decimal
    close: Decimal
    base_volume: Decimal
    usd_volume: Decimal
    trades: int
    starting_open_interest: Decimal
    mid_open: Decimal | None
    mid_close: Decimal | None


@dataclass(frozen=True)
class PnlRow:
    """A subaccount's worth at a full hour."""

    subaccount: SubaccountKey
    equity: Decimal
    net_transfers: Decimal
    created_at: dt.datetime
    block_height: int
    block_time: dt.datetime


@dataclass(frozen=True)
class FundingRow:
    """The funding of one hour in one market; `rate` is the hour's."""

    market: int
    rate: Decimal
    price: Decimal
    effective_at: dt.datetime
    effective_height: int


@dataclass(frozen=True)
class FundingPaymentRow:
    """What one position paid (negative) or received at a full hour."""

    subaccount: SubaccountKey
    market: int
    price: Decimal
    size: Decimal
    side: str
    rate: Decimal
    payment: Decimal
    funding_index: Decimal
    created_at: dt.datetime
    created_height: int


@dataclass(frozen=True)
class RewardRow:
    """A trading reward in the native coin."""

    owner: str
    amount: Decimal
    created_at: dt.datetime
    created_height: int


@dataclass
class Oracle:
    """A market's price; `recent` are hourly samples of the last day for the 24-hour change."""

    price: Decimal
    recent: list[tuple[dt.datetime, Decimal]] = field(default_factory=list)


_ROW_TYPES: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        SubaccountKey,
        OrderKey,
        PaperOrder,
        TwapTerms,
        SubaccountRow,
        PositionRow,
        OrderRow,
        MemoryOrder,
        FillRow,
        TransferRow,
        TradeRow,
        CandleRow,
        PnlRow,
        FundingRow,
        FundingPaymentRow,
        RewardRow,
        Oracle,
    )
}


def encode(value: Any) -> Any:
    """A row as JSON-able data. Raises TypeError for what no row holds."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, dt.datetime):
        return {"time": value.isoformat()}
    if isinstance(value, list | tuple):
        return [encode(each) for each in value]
    if isinstance(value, dict):
        return {"pairs": [[encode(key), encode(each)] for key, each in value.items()]}
    name = type(value).__name__
    if name not in _ROW_TYPES:
        raise TypeError(f"no row holds a {name}")
    content = [[each.name, encode(getattr(value, each.name))] for each in dataclasses.fields(value)]
    return {"row": name, "fields": content}


def decode(data: Any) -> Any:
    """The row that `encode` wrote; tuples come back as lists."""
    if isinstance(data, list):
        return [decode(each) for each in data]
    if not isinstance(data, dict):
        return data
    if "decimal" in data:
        return Decimal(data["decimal"])
    if "time" in data:
        return dt.datetime.fromisoformat(data["time"])
    if "pairs" in data:
        return {decode(key): decode(each) for key, each in data["pairs"]}
    return _ROW_TYPES[data["row"]](**{name: decode(each) for name, each in data["fields"]})


def order_id_of(key: OrderKey) -> str:
    """The indexer's id of an order."""
    owner = key.subaccount
    return str(
        order_uuid(owner.owner, owner.number, key.client_id, key.clob_pair_id, key.order_flags)
    )


def subaccount_id_of(key: SubaccountKey) -> str:
    """The indexer's id of a subaccount."""
    return str(subaccount_uuid(key.owner, key.number))
