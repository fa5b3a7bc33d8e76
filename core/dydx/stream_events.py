"""What the stream tells: one dataclass per kind of news."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from core.dydx.indexer_types import IndexerFill, IndexerOrder, Subaccount, Transfer
from core.dydx.stream_types import AssetUpdate, PositionUpdate


@dataclass(frozen=True)
class Connected:
    """The websocket is open; snapshots follow. What happened before is in no message."""


@dataclass(frozen=True)
class Disconnected:
    """The websocket is gone; `attempt` counts the tries since it was last healthy."""

    reason: str
    attempt: int


@dataclass(frozen=True)
class ReconnectFailing:
    """The last of the five waits passed in vain. The stream goes on trying every 16 seconds."""

    attempts: int


@dataclass(frozen=True)
class SubscriptionRefused:
    """The indexer does not serve this subaccount, as for an address that dYdX has blocked."""

    address: str
    number: int
    message: str


@dataclass(frozen=True)
class MarketsSnapshot:
    """All markets were read anew into `Stream.markets`."""

    tickers: tuple[str, ...]


@dataclass(frozen=True)
class MarketsUpdate:
    """Some markets changed in `Stream.markets`; the oracle prices among it are given."""

    tickers: tuple[str, ...]
    oracle_prices: dict[str, Decimal]


@dataclass(frozen=True)
class SubaccountSnapshot:
    """The state at the time of a subscription; `subaccount` is None while dYdX knows none.

    It was read before updates began to flow: what happened in between is in neither.
    """

    address: str
    number: int
    subaccount: Subaccount | None
    orders: tuple[IndexerOrder, ...]
    block_height: int | None


@dataclass(frozen=True)
class SubaccountUpdate:
    """What changed in a subaccount; fills in the order in which they happened."""

    address: str
    number: int
    fills: tuple[IndexerFill, ...]
    orders: tuple[IndexerOrder, ...]
    perpetual_positions: tuple[PositionUpdate, ...]
    asset_positions: tuple[AssetUpdate, ...]
    transfers: tuple[Transfer, ...]
    block_height: int | None


@dataclass(frozen=True)
class BlockHeight:
    """The indexer has worked in a block; `time` is the block header's."""

    height: int
    time: dt.datetime


StreamEvent = (
    Connected
    | Disconnected
    | ReconnectFailing
    | SubscriptionRefused
    | MarketsSnapshot
    | MarketsUpdate
    | SubaccountSnapshot
    | SubaccountUpdate
    | BlockHeight
)
