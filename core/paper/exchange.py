"""The exchange behind the paper network's nodes: one deterministic state machine without I/O.

Transactions come in through `check_tx`, blocks are made by `commit` and shown by `publish`; between
the two the caller stores the block. Short-term orders match at once in the nodes' common memory,
as on the real chain; their fills are told and can be queried only when the block is published.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from core.paper.authenticators import Authenticators
from core.paper.book import BookShape
from core.paper.check_tx import Checker
from core.paper.clearing import SYNTHETIC_MAKER, Clearing
from core.paper.clob import Clob
from core.paper.committed import Committed, microseconds, moment_of
from core.paper.delivery import Delivery, Moment, end_of_block
from core.paper.economy import Economy
from core.paper.faults import ExchangeFaults
from core.paper.fees import Fees
from core.paper.governance import Governance, Market
from core.paper.happenings import (
    BlockCommitted,
    BlockEvent,
    Happening,
    OracleMoved,
    OrderRemoved,
    PaperOrder,
    SubaccountChanged,
    SubaccountKey,
)
from core.paper.margin import Margin
from core.paper.matching import Matcher
from core.paper.money import gas_used
from core.paper.orders import is_stateful
from core.paper.prices import Prices, PriceSettings
from core.paper.refusals import Refused
from core.paper.short_term import ShortTerm
from core.paper.state import (
    Changes,
    Header,
    Subaccount,
)
from core.paper.transactions import (
    MAX_BYTES,
    decode,
    tx_hash,
)

_TIMES_KEPT: Final = 1_000

Listener = Callable[[Happening], None]


@dataclass(frozen=True)
class CheckResult:
    """A node's answer to a transaction; code 0 is "accepted", with the log "[]"."""

    tx_hash: str
    codespace: str
    code: int
    log: str


@dataclass(frozen=True)
class Commit:
    """A finished block that nobody has seen yet, and the rows it changed."""

    block: BlockCommitted
    changes: Changes


