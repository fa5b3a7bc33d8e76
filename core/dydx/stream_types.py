"""Messages of the indexer's websocket. Source: docs/protocol.md, indexer websocket.

A `Frame` is the envelope with typed contents. Errors may carry the number of the message before
them; the confirmation of a subscription may come after later numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from core.dydx.enums import MarketStatus, MarketType, PositionSide, PositionStatus
from core.dydx.indexer_types import (
    AssetPosition,
    Candle,
    Height,
    IndexerFill,
    IndexerOrder,
    MarketRow,
    Orderbook,
    ParentSubaccount,
    Subaccount,
    Trade,
    Transfer,
)
from core.dydx.wire import Moment, Number, Unreadable, Whole, Wire


class StreamFill(IndexerFill):
    """A fill as the stream sends it: the indexer's whole row."""

    subaccount_id: str
    clob_pair_id: Whole
    quote_amount: Number
    event_id: str
    transaction_hash: str


class PositionUpdate(Wire):
    """A position after a change; `size` is signed.

    The first of a block's messages still has the sums from before its fills. `realized_pnl`
    includes funding and no fees here.
    """

    address: str
    subaccount_number: int
    position_id: str
    market: str
    side: PositionSide
    status: PositionStatus
    size: Number
    max_size: Number
    net_funding: Number
    entry_price: Number
    exit_price: Number | None = None
    sum_open: Number
    sum_close: Number
    realized_pnl: Number | None = None
    unrealized_pnl: Number | None = None


class AssetUpdate(AssetPosition):
    """The USDC of a subaccount after a change."""

    address: str
    position_id: str


class TradingReward(Wire):
    """In the chain's own coin; always told on subaccount 0."""

    trading_reward: Number
    created_at: Moment
    created_at_height: Whole


class SubaccountContents(Wire):
    """What one message of v4_subaccounts says; every part may be missing."""

    perpetual_positions: list[PositionUpdate] | None = None
    asset_positions: list[AssetUpdate] | None = None
    orders: list[IndexerOrder] | None = None
    fills: list[StreamFill] | None = None
    transfers: Transfer | None = None
    trading_reward: TradingReward | None = None
    block_height: Whole | None = None


class SubaccountState(Wire):
    """The first answer to a subscription; empty while dYdX does not know the subaccount."""

    subaccount: Subaccount | None = None
    orders: list[IndexerOrder] | None = None
    block_height: Whole | None = None


class ParentState(Wire):
    """The first answer to a subscription of a parent subaccount."""

    subaccount: ParentSubaccount | None = None
    orders: list[IndexerOrder] | None = None
    block_height: Whole | None = None


class MarketsState(Wire):
    """All markets."""

    markets: dict[str, MarketRow]


class MarketChange(Wire):
    """Fields of a market that changed; a new market comes with all of them."""

    id: Whole | None = None
    clob_pair_id: Whole | None = None
    ticker: str | None = None
    market_id: int | None = None
    status: MarketStatus | None = None
    price_change_24h: Number | None = Field(default=None, alias="priceChange24H")
    volume_24h: Number | None = Field(default=None, alias="volume24H")
    trades_24h: int | None = Field(default=None, alias="trades24H")
    next_funding_rate: Number | None = None
    initial_margin_fraction: Number | None = None
    maintenance_margin_fraction: Number | None = None
    open_interest: Number | None = None
    atomic_resolution: int | None = None
    quantum_conversion_exponent: int | None = None
    tick_size: Number | None = None
    step_size: Number | None = None
    step_base_quantums: int | None = None
    subticks_per_tick: int | None = None
    market_type: MarketType | None = None
    open_interest_lower_cap: Number | None = None
    open_interest_upper_cap: Number | None = None
    base_open_interest: Number | None = None
    default_funding_rate_1h: Number | None = Field(default=None, alias="defaultFundingRate1H")


class OracleUpdate(Wire):
    """A new oracle price and the block since which it counts."""

    oracle_price: Number
    effective_at: Moment
    effective_at_height: Whole
    market_id: int


class MarketsContents(Wire):
    """What changed in the markets."""

    trading: dict[str, MarketChange] | None = None
    oracle_prices: dict[str, OracleUpdate] | None = None


class BookContents(Wire):
    """Levels of the book by (price, size); size is absolute and 0 removes the level."""

    bids: list[tuple[Number, Number]] | None = None
    asks: list[tuple[Number, Number]] | None = None


class TradesContents(Wire):
    """Public trades."""

    trades: list[Trade]


class CandlesState(Wire):
    """The latest candles, newest first."""

    candles: list[Candle]


class HeightContents(Wire):
    """A block that the indexer has worked in."""

    block_height: Whole
    time: Moment


class Request(Wire):
    """What this side sends. Ids are not the indexer's to shape, so their type is open."""

    type: Literal["subscribe", "unsubscribe"]
    channel: str
    id: str | int | None = None
    batched: bool | None = None


SNAPSHOTS: dict[str, type[Wire]] = {
    "v4_subaccounts": SubaccountState,
    "v4_parent_subaccounts": ParentState,
    "v4_markets": MarketsState,
    "v4_orderbook": Orderbook,
    "v4_trades": TradesContents,
    "v4_candles": CandlesState,
    "v4_block_height": Height,
}
UPDATES: dict[str, type[Wire]] = {
    "v4_subaccounts": SubaccountContents,
    "v4_parent_subaccounts": SubaccountContents,
    "v4_markets": MarketsContents,
    "v4_orderbook": BookContents,
    "v4_trades": TradesContents,
    "v4_candles": Candle,
    "v4_block_height": HeightContents,
}


