"""The order book module put together: what CheckTx, a block and the time after it do with stateful
orders, as the exchange calls it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from google.protobuf.message import Message
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgCancelOrder, MsgPlaceOrder

from core.paper.book import Book
from core.paper.clob_checks import ClobChecks
from core.paper.clob_delivery import ClobDelivery
from core.paper.conditional import Conditionals
from core.paper.faults import ExchangeFaults
from core.paper.fees import Fees
from core.paper.governance import Governance
from core.paper.happenings import OrderRemoved, PaperOrder, StatefulChanged
from core.paper.margin import Margin
from core.paper.matching import Match, Matcher
from core.paper.short_term import ShortTerm
from core.paper.state import State
from core.paper.stateful import StatefulOrders
from core.paper.stateful_book import StatefulBook
from core.paper.twap import TwapParts

StatefulRemoval = tuple[int, StatefulChanged]


class Clob:
    """Stateful orders over the books that short-term orders share. `tell` is called when the node's
    memory drops one; `execute` carries out a message of another module.
    """

    def __init__(
        self,
        governance: Governance,
        state: State,
        margin: Margin,
        fees: Fees,
        books: dict[int, Book],
        matcher: Matcher,
        short_term: ShortTerm,
        faults: ExchangeFaults,
        *,
        tell: Callable[[OrderRemoved], None],
        now: Callable[[], dt.datetime],
        execute: Callable[[Message], object],
    ) -> None:
        self._matcher = matcher
        self._short_term = short_term
        self._faults = faults
        orders = StatefulOrders(governance, state, margin, fees)
        self.checks = ClobChecks(governance, state, orders, short_term, faults, execute)
        self._delivery = ClobDelivery(state, orders, Conditionals(governance, state, orders))
        self._twap = TwapParts(governance, state, orders, self._delivery)
        self._book = StatefulBook(state, books, governance.markets, matcher, short_term, tell, now)

    def restore(self) -> None:
        """Continue after a restart, before the first block: every order that belongs there goes on
        the books again.
        """
        self._delivery.restore()
        self._book.wake(self._faults.withholds)

    def start_block(self, height: int, time_us: int, last_us: int) -> list[StatefulRemoval]:
        """Begin the block of this height and time: the removals that its proposer found, each with
        the number of matches before it. Call it before the matcher starts anew.
        """
        self._delivery.start_block(height, time_us, last_us)
        removals = list(self._matcher.removals.values())
        return self._delivery.operations(self._matcher.matches, removals)

    def execute(
        self, message: MsgPlaceOrder | MsgCancelOrder, authenticators: tuple[int, ...]
    ) -> list[StatefulChanged]:
        """Carry out a message in the block. Raises Refused."""
        return self._delivery.execute(message, authenticators)

    def mark(self) -> Callable[[], None]:
        """Remember what the block delivered so far: what this gives goes back to it."""
        delivered = self._delivery.delivered.copy()

        def back() -> None:
            self._delivery.delivered = delivered

        return back

    def end_block(self, time_us: int, matches: list[Match]) -> list[StatefulChanged]:
        """What the end of a block with these matches does: expiry, TWAP parts, triggers."""
        events = self._delivery.expire()
        events += self._twap.place_due(time_us // 1_000_000)
        events += self._delivery.trigger(matches)
        return events

    def prepare(self) -> None:
        """After a block: drop from the books what it ended, put on them what it brought."""
        delivered = self._delivery.delivered
        self._book.take_out(delivered)
        self._book.put(delivered, self._faults.withholds)

    def removed_maker(self, order: PaperOrder, reason: str) -> None:
        """A stateful maker fell out of the book."""
        self._book.removed_maker(order, reason)
