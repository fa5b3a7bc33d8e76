"""The exchange behind the paper network's nodes: one deterministic state machine without I/O.

Transactions come in through `check_tx`, blocks are made by `commit` and shown by `publish`; between
the two the caller stores the block. Short-term orders match at once in the nodes' common memory,
as on the real chain; their fills are told and can be queried only when the block is published.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from core.dydx.protocol import Side
from core.paper.book import Book, BookShape
from core.paper.check_tx import Checker
from core.paper.delivery import Delivery, Moment
from core.paper.faults import ExchangeFaults
from core.paper.governance import Governance, Market
from core.paper.happenings import (
    BlockCommitted,
    BlockEvent,
    Happening,
    OracleMoved,
    PaperOrder,
    SubaccountChanged,
    SubaccountKey,
)
from core.paper.margin import Collateral, Margin
from core.paper.matching import SYNTHETIC_MAKER, Matcher
from core.paper.money import gas_used
from core.paper.prices import Prices, PriceSettings
from core.paper.refusals import Refused
from core.paper.short_term import ShortTerm
from core.paper.state import Account, Changes, Header, Included, State, Subaccount
from core.paper.transactions import (
    MAX_BYTES,
    decode,
    tx_hash,
)

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


class Exchange:
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
        self.governance = governance
        self.chain_id = chain_id
        self.faults = ExchangeFaults()
        self.state = State()
        self.prices = Prices(governance, prices or PriceSettings())
        self.shape = book or BookShape()
        self._shapes: dict[int, BookShape] = {}
        self.margin = Margin(governance.markets, self._working_price, self._working_interest)
        self._committed_margin = Margin(governance.markets, self.oracle_price, self.open_interest)
        self._books = {market_id: Book() for market_id in governance.markets}
        self._matcher = Matcher(governance, self.state, self.margin, self._maker_removed)
        self._short_term = ShortTerm(
            self._books, governance.markets, self._matcher, self._tell, now or self._last_time
        )
        self._checker = Checker(governance, self.state, self._short_term, chain_id, self.faults)
        self._listeners: list[Listener] = []
        self._held_back: list[Happening] | None = None
        self._late: list[Happening] = []
        self._delivery = Delivery(self.state, self.margin)
        self._interest: dict[int, int] = {}

    # -- life -------------------------------------------------------------------------------

    def genesis(self, now: dt.datetime) -> Commit:
        """Begin a new chain: test accounts, prices, block 1. The rows are to be stored."""
        state = self.state
        state.header.put("last", Header(height=1, time_us=_microseconds(now), accounts=0))
        for row in self.governance.genesis:
            state.know(row.address)
            for denom, amount in row.wallet:
                state.pay(row.address, denom, amount)
            state.subaccounts.put(
                SubaccountKey(row.address, 0), Subaccount(row.subaccount_quote_quantums)
            )
        for market in self.governance.markets.values():
            state.prices.put(market.market_id, market.genesis_price)
        changes = state.take_changes()
        state.publish(changes)
        self._begin()
        return Commit(BlockCommitted(1, self.time, tuple(_changed_subaccounts(changes))), changes)

    def restore(self, tables: dict[str, dict[Any, Any]]) -> None:
        """Continue a chain from saved tables. What was only in a node's memory is gone."""
        for name, table in self.state.tables():
            table.load(tables.get(name, {}))
        for market in self.governance.markets.values():
            if market.market_id not in self.state.prices.committed:
                self.state.prices.put(market.market_id, market.genesis_price)
                self.state.prices.committed[market.market_id] = market.genesis_price
        self._begin()

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
        if signed.is_clob:
            raise Refused("undefined", 111222, "recovered: assert deliverTx mode failed\nstack:\n")
        self._checker.check_sequence(signed)
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

    # -- what can be seen -------------------------------------------------------------------

    @property
    def height(self) -> int:
        """Height of the last published block."""
        return self.state.header.committed["last"].height

    @property
    def time(self) -> dt.datetime:
        """Time of the last published block."""
        return _time(self.state.header.committed["last"].time_us)

    def account(self, address: str) -> Account | None:
        """The committed account of an address."""
        return self.state.accounts.committed.get(address)

    def balances(self, address: str) -> dict[str, int]:
        """The committed balances of a wallet by denom, without zeros."""
        return {
            denom: amount
            for (owner, denom), amount in sorted(self.state.balances.committed.items())
            if owner == address and amount
        }

    def balance(self, address: str, denom: str) -> int:
        """The committed balance of a wallet in one denom."""
        return self.state.balances.committed.get((address, denom), 0)

    def subaccount(self, key: SubaccountKey) -> Subaccount:
        """The committed subaccount; empty where nobody ever paid into it."""
        return self.state.subaccounts.committed.get(key, Subaccount())

    def subaccounts(self) -> dict[SubaccountKey, Subaccount]:
        """Every trader's committed subaccount."""
        return {
            key: value
            for key, value in self.state.subaccounts.committed.items()
            if key != SYNTHETIC_MAKER
        }

    def collateral(self, key: SubaccountKey) -> Collateral:
        """Net collateral and requirements of a committed subaccount at committed prices."""
        return self._committed_margin.collateral(self.subaccount(key))

    def oracle_price(self, market: Market) -> int:
        """The committed integer of a market's oracle price."""
        return self.state.prices.committed[market.market_id]

    def open_interest(self, market: Market) -> int:
        """Quantums held long in a market, committed."""
        return self._interest.get(market.id, 0)

    def book_levels(self, clob_pair_id: int, side: Side) -> list[tuple[int, int]]:
        """(subticks, quantums) of one side of the nodes' book, best first."""
        return self._books[clob_pair_id].levels(side)

    def transaction(self, identity: str) -> Included | None:
        """A transaction that is in a block."""
        return self.state.transactions.committed.get(identity.upper())

    def transactions_of(self, height: int) -> list[bytes]:
        """The transactions of a published block, as far as they are kept."""
        found: list[bytes] = []
        for row in reversed(self.state.transactions.committed.values()):
            if row.height < height:
                break
            if row.height == height:
                found.insert(0, row.raw)
        return found

    # -- blocks -----------------------------------------------------------------------------

    def commit(self, now: dt.datetime) -> Commit:
        """Finish the block in the making. Nobody sees it before `publish`."""
        state = self.state
        last = state.header.working["last"]
        height = last.height + 1
        time_us = max(_microseconds(now), last.time_us + 1)
        state.header.put("last", replace(last, height=height, time_us=time_us))
        self._short_term.finish_block()
        matches = self._matcher.start_block()
        held: list[Happening] = []
        self._held_back = held
        moment = Moment(height, time_us)
        events: list[BlockEvent] = self._delivery.fills(matches, moment)
        events += self._delivery.transactions(self._checker.finish_block(height), moment)
        moved = self._move_prices(height)
        self._short_term.expire(height)
        self._forget(height)
        changes = state.take_changes()
        events += _changed_subaccounts(changes)
        events += moved
        self._begin()
        self._held_back = None
        self._late = held
        return Commit(BlockCommitted(height, _time(time_us), tuple(events)), changes)

    def publish(self, commit: Commit) -> None:
        """Show a finished block to queries and listeners."""
        self.state.publish(commit.changes)
        self._interest = _long(self.state.subaccounts.committed)
        self._tell(commit.block)
        late, self._late = self._late, []
        for happening in late:
            self._tell(happening)

    def _begin(self) -> None:
        """Open the next block: quotes around the new prices, and what follows from them."""
        if not self._interest:
            self._interest = _long(self.state.subaccounts.committed)
        self._quote()
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
        self._delivery.forget()

    # -- helpers ----------------------------------------------------------------------------

    def _tell(self, happening: Happening) -> None:
        if self._held_back is not None:
            self._held_back.append(happening)
            return
        for listener in self._listeners:
            listener(happening)

    def _maker_removed(self, order: PaperOrder, reason: str) -> None:
        self._short_term.removed_maker(order, reason)

    def _last_time(self) -> dt.datetime:
        return _time(self.state.header.working["last"].time_us)

    def _working_price(self, market: Market) -> int:
        return self.state.prices.working[market.market_id]

    def _working_interest(self, market: Market) -> int:
        return self._interest.get(market.id, 0)


def _changed_subaccounts(changes: Changes) -> list[BlockEvent]:
    return [
        SubaccountChanged(key, value.usdc, value.positions)
        for key, value in changes["subaccounts"].items()
        if isinstance(key, SubaccountKey)
        and isinstance(value, Subaccount)
        and key != SYNTHETIC_MAKER
    ]


def _long(subaccounts: dict[SubaccountKey, Subaccount]) -> dict[int, int]:
    """Quantums held long by perpetual, over all subaccounts."""
    held: dict[int, int] = {}
    for subaccount in subaccounts.values():
        for perpetual_id, quantums in subaccount.positions:
            if quantums > 0:
                held[perpetual_id] = held.get(perpetual_id, 0) + quantums
    return held


def _microseconds(moment: dt.datetime) -> int:
    return int((moment - _EPOCH) / dt.timedelta(microseconds=1))


def _time(microseconds: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=microseconds)


_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
