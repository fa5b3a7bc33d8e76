"""Conditional orders: when their condition is met.

At the end of every block the oracle's price is tried, then the lowest and the highest price at
which the block traded, each no further from the oracle than five times the market's least price
change.
Source: docs/protocol.md, orders in the chain's state.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import ceil, floor
from typing import Final

from core.dydx.protocol import OrderFlags, Side
from core.paper.governance import Governance, Market
from core.paper.happenings import OrderKey, PaperOrder
from core.paper.matching import Match
from core.paper.state import State, StatefulOrder
from core.paper.stateful import StatefulOrders
from core.paper.waiting import Waiting

STOP_LOSS: Final = 1
TAKE_PROFIT: Final = 2
_TRADE_REACH: Final = 5


class Conditionals:
    """The untriggered orders by market and by the price that triggers them."""

    def __init__(self, governance: Governance, state: State, orders: StatefulOrders) -> None:
        self._markets = governance.markets
        self._state = state
        self._orders = orders
        self._falling: dict[int, Waiting] = {}
        self._rising: dict[int, Waiting] = {}
        self._tried: dict[int, int] = {}

    def watch(self, order: PaperOrder) -> None:
        """Let an order wait for its price."""
        if order.key.order_flags != OrderFlags.CONDITIONAL:
            return
        pair = order.key.clob_pair_id
        self._tried.pop(pair, None)
        if triggers_falling(order):
            waiting = self._falling.setdefault(pair, Waiting(self._alive))
            waiting.push(-order.trigger_subticks, order.key)
        else:
            waiting = self._rising.setdefault(pair, Waiting(self._alive))
            waiting.push(order.trigger_subticks, order.key)

    def restore(self) -> None:
        """Let all untriggered orders of the state wait."""
        self._falling, self._rising, self._tried = {}, {}, {}
        for row in self._state.stateful.working.values():
            if not row.triggered:
                self.watch(row.order)

    def trigger(self, matches: Iterable[Match]) -> list[PaperOrder]:
        """Trigger what the end of a block with these matches triggers, in the chain's order."""
        traded = _traded(matches)
        triggered: list[PaperOrder] = []
        for pair in sorted(self._falling.keys() | self._rising.keys()):
            market = self._markets.get(pair)
            if market is None or not self._news(market, pair in traded):
                continue
            oracle = self._orders.oracle_subticks(market)
            for price in (oracle, *_clamped(market, oracle, traded.get(pair))):
                triggered += self._at(pair, price)
        return triggered

    def _news(self, market: Market, traded: bool) -> bool:
        """Whether anything could trigger: a new price, a trade or an order that came since."""
        price = self._state.prices.working[market.market_id]
        tried = self._tried.get(market.id)
        self._tried[market.id] = price
        return traded or tried != price

    def _at(self, pair: int, price: Fraction) -> list[PaperOrder]:
        """What a price triggers: rounded so that an order triggers only when it surely does."""
        found: list[PaperOrder] = []
        falling, rising = self._falling.get(pair), self._rising.get(pair)
        for keys in (
            falling.take(-ceil(price)) if falling else [],
            rising.take(floor(price)) if rising else [],
        ):
            rows = [row for key in keys if (row := self._state.stateful.get(key)) is not None]
            for row in sorted(rows, key=time_priority):
                self._orders.trigger(row)
                found.append(row.order)
        return found

    def _alive(self, key: OrderKey, due: int) -> bool:
        row = self._state.stateful.get(key)
        if row is None or row.triggered:
            return False
        trigger = row.order.trigger_subticks
        return due == (-trigger if triggers_falling(row.order) else trigger)


def triggers_falling(order: PaperOrder) -> bool:
    """Whether an order triggers at or below its trigger price: a stop that sells, a take-profit
    that buys. The others trigger at or above it.
    """
    return (order.condition_type == STOP_LOSS) == (Side(order.side) is Side.SELL)


def time_priority(row: StatefulOrder) -> tuple[int, int]:
    """What decides between two orders of the state: earlier first."""
    return row.height, row.index


def _traded(matches: Iterable[Match]) -> dict[int, tuple[int, int]]:
    """Lowest and highest price of a block's matches by market."""
    prices: dict[int, tuple[int, int]] = {}
    for match in matches:
        if match.kind in ("DELEVERAGED", "OFFSETTING"):
            continue
        low, high = prices.get(match.market.id, (match.subticks, match.subticks))
        prices[match.market.id] = (min(low, match.subticks), max(high, match.subticks))
    return prices


def _clamped(
    market: Market, oracle: Fraction, traded: tuple[int, int] | None
) -> tuple[Fraction, ...]:
    if traded is None:
        return ()
    reach = oracle * market.min_price_change_ppm * _TRADE_REACH / 1_000_000
    return tuple(min(max(Fraction(price), oracle - reach), oracle + reach) for price in traded)
