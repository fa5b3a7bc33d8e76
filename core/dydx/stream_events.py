"""What the stream tells: one dataclass per kind of news."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from core.dydx.indexer_types import IndexerFill, IndexerOrder, Subaccount, Trade, Transfer
from core.dydx.stream_types import AssetUpdate, PositionUpdate

Account = tuple[str, int]
"""Address and number of a subaccount."""


@dataclass(frozen=True)
class Connected:
    """A websocket is open; snapshots follow. What happened before is in no message.

    `again` is False for the first opening of each connection.
    """

    connection: int = 0
    again: bool = False


@dataclass(frozen=True)
class Disconnected:
    """A websocket is gone; `attempt` counts the tries since it was last healthy."""

    reason: str
    attempt: int
    connection: int = 0


@dataclass(frozen=True)
class ConnectionTrouble:
    """The last of the five waits passed in vain; the attempts go on every 16 seconds.

    The accounts of the connection have had no news since `since` (UTC).
    """

    attempts: int
    since: dt.datetime
    accounts: tuple[Account, ...]
    connection: int = 0


@dataclass(frozen=True)
class ConnectionRecovered:
    """A connection in trouble delivers again; its accounts are read anew."""

    since: dt.datetime
    accounts: tuple[Account, ...]
    connection: int = 0


@dataclass(frozen=True)
class NeedsBackfill:
    """A subaccount's news flow, but what happened before may be missing: read its fills by request.

    Until `Stream.backfilled` is called with this event the account does not count as fresh.
    Everything up to block `since_height` is known from the stream; None after the first
    subscription, when only the asker knows how far it has read.
    """

    address: str
    number: int
    since_height: int | None
    snapshot_height: int | None
    ticket: int

    def outdates_snapshot(self, fills: Iterable[IndexerFill]) -> bool:
        """Whether fills that were read may have changed the positions since the snapshot was read.

        The snapshot's height is read beside its positions and can be later than they are.
        """
        height = self.snapshot_height
        return height is not None and any(fill.created_at_height >= height for fill in fills)


@dataclass(frozen=True)
class NothingMissed:
    """A NeedsBackfill is settled: a second snapshot showed that nothing happened meanwhile."""

    address: str
    number: int


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
class BookChanged:
    """A followed order book is another now; read it with `Stream.book`."""

    ticker: str


@dataclass(frozen=True)
class TradesSeen:
    """Public trades of a followed market, newest first; a snapshot shows those of the past."""

    ticker: str
    trades: tuple[Trade, ...]
    snapshot: bool


@dataclass(frozen=True)
class BlockHeight:
    """The indexer has worked in a block; `time` is the block header's."""

    height: int
    time: dt.datetime


StreamEvent = (
    Connected
    | Disconnected
    | ConnectionTrouble
    | ConnectionRecovered
    | NeedsBackfill
    | NothingMissed
    | SubscriptionRefused
    | MarketsSnapshot
    | MarketsUpdate
    | SubaccountSnapshot
    | SubaccountUpdate
    | BookChanged
    | TradesSeen
    | BlockHeight
)
