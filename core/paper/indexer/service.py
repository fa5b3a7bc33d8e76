"""The indexer as a whole: rows, feed, faults and counters, shared by its REST and websocket."""

from __future__ import annotations

import asyncio
import collections
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from core.clock import Clock, Random, SystemClock, SystemRandom
from core.paper.governance import Governance
from core.paper.happenings import BlockCommitted, Filled, Happening, Transferred
from core.paper.indexer import shapes
from core.paper.indexer.controls import Book, Controls
from core.paper.indexer.faults import IndexerFaults
from core.paper.indexer.feed import Feed
from core.paper.indexer.records import order_id_of
from core.paper.indexer.rows import Rows
from core.paper.indexer.texts import iso, number, usdc
from core.paper.indexer.updates import Update

log = logging.getLogger(__name__)
Json = dict[str, Any]
Listener = Callable[[Update], None]
_BLOCKS_KEPT = 200


@dataclass(frozen=True)
class IndexerSettings:
    """`rest_limit`: requests per 10 s and address, None for no limit. `latency_ms`: from a block's
    commit to its visibility. Times of the websocket are those of the real one.
    """

    host: str = "127.0.0.1"
    rest_port: int = 3002
    ws_port: int = 3003
    rest_limit: int | None = 100
    latency_ms: int = 50
    snapshot_ms: int = 10
    batch_ms: int = 250
    ping_interval_s: float = 30.0
    pong_timeout_s: float = 10.0


