"""Shows that quiet accounts missed nothing, without asking for their fills one by one.

The snapshot of a subscription is read before news begin to flow, so what happens in between is in
neither. A second snapshot, taken over another connection some blocks after news began to flow,
says when the subaccount last changed. Was that before the news were interrupted, then nothing was
missed. With a thousand accounts that takes seconds, where the budget of requests takes minutes.
Source: docs/protocol.md, websocket.
"""

from __future__ import annotations

from collections import deque

from core.dydx.stream_link import Link
from core.dydx.stream_pool import Pool, account_key
from core.dydx.stream_seats import Seat
from core.dydx.stream_session import Session
from core.dydx.stream_types import SubaccountState

LATER_BLOCKS = 2
"""How many blocks after the confirmation the second snapshot must be, for its replica to show all
that had happened by then."""
EARLIER_BLOCKS = 3
"""Messages of heights and of accounts are not told in one order: so far before the interruption the
last change must be."""


class SecondLook:
    """The accounts that wait for a second snapshot."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: deque[tuple[int, Seat, int]] = deque()

    def begin(self, seat: Seat, first: SubaccountState, height: int | None) -> None:
        """A subscription is confirmed, at block `height` of the stream.

        Only an account whose news were complete before, and which did not change since, can be
        shown to have missed nothing.
        """
        if height is not None and seat.needs is not None and _quiet(seat, first):
            self._waiting.append((height + LATER_BLOCKS, seat, seat.needs.ticket))

    def ask(self, height: int) -> None:
        """The stream is at block `height`: asks for the snapshots that are late enough now."""
        while self._waiting and self._waiting[0][0] <= height:
            due, seat, ticket = self._waiting.popleft()
            key = account_key(seat.address, seat.number)
            if self._pool.seats.get(key) is not seat or not _waits(seat, ticket):
                continue
            session = self._session_beside(seat.link)
            if session is not None:
                seat.look_after = due
                session.ask("subscribe", key)

    def _session_beside(self, link: Link) -> Session | None:
        """The next open connection, so that each has the accounts of one other to look at."""
        links = self._pool.links
        at = links.index(link)
        return next((each.session for each in links[at + 1 :] + links[:at] if each.session), None)

    def take(self, seat: Seat, second: SubaccountState) -> bool:
        """A snapshot over another connection came: whether it shows that nothing was missed."""
        due, seat.look_after = seat.look_after, None
        subaccount = second.subaccount
        read_at = subaccount.latest_processed_block_height if subaccount else None
        if due is None or read_at is None or read_at < due:
            return False
        if not seat.flowing or seat.needs is None or not _quiet(seat, second):
            return False
        seat.fill_in(seat.needs)
        return True


def _waits(seat: Seat, ticket: int) -> bool:
    return seat.flowing and seat.needs is not None and seat.needs.ticket == ticket


def _quiet(seat: Seat, state: SubaccountState) -> bool:
    """Whether the last change was well before the interruption."""
    known_to = seat.needs.since_height if seat.needs else None
    changed = state.subaccount.updated_at_height if state.subaccount else None
    return known_to is not None and changed is not None and changed <= known_to - EARLIER_BLOCKS
