"""The ledger against the chain: fills that no message brought, and positions that do not agree.

Sizes are compared with what a node has committed, to the last step. A question that nobody answers
says nothing: it is never taken for an account that holds nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import structlog

from core.dydx.indexer import Indexer, IndexerError
from core.dydx.indexer_types import IndexerFill
from core.dydx.node import NodeUnreachable
from core.dydx.stream import NeedsBackfill
from core.events import AccountUnseen, Event, MismatchFound
from core.ledger import accounts, orders, outbox, positions
from core.trading.balance import BalanceCheck, ShareCheck
from core.trading.funding import FundingReader
from core.trading.news import note_served, note_standing
from core.trading.workbench import Workbench

log = structlog.get_logger(__name__)

OVERLAP_BLOCKS = 50
UNREAD_S = 60.0
"""How long a difference is left unsaid while no fills can be read that may explain it."""
UNKNOWN_S = 8.0
"""The same where the chain holds what the books do not: no stop covers that."""
YOUNGER_BLOCKS = 2
"""By how many blocks a node's state may be younger than the one that is known of it."""


@dataclass(frozen=True)
class OnChain:
    """Signed sizes by ticker as a node has committed them, and the block."""

    sizes: dict[str, Decimal]
    height: int


@dataclass(frozen=True)
class Difference:
    """Signed sizes of a market that do not agree, the block of the chain's, and when that was seen
    (seconds of the monotonic counter).
    """

    chain: Decimal
    ledger: Decimal
    height: int
    at: float

    @property
    def is_bare(self) -> bool:
        """Whether the chain holds something that the books do not."""
        return self.chain * self.ledger < 0 or abs(self.chain) > abs(self.ledger)

    def is_like(self, other: Difference | None) -> bool:
        return other is not None and (self.chain, self.ledger) == (other.chain, other.ledger)


