"""CheckTx of orders and cancels: rate limits of all messages first, then each message in turn.

Short-term messages are carried out here at once, in the node's memory; stateful ones are checked
against the state and what waits for the block, and carried out by the block. Source:
docs/protocol.md, orders in the chain's state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from google.protobuf.message import Message
from v4_proto.dydxprotocol.clob.order_pb2 import Order
from v4_proto.dydxprotocol.clob.tx_pb2 import (
    MsgBatchCancel,
    MsgCancelOrder,
    MsgPlaceOrder,
    MsgUpdateLeverage,
)
from v4_proto.dydxprotocol.sending.tx_pb2 import MsgCreateTransfer

from core.paper.faults import ExchangeFaults
from core.paper.governance import Governance
from core.paper.happenings import OrderKey, SubaccountKey
from core.paper.orders import order_key
from core.paper.rate_limits import RateLimit
from core.paper.refusals import Refused, sdk
from core.paper.short_term import ShortTerm
from core.paper.state import State
from core.paper.stateful import Ahead, StatefulOrders
from core.paper.transactions import Signed

_BATCH_WEIGHT = 2


class _Tried(Exception):
    """Ends a trial."""


@dataclass
class ClobChecks:
    """The order book module's part of CheckTx. `execute` carries out a message other than an order
    or a cancel on the working state; it is undone again.
    """

    governance: Governance
    state: State
    orders: StatefulOrders
    short_term: ShortTerm
    faults: ExchangeFaults
    execute: Callable[[Message], object]
    ahead: Ahead = field(default_factory=Ahead)

    def __post_init__(self) -> None:
        self._short_rate = RateLimit(
            "MaxShortTermOrdersAndCancelsPerNBlocks", self.governance.short_term_limits
        )
        self._stateful_rate = RateLimit(
            "MaxStatefulOrdersPerNBlocks", self.governance.stateful_limits
        )

    def check(self, signed: Signed) -> None:
        """Take the messages of a transaction that holds an order or a cancel. Raises Refused."""
        for number, message in enumerate(signed.messages):
            self._count(message, (signed.tx_hash, number))
        _check_company(signed)
        if signed.is_short_term:
            self._short(signed.messages[0], signed.authenticators)
            return
        ahead = self.ahead.copy()
        with self._trial(signed):
            for message in signed.messages:
                self._stateful(message, ahead)
        self.ahead = ahead

    def finish_block(self, height: int) -> None:
        """Begin anew behind a block."""
        self.ahead = Ahead()
        self._short_rate.forget(height)
        self._stateful_rate.forget(height)

    @contextmanager
    def _trial(self, signed: Signed) -> Iterator[None]:
        """What the other messages of a transaction change is seen by its orders, and undone."""
        if all(isinstance(message, MsgPlaceOrder | MsgCancelOrder) for message in signed.messages):
            yield
            return
        with suppress(_Tried), self.state.savepoint():
            yield
            raise _Tried

    def _count(self, message: Message, attempt: tuple[str, int]) -> None:
        height = self.state.height + 1
        if isinstance(message, MsgPlaceOrder):
            key = order_key(message.order.order_id)
            if key.clob_pair_id not in self.governance.markets:
                return
            if key.order_flags:
                self._stateful_rate.count(key.subaccount.owner, height, attempt)
                return
            self.short_term.window(message.order.good_til_block, height)
            self._short_rate.count(key.subaccount.owner, height, attempt)
        elif isinstance(message, MsgCancelOrder) and not message.order_id.order_flags:
            if message.order_id.clob_pair_id not in self.governance.markets:
                return
            self.short_term.window(message.good_til_block, height)
            self._short_rate.count(message.order_id.subaccount_id.owner, height, attempt)
        elif isinstance(message, MsgBatchCancel):
            pairs = {batch.clob_pair_id for batch in message.short_term_cancels}
            if pairs <= self.governance.markets.keys():
                self.short_term.window(message.good_til_block, height)
                self._short_rate.count(message.subaccount_id.owner, height, attempt, _BATCH_WEIGHT)

    # -- short-term -------------------------------------------------------------------------

    def _short(self, message: Message, authenticators: tuple[int, ...]) -> None:
        if isinstance(message, MsgPlaceOrder):
            self._place(message.order, authenticators)
        elif isinstance(message, MsgCancelOrder):
            self._cancel(message)
        elif isinstance(message, MsgBatchCancel):
            self._batch_cancel(message)

    def _place(self, order: Order, authenticators: tuple[int, ...]) -> None:
        market = self.orders.check_market(order)
        refusal = self.faults.take_refusal()
        if refusal is not None:
            raise refusal
        withheld = self.faults.withholds(market.ticker)
        self.short_term.place(order, market, withheld, authenticators)

    def _cancel(self, message: MsgCancelOrder) -> None:
        key = order_key(message.order_id)
        self.short_term.window(message.good_til_block, self.state.height + 1)
        if key.clob_pair_id not in self.governance.markets:
            raise Refused(
                "undefined",
                111222,
                f"recovered: No orderbook exists with id {key.clob_pair_id}\nstack:\n"
                "goroutine 1 [running]:\n",
            )
        self.short_term.cancel(key, message.good_til_block)

    def _batch_cancel(self, message: MsgBatchCancel) -> None:
        """Cancels that fail inside a batch are lost without a word, as on the chain, and so is a
        whole batch that names an unknown market.
        """
        self.short_term.window(message.good_til_block, self.state.height + 1)
        if any(
            row.clob_pair_id not in self.governance.markets for row in message.short_term_cancels
        ):
            return
        subaccount = SubaccountKey(message.subaccount_id.owner, message.subaccount_id.number)
        for batch in message.short_term_cancels:
            for client_id in batch.client_ids:
                key = OrderKey(subaccount, client_id, 0, batch.clob_pair_id)
                with suppress(Refused):
                    self.short_term.cancel(key, message.good_til_block)

    # -- stateful ---------------------------------------------------------------------------

    def _stateful(self, message: Message, ahead: Ahead) -> None:
        last_us = self.state.header.working["last"].time_us
        if isinstance(message, MsgPlaceOrder):
            self.orders.check_place(message.order, last_us, ahead)
            refusal = self.faults.take_refusal()
            if refusal is not None:
                raise refusal
            ahead.placed[order_key(message.order.order_id)] = message.order
        elif isinstance(message, MsgCancelOrder):
            self.orders.check_cancel(message, last_us, ahead)
            ahead.cancelled[order_key(message.order_id)] = message
        else:
            self.execute(message)


def _check_company(signed: Signed) -> None:
    """What may stand beside stateful orders: one transfer and changes of leverage."""
    transfers = sum(isinstance(message, MsgCreateTransfer) for message in signed.messages)
    if transfers > 1:
        raise sdk(
            18,
            "a transaction containing stateful orders can only be accompanied by 1 transfer msg",
        )
    known = (MsgPlaceOrder, MsgCancelOrder, MsgBatchCancel, MsgUpdateLeverage, MsgCreateTransfer)
    if not all(isinstance(message, known) for message in signed.messages):
        raise sdk(
            18,
            "a transaction containing stateful orders cannot be accompanied by non transfer msgs",
        )
