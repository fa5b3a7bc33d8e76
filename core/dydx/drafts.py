"""What can be asked of the chain's order books, before it is signed: orders, cancels, transfers.

`check` of each draft raises ValueError for whatever the chain would refuse without looking at its
state, so that nothing malformed is ever signed. Source: docs/protocol.md, orders.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import bech32

from core.dydx.protocol import (
    BATCH_CANCEL_LIMIT,
    CLIENT_ID_LIMIT,
    SHORT_BLOCK_WINDOW,
    STATEFUL_WINDOW_S,
    SUBACCOUNT_NUMBERS,
    TWAP_DURATION_S,
    TWAP_INTERVAL_S,
    ConditionType,
    OrderFlags,
    Side,
    TimeInForce,
    order_uuid,
)
from core.dydx.quantums import Scale

MARKET_METADATA: Final = 1
_UINT32: Final = 2**32 - 1
_UINT64: Final = 2**64 - 1
_PPM: Final = 1_000_000
_KINDS: Final = frozenset(
    {OrderFlags.SHORT_TERM, OrderFlags.CONDITIONAL, OrderFlags.LONG_TERM, OrderFlags.TWAP}
)


@dataclass(frozen=True)
class OrderRef:
    """The identity of an order on chain; `uuid` is the indexer's id of it."""

    address: str
    number: int
    client_id: int
    clob_pair_id: int
    order_flags: OrderFlags

    @property
    def uuid(self) -> str:
        return str(
            order_uuid(
                self.address, self.number, self.client_id, self.clob_pair_id, self.order_flags
            )
        )

    def check(self) -> None:
        _demand(is_address(self.address), "the owner of an order must be a dYdX address")
        _demand(
            0 <= self.number <= SUBACCOUNT_NUMBERS,
            f"a subaccount has a number from 0 to {SUBACCOUNT_NUMBERS}",
        )
        _demand(0 <= self.client_id < CLIENT_ID_LIMIT, "a client id has 32 bits")
        _demand(0 <= self.clob_pair_id <= _UINT32, "the id of a market has 32 bits")
        _demand(self.order_flags in _KINDS, "orders of this kind do not exist")


@dataclass(frozen=True)
class TwapTerms:
    """How an order is spread over time: `duration_s` in parts every `interval_s` seconds.

    Each part may be `price_tolerance_ppm` millionths worse than the oracle price of its moment;
    that counts only where the order names no limit price.
    """

    duration_s: int
    interval_s: int
    price_tolerance_ppm: int

    @property
    def parts(self) -> int:
        return self.duration_s // self.interval_s

    def check(self) -> None:
        least, most = TWAP_INTERVAL_S
        _demand(
            least <= self.interval_s <= most,
            f"the parts of a TWAP order are {least} to {most} seconds apart",
        )
        least, most = TWAP_DURATION_S
        _demand(
            least <= self.duration_s <= most, f"a TWAP order takes {least} to {most} seconds in all"
        )
        _demand(
            self.duration_s % self.interval_s == 0,
            "the duration of a TWAP order must be a multiple of its interval",
        )
        _demand(
            0 <= self.price_tolerance_ppm < _PPM,
            "the price tolerance of a TWAP order must be less than 100 %",
        )


