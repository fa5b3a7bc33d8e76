"""Stateful orders in the node's book: put there after their block or their trigger, and woken after
a restart.

What falls out here is told at once (BEST_EFFORT_CANCELED) and leaves the chain's state with the
next block. A reduce-only order that finds no position to reduce is told as removed and is not: it
stays in the state, dead until a restart. Source: docs/protocol.md, orders in the chain's state.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Final, Literal

from core.paper.book import Book
from core.paper.clob_delivery import Delivered
from core.paper.conditional import time_priority
from core.paper.governance import Market
from core.paper.happenings import OrderKey, OrderRemoved, PaperOrder
from core.paper.matching import Matcher
from core.paper.orders import is_post_only, never_rests
from core.paper.short_term import REASONS, ShortTerm
from core.paper.state import State

_WOULD_REST: Final = "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK"


class StatefulBook:
    """The node's memory of stateful orders, over the books that it shares with `ShortTerm`."""

    def __init__(
        self,
        state: State,
        books: dict[int, Book],
        markets: dict[int, Market],
        matcher: Matcher,
        short_term: ShortTerm,
        tell: Callable[[OrderRemoved], None],
        now: Callable[[], dt.datetime],
    ) -> None:
        self._state = state
        self._books = books
        self._markets = markets
        self._matcher = matcher
        self._short_term = short_term
        self._tell = tell
        self._now = now
        self._withheld: list[OrderKey] = []

    def take_out(self, delivered: Delivered) -> None:
        """Drop what a block ended. What still stood when it expired is told."""
        for key in (*delivered.cancelled, *delivered.removed):
            self._books[key.clob_pair_id].take_out(key)
        for key, order in delivered.expired.items():
            standing = self._books[key.clob_pair_id].take_out(key)
            if standing is not None:
                filled = standing.order.quantums - standing.remaining
                self._say(order, "EXPIRED", filled, expired=True)

    def put(self, delivered: Delivered, withholds: Callable[[str], bool]) -> None:
        """Put on the books what a block placed or triggered, post-only orders first."""
        keys = [*self._withheld, *delivered.placed, *delivered.triggered]
        self._withheld = []
        self._place_all(keys, withholds)

    def wake(self, withholds: Callable[[str], bool]) -> None:
        """After a restart: put all that belongs there on the books again, oldest first. Dead stops
        live again.
        """
        rows = [row for row in self._state.stateful.working.values() if row.placed]
        for row in sorted(rows, key=time_priority):
            if withholds(self._market(row.order).ticker):
                self._withheld.append(row.order.key)
            else:
                self._place(row.order)

    def removed_maker(self, order: PaperOrder, reason: str) -> None:
        """A stateful maker fell out while another order matched."""
        self._say(order, reason, self._matcher.filled(order.key))
        self._matcher.remove(order, reason)

    def _place_all(self, keys: Iterable[OrderKey], withholds: Callable[[str], bool]) -> None:
        rows = [row for key in keys if (row := self._state.stateful.get(key)) is not None]
        for post_only in (True, False):
            for order in [row.order for row in rows if is_post_only(row.order) is post_only]:
                if withholds(self._market(order).ticker):
                    self._withheld.append(order.key)
                else:
                    self._place(order)

    def _place(self, order: PaperOrder) -> None:
        market = self._market(order)
        filled = self._matcher.filled(order.key)
        if order.quantums - filled < market.scale.step_base_quantums:
            return
        if order.reduce_only and not self._matcher.reducible(order, market):
            self._say(order, "REDUCE_ONLY_RESIZE", 0)
            return
        if filled and never_rests(order):
            return
        remaining, status = self._matcher.take(order, market, self._books[market.id])
        if not remaining:
            return
        if status == "DONE" and not never_rests(order):
            self._short_term.rest(order, remaining)
            return
        reason = _WOULD_REST if status == "DONE" else REASONS[status]
        self._say(order, reason, 0)
        self._matcher.remove(order, reason)

    def _market(self, order: PaperOrder) -> Market:
        return self._markets[order.key.clob_pair_id]

    def _say(self, order: PaperOrder, reason: str, filled: int, *, expired: bool = False) -> None:
        status: Literal["CANCELED", "BEST_EFFORT_CANCELED"] = (
            "CANCELED" if expired else "BEST_EFFORT_CANCELED"
        )
        self._tell(OrderRemoved(order.key, order, reason, status, filled, self._now()))