class Indexer:
    """Takes happenings with `on`. `listeners` are told of every websocket message, those in
    `applied` of every happening once it is visible.
    """

    def __init__(
        self,
        governance: Governance,
        controls: Controls,
        settings: IndexerSettings,
        *,
        clock: Clock | None = None,
        random: Random | None = None,
    ) -> None:
        self.controls = controls
        self.settings = settings
        self.clock = clock or SystemClock()
        self.random = random or SystemRandom()
        self.rows = Rows(governance.markets, self._mid_price)
        self.faults = IndexerFaults()
        self.rest_calls: collections.Counter[str] = collections.Counter()
        self.ws_connections = 0
        self.blocks: collections.deque[Json] = collections.deque(maxlen=_BLOCKS_KEPT)
        self.listeners: list[Listener] = []
        self.applied: list[Callable[[Happening], None]] = []
        self._seen = asyncio.Event()
        self.book_watchers: collections.Counter[int] = collections.Counter()
        self._shown_books: dict[int, Book] = {}
        self._book_changes: list[Update] = []
        self.feed = Feed(
            self.apply,
            self.clock,
            self._latency_s,
            lambda: self.faults.indexer_lag_blocks,
        )

    def on(self, happening: Happening) -> None:
        """Where the exchange publishes: takes a happening and returns at once. The books are looked
        at now, so that what comes and goes before the happening is visible is told all the same.
        """
        self._note_books()
        self.feed.on(happening)

    @property
    def rtt_s(self) -> float:
        """The injected round trip, in seconds."""
        return self.controls.node_faults().rtt_ms / 1000

    def set_faults(self, faults: IndexerFaults) -> None:
        """Put these faults in force."""
        self.faults = faults
        self.feed.recheck()

    def take_500(self) -> bool:
        """Whether the request at hand is to fail; counts the fault down."""
        hit, left = _one_less(self.faults.rest_500)
        self.faults = replace(self.faults, rest_500=left)
        return hit

    def take_429(self) -> bool:
        """Whether the request at hand is one too many; counts the fault down."""
        hit, left = _one_less(self.faults.rest_429)
        self.faults = replace(self.faults, rest_429=left)
        return hit

    def apply(self, happening: Happening) -> None:
        """Make a happening visible now."""
        try:
            updates = self.rows.on(happening)
        except Exception:
            log.exception("the paper indexer could not take %s", type(happening).__name__)
            return
        if isinstance(happening, BlockCommitted):
            self.blocks.append(self._block(happening))
            self._seen.set()
        for update in updates:
            self._tell(update)
        self._note_books()
        told, self._book_changes = self._book_changes, []
        for update in told:
            self._tell(update)
        for listener in self.applied:
            listener(happening)

    async def caught_up(self) -> None:
        """Wait until every block published so far is visible; at most two seconds, and not at all
        while the indexer is made to lag.
        """
        height = self.feed.head
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                while self.rows.height < height and not self.faults.indexer_lag_blocks:
                    self._seen.clear()
                    await self._seen.wait()

    def watch_book(self, clob_pair_id: int, step: int) -> None:
        """Count a subscriber to a book in (+1) or out (−1)."""
        if not self.book_watchers[clob_pair_id]:
            self._shown_books[clob_pair_id] = self.controls.book(clob_pair_id)
        self.book_watchers[clob_pair_id] += step

    def book(self, clob_pair_id: int) -> Json:
        """A market's book as REST and snapshots show it: 100 levels a side."""
        book = self.controls.book(clob_pair_id)
        return {
            side: [{"price": number(price), "size": number(size)} for price, size in levels[:100]]
            for side, levels in (("bids", book.bids), ("asks", book.asks))
        }

    def _tell(self, update: Update) -> None:
        for listener in list(self.listeners):
            listener(update)

    def _note_books(self) -> None:
        """Note what changed in the books that somebody watches."""
        for clob_pair_id, watchers in self.book_watchers.items():
            if watchers > 0:
                self._note_book(clob_pair_id)

    def _note_book(self, clob_pair_id: int) -> None:
        """What changed in a book, best prices first: per level its new size, "0" for one that is
        gone.
        """
        before, after = self._shown_books[clob_pair_id], self.controls.book(clob_pair_id)
        self._shown_books[clob_pair_id] = after
        ticker = self.rows.markets[clob_pair_id].ticker
        for side, old, new in (
            ("bids", before.bids, after.bids),
            ("asks", before.asks, after.asks),
        ):
            was, now = dict(old), dict(new)
            for price in sorted(was.keys() | now.keys(), reverse=side == "bids"):
                size = now.get(price, Decimal(0))
                if was.get(price) != size:
                    level = [number(price), number(size)]
                    change = Update("v4_orderbook", ticker, {side: [level]})
                    self._book_changes.append(change)

    def _latency_s(self) -> float:
        latency = self.faults.indexer_latency_ms
        return (self.settings.latency_ms if latency is None else latency) / 1000

    def _mid_price(self, clob_pair_id: int) -> Decimal | None:
        book = self.controls.book(clob_pair_id)
        if not book.bids or not book.asks:
            return None
        return (book.bids[0][0] + book.asks[0][0]) / 2

    def _block(self, block: BlockCommitted) -> Json:
        """A block for people: its fills and money, and the transactions they were in."""
        fills: list[Json] = []
        transfers: list[Json] = []
        hashes: dict[str, None] = {}
        for event in block.events:
            if isinstance(event, Filled):
                market = self.rows.markets[event.clob_pair_id]
                hashes[event.transaction_hash] = None
                fills.append(
                    {
                        "address": event.subaccount.owner,
                        "subaccountNumber": event.subaccount.number,
                        "orderId": None if event.order is None else order_id_of(event.order.key),
                        "market": market.ticker,
                        "side": event.side,
                        "liquidity": event.liquidity,
                        "size": number(market.scale.size_of(event.quantums)),
                        "price": number(market.scale.price_of(event.subticks)),
                        "fee": number(usdc(event.fee_quote_quantums)),
                        "transactionHash": event.transaction_hash,
                    }
                )
            elif isinstance(event, Transferred):
                hashes[event.transaction_hash] = None
                transfers.append(
                    {
                        "sender": shapes.transfer_side(event.sender_address, event.sender_number),
                        "recipient": shapes.transfer_side(
                            event.recipient_address, event.recipient_number
                        ),
                        "size": number(usdc(event.quote_quantums)),
                        "transactionHash": event.transaction_hash,
                    }
                )
        return {
            "height": block.height,
            "time": iso(block.time),
            "fills": fills,
            "transfers": transfers,
            "transactions": list(hashes),
        }


def _one_less(fault: bool | int) -> tuple[bool, bool | int]:
    """Whether a fault hits, and what is left of it."""
    return (fault, fault) if isinstance(fault, bool) else (True, fault - 1 or False)
