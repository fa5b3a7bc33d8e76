"""The ledger against the chain: fills that no message brought, and positions that do not agree."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal

import structlog

from core.dydx.indexer import Indexer, IndexerError
from core.dydx.indexer_types import IndexerFill
from core.dydx.node import NodeUnreachable
from core.events import MismatchFound
from core.ledger import accounts, outbox, positions
from core.ledger.models import Account
from core.trading.news import note_served, note_standing
from core.trading.parts import Parts

log = structlog.get_logger(__name__)

OVERLAP_BLOCKS = 50


class Reconciler:
    """Checks one account: at take-over, after each reconnect and on a schedule."""

    def __init__(
        self,
        account: Account,
        parts: Parts,
        book: Callable[[Sequence[IndexerFill]], Awaitable[None]],
    ) -> None:
        self._account = account
        self._parts = parts
        self._book = book
        self._suspected: dict[str, tuple[Decimal, Decimal]] = {}

    async def catch_up(self) -> bool:
        """As `run`, before the requests of all others: somebody waits for this account."""
        return await self.run(prompt=True)

    async def run(self, *, prompt: bool = False) -> bool:
        """Books missing fills and compares positions; False when the indexer could not be read."""
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
            snapshot_holds = needs is not None and not needs.outdates_snapshot(fills)
            on_chain = await self._positions(indexer, by_stream=snapshot_holds)
        except IndexerError as error:
            await note_standing(self._parts, self._account, error)
            await self._ask_node()
            return False
        await note_served(self._parts, self._account)
        self._account.fills_height = height
        async with self._parts.ledger.executing():
            await accounts.set_fills_height(self._account.id, height)
        if needs is not None:
            stream.backfilled(needs)
        await self._compare(on_chain)
        return True

    async def _positions(self, indexer: Indexer, *, by_stream: bool) -> dict[str, Decimal]:
        """Signed sizes by ticker: the stream's while its snapshot holds, else asked for."""
        address, number = self._account.address, self._account.subaccount_number
        stream = self._parts.venue.stream
        mirror = stream.account(address, number)
        if by_stream and mirror is not None and mirror.height is not None:
            return {ticker: held.size for ticker, held in mirror.positions().items()}
        read = await indexer.subaccount(address, number)
        if read is None:
            return {}
        stream.take_read(read)
        rows = read.open_perpetual_positions.values()
        return {row.market: row.size for row in rows if row.size}

    async def _ask_node(self) -> None:
        """Compares with the positions that a node has committed while the indexer tells nothing."""
        venue = self._parts.venue
        try:
            held = await venue.node.subaccount(
                self._account.address, self._account.subaccount_number
            )
        except NodeUnreachable:
            return
        sizes: dict[str, Decimal] = {}
        for pair, quantums in held.positions.items():
            market = venue.stream.markets.by_pair(pair)
            if market is None:
                return
            sizes[market.ticker] = market.scale.size_of(quantums)
        await self._compare(sizes)

    async def _compare(self, on_chain: dict[str, Decimal]) -> None:
        """A difference that two checks in a row find alike is told; fills explain it by then."""
        booked: dict[str, Decimal] = {}
        for position in await positions.open_of([self._account.id]):
            booked[position.ticker] = position.size if position.side == "LONG" else -position.size
        found: dict[str, tuple[Decimal, Decimal]] = {}
        for ticker in on_chain.keys() | booked.keys():
            pair = (on_chain.get(ticker, Decimal(0)), booked.get(ticker, Decimal(0)))
            if pair[0] != pair[1]:
                found[ticker] = pair
        confirmed = {t: pair for t, pair in found.items() if self._suspected.get(t) == pair}
        self._suspected = found
        for ticker, (chain_size, ledger_size) in confirmed.items():
            await self._tell(ticker, chain_size, ledger_size)

    async def _tell(self, ticker: str, chain_size: Decimal, ledger_size: Decimal) -> None:
        log.warning("chain and ledger differ", account=self._account.id, ticker=ticker)
        self._parts.observer.mismatch()
        async with self._parts.ledger.executing():
            await outbox.put(
                self._account.trader_id,
                MismatchFound(
                    self._account.id, ticker, format(chain_size, "f"), format(ledger_size, "f")
                ),
                key=f"mismatch:{self._account.id}:{ticker}:{chain_size}:{ledger_size}",
                now=self._parts.clock.now(),
            )
        self._parts.outbox_bell.ring()
