"""The connections of a stream: which of them carries what, and who takes over when one is lost."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Protocol

import structlog

from core.clock import Clock, Random
from core.dydx.network import Network
from core.dydx.pacing import Key
from core.dydx.stream_events import (
    Account,
    Connected,
    ConnectionRecovered,
    ConnectionTrouble,
    Disconnected,
    StreamEvent,
)
from core.dydx.stream_link import Dial, Link, Patience
from core.dydx.stream_seats import Seat
from core.dydx.stream_session import HEIGHT, MARKETS, SUBACCOUNTS, Session, subaccount_of
from core.dydx.stream_types import Frame

log = structlog.get_logger(__name__)

SUBACCOUNTS_PER_CONNECTION = 64
MARKETS_PER_CONNECTION = 32
"""What the indexer allows of books and of trades."""


class Reader(Protocol):
    """Who understands the messages."""

    urgent: Callable[[str, int], bool]

    def tell(self, event: StreamEvent) -> None:
        """Something happened to a connection."""

    def read(self, link: Link, session: Session, frame: Frame) -> None:
        """A message came."""

    def skip(self, reason: str) -> None:
        """A message, or rows of one, could not be read."""

    def forget(self, key: Key) -> None:
        """What a market's subscription told is of no use any more."""


class Pool:
    """As many connections as the subscriptions take.

    The head carries the markets; when it is lost the first open connection becomes the head.
    """

    def __init__(
        self,
        network: Network,
        clock: Clock,
        random: Random,
        reader: Reader,
        patience: Patience,
        per_connection: int,
        dial: Dial,
    ) -> None:
        self.links: list[Link] = []
        self.seats: dict[Key, Seat] = {}
        self.followed: dict[Key, Link] = {}
        self.markets_live = False
        self._network = network
        self._clock = clock
        self._random = random
        self._reader = reader
        self._patience = patience
        self._per_connection = per_connection
        self._dial = dial
        self._sessions = 0
        self._made = 0
        self._gaps = 0
        self._started = False
        self._closing: set[asyncio.Task[None]] = set()
        self.head = self._new_link()
        self.head.add(MARKETS)

    @property
    def gaps(self) -> int:
        """How many messages were found to be lost."""
        return self._gaps + sum(link.gaps for link in self.links)

    def start(self) -> None:
        """Begins to connect; does not wait for it."""
        self._started = True
        for link in self.links:
            link.start()

    async def close(self) -> None:
        """Ends all connections."""
        self._started = False
        ends = [link.close() for link in self.links]
        await asyncio.gather(*ends, *self._closing, return_exceptions=True)

    # subscriptions

    def seat(self, address: str, number: int) -> Seat | None:
        return self.seats.get(account_key(address, number))

    def subscribe(self, address: str, number: int) -> None:
        """Carries a subaccount, unless it is carried already."""
        key = account_key(address, number)
        if key not in self.seats:
            link = self._place(SUBACCOUNTS, self._per_connection)
            self.seats[key] = Seat(address, number, link)
            link.add(key)

    def unsubscribe(self, address: str, number: int) -> None:
        key = account_key(address, number)
        seat = self.seats.pop(key, None)
        if seat is not None:
            self._leave(seat.link, key)

    def follow(self, key: Key) -> None:
        """Carries a market's channel, unless it is carried already."""
        if key not in self.followed:
            link = self._place(key[0], MARKETS_PER_CONNECTION)
            self.followed[key] = link
            link.add(key)

    def unfollow(self, key: Key) -> None:
        link = self.followed.pop(key, None)
        if link is not None:
            self._leave(link, key)

    def _new_link(self) -> Link:
        link = Link(
            self._made, self._network, self._clock, self._random, self, self._patience, self._dial
        )
        self._made += 1
        self.links.append(link)
        if self._started:
            link.start()
        return link

    def _place(self, channel: str, limit: int) -> Link:
        """The first connection with room, or a new one."""
        for link in self.links:
            if link.count(channel) < limit:
                return link
        return self._new_link()

    def _leave(self, link: Link, key: Key) -> None:
        """Ends a subscription, and the connection with it when it was the last."""
        link.drop(key)
        if link is self.head or link.keys.keys() - {HEIGHT}:
            return
        self.links.remove(link)
        self._gaps += link.gaps
        task = asyncio.create_task(link.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _lead(self, link: Link) -> None:
        """Lets another connection carry the markets."""
        if link is not self.head:
            self.head.drop(MARKETS)
            self.head = link
            self.markets_live = False
            link.add(MARKETS)

    # what connections say of themselves

    def next_session(self) -> int:
        self._sessions += 1
        return self._sessions

    def goes_first(self, key: Key) -> bool:
        return key[0] != SUBACCOUNTS or self._reader.urgent(*subaccount_of(key))

    def link_up(self, link: Link) -> None:
        if self.head.session is None:
            self._lead(link)
        self._reader.tell(Connected(link.number, again=link.opened > 0))

    def link_down(self, link: Link, reason: str) -> None:
        for key in link.keys:
            seat = self.seats.get(key)
            if seat is not None:
                seat.interrupt()
            elif key in self.followed:
                self._reader.forget(key)
        self._reader.tell(Disconnected(reason, link.attempts, link.number))
        if link is self.head:
            self.markets_live = False
            other = next((each for each in self.links if each.session is not None), None)
            if other is not None:
                self._lead(other)

    def link_in_trouble(self, link: Link, attempts: int, since: dt.datetime) -> None:
        self._reader.tell(ConnectionTrouble(attempts, since, self._accounts_of(link), link.number))

    def link_recovered(self, link: Link, since: dt.datetime) -> None:
        self._reader.tell(ConnectionRecovered(since, self._accounts_of(link), link.number))

    def link_skipped(self, link: Link, reason: str) -> None:
        self._reader.skip(reason)

    def link_told(self, link: Link, session: Session, frame: Frame) -> None:
        self._reader.read(link, session, frame)

    def _accounts_of(self, link: Link) -> tuple[Account, ...]:
        return tuple(subaccount_of(key) for key in link.keys if key[0] == SUBACCOUNTS)


def account_key(address: str, number: int) -> Key:
    """The subscription of a subaccount."""
    return (SUBACCOUNTS, f"{address}/{number}")
