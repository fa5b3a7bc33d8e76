"""What a node's committed state looks like to the program."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from core.dydx.drafts import OrderRef
from core.dydx.protocol import ConditionType, Side, TimeInForce


@dataclass(frozen=True)
class Block:
    """A committed block; `time` is in its header, about one block older than the commit."""

    height: int
    time: dt.datetime
    chain_id: str


@dataclass(frozen=True)
class ChainAccount:
    """An account of the chain and its committed sequence."""

    address: str
    number: int
    sequence: int


@dataclass(frozen=True)
class Tip:
    """The last committed block of a node; `time` is in its header."""

    height: int
    time: dt.datetime


@dataclass(frozen=True)
class CommittedSubaccount:
    """USDC (negative when owed) and signed quantums by perpetual id, as committed with block
    `height`, where the node named it. `exists` is False where it holds nothing at all, as before
    the first deposit: the chain does not tell the two apart.
    """

    usdc: Decimal
    positions: dict[int, int]
    exists: bool = True
    height: int | None = None


@dataclass(frozen=True)
class CommittedOrder:
    """An order in the chain's state.

    `triggered` says that a conditional order is no longer waiting; it may then rest, or be dead
    (reduce-only without a position to reduce).
    """

    ref: OrderRef
    side: Side
    quantums: int
    subticks: int
    good_til_block_time: int
    time_in_force: TimeInForce
    reduce_only: bool
    condition_type: ConditionType
    trigger_subticks: int
    filled_quantums: int
    triggered: bool


@dataclass(frozen=True)
class OrderSighting:
    """What a node's state held of an order: `order` is None where it was not there.

    `height` is the block to which that belongs, None where the node did not name it.
    """

    height: int | None
    order: CommittedOrder | None


@dataclass(frozen=True)
class FeeTier:
    """Fees of an account in millionths of a fill's worth; a negative one is a rebate.

    Discounts of a market or for staking are not in it.
    """

    name: str
    maker_ppm: int
    taker_ppm: int


@dataclass(frozen=True)
class ClobPair:
    """An order book's parameters; `status` is the chain's name without prefix."""

    id: int
    perpetual_id: int
    step_base_quantums: int
    subticks_per_tick: int
    quantum_conversion_exponent: int
    status: str


@dataclass(frozen=True)
class TransactionResult:
    """A transaction in a block and what became of it there. Code 0 is success.

    `height` is the block's.
    """

    tx_hash: str
    height: int
    code: int
    codespace: str
    raw_log: str
    gas_used: int