@dataclass(frozen=True)
class Frame:
    """A message of the server. `contents` is one value, or several where it was batched.

    `dropped` counts the rows that could not be read and were left out.
    """

    type: str
    connection_id: str
    message_id: int
    channel: str | None = None
    id: str | None = None
    version: str | None = None
    subaccount_number: int | None = None
    message: str | None = None
    contents: tuple[Wire, ...] = ()
    dropped: int = 0

    def wire(self) -> dict[str, Any]:
        """The JSON this was read from."""
        written: dict[str, Any] = {
            "type": self.type,
            "connection_id": self.connection_id,
            "message_id": self.message_id,
            "channel": self.channel,
            "id": self.id,
            "version": self.version,
            "subaccountNumber": self.subaccount_number,
            "message": self.message,
        }
        if self.type == "channel_batch_data":
            written["contents"] = [part.wire() for part in self.contents]
        elif self.contents:
            written["contents"] = self.contents[0].wire()
        return {key: value for key, value in written.items() if value is not None}


_HEAD = {"type", "connection_id", "message_id"}
_KEYS: dict[str, set[str]] = {
    "connected": _HEAD,
    "error": _HEAD | {"message", "channel", "id"},
    "subscribed": _HEAD | {"channel", "id", "contents"},
    "unsubscribed": _HEAD | {"channel", "id"},
    "channel_data": _HEAD | {"channel", "id", "version", "contents", "subaccountNumber"},
    "channel_batch_data": _HEAD | {"channel", "id", "version", "contents", "subaccountNumber"},
}


def read_frame(value: Any) -> Frame:
    """The typed frame of parsed JSON; fields not known here are skipped. Raises Unreadable."""
    return _frame(value, exactly=False)


def read_frame_exactly(value: Any) -> Frame:
    """As `read_frame`, but a field that is not known is an error too. Raises Unreadable."""
    return _frame(value, exactly=True)


def _frame(value: Any, *, exactly: bool) -> Frame:
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise Unreadable("a frame was not an object with a type")
    kind = value["type"]
    keys = _KEYS.get(kind)
    if keys is None:
        raise Unreadable("a frame had an unknown type")
    if exactly and (unknown := value.keys() - keys):
        raise Unreadable(f"a frame {kind} had unknown fields: {', '.join(sorted(unknown))}")
    connection_id, message_id = value.get("connection_id"), value.get("message_id")
    if not isinstance(connection_id, str) or type(message_id) is not int:
        raise Unreadable(f"a frame {kind} lacked its connection or number")
    channel = value.get("channel")
    contents, dropped = (
        _contents(kind, channel, value.get("contents"), exactly) if channel else ((), 0)
    )
    return Frame(
        type=kind,
        connection_id=connection_id,
        message_id=message_id,
        channel=channel,
        id=value.get("id"),
        version=value.get("version"),
        subaccount_number=value.get("subaccountNumber"),
        message=value.get("message"),
        contents=contents,
        dropped=dropped,
    )


def _contents(
    kind: str, channel: str, contents: Any, exactly: bool
) -> tuple[tuple[Wire, ...], int]:
    """The typed parts and how many rows were left out."""
    if kind not in ("subscribed", "channel_data", "channel_batch_data"):
        return (), 0
    shape = (SNAPSHOTS if kind == "subscribed" else UPDATES).get(channel)
    if shape is None:
        raise Unreadable("a frame was of an unknown channel")
    listed = contents if kind == "channel_batch_data" else [contents]
    if not isinstance(listed, list):
        raise Unreadable(f"batched contents of {channel} were not a list")
    if exactly:
        return tuple(shape.read_exactly(part) for part in listed), 0
    parts, dropped = [], 0
    for value in listed:
        try:
            parts.append(shape.read(value))
        except Unreadable:
            part, left_out = _salvage(shape, value)
            parts.append(part)
            dropped += left_out
    return tuple(parts), dropped


def _salvage(shape: type[Wire], value: Any) -> tuple[Wire, int]:
    """Reads a message without the rows that cannot be read, and counts those.

    One row that the indexer writes in a new way does not hide the others. Raises Unreadable when
    nothing is left.
    """
    if not isinstance(value, dict):
        raise Unreadable(f"{shape.__name__} was not an object")
    kept: dict[str, Any] = {}
    dropped = 0
    for key, part in value.items():
        if _readable(shape, {key: part}):
            kept[key] = part
        elif isinstance(part, list):
            kept[key] = [row for row in part if _readable(shape, {key: [row]})]
            dropped += len(part) - len(kept[key])
        elif isinstance(part, dict) and any(isinstance(row, dict) for row in part.values()):
            kept[key] = {k: row for k, row in part.items() if _readable(shape, {key: {k: row}})}
            dropped += len(part) - len(kept[key])
        else:
            dropped += 1
    kept = {key: part for key, part in kept.items() if part not in ([], {}) or value[key] == part}
    if not kept:
        raise Unreadable(f"{shape.__name__} had no readable part")
    return shape.read(kept), dropped


def _readable(shape: type[Wire], part: dict[str, Any]) -> bool:
    try:
        shape.read(part)
    except Unreadable:
        return False
    return True