class Reconciler:
    """Checks one account: at take-over, after each reconnect and in its turn."""

    def __init__(
        self, bench: Workbench, book: Callable[[Sequence[IndexerFill]], Awaitable[None]]
    ) -> None:
        self._account = bench.account
        self._parts = bench.parts
        self._book = book
        self._funding = FundingReader(bench)
        self._balance = BalanceCheck(bench, self._funding)
        self._shares = ShareCheck(bench)
        self._suspected: dict[str, Difference] = {}
        self._told: dict[str, Difference] = {}

    @property
    def suspects(self) -> bool:
        """Whether the last check saw a difference that the next one confirms or clears."""
        return any(not one.is_like(self._told.get(t)) for t, one in self._suspected.items())

    async def catch_up(self) -> bool:
        """As `run`, before the requests of all others: somebody waits for this account."""
        return await self.run(prompt=True)

    async def glance(self) -> bool:
        """Compares positions with a node's alone; False when no node could be asked."""
        return await self._compare(read_to=None)

    async def run(self, *, prompt: bool = False, money: bool = False) -> bool:
        """Books missing fills and compares positions; with `money` also reads what was paid for
        funding and compares the balance. False when the indexer could not be read.
        """
        address, number = self._account.address, self._account.subaccount_number
        indexer, stream = self._parts.venue.indexer, self._parts.venue.stream
        if prompt:
            indexer = indexer.urgently()
        elif not stream.urgent(address, number):
            indexer = indexer.in_bulk()
        needs = stream.needs_backfill(address, number)
        try:
            height = await indexer.recent_height()
            since = max(0, self._account.fills_height - OVERLAP_BLOCKS)
            fills = await indexer.all_fills_since(address, number, since)
            await self._book(fills)
            if needs is not None and not self._snapshot_holds(needs, fills):
                await self._read_positions(indexer)
        except IndexerError as error:
            await note_standing(self._parts, self._account, error)
            await self._compare(read_to=None)
            return False
        await note_served(self._parts, self._account)
        self._account.fills_height = height
        async with self._parts.ledger.executing():
            await accounts.set_fills_height(self._account.id, height)
        if needs is not None:
            stream.backfilled(needs)
        if money:
            await self._funding.run(indexer)
            await self._balance.run(indexer)
        await self._compare(read_to=height)
        return True

    def _snapshot_holds(self, needs: NeedsBackfill, fills: Sequence[IndexerFill]) -> bool:
        """Whether the positions in the stream's snapshot are those after the fills."""
        mirror = self._parts.venue.stream.account(needs.address, needs.number)
        known = mirror is not None and mirror.height is not None
        return known and not needs.outdates_snapshot(fills)

    async def _read_positions(self, indexer: Indexer) -> None:
        """Has the stream know the positions as they are after the fills."""
        read = await indexer.subaccount(self._account.address, self._account.subaccount_number)
        if read is not None:
            self._parts.venue.stream.take_read(read)

    async def _compare(self, *, read_to: int | None) -> bool:
        """Holds the books against a node's committed state; False when no node could be asked.
        `read_to`: the block up to which all fills are booked, None where that is not known.

        A difference is told once fills that were read past its block have not explained it.
        """
        booked_to = await orders.newest_fill_height(self._account.id)
        on_chain = await self._committed(at_least=max(read_to or 0, booked_to))
        if on_chain is None:
            return False
        found = await self._differences(on_chain)
        if read_to is not None:
            await self._shares.run(on_chain.sizes)
        before, self._suspected = self._suspected, {}
        self._told = {t: one for t, one in self._told.items() if one.is_like(found.get(t))}
        for ticker, one in found.items():
            first = before.get(ticker)
            if first is None or not one.is_like(first):
                self._suspected[ticker] = one
                continue
            self._suspected[ticker] = first
            patience_s = UNKNOWN_S if one.is_bare else UNREAD_S
            unread = read_to is None and one.at - first.at >= patience_s
            past = (read_to or 0) > first.height + YOUNGER_BLOCKS
            if ticker not in self._told and (unread or past):
                self._told[ticker] = one
                await self._tell(ticker, one)
        return True

    async def _committed(self, at_least: int) -> OnChain | None:
        """What a node has committed; None while it cannot be read."""
        venue = self._parts.venue
        try:
            held = await venue.node.subaccount(
                self._account.address, self._account.subaccount_number, at_least=at_least
            )
        except NodeUnreachable as error:
            log.info("positions could not be compared", account=self._account.id, error=str(error))
            return None
        sizes: dict[str, Decimal] = {}
        for pair, quantums in held.positions.items():
            market = venue.stream.markets.by_pair(pair)
            if market is None:
                return None
            sizes[market.ticker] = market.scale.size_of(quantums)
        return OnChain(sizes, held.height or at_least)

    async def _differences(self, on_chain: OnChain) -> dict[str, Difference]:
        """Where the books do not agree with the chain."""
        booked: dict[str, Decimal] = {}
        for position in await positions.open_of([self._account.id]):
            booked[position.ticker] = position.size if position.side == "LONG" else -position.size
        now = self._parts.clock.monotonic()
        return {
            ticker: Difference(chain, ledger, on_chain.height, now)
            for ticker in on_chain.sizes.keys() | booked.keys()
            if (chain := on_chain.sizes.get(ticker, Decimal(0)))
            != (ledger := booked.get(ticker, Decimal(0)))
        }

    async def _tell(self, ticker: str, one: Difference) -> None:
        log.warning("chain and ledger differ", account=self._account.id, ticker=ticker)
        self._parts.observer.mismatch()
        found = MismatchFound(
            self._account.id, ticker, format(one.chain, "f"), format(one.ledger, "f")
        )
        await self._put(found, f"mismatch:{self._account.id}:{ticker}:{one.height}")

    async def tell_unseen(self, since: str) -> None:
        """Alarms: an order may open something, and nobody tells what the account holds."""
        log.warning("nobody tells what an account holds", account=self._account.id, since=since)
        await self._put(
            AccountUnseen(self._account.id, since), f"unseen:{self._account.id}:{since}"
        )

    async def _put(self, event: Event, key: str) -> None:
        async with self._parts.ledger.executing():
            await outbox.put(self._account.trader_id, event, key=key, now=self._parts.clock.now())
        self._parts.outbox_bell.ring()
