"""What a block does to stateful orders: removals by the proposer, placements and cancels by
transactions, expiry. Source: docs/protocol.md, orders in the chain's state.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from v4_proto.dydxprotocol.clob.order_pb2 import Order
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgCancelOrder, MsgPlaceOrder

from core.dydx.protocol import OrderFlags
from core.paper.conditional import Conditionals
from core.paper.gotext import go_order
from core.paper.happenings import OrderKey, PaperOrder, StatefulChanged
from core.paper.matching import Match, Removal
from core.paper.orders import is_stateful, order_key, wire_order
from core.paper.refusals import Refused, clob
from core.paper.state import State
from core.paper.stateful import StatefulOrders, part_key
from core.paper.waiting import Waiting


@dataclass
class Delivered:
    """What happened to stateful orders in the block at hand, for the node's book after it."""

    placed: dict[OrderKey, None] = field(default_factory=dict)
    triggered: dict[OrderKey, None] = field(default_factory=dict)
    cancelled: dict[OrderKey, None] = field(default_factory=dict)
    expired: dict[OrderKey, PaperOrder] = field(default_factory=dict)
    removed: set[OrderKey] = field(default_factory=set)

    def copy(self) -> Delivered:
        """The same, to go back to."""
        return Delivered(
            dict(self.placed),
            dict(self.triggered),
            dict(self.cancelled),
            dict(self.expired),
            set(self.removed),
        )


class ClobDelivery:
    """Carries out a block's part of the order book module on the working state."""

    def __init__(self, state: State, orders: StatefulOrders, conditionals: Conditionals) -> None:
        self._state = state
        self._orders = orders
        self._conditionals = conditionals
        self._expiries = Waiting(self._expires)
        self._last_us = 0
        self._now_s = 0
        self.delivered = Delivered()

    def restore(self) -> None:
        """Let the orders of the state wait for their end and their price."""
        self._expiries = Waiting(self._expires)
        for row in self._state.stateful.working.values():
            self._watch(row.order)
        self._conditionals.restore()

    def start_block(self, height: int, time_us: int, last_us: int) -> None:
        """Begin the block of this height and time; `last_us` is the time of the one before."""
        self._orders.start_block(height)
        self._last_us, self._now_s = last_us, time_us // 1_000_000
        self.delivered = Delivered()

    def operations(
        self, matches: list[Match], removals: list[Removal]
    ) -> list[tuple[int, StatefulChanged]]:
        """Take out of the state what fell out of the book or was filled: the removals with the
        number of matches before each.
        """
        events: list[tuple[int, StatefulChanged]] = []
        for removal in removals:
            if self._orders.remove(removal.order.key) is not None:
                self.delivered.removed.add(removal.order.key)
                events.append(
                    (removal.after, StatefulChanged(removal.order, "CANCELED", removal.reason))
                )
        for match in matches:
            key = match.order.key if match.order else None
            if key is None or not is_stateful(key):
                continue
            held, fill = self._state.stateful.get(key), self._state.fills.get(key)
            if held and fill and fill.quantums >= held.order.quantums:
                self._orders.remove(key)
                self.delivered.removed.add(key)
        return events

    def execute(
        self, message: MsgPlaceOrder | MsgCancelOrder, authenticators: tuple[int, ...] = ()
    ) -> list[StatefulChanged]:
        """Carry out a message of a transaction. Raises Refused."""
        if isinstance(message, MsgPlaceOrder):
            return [self.place(message.order, authenticators=authenticators)]
        return self._cancel(message)

    def place(
        self, wire: Order, *, internal: bool = False, authenticators: tuple[int, ...] = ()
    ) -> StatefulChanged:
        """Put an order into the state. Raises Refused."""
        key = order_key(wire.order_id)
        if key in self.delivered.cancelled:
            raise clob(3008, f"PlaceOrder: order ({go_order(wire)})")
        if key in self.delivered.removed:
            raise clob(3009, f"PlaceOrder: order ({go_order(wire)})")
        self._orders.check_place(wire, self._last_us, internal=internal)
        order = self._orders.insert(wire, authenticators)
        if key.order_flags == OrderFlags.TWAP:
            self._state.twap_parts.put((self._now_s, part_key(key)), self._now_s)
            return StatefulChanged(order, "OPEN", None)
        self._watch(order)
        if key.order_flags == OrderFlags.CONDITIONAL:
            self._conditionals.watch(order)
            return StatefulChanged(order, "UNTRIGGERED", None)
        self.delivered.placed[key] = None
        return StatefulChanged(order, "OPEN", None)

    def expire(self) -> list[StatefulChanged]:
        """Take out of the state what is good until this block's time or earlier."""
        events: list[StatefulChanged] = []
        for key in self._expiries.take(self._now_s):
            order = self._orders.remove(key)
            if order is not None:
                self.delivered.expired[key] = order
                events.append(StatefulChanged(order, "CANCELED", "EXPIRED"))
        return events

    def trigger(self, matches: list[Match]) -> list[StatefulChanged]:
        """Trigger the conditional orders that the end of the block triggers."""
        orders = self._conditionals.trigger(matches)
        self.delivered.triggered.update({order.key: None for order in orders})
        return [StatefulChanged(order, "OPEN", None, triggered=True) for order in orders]

    def _cancel(self, message: MsgCancelOrder) -> list[StatefulChanged]:
        key = order_key(message.order_id)
        try:
            self._orders.check_cancel(message, self._last_us, None)
        except Refused as refusal:
            if refusal.code == 3006 and key in self.delivered.removed:
                raise clob(3010, f"Error: {refusal.log}") from refusal
            raise
        events: list[StatefulChanged] = []
        order = self._orders.remove(key)
        assert order is not None
        if key.order_flags == OrderFlags.TWAP:
            events += self._cancel_part(part_key(key))
        self.delivered.cancelled[key] = None
        events.append(StatefulChanged(order, "CANCELED", "USER_CANCELED"))
        return events

    def _cancel_part(self, key: OrderKey) -> list[StatefulChanged]:
        """The part of a TWAP order that is on the book goes with it."""
        part = self._orders.remove(key)
        if part is None:
            return []
        self.delivered.cancelled[key] = None
        return [StatefulChanged(part, "CANCELED", "USER_CANCELED")]

    def _watch(self, order: PaperOrder) -> None:
        self._expiries.push(order.good_til_block_time or 0, order.key)

    def _expires(self, key: OrderKey, until: int) -> bool:
        row = self._state.stateful.get(key)
        return row is not None and row.order.good_til_block_time == until


def suborder(parent: PaperOrder, quantums: int, subticks: int, until_s: int) -> Order:
    """A part of a TWAP order: its id, side and metadata, and nothing of its time in force."""
    return wire_order(
        replace(
            parent,
            key=part_key(parent.key),
            quantums=quantums,
            subticks=subticks,
            time_in_force=0,
            good_til_block_time=until_s,
            twap=None,
            builder_address=None,
            builder_fee_ppm=None,
            order_router_address=None,
        )
    )
