"""The indexer's websocket: prices, heights and subaccounts, kept up for as long as it runs.

Source: docs/protocol.md, websocket.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import structlog

from core.clock import Clock, Random
from core.dydx.account_mirror import AccountMirror
from core.dydx.indexer_types import Height, Orderbook, Subaccount
from core.dydx.markets import Markets
from core.dydx.network import Network
from core.dydx.order_book import OrderBook
from core.dydx.pacing import Key
from core.dydx.second_look import SecondLook
from core.dydx.stream_events import (
    Account,
    BlockHeight,
    BookChanged,
    Connected,
    ConnectionRecovered,
    ConnectionTrouble,
    Disconnected,
    MarketsSnapshot,
    MarketsUpdate,
    NeedsBackfill,
    NothingMissed,
    StreamEvent,
    SubaccountSnapshot,
    SubaccountUpdate,
    SubscriptionRefused,
    TradesSeen,
)
from core.dydx.stream_link import WAITS_S, Dial, Link, Patience, dial
from core.dydx.stream_pool import SUBACCOUNTS_PER_CONNECTION, Pool
from core.dydx.stream_seats import Seat
from core.dydx.stream_session import SUBACCOUNTS, Session, key_of
from core.dydx.stream_types import (
    BookContents,
    Frame,
    HeightContents,
    MarketsContents,
    MarketsState,
    SubaccountContents,
    SubaccountState,
    TradesContents,
)

__all__ = [
    "BlockHeight",
    "BookChanged",
    "Connected",
    "ConnectionRecovered",
    "ConnectionTrouble",
    "Disconnected",
    "MarketsSnapshot",
    "MarketsUpdate",
    "NeedsBackfill",
    "NothingMissed",
    "Stream",
    "StreamEvent",
    "SubaccountSnapshot",
    "SubaccountUpdate",
    "SubscriptionRefused",
    "TradesSeen",
]

log = structlog.get_logger(__name__)

T = TypeVar("T")
BOOK = "v4_orderbook"
TRADES = "v4_trades"
RETRY_S = 3.0
REFUSED_RETRY_S = 600.0
BEHIND_BLOCKS = 10
"""A connection that is this far behind the others is not relied on."""
_NO_SUCH_ID = re.compile(r"Invalid subscription id for channel: \((v4_[a-z_]+)-(.*)\)")


class Stream:
    """One network's live news, delivered to `on_event` one at a time and in order.

    It carries at most 64 subaccounts per connection and opens as many connections as that takes.
    Markets come over the first of them, and over another while that is gone; each carries the block
    height as its sign of life. `markets` is kept current. Messages that cannot be read are counted
    in `unreadable` and skipped.

    `dial` opens a websocket. `urgent` may be set to tell which accounts are subscribed before the
    others after a loss, as those with an open position.
    """

    def __init__(
        self,
        network: Network,
        clock: Clock,
        random: Random,
        on_event: Callable[[StreamEvent], Awaitable[None]],
        *,
        waits_s: tuple[float, ...] = WAITS_S,
        gap_timeout_s: float = 2.0,
        silence_timeout_s: float = 60.0,
        healthy_after_s: float = 5.0,
        ping_interval_s: float = 10.0,
        ping_timeout_s: float = 10.0,
        open_timeout_s: float = 10.0,
        per_connection: int = SUBACCOUNTS_PER_CONNECTION,
        dial: Dial = dial,
    ) -> None:
        self.markets = Markets(clock)
        self.unreadable = 0
        self.urgent: Callable[[str, int], bool] = lambda address, number: False
        self._network = network
        self._clock = clock
        self._on_event = on_event
        self._height: int | None = None
        self._height_received: float | None = None
        self._books: dict[str, OrderBook] = {}
        self._events: asyncio.Queue[tuple[float, StreamEvent]] = asyncio.Queue()
        self._oldest: float | None = None
        self._delivery: asyncio.Task[None] | None = None
        patience = Patience(
            waits_s=waits_s,
            gap_timeout_s=gap_timeout_s,
            silence_timeout_s=silence_timeout_s,
            healthy_after_s=healthy_after_s,
            ping_interval_s=ping_interval_s,
            ping_timeout_s=ping_timeout_s,
            open_timeout_s=open_timeout_s,
        )
        self._pool = Pool(network, clock, random, self, patience, per_connection, dial)
        self._second_look = SecondLook(self._pool)

    # what it knows

    @property
    def height(self) -> int | None:
        """The last block that the indexer told of."""
        return self._height

    @property
    def height_received(self) -> float | None:
        """When `height` came here, in seconds of the clock's monotonic counter."""
        return self._height_received

    @property
    def connected(self) -> bool:
        """Whether a websocket is open."""
        return any(link.session is not None for link in self._pool.links)

    @property
    def connections(self) -> tuple[int, int]:
        """How many connections are open, and how many are wanted."""
        return sum(link.session is not None for link in self._pool.links), len(self._pool.links)

    @property
    def gaps(self) -> int:
        """How many messages were found to be lost."""
        return self._pool.gaps

    def fresh(self, max_age_s: float) -> bool:
        """Whether the connection that carries the markets is open and told of a block within the
        last `max_age_s` seconds.
        """
        return self._pool.markets_live and self._pool.head.alive(max_age_s)

    def account_fresh(self, address: str, number: int, max_age_s: float) -> bool:
        """Whether everything that happened in a subaccount is known, but for `max_age_s` seconds.

        Its subscription must be confirmed and filled in (see NeedsBackfill), its connection alive
        and at the height of the others, and its events delivered.
        """
        seat = self._pool.seat(address, number)
        return (
            seat is not None
            and seat.complete
            and seat.link.alive(max_age_s)
            and seat.link.missing_for() <= max_age_s
            and self._keeps_up(seat.link)
            and self.delay_s() <= max_age_s
        )

    def _keeps_up(self, link: Link) -> bool:
        if self._height is None or link.height is None:
            return False
        return link.height >= self._height - BEHIND_BLOCKS

    def stale_accounts(self, max_age_s: float) -> tuple[Account, ...]:
        """The subscribed subaccounts that are not fresh."""
        seats = self._pool.seats.values()
        return tuple(
            (seat.address, seat.number)
            for seat in seats
            if not self.account_fresh(seat.address, seat.number, max_age_s)
        )

    def delay_s(self) -> float:
        """For how long the oldest event has been waiting for its delivery to end."""
        return 0.0 if self._oldest is None else self._clock.monotonic() - self._oldest

    def account(self, address: str, number: int) -> AccountMirror | None:
        """Positions and orders of a subscribed subaccount by their newest news.

        To be relied on as far as the account is fresh.
        """
        seat = self._pool.seat(address, number)
        return seat.mirror if seat else None

    def needs_backfill(self, address: str, number: int) -> NeedsBackfill | None:
        """What must still be read by request before a subaccount's news are complete."""
        seat = self._pool.seat(address, number)
        return seat.needs if seat else None

    def backfilled(self, done: NeedsBackfill) -> None:
        """What an event asked for was read and told to whom it concerns.

        Where the fills that were read outdate the snapshot, `take_read` comes first.
        """
        seat = self._pool.seat(done.address, done.number)
        if seat is not None:
            seat.fill_in(done)

    def take_read(self, subaccount: Subaccount) -> None:
        """Merges positions that were read by request; older than the stream's they change nothing.

        Without the height that they were read at they are ignored.
        """
        seat = self._pool.seat(subaccount.address, subaccount.subaccount_number)
        height = subaccount.latest_processed_block_height
        if seat is not None and height is not None:
            seat.mirror.take_state(subaccount, None, (height, 0, 0))

    def book(self, ticker: str) -> OrderBook | None:
        """The book of a followed market; None until its snapshot came."""
        return self._books.get(ticker)

    # life

    async def start(self) -> None:
        """Begins to connect; does not wait for it."""
        if self._delivery is None:
            self._delivery = asyncio.create_task(self._deliver())
            self._pool.start()

    async def close(self) -> None:
        """Ends the connections and the delivery."""
        delivery, self._delivery = self._delivery, None
        if delivery is not None:
            delivery.cancel()
            await asyncio.gather(delivery, return_exceptions=True)
        await self._pool.close()

    async def subscribe(self, address: str, number: int) -> None:
        """Asks for a subaccount's news, now and after each reconnect; the snapshot comes as event.

        Unknown subaccounts may be subscribed too.
        """
        self._pool.subscribe(address, number)

    async def unsubscribe(self, address: str, number: int) -> None:
        """Ends a subaccount's news."""
        self._pool.unsubscribe(address, number)

    async def follow_book(self, ticker: str) -> None:
        """Keeps the order book of a market in `book`; BookChanged tells of every change."""
        self._pool.follow((BOOK, ticker))

    async def unfollow_book(self, ticker: str) -> None:
        self._pool.unfollow((BOOK, ticker))
        self.forget((BOOK, ticker))

    async def follow_trades(self, ticker: str) -> None:
        """Tells of the public trades of a market as TradesSeen."""
        self._pool.follow((TRADES, ticker))

    async def unfollow_trades(self, ticker: str) -> None:
        self._pool.unfollow((TRADES, ticker))

    # messages; the connections call these

    def skip(self, reason: str) -> None:
        """Counts a message, or rows of one, that could not be read."""
        self.unreadable += 1
        log.warning("stream message skipped", network=self._network.name, reason=reason)

    def forget(self, key: Key) -> None:
        """A market's subscription was lost: its book is not kept up any more."""
        if key[0] == BOOK:
            self._books.pop(key[1] or "", None)

    def read(self, link: Link, session: Session, frame: Frame) -> None:
        """Takes over what a message says and tells it."""
        if frame.dropped:
            self.skip(f"{frame.dropped} rows of {frame.channel} were left out")
        if frame.type == "error":
            self._take_error(session, frame)
            return
        if frame.type in ("subscribed", "unsubscribed"):
            session.answered(key_of(frame))
        for part in frame.contents:
            self._take_part(link, session, frame, part)

    def _take_part(self, link: Link, session: Session, frame: Frame, part: Any) -> None:
        if isinstance(part, Height):
            self._take_height(link, part.height, part)
        elif isinstance(part, HeightContents):
            self._take_height(link, part.block_height, part)
        elif isinstance(part, MarketsState | MarketsContents):
            if link is self._pool.head:
                self._take_markets(part)
        elif isinstance(part, SubaccountState | SubaccountContents):
            seat = self._pool.seats.get(key_of(frame))
            if seat is not None and seat.link is link:
                self._take_subaccount(seat, session, frame.message_id, part)
            elif isinstance(part, SubaccountState):
                session.ask("unsubscribe", key_of(frame))
                if seat is not None and self._second_look.take(seat, part):
                    self.tell(NothingMissed(seat.address, seat.number))
        elif isinstance(part, Orderbook | BookContents):
            self._take_book(frame, part)
        elif isinstance(part, TradesContents) and key_of(frame) in self._pool.followed:
            first = frame.type == "subscribed"
            self.tell(TradesSeen(frame.id or "", tuple(part.trades), first))

    def _take_height(self, link: Link, height: int, part: Height | HeightContents) -> None:
        link.note_height(height)
        if self._height is not None and height <= self._height:
            return
        self._height = height
        self._height_received = self._clock.monotonic()
        self._second_look.ask(height)
        self.tell(BlockHeight(height, part.time))

    def _take_markets(self, part: MarketsState | MarketsContents) -> None:
        if isinstance(part, MarketsState):
            self.markets.replace(part.markets)
            self._pool.markets_live = True
            self.tell(MarketsSnapshot(self.markets.tickers()))
            return
        self.markets.merge(part)
        prices = {t: row.oracle_price for t, row in (part.oracle_prices or {}).items()}
        self.tell(MarketsUpdate((*(part.trading or {}), *prices), prices))

    def _take_subaccount(
        self,
        seat: Seat,
        session: Session,
        message_id: int,
        part: SubaccountState | SubaccountContents,
    ) -> None:
        """Fills are always told; rows of positions and orders only when they are news."""
        height = part.block_height
        known = seat.link.height or 0
        version = (known if height is None else height, session.number, message_id)
        if isinstance(part, SubaccountState):
            if height is not None:
                seat.mirror.take_state(part.subaccount, part.orders or (), version)
            orders = tuple(part.orders or ())
            self.tell(
                SubaccountSnapshot(seat.address, seat.number, part.subaccount, orders, height)
            )
            self.tell(seat.resume(height))
            self._second_look.begin(seat, part, self._height)
            return
        positions, changed = part.perpetual_positions or (), part.orders or ()
        new_positions = seat.mirror.take_positions(positions, version)
        new_orders = seat.mirror.take_orders(changed, version)
        self.tell(
            SubaccountUpdate(
                seat.address,
                seat.number,
                fills=tuple(part.fills or ()),
                orders=_those(changed, new_orders),
                perpetual_positions=_those(positions, new_positions),
                asset_positions=tuple(part.asset_positions or ()),
                transfers=(part.transfers,) if part.transfers else (),
                block_height=height,
            )
        )

    def _take_book(self, frame: Frame, part: Orderbook | BookContents) -> None:
        ticker = frame.id or ""
        if (BOOK, ticker) not in self._pool.followed:
            return
        if isinstance(part, Orderbook):
            self._books[ticker] = OrderBook()
            self._books[ticker].replace(part, frame.message_id)
        elif ticker in self._books:
            self._books[ticker].merge(part, frame.message_id)
        self.tell(BookChanged(ticker))

    def _take_error(self, session: Session, frame: Frame) -> None:
        """Errors of a subscription name it; others say that this program wrote nonsense."""
        message = frame.message or ""
        named = _NO_SUCH_ID.match(message)
        if frame.channel is None and named is None:
            log.error("stream answered with an error", network=self._network.name, error=message)
            return
        key = (named[1], named[2]) if named else key_of(frame)
        session.answered(key)
        seat = self._pool.seats.get(key)
        if key[0] == SUBACCOUNTS and (seat is None or seat.link.session is not session):
            return  # not wanted any more, or a second look, which is an extra
        if "already subscribed" in message:
            if seat is not None and not seat.flowing:
                self.tell(seat.resume(None))
            return
        log.warning("subscription failed", channel=key[0], error=message)
        if message.startswith("Internal error"):
            session.ask_later(key, RETRY_S)
        elif seat is not None:
            seat.interrupt()
            session.ask_later(key, REFUSED_RETRY_S)
            self.tell(SubscriptionRefused(seat.address, seat.number, message))

    # delivery

    def tell(self, event: StreamEvent) -> None:
        """Queues an event for its delivery."""
        now = self._clock.monotonic()
        if self._oldest is None:
            self._oldest = now
        self._events.put_nowait((now, event))

    async def _deliver(self) -> None:
        while True:
            self._oldest, event = await self._events.get()
            try:
                await self._on_event(event)
            except Exception:
                log.exception("stream event failed", event_kind=type(event).__name__)
            if self._events.empty():
                self._oldest = None


def _those(rows: Sequence[T], news: list[bool]) -> tuple[T, ...]:
    return tuple(row for row, new in zip(rows, news, strict=True) if new)