@dataclass(frozen=True)
class OrderDraft:
    """An order before it is signed.

    A short-term order ends with block `good_til_block`, all others at the unix second
    `good_til_block_time`; the other one of the two is None. `trigger_subticks` belongs to
    conditional orders only, `twap` to TWAP orders, whose `subticks` may be 0 (no limit price).
    `client_metadata` 1 makes front ends show the order as a market order; the chain ignores it.
    """

    address: str
    number: int
    client_id: int
    clob_pair_id: int
    side: Side
    quantums: int
    subticks: int
    good_til_block: int | None = None
    reduce_only: bool = False
    time_in_force: TimeInForce = TimeInForce.IOC
    client_metadata: int = MARKET_METADATA
    order_flags: OrderFlags = OrderFlags.SHORT_TERM
    good_til_block_time: int | None = None
    condition_type: ConditionType = ConditionType.NONE
    trigger_subticks: int = 0
    twap: TwapTerms | None = None

    @property
    def ref(self) -> OrderRef:
        return OrderRef(
            self.address, self.number, self.client_id, self.clob_pair_id, self.order_flags
        )

    @property
    def order_uuid(self) -> str:
        """The indexer's id of the order."""
        return self.ref.uuid

    @property
    def stateful(self) -> bool:
        return self.order_flags.stateful

    @property
    def last_block(self) -> int:
        """`good_til_block` of a short-term order. Raises ValueError for any other."""
        if self.good_til_block is None:
            raise ValueError("only a short-term order ends with a block")
        return self.good_til_block

    def check(self, scale: Scale | None = None) -> None:
        """Raises ValueError for what the chain refuses without looking at its state; with `scale`
        also for a size or price that does not fit the market's step and tick.
        """
        flags = self.order_flags
        self.ref.check()
        _demand(
            self.time_in_force is not TimeInForce.FILL_OR_KILL,
            "dYdX has abolished fill-or-kill orders",
        )
        _demand(0 < self.quantums <= _UINT64, "the size of an order must be positive")
        _demand(0 <= self.subticks <= _UINT64, "a price cannot be negative or that large")
        _demand(
            self.subticks > 0 or flags is OrderFlags.TWAP, "only a TWAP order may have no price"
        )
        _demand(0 <= self.client_metadata <= _UINT32, "the metadata of an order has 32 bits")
        _check_end(flags, self.good_til_block, self.good_til_block_time)
        immediate = self.time_in_force is TimeInForce.IOC
        _demand(
            not (immediate and flags is OrderFlags.LONG_TERM),
            "a long-term order cannot be immediate-or-cancel",
        )
        _demand(
            immediate or not self.reduce_only, "a reduce-only order must be immediate-or-cancel"
        )
        if flags is OrderFlags.CONDITIONAL:
            _demand(
                self.condition_type is not ConditionType.NONE,
                "a conditional order must be a stop or a take profit",
            )
            _demand(
                0 < self.trigger_subticks <= _UINT64,
                "a conditional order must have a trigger price",
            )
        else:
            _demand(
                self.condition_type is ConditionType.NONE and self.trigger_subticks == 0,
                "only a conditional order waits for a trigger price",
            )
        _demand(
            (self.twap is not None) == (flags is OrderFlags.TWAP),
            "a TWAP order needs its terms, and no other order has any",
        )
        if self.twap is not None:
            self.twap.check()
        if scale is not None:
            self._check_grid(scale)

    def _check_grid(self, scale: Scale) -> None:
        _demand(
            self.quantums % scale.step_base_quantums == 0, "the size must be a multiple of the step"
        )
        _demand(
            self.subticks % scale.subticks_per_tick == 0, "the price must be a multiple of the tick"
        )
        _demand(
            self.trigger_subticks % scale.subticks_per_tick == 0,
            "the trigger price must be a multiple of the tick",
        )
        if self.twap is not None:
            _demand(
                self.quantums // self.twap.parts >= scale.step_base_quantums,
                "each part of a TWAP order must be at least one step",
            )


@dataclass(frozen=True)
class CancelDraft:
    """The cancel of one order.

    Of a short-term order: it takes effect on copies whose last block is not above
    `good_til_block`. Of any other: `good_til_block_time` is the order's own (the chain takes any
    that is not smaller).
    """

    address: str
    number: int
    client_id: int
    clob_pair_id: int
    order_flags: OrderFlags = OrderFlags.SHORT_TERM
    good_til_block: int | None = None
    good_til_block_time: int | None = None

    @classmethod
    def of(cls, order: OrderDraft, good_til_block: int | None = None) -> CancelDraft:
        """The cancel of an order. A short-term one needs `good_til_block`, which must not be below
        the highest one ever signed for the order; a stateful one takes the order's own time.
        """
        return cls(
            address=order.address,
            number=order.number,
            client_id=order.client_id,
            clob_pair_id=order.clob_pair_id,
            order_flags=order.order_flags,
            good_til_block=good_til_block,
            good_til_block_time=order.good_til_block_time,
        )

    @property
    def ref(self) -> OrderRef:
        return OrderRef(
            self.address, self.number, self.client_id, self.clob_pair_id, self.order_flags
        )

    @property
    def order_uuid(self) -> str:
        """The indexer's id of the order that is canceled."""
        return self.ref.uuid

    @property
    def stateful(self) -> bool:
        return self.order_flags.stateful

    def check(self) -> None:
        """Raises ValueError for what the chain refuses without looking at its state."""
        self.ref.check()
        _check_end(self.order_flags, self.good_til_block, self.good_til_block_time)


