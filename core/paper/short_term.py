"""Short-term orders in the node's memory: placed, replaced, cancelled, expired.

They live until their good-til-block is committed, never enter the chain's state, and a cancel is
remembered until its own good-til-block even where nobody saw the order. Source: docs/protocol.md,
state-dependent checks and cancels.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from v4_proto.dydxprotocol.clob.order_pb2 import Order

from core.paper.book import Book, Resting
from core.paper.gotext import block_order, go_order
from core.paper.governance import Market
from core.paper.happenings import (
    Happening,
    OrderKey,
    OrderOpened,
    OrderRemoved,
    PaperOrder,
)
from core.paper.matching import Matcher, Status
from core.paper.orders import is_stateful, never_rests, order_hash, paper_order
from core.paper.refusals import Refused, clob

REASONS: Final[dict[Status, str]] = {
    "UNDERCOLLATERALIZED": "UNDERCOLLATERALIZED",
    "RESIZED": "REDUCE_ONLY_RESIZE",
    "ISOLATED": "VIOLATES_ISOLATED_SUBACCOUNT_CONSTRAINTS",
    "CROSSES": "POST_ONLY_WOULD_CROSS_MAKER_ORDER",
}


@dataclass
class ShortTerm:
    """The node's memory of short-term orders over all markets."""

    books: dict[int, Book]
    markets: dict[int, Market]
    matcher: Matcher
    tell: Callable[[Happening], None]
    now: Callable[[], dt.datetime]
    block_window: int
    cancels: dict[OrderKey, int] = field(default_factory=dict)
    withheld: dict[OrderKey, PaperOrder] = field(default_factory=dict)
    _arrivals: int = 0
    _resized: list[OrderKey] = field(default_factory=list)
    _hashes: dict[OrderKey, bytes] = field(default_factory=dict)
    _said_gone: set[OrderKey] = field(default_factory=set)

    def window(self, good_til_block: int, next_height: int) -> None:
        """Refuse a good-til-block outside of next … next + window."""
        if good_til_block < next_height:
            raise clob(
                10,
                f"GoodTilBlock {good_til_block} is less than the current blockHeight {next_height}",
            )
        if good_til_block > next_height + self.block_window:
            raise clob(
                11,
                f"The GoodTilBlock {good_til_block} exceeds the current blockHeight {next_height} "
                f"plus ShortBlockWindow {self.block_window}",
            )

    def place(
        self,
        wire: Order,
        market: Market,
        withhold: bool,
        authenticators: tuple[int, ...] = (),
    ) -> None:
        """Take an order: refuse it, or match what matches and rest or drop the rest. `withhold`
        accepts it without matching; `authenticators` are those that it was signed with.
        """
        order = paper_order(wire, authenticators)
        self._check_new(wire, order, market)
        if withhold:
            self._drop_replaced(order, market.id)
            self.withheld[order.key] = order
            self._hashes[order.key] = order_hash(wire)
            self.tell(OrderOpened(order, self.now()))
            return
        self._drop_replaced(order, market.id)
        self._hashes[order.key] = order_hash(wire)
        self.tell(OrderOpened(order, self.now()))
        self._match(order, market)

    def release(self, withholds: Callable[[str], bool]) -> None:
        """Match the withheld orders of the markets that are not withheld any more."""
        for order in list(self.withheld.values()):
            market = self.markets[order.key.clob_pair_id]
            if withholds(market.ticker):
                continue
            del self.withheld[order.key]
            try:
                self._match(order, market)
            except Refused:
                continue

    def cancel(self, key: OrderKey, good_til_block: int) -> None:
        """Cancel an order of this id that expires no later than the cancel. Unknown ids are
        accepted and remembered. As on the chain, a cancel that expires too early leaves the order
        where it is and yet tells the indexer that it is gone.
        """
        if self.cancels.get(key, 0) >= good_til_block:
            raise clob(9)
        self.cancels[key] = good_til_block
        resting = self._standing(key)
        if resting is None or key in self._said_gone:
            self._removed(key, None, "USER_CANCELED", 0)
        else:
            self._removed(key, resting, "USER_CANCELED", self.matcher.filled(key))
            self._said_gone.add(key)
        if resting is not None and (resting.good_til_block or 0) <= good_til_block:
            self._take_out(key)

    def rest(self, order: PaperOrder, remaining: int) -> None:
        """Put what is left of an order into its book, behind all that came before."""
        self._arrivals += 1
        self.books[order.key.clob_pair_id].rest(Resting(order, remaining, self._arrivals))

    def requeue(self, matched: Iterable[PaperOrder]) -> None:
        """Put what a block matched and what still rests behind all others at its price: a node
        takes its matched orders off the book with each block and places what is left anew.
        """
        for key in dict.fromkeys(order.key for order in matched):
            entry = self.books[key.clob_pair_id].take_out(key)
            if entry is not None:
                self.rest(entry.order, entry.remaining)

    def removed_maker(self, order: PaperOrder, reason: str) -> None:
        """A maker fell out while another order matched."""
        self._removed(order.key, order, reason, self.matcher.filled(order.key))

    def finish_block(self) -> None:
        """Say again, without the order, which reduce-only orders were cut in this block."""
        for key in self._resized:
            self._removed(key, None, "REDUCE_ONLY_RESIZE", 0)
        self._resized = []

    def expire(self, height: int) -> None:
        """Drop what is dead once the block of this height is committed."""
        orders = [
            entry.order
            for book in self.books.values()
            for entry in book.resting()
            if not is_stateful(entry.order.key)
        ]
        orders += self.withheld.values()
        for order in orders:
            if (order.good_til_block or 0) <= height:
                self._take_out(order.key)
                self.tell(
                    OrderRemoved(
                        order.key,
                        order,
                        "EXPIRED",
                        "CANCELED",
                        self.matcher.filled(order.key),
                        self.now(),
                    )
                )
        self.cancels = {key: until for key, until in self.cancels.items() if until > height}
        self._hashes = {key: held for key, held in self._hashes.items() if self._standing(key)}
        self._said_gone = {key for key in self._said_gone if self._standing(key)}

    def _check_new(self, wire: Order, order: PaperOrder, market: Market) -> None:
        cancelled = self.cancels.get(order.key, 0)
        if cancelled >= (order.good_til_block or 0):
            raise clob(7, f"Order: {go_order(wire)}, Cancellation GoodTilBlock: {cancelled}")
        for standing in (self._standing(order.key), self.matcher.in_block.get(order.key)):
            if standing is not None:
                self._check_replacement(wire, order, standing)
        filled = self.matcher.filled(order.key)
        if filled and order.quantums - filled < market.scale.step_base_quantums:
            raise clob(
                24,
                "Order remaining amount is less than `MinOrderBaseQuantums`. Remaining amount: "
                f"{max(order.quantums - filled, 0)}. Order: {block_order(wire)}",
            )
        if order.reduce_only and not self.matcher.reducible(order, market):
            raise clob(2001)
        if filled and never_rests(order):
            raise clob(2004, f"Order: {block_order(wire)}")

    def _check_replacement(self, wire: Order, order: PaperOrder, standing: PaperOrder) -> None:
        new, old = order.good_til_block or 0, standing.good_til_block or 0
        known = self._hashes.get(order.key)
        not_larger = known is None or order_hash(wire) <= known
        if new < old or (new == old and not_larger):
            raise clob(
                20,
                "New order cannot reduce the GoodTilBlock or GoodTilBlockTime of existing order",
            )
        if order.side != standing.side:
            raise clob(20, "New order cannot change the Side of the existing order")
        if order.time_in_force != standing.time_in_force:
            raise clob(20, "New order cannot change the TimeInForce of the existing order")
        if order.reduce_only != standing.reduce_only:
            raise clob(20, "New order cannot change the ReduceOnly of the existing order")

    def _drop_replaced(self, order: PaperOrder, pair: int) -> None:
        standing = self._standing(order.key)
        if standing is not None:
            self._take_out(order.key)
            self._removed(order.key, standing, "REPLACED", 0)

    def _match(self, order: PaperOrder, market: Market) -> None:
        book = self.books[market.id]
        remaining, status = self.matcher.take(order, market, book)
        if not remaining:
            return
        if status != "DONE":
            self._removed(order.key, order, REASONS[status], 0)
            if status == "RESIZED":
                self._resized.append(order.key)
            if status == "ISOLATED":
                raise clob(2005)
            if status == "CROSSES":
                raise clob(2003)
        elif never_rests(order):
            self._removed(order.key, order, "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK", 0)
        else:
            self.rest(order, remaining)

    def _standing(self, key: OrderKey) -> PaperOrder | None:
        """The order of this id that rests or is withheld."""
        book = self.books.get(key.clob_pair_id)
        resting = book.find(key) if book else None
        return resting.order if resting else self.withheld.get(key)

    def _take_out(self, key: OrderKey) -> None:
        self.books[key.clob_pair_id].take_out(key)
        self.withheld.pop(key, None)
        self._said_gone.discard(key)

    def _removed(
        self, key: OrderKey, order: PaperOrder | None, reason: str, optimistic: int
    ) -> None:
        self.tell(OrderRemoved(key, order, reason, "BEST_EFFORT_CANCELED", optimistic, self.now()))
