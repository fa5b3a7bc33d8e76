"""What the exchange tells the indexer: the seam between the two halves of the paper network.

As on the real network there are two sources. The node's own memory speaks at once and proves
nothing (`OrderOpened`, `OrderRemoved`); a committed block speaks the truth (`BlockCommitted` with
its events in the block's order). Amounts are the chain's integers: quantums (base), subticks, quote
quantums (millionths of USDC).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SubaccountKey:
    """Owner address and subaccount number."""

    owner: str
    number: int


@dataclass(frozen=True)
class OrderKey:
    """The chain's OrderId."""

    subaccount: SubaccountKey
    client_id: int
    order_flags: int
    clob_pair_id: int


@dataclass(frozen=True)
class TwapTerms:
    """How a TWAP order is spread: seconds over all, seconds between parts, tolerance in ppm."""

    duration_s: int
    interval_s: int
    price_tolerance_ppm: int


@dataclass(frozen=True)
class PaperOrder:
    """An order as it was signed. Exactly one of good_til_block and good_til_block_time (unix
    seconds) is set. A trading key's order carries the ids of its authenticators.
    """

    key: OrderKey
    side: Literal["BUY", "SELL"]
    quantums: int
    subticks: int
    time_in_force: int
    reduce_only: bool
    good_til_block: int | None
    good_til_block_time: int | None
    client_metadata: int
    condition_type: int = 0
    trigger_subticks: int = 0
    twap: TwapTerms | None = None
    builder_address: str | None = None
    builder_fee_ppm: int | None = None
    order_router_address: str | None = None
    authenticators: tuple[int, ...] = ()


@dataclass(frozen=True)
class OrderOpened:
    """The node took an order into its book: BEST_EFFORT_OPENED."""

    order: PaperOrder
    at: dt.datetime


@dataclass(frozen=True)
class OrderRemoved:
    """The node dropped an order: BEST_EFFORT_CANCELED, or CANCELED on expiry. `order` is None where
    the node never knew it.

    A stateful order that falls out while the node puts a block's orders on its book is told just
    before that block, since the indexer hears of it before it has read the block (for one that was
    placed and triggered by the very block, after its UNTRIGGERED and before its OPEN). One that
    stays in the chain's state all the same (a dead stop) is told no differently.

    `reason` is the indexer's name without its prefix ORDER_REMOVAL_REASON_.
    """

    key: OrderKey
    order: PaperOrder | None
    reason: str
    status: Literal["BEST_EFFORT_CANCELED", "CANCELED"]
    optimistic_filled_quantums: int
    at: dt.datetime


FillKind = Literal[
    "LIMIT", "LIQUIDATED", "LIQUIDATION", "DELEVERAGED", "OFFSETTING", "TWAP_SUBORDER"
]


@dataclass(frozen=True)
class Filled:
    """One side of one match, committed. `order` is None for the liquidated side and in
    deleveraging, whose price is off the tick: quote quantums over quantums (`subticks` is cut). The
    fee of a liquidated side is what the insurance fund got of it, negative where the fund paid.
    `total_filled_quantums` is the order's sum after it.

    `quantums_before` is the signed position before the fill. `event_id` is unique per match and
    shared by taker and maker. The synthetic maker's side of a match is not told.
    """

    subaccount: SubaccountKey
    order: PaperOrder | None
    clob_pair_id: int
    side: Literal["BUY", "SELL"]
    liquidity: Literal["TAKER", "MAKER"]
    kind: FillKind
    quantums: int
    subticks: int
    quote_quantums: int
    fee_quote_quantums: int
    total_filled_quantums: int
    quantums_before: int
    event_id: bytes
    transaction_hash: str
    builder_fee_quote_quantums: int = 0


@dataclass(frozen=True)
class SubaccountChanged:
    """A subaccount's committed state after the block: USDC in quote quantums, signed positions by
    perpetual id.

    `funding` is what was settled in this block by perpetual id, in quote quantums, positive where
    the subaccount received it.
    """

    subaccount: SubaccountKey
    usdc_quote_quantums: int
    positions: tuple[tuple[int, int], ...]
    funding: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Transferred:
    """Money moved. A side without subaccount number is a wallet (deposit from it, withdrawal to
    it).
    """

    sender_address: str
    sender_number: int | None
    recipient_address: str
    recipient_number: int | None
    quote_quantums: int
    event_id: bytes
    transaction_hash: str


@dataclass(frozen=True)
class StatefulChanged:
    """A stateful order's state in the block: placed (OPEN, or UNTRIGGERED for a conditional one),
    triggered (OPEN, `triggered`), cancelled, expired or removed (CANCELED with its reason).
    """

    order: PaperOrder
    status: Literal["OPEN", "UNTRIGGERED", "CANCELED"]
    reason: str | None
    triggered: bool = False
    event_id: bytes = b""
    transaction_hash: str = ""


@dataclass(frozen=True)
class OracleMoved:
    """A new oracle price. USD = price × 10^exponent."""

    market_id: int
    price: int
    exponent: int


@dataclass(frozen=True)
class PremiumSampled:
    """A minute's premium of a market, in ppm per eight hours, without the default interest.

    The market's nextFundingRate is an eighth of the mean of the samples since the last
    `FundingIndexed` plus an eighth of its default funding; without a sample there is none.
    """

    perpetual_id: int
    rate_ppm: int


@dataclass(frozen=True)
class FundingIndexed:
    """Hourly funding, told for every perpetual: the rate in ppm per eight hours (an eighth of it
    was paid for the hour), and the perpetual's cumulated index after it (ppm of quote quantums per
    base quantum).
    """

    perpetual_id: int
    rate_ppm: int
    funding_index: int
    oracle_price: int


@dataclass(frozen=True)
class Rewarded:
    """A trading reward for an owner, in the native coin's smallest unit (10^-18)."""

    owner: str
    amount: int


BlockEvent = (
    Filled
    | SubaccountChanged
    | Transferred
    | StatefulChanged
    | OracleMoved
    | PremiumSampled
    | FundingIndexed
    | Rewarded
)


@dataclass(frozen=True)
class BlockCommitted:
    """A committed block."""

    height: int
    time: dt.datetime
    events: tuple[BlockEvent, ...]


Happening = OrderOpened | OrderRemoved | BlockCommitted