class Exchange(Committed):
    """State, mempool, books and blocks. Not thread-safe: one event loop owns it."""

    def __init__(
        self,
        governance: Governance,
        *,
        chain_id: str = "localdydxprotocol",
        book: BookShape | None = None,
        prices: PriceSettings | None = None,
        now: Callable[[], dt.datetime] | None = None,
    ) -> None:
        super().__init__(governance)
        self.governance = governance
        self.chain_id = chain_id
        self.faults = ExchangeFaults()
        self.prices = Prices(governance, prices or PriceSettings())
        self.shape = book or BookShape()
        self._shapes: dict[int, BookShape] = {}
        self.margin = Margin(governance.markets, self._working_price, self._working_interest)
        fees = Fees(governance, self.state)
        clearing = Clearing(self.state, self.margin, fees)
        self._matcher = Matcher(governance, self.state, clearing, self._maker_removed)
        self._economy = Economy(
            governance, self.state, self.margin, clearing, fees, self._matcher, self._books
        )
        self._short_term = ShortTerm(
            self._books,
            governance.markets,
            self._matcher,
            self._tell,
            now or self._last_time,
            governance.short_block_window,
        )
        authenticators = Authenticators(self.state, chain_id)
        self._clob = Clob(
            governance,
            self.state,
            self.margin,
            fees,
            self._books,
            self._matcher,
            self._short_term,
            self.faults,
            tell=self._tell_early,
            now=now or self._last_time,
            execute=lambda message: self._delivery.execute(message),
        )
        self._checker = Checker(governance, self.state, self._clob.checks, chain_id, authenticators)
        self._listeners: list[Listener] = []
        self._followers: list[Callable[[Changes], None]] = []
        self._held_back: list[Happening] | None = None
        self._early: list[Happening] = []
        self._late: list[Happening] = []
        self._delivery = Delivery(self.state, self.margin, governance, authenticators, self._clob)
        self._sealed_us = 0

    # -- life -------------------------------------------------------------------------------

    def genesis(self, now: dt.datetime) -> Commit:
        """Begin a new chain: test accounts, prices, block 1. The rows are to be stored."""
        state = self.state
        self._sealed_us = microseconds(now)
        state.header.put("last", Header(height=1, time_us=self._sealed_us, accounts=0))
        state.times.put(1, self._sealed_us)
        for row in self.governance.genesis:
            state.know(row.address)
            for denom, amount in row.wallet:
                state.pay(row.address, denom, amount)
            state.subaccounts.put(
                SubaccountKey(row.address, 0), Subaccount(row.subaccount_quote_quantums)
            )
        for market in self.governance.markets.values():
            state.prices.put(market.market_id, market.genesis_price)
        self._economy.genesis()
        changes = state.take_changes()
        state.publish(changes)
        self._begin()
        return Commit(
            BlockCommitted(1, self.time, tuple(_changed_subaccounts(changes, {}, {}))), changes
        )

    def restore(self, tables: dict[str, dict[Any, Any]]) -> None:
        """Continue a chain from saved tables. What was only in a node's memory is gone."""
        for name, table in self.state.tables():
            table.load(tables.get(name, {}))
        for market in self.governance.markets.values():
            if market.market_id not in self.state.prices.committed:
                self.state.prices.put(market.market_id, market.genesis_price)
                self.state.prices.committed[market.market_id] = market.genesis_price
        self._begin()
        self._economy.restored()
        self._clob.restore()

    def copy_at(self, tables: dict[str, dict[Any, Any]]) -> Exchange:
        """Another exchange under the same governance, at these committed tables, that nobody
        listens to.
        """
        still = replace(self.prices.settings, mode="still")
        other = Exchange(self.governance, chain_id=self.chain_id, book=self.shape, prices=still)
        other._shapes = dict(self._shapes)
        other.restore(tables)
        return other

    def follow(self, follower: Callable[[Changes], None]) -> None:
        """Have a follower called with the changes of every block, right before it is shown."""
        self._followers.append(follower)

    def unfollow(self, follower: Callable[[Changes], None]) -> None:
        """Call a follower no more."""
        self._followers.remove(follower)

    def subscribe(self, listener: Listener) -> None:
        """Have a listener called with every happening, in order, on the event loop."""
        self._listeners.append(listener)

    # -- what traders and tests do ----------------------------------------------------------

    def check_tx(self, raw: bytes) -> CheckResult:
        """Check a signed transaction as a node does; an accepted one is in the next block or, for
        short-term orders, in the nodes' memory.
        """
        identity = tx_hash(raw)
        if len(raw) > MAX_BYTES:
            return CheckResult(identity, "sdk", 21, "")
        try:
            self._checker.check(decode(raw))
        except Refused as refusal:
            return CheckResult(identity, refusal.codespace, refusal.code, refusal.log)
        return CheckResult(identity, "", 0, "[]")

    def simulate(self, raw: bytes) -> int:
        """The gas a transaction would take, its messages tried on the state and undone. Raises
        Refused with the chain's complaint.
        """
        signed = decode(raw)
        if not signed.messages:
            raise Refused("sdk", 18, "must contain at least one message: invalid request")
        if signed.has_orders:
            raise Refused("undefined", 111222, "recovered: assert deliverTx mode failed\nstack:\n")
        self._checker.simulate(signed)
        self._delivery.try_out(signed.messages)
        return gas_used(signed.messages)

    def give(self, address: str, subaccount_number: int, quote_quantums: int) -> str:
        """The faucet: USDC for a subaccount, and a few native coins and 20 USDC for the wallet, in
        the next block. Gives the hash of its transaction. Raises ValueError for what is no address,
        number or amount.
        """
        if quote_quantums <= 0:
            raise ValueError("the amount was not positive")
        return self._delivery.give(address, subaccount_number, quote_quantums)

    def give_coins(self, address: str) -> str:
        """The faucet's coins for a wallet alone, in the next block. Gives the hash of its
        transaction. Raises ValueError for what is no address.
        """
        return self._delivery.give(address, 0, 0)

    def set_price(self, ticker: str, usd: Decimal) -> None:
        """Set an oracle price for the next block. Raises KeyError for an unknown market, ValueError
        for a price that cannot be one.
        """
        self.prices.set(ticker, usd)

    def shape_book(self, shape: BookShape, ticker: str | None = None) -> None:
        """Change the synthetic maker's ladder at once, in one market or in all. Raises KeyError for
        an unknown market.
        """
        if ticker is None:
            self.shape, self._shapes = shape, {}
        else:
            self._shapes[self.governance.by_ticker(ticker).id] = shape
        self._quote()

    def book_shape(self, ticker: str) -> BookShape:
        """The ladder's shape in a market. Raises KeyError for an unknown one."""
        return self._shapes.get(self.governance.by_ticker(ticker).id, self.shape)

    # -- blocks -----------------------------------------------------------------------------

    def commit(self, now: dt.datetime) -> Commit:
        """Finish the block in the making. Nobody sees it before `publish`. As on the real chain,
        its header carries the time at which the block before it was finished.
        """
        state = self.state
        last = state.header.working["last"]
        height = last.height + 1
        time_us = max(self._sealed_us, last.time_us + 1)
        self._sealed_us = microseconds(now)
        state.header.put("last", replace(last, height=height, time_us=time_us))
        state.times.put(height, time_us)
        self._short_term.finish_block()
        removals = self._clob.start_block(height, time_us, last.time_us)
        matches = self._matcher.start_block()
        self._economy.begin_block(height, time_us, last.time_us)
        held: list[Happening] = []
        self._held_back = held
        moment = Moment(height, time_us)
        events: list[BlockEvent] = self._delivery.fills(matches, removals, moment)
        moved = self._move_prices(height)  # before the transactions, as on the real chain
        events += self._delivery.transactions(self._checker.finish_block(height), moment)
        events += end_of_block(self._clob.end_block(time_us, matches), height)
        self._short_term.expire(height)
        self._forget(height)
        told = self._economy.end_block(height, time_us)
        funding = self._economy.take_settled()
        changes = state.take_changes()
        events += _changed_subaccounts(changes, funding, state.subaccounts.committed)
        events += moved
        events += told
        self._begin([match.order for match in matches if match.order is not None])
        self._economy.prepare(changes, events)
        self._held_back = None
        self._late = held
        return Commit(BlockCommitted(height, moment_of(time_us), tuple(events)), changes)

    def publish(self, commit: Commit) -> None:
        """Show a finished block to queries and listeners."""
        for follower in self._followers:
            follower(commit.changes)
        self.state.publish(commit.changes)
        early, self._early = self._early, []
        for happening in early:
            self._tell(happening)
        self._tell(commit.block)
        late, self._late = self._late, []
        for happening in late:
            self._tell(happening)

    def _begin(self, matched: Sequence[PaperOrder] = ()) -> None:
        """Open the next block: quotes around the new prices, and what follows from them. What the
        last one matched comes behind what rested, and behind what it brought.
        """
        self._economy.open_block()
        self._quote()
        self._short_term.requeue(matched)
        self._clob.prepare()
        self._short_term.requeue(matched)
        self._short_term.release(self.faults.withholds)

    def _quote(self) -> None:
        for market in self.governance.markets.values():
            book = self._books[market.id]
            usd = market.price_usd(self._working_price(market))
            book.quote(market.scale, usd, self._shapes.get(market.id, self.shape))
            if not self.faults.withholds(market.ticker):
                self._matcher.sweep(market, book)

    def _move_prices(self, height: int) -> list[BlockEvent]:
        moved: list[BlockEvent] = []
        for market in self.governance.markets.values():
            current = self._working_price(market)
            price = self.prices.next(market, current, height)
            if price != current:
                self.state.prices.put(market.market_id, price)
                moved.append(OracleMoved(market.market_id, price, market.price_exponent))
        return moved

    def _forget(self, height: int) -> None:
        fills = self.state.fills
        for key in [key for key, fill in fills.working.items() if fill.forget_at <= height]:
            fills.drop(key)
        self.state.times.drop(height - _TIMES_KEPT)
        self._delivery.forget()

    # -- helpers ----------------------------------------------------------------------------

    def _tell(self, happening: Happening) -> None:
        if self._held_back is not None:
            self._held_back.append(happening)
            return
        for listener in self._listeners:
            listener(happening)

    def _tell_early(self, happening: OrderRemoved) -> None:
        """What the node drops while it prepares the next block reaches the indexer before it has
        read the block.
        """
        if self._held_back is None:
            self._tell(happening)
        else:
            self._early.append(happening)

    def _maker_removed(self, order: PaperOrder, reason: str) -> None:
        if is_stateful(order.key):
            self._clob.removed_maker(order, reason)
        else:
            self._short_term.removed_maker(order, reason)

    def _last_time(self) -> dt.datetime:
        return moment_of(self.state.header.working["last"].time_us)

    def _working_price(self, market: Market) -> int:
        return self.state.prices.working[market.market_id]

    def _working_interest(self, market: Market) -> int:
        return self.state.interest.working.get(market.id, 0)


def _changed_subaccounts(
    changes: Changes,
    funding: dict[SubaccountKey, tuple[tuple[int, int], ...]],
    before: dict[SubaccountKey, Subaccount],
) -> list[BlockEvent]:
    """What holders have now; a margin that a trader chose is nothing that is told."""
    rows = [
        (key, value)
        for key, value in changes["subaccounts"].items()
        if isinstance(key, SubaccountKey)
        and isinstance(value, Subaccount)
        and key != SYNTHETIC_MAKER
        and not _only_leverage(before.get(key, Subaccount()), value)
    ]
    return [
        SubaccountChanged(key, value.usdc, value.positions, funding.get(key, ()))
        for key, value in sorted(rows, key=lambda row: (row[0].owner, row[0].number))
    ]


def _only_leverage(before: Subaccount, after: Subaccount) -> bool:
    same = replace(before, leverage=after.leverage) == after
    return same and before.leverage != after.leverage
