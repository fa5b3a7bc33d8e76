"""TWAP orders: the parts that the chain places in their stead.

A part is due at once and then every interval. It takes an even share of what is left, at most three
times the original share so that parts which filled badly are caught up, in whole steps, at the
oracle's price plus the tolerance (or at the order's own limit), and it rests for three seconds.
Source: docs/protocol.md, orders in the chain's state.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil, floor
from typing import Final

from core.dydx.protocol import OrderFlags
from core.paper.clob_delivery import ClobDelivery, suborder
from core.paper.governance import Governance, Market
from core.paper.happenings import OrderKey, StatefulChanged
from core.paper.refusals import Refused
from core.paper.state import State, TwapOrder
from core.paper.stateful import StatefulOrders, part_key

_PART_LASTS_S: Final = 3
_CATCH_UP: Final = 3
_REASONS: Final = {3007: "UNDERCOLLATERALIZED", 2005: "VIOLATES_ISOLATED_SUBACCOUNT_CONSTRAINTS"}


class TwapParts:
    """Places the parts that are due."""

    def __init__(
        self,
        governance: Governance,
        state: State,
        orders: StatefulOrders,
        delivery: ClobDelivery,
    ) -> None:
        self._governance = governance
        self._state = state
        self._orders = orders
        self._delivery = delivery

    def place_due(self, now_s: int) -> list[StatefulChanged]:
        """Place what is due at the end of the block of this time."""
        parts = self._state.twap_parts
        due = sorted((entry for entry in parts.working if entry[0] <= now_s), key=_order)
        # The chain reads all orders before it places the first part.
        plans = [(entry, self._state.twaps.get(_parent(entry[1]))) for entry in due]
        events: list[StatefulChanged] = []
        for entry, twap in plans:
            parts.drop(entry)
            if twap is None:
                continue
            if not twap.legs:
                self._orders.remove(twap.order.key)
                continue
            events += self._part(twap, now_s)
        return events

    def _part(self, twap: TwapOrder, now_s: int) -> list[StatefulChanged]:
        order = twap.order
        market = self._governance.markets[order.key.clob_pair_id]
        wire = suborder(
            order,
            part_quantums(twap, market),
            self._part_subticks(twap, market),
            now_s + _PART_LASTS_S,
        )
        self._state.twaps.put(order.key, replace(twap, legs=twap.legs - 1))
        assert order.twap is not None
        following = (now_s + order.twap.interval_s, part_key(order.key))
        self._state.twap_parts.put(following, following[0])
        try:
            return [self._delivery.place(wire, internal=True)]
        except Refused as refusal:
            self._orders.remove(order.key)
            self._state.twap_parts.drop(following)
            reason = _REASONS.get(refusal.code, "UNSPECIFIED")
            return [StatefulChanged(order, "CANCELED", reason)]

    def _part_subticks(self, twap: TwapOrder, market: Market) -> int:
        if twap.order.subticks:
            return twap.order.subticks
        assert twap.order.twap is not None
        tolerance = twap.order.twap.price_tolerance_ppm
        if twap.order.side == "SELL":
            tolerance = -tolerance
        tick = market.scale.subticks_per_tick
        price = self._orders.oracle_subticks(market) * (1_000_000 + tolerance) / 1_000_000
        ticks = ceil(price / tick) if tolerance >= 0 else floor(price / tick)
        return ticks * tick


def part_quantums(twap: TwapOrder, market: Market) -> int:
    """Size of the next part."""
    terms = twap.order.twap
    assert terms is not None
    share = -(-twap.order.quantums // (terms.duration_s // terms.interval_s))
    rest = -(-twap.quantums // twap.legs)
    step = market.scale.step_base_quantums
    return min(rest, share * _CATCH_UP) // step * step


def _parent(part: OrderKey) -> OrderKey:
    return replace(part, order_flags=int(OrderFlags.TWAP))


def _order(entry: tuple[int, OrderKey]) -> tuple[int, str, int, int, int]:
    due, key = entry
    return due, key.subaccount.owner, key.subaccount.number, key.client_id, key.clob_pair_id
