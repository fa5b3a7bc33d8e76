"""Stateful orders in the chain's state: what may be placed and cancelled, and what both change.

The same rules are asked twice: by CheckTx, which also knows what waits for its block (`Ahead`), and
by the block itself. Source: docs/protocol.md, orders in the chain's state.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction

from v4_proto.dydxprotocol.clob.order_pb2 import Order
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgCancelOrder

from core.dydx.protocol import STATEFUL_WINDOW_S, OrderFlags
from core.paper.equity import check_tier
from core.paper.fees import Fees
from core.paper.gotext import compact_cancel, compact_order, go_cancel, go_id, go_order, go_time
from core.paper.governance import Governance, Market
from core.paper.happenings import OrderKey, PaperOrder
from core.paper.margin import Margin
from core.paper.orders import TWAP_PART, order_key, paper_order, wire_order
from core.paper.refusals import Refused, clob
from core.paper.settlement import current
from core.paper.state import State, StatefulOrder, TwapOrder

_MICROSECONDS = 1_000_000


@dataclass
class Ahead:
    """Stateful orders and cancels that CheckTx took and that wait for their block."""

    placed: dict[OrderKey, Order] = field(default_factory=dict)
    cancelled: dict[OrderKey, MsgCancelOrder] = field(default_factory=dict)

    def copy(self) -> Ahead:
        """The same, to be changed on trial."""
        return Ahead(dict(self.placed), dict(self.cancelled))


class StatefulOrders:
    """The rules, and the tables they guard."""

    def __init__(self, governance: Governance, state: State, margin: Margin, fees: Fees) -> None:
        self._governance = governance
        self._state = state
        self._margin = margin
        self._fees = fees
        self._height = 0
        self._index = 0

    # -- rules ------------------------------------------------------------------------------

    def check_place(
        self, wire: Order, last_us: int, ahead: Ahead | None = None, internal: bool = False
    ) -> None:
        """Refuse an order that may not be placed; `last_us` is the last block's time. An order that
        the chain makes itself (`internal`) is free of the tier, and of collateral unless it is a
        part of a TWAP order.
        """
        market = self.check_market(wire)
        self._check_window(wire, last_us)
        self._check_new(wire, ahead)
        self._check_kind(wire, market)
        key = order_key(wire.order_id)
        if not internal:
            check_tier(key, self._governance, self._state, self._margin)
        if wire.order_router_address:  # none is registered
            raise Refused("revshare", 8, "order router rev share not found")
        conditional = key.order_flags == OrderFlags.CONDITIONAL
        if key.order_flags == TWAP_PART if internal else not conditional:
            self._check_collateral(wire, market)

    def check_market(self, wire: Order) -> Market:
        """The market of an order. Raises Refused for an unknown one (8), off tick or step (12)."""
        pair = wire.order_id.clob_pair_id
        market = self._governance.markets.get(pair)
        if market is None:
            raise clob(8, f"Clob {pair} is not a valid clob")
        scale = market.scale
        if wire.subticks % scale.subticks_per_tick:
            raise clob(
                12,
                f"Order subticks {wire.subticks} must be a multiple of the ClobPair's "
                f"SubticksPerTick {scale.subticks_per_tick}",
            )
        if wire.quantums % scale.step_base_quantums:
            raise clob(
                12,
                f"Order Quantums {wire.quantums} must be a multiple of the ClobPair's "
                f"StepBaseQuantums {scale.step_base_quantums}",
            )
        return market

    def check_cancel(self, cancel: MsgCancelOrder, last_us: int, ahead: Ahead | None) -> None:
        """Refuse a cancel that may not be taken."""
        until, last_s = cancel.good_til_block_time, last_us // _MICROSECONDS
        if until <= last_s:
            raise clob(3003)
        if until > last_s + STATEFUL_WINDOW_S:
            end = go_time(last_us + STATEFUL_WINDOW_S * _MICROSECONDS)
            raise clob(
                3004,
                f"GoodTilBlockTime {until} exceeds the previous blockTime plus "
                f"StatefulOrderTimeWindow {end}. MsgCancelOrder: {compact_cancel(cancel)}",
            )
        key = order_key(cancel.order_id)
        earlier = ahead.cancelled.get(key) if ahead else None
        if earlier is not None:
            raise clob(
                32,
                "An uncommitted stateful order cancellation with this OrderId already exists and "
                "stateful order cancellation replacement is not supported. Existing order "
                f"cancellation GoodTilBlockTime ({earlier.good_til_block_time}), New order "
                f"cancellation GoodTilBlockTime ({until}). Existing order cancellation: "
                f"({go_cancel(earlier)}). New order cancellation: ({compact_cancel(cancel)}).",
            )
        existing = self.find(key) or (ahead.placed.get(key) if ahead else None)
        if existing is None:
            raise clob(
                3006, f"Order Id to cancel does not exist. OrderId : {go_id(cancel.order_id)}"
            )
        if until < existing.good_til_block_time:
            raise clob(
                29,
                "cancellation goodTilBlockTime less than stateful order goodTilBlockTime. "
                f"cancellation {compact_cancel(cancel)}, order {go_order(existing)}",
            )

    def find(self, key: OrderKey) -> Order | None:
        """The order of this id in the state."""
        held = self._held(key)
        return None if held is None else wire_order(held.order)

    def _held(self, key: OrderKey) -> StatefulOrder | TwapOrder | None:
        if key.order_flags == OrderFlags.TWAP:
            return self._state.twaps.get(key)
        return self._state.stateful.get(key)

    def _check_window(self, wire: Order, last_us: int) -> None:
        until, last_s = wire.good_til_block_time, last_us // _MICROSECONDS
        if until <= last_s:
            raise clob(
                3003, f"GoodTilBlockTime {until} is less than the previous blockTime {last_s}"
            )
        end = last_s + STATEFUL_WINDOW_S
        if until > end:
            raise clob(
                3004,
                f"GoodTilBlockTime {until} exceeds the previous blockTime plus "
                f"StatefulOrderTimeWindow {end}",
            )

    def _check_new(self, wire: Order, ahead: Ahead | None) -> None:
        key = order_key(wire.order_id)
        cancelled = ahead.cancelled.get(key) if ahead else None
        if cancelled is not None:
            raise clob(
                3008,
                "An uncommitted stateful order cancellation with this OrderId already exists. "
                f"Existing order cancellation: ({go_cancel(cancelled)}). "
                f"New order: ({compact_order(wire)}).",
            )
        waiting = ahead.placed.get(key) if ahead else None
        if waiting is not None:
            raise clob(3005, f"An uncommitted {_twice(waiting, wire)}")
        existing = self.find(key)
        if existing is not None:
            raise clob(3005, f"A {_twice(existing, wire)}")

    def _check_kind(self, wire: Order, market: Market) -> None:
        flags, scale = wire.order_id.order_flags, market.scale
        trigger = wire.conditional_order_trigger_subticks
        if flags == OrderFlags.CONDITIONAL and trigger % scale.subticks_per_tick:
            # The chain names the step here where it means the tick.
            raise clob(
                12,
                f"Conditional order trigger subticks {trigger} must be a multiple of the "
                f"ClobPair's SubticksPerTick {scale.step_base_quantums}",
            )
        if flags == OrderFlags.TWAP:
            terms = wire.twap_parameters
            if wire.quantums // (terms.duration // terms.interval) < scale.step_base_quantums:
                raise clob(
                    12,
                    "TWAP suborder sizes must be greater than the minimum order size for the "
                    "market",
                )

    def _check_collateral(self, wire: Order, market: Market) -> None:
        """As if the whole order filled at once at its own price, as a maker."""
        subticks = wire.subticks or int(self.oracle_subticks(market))
        quote = market.scale.quote_quantums(wire.quantums, subticks)
        subaccount = order_key(wire.order_id).subaccount
        fee = self._fees.amount(quote, self._fees.ppm(subaccount.owner, market.id, "MAKER"))
        sign = 1 if wire.side == Order.SIDE_BUY else -1
        before = current(self._state, subaccount).subaccount
        index = self._state.funding.get(market.id) or 0
        after = before.changed(market.id, sign * wire.quantums, -sign * quote - fee, index)
        result = self._margin.update(before, after)
        if result != "Success":
            isolated = result == "ViolatesIsolatedSubaccountConstraints"
            raise clob(
                2005 if isolated else 3007,
                f"PlaceStatefulOrder: order ({go_order(wire)}), result ({result})",
            )

    def oracle_subticks(self, market: Market) -> Fraction:
        """The oracle's price in subticks, exact."""
        usd = Fraction(market.price_usd(self._state.prices.working[market.market_id]))
        exponent = market.scale.atomic_resolution - market.scale.quantum_conversion_exponent + 6
        return usd * Fraction(10) ** exponent

    # -- the state --------------------------------------------------------------------------

    def start_block(self, height: int) -> None:
        """Number what is placed or triggered in a block from 0 on."""
        self._height, self._index = height, 0

    def insert(self, wire: Order, authenticators: tuple[int, ...] = ()) -> PaperOrder:
        """Put an order that passed the checks into the state."""
        order = paper_order(wire, authenticators)
        terms = order.twap
        if order.key.order_flags == OrderFlags.TWAP and terms is not None:
            legs = terms.duration_s // terms.interval_s
            placed = TwapOrder(order, self._height, legs, order.quantums)
            self._state.twaps.put(order.key, placed)
        else:
            row = StatefulOrder(order, self._height, self._next())
            self._state.stateful.put(order.key, row)
        self._count(order.key, 1)
        return order

    def trigger(self, row: StatefulOrder) -> None:
        """A conditional order's condition was met."""
        self._state.stateful.put(
            row.order.key,
            replace(row, height=self._height, index=self._next(), triggered=True),
        )

    def remove(self, key: OrderKey) -> PaperOrder | None:
        """Take an order and the memory of its fills out of the state: its id is free again."""
        held = self._held(key)
        if held is None:
            return None
        if key.order_flags == OrderFlags.TWAP:
            self._state.twaps.drop(key)
        else:
            self._state.stateful.drop(key)
            self._state.fills.drop(key)
        self._count(key, -1)
        return held.order

    def _next(self) -> int:
        self._index += 1
        return self._index - 1

    def _count(self, key: OrderKey, change: int) -> None:
        if key.order_flags == TWAP_PART:
            return
        counts = self._state.stateful_counts
        count = (counts.get(key.subaccount) or 0) + change
        if count:
            counts.put(key.subaccount, count)
        else:
            counts.drop(key.subaccount)


def part_key(key: OrderKey) -> OrderKey:
    """The id of a TWAP order's parts."""
    return replace(key, order_flags=TWAP_PART)


def _twice(existing: Order, wire: Order) -> str:
    return (
        "stateful order with this OrderId already exists and stateful order replacement is not "
        f"supported. Existing order GoodTilBlockTime ({existing.good_til_block_time}), New order "
        f"GoodTilBlockTime ({wire.good_til_block_time}). Existing order: ({go_order(existing)}). "
        f"New order: ({compact_order(wire)})."
    )