@dataclass(frozen=True)
class BatchCancelDraft:
    """The cancel of several short-term orders of one subaccount: client ids per clob pair id.

    The chain answers code 0 even where some of them could not be canceled.
    """

    address: str
    number: int
    batches: tuple[tuple[int, tuple[int, ...]], ...]
    good_til_block: int

    @property
    def stateful(self) -> bool:
        return False

    @property
    def refs(self) -> tuple[OrderRef, ...]:
        return tuple(
            OrderRef(self.address, self.number, client_id, pair, OrderFlags.SHORT_TERM)
            for pair, client_ids in self.batches
            for client_id in client_ids
        )

    def check(self) -> None:
        """Raises ValueError for what the chain refuses without looking at its state."""
        refs = self.refs
        for ref in refs:
            ref.check()
        _demand(bool(self.batches), "a batch must cancel at least one order")
        _demand(
            all(client_ids for _, client_ids in self.batches),
            "a batch must name at least one order in each market",
        )
        _demand(
            max(Counter(pair for pair, _ in self.batches).values()) == 1,
            "a batch names each market once",
        )
        _demand(len(set(refs)) == len(refs), "a batch names each order once")
        _demand(
            len(refs) <= BATCH_CANCEL_LIMIT,
            f"a batch cancels at most {BATCH_CANCEL_LIMIT} orders",
        )
        _check_end(OrderFlags.SHORT_TERM, self.good_til_block, None)


@dataclass(frozen=True)
class TransferDraft:
    """USDC from a subaccount of the signer to another, in the transaction of an order that needs
    it. `usdc` counts millionths.
    """

    address: str
    number: int
    recipient: str
    recipient_number: int
    usdc: int

    @property
    def stateful(self) -> bool:
        return True

    def check(self) -> None:
        """Raises ValueError for what the chain refuses without looking at its state."""
        for address in (self.address, self.recipient):
            _demand(is_address(address), "a transfer goes from one dYdX address to another")
        for number in (self.number, self.recipient_number):
            _demand(
                0 <= number <= SUBACCOUNT_NUMBERS,
                f"a subaccount has a number from 0 to {SUBACCOUNT_NUMBERS}",
            )
        _demand(
            (self.address, self.number) != (self.recipient, self.recipient_number),
            "a transfer must not end where it begins",
        )
        _demand(0 < self.usdc <= _UINT64, "the amount of a transfer must be positive")


Draft = OrderDraft | CancelDraft | BatchCancelDraft | TransferDraft


def check_lifetime(draft: OrderDraft | CancelDraft, height: int, block_time: dt.datetime) -> None:
    """Raises ValueError when the next block could not take the draft because of its end.

    `height` and `block_time` are of the last committed block.
    """
    if draft.good_til_block is not None:
        _demand(
            height < draft.good_til_block <= height + 1 + SHORT_BLOCK_WINDOW,
            "the last block of the order has passed or is too far away",
        )
    if draft.good_til_block_time is not None:
        end = dt.datetime.fromtimestamp(draft.good_til_block_time, dt.UTC)
        _demand(end > block_time, "the end of the order has passed")
        _demand(
            end <= block_time + dt.timedelta(seconds=STATEFUL_WINDOW_S),
            f"an order ends within {STATEFUL_WINDOW_S // 86_400} days",
        )


@lru_cache(maxsize=4096)
def is_address(text: str) -> bool:
    """Whether a text is an account address of dYdX with a right checksum."""
    prefix, words = bech32.bech32_decode(text)
    if prefix != "dydx" or words is None or text != text.lower():
        return False
    raw = bech32.convertbits(words, 5, 8, False)
    return raw is not None and len(raw) in (20, 32)


def _check_end(flags: OrderFlags, block: int | None, time: int | None) -> None:
    if flags.stateful:
        _demand(
            block is None and time is not None and 0 < time <= _UINT32,
            "an order in the chain's state ends at a time",
        )
    else:
        _demand(
            time is None and block is not None and 0 < block <= _UINT32,
            "a short-term order ends with a block",
        )


def _demand(condition: bool, sentence: str) -> None:
    if not condition:
        raise ValueError(sentence)
