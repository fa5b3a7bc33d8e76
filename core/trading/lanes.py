"""All lanes of the process: built from the ledger, fed by the streams, checked on a schedule."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from core.dydx.network import NetworkName
from core.dydx.node import NodeUnreachable
from core.dydx.stream import (
    Connected,
    ConnectionRecovered,
    ConnectionTrouble,
    MarketsSnapshot,
    MarketsUpdate,
    NeedsBackfill,
    StreamEvent,
    SubaccountUpdate,
    SubscriptionRefused,
)
from core.ledger import accounts
from core.ledger.models import Account
from core.trading.decision import Refusal
from core.trading.lane import Lane
from core.trading.news import note_standing, tell_trouble
from core.trading.parts import Parts
from core.trading.quotes import FRESH_S
from core.trading.signing import Signer
from core.trading.venue import Venue

log = structlog.get_logger(__name__)

IDLE_EVERY_S = 600.0
OPENED_AT_ONCE = 16


READ_AT_ONCE = 10
Subaccount = tuple[str, str, int]
"""Network, address and number."""


@dataclass
class _Seat:
    """An account's lane, and when it was last checked against the chain."""

    lane: Lane
    ready: bool = False
    checked_at: float = 0.0


class Lanes:
    """The lanes by account; while one is missing here its alerts wait in the ledger."""

    def __init__(
        self, venues: dict[NetworkName, Venue], parts_of: Callable[[Venue], Parts]
    ) -> None:
        self.venues = venues
        self._parts_of = parts_of
        self._seats: dict[int, _Seat] = {}
        self._by_subaccount: dict[Subaccount, dict[int, _Seat]] = {}
        self._opening: dict[int, asyncio.Lock] = {}
        self._reading = asyncio.Semaphore(READ_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self.reconciled: dict[int, bool] = {}
        self._networks: dict[int, NetworkName] = {}
        for venue in venues.values():
            venue.stream.urgent = partial(self._holds, venue)

    def get(self, account_id: int) -> Lane | None:
        seat = self._seats.get(account_id)
        return seat.lane if seat and seat.ready else None

    def networks_in_use(self) -> set[NetworkName]:
        """The networks with a connected account."""
        return set(self._networks.values())

    def watched_positions(self) -> set[int]:
        """The positions whose plan a lane watches now."""
        return {
            p
            for seat in self._seats.values()
            if seat.ready
            for p in seat.lane.guard.watched_positions()
        }

    async def expect_all(self) -> None:
        """Knows from here on which accounts are to be taken over; until then none is reconciled."""
        for account in await accounts.active():
            self._expect(account)

    def _expect(self, account: Account) -> None:
        self.reconciled.setdefault(account.id, False)
        if account.network in self.venues:
            self._networks[account.id] = account.network

    async def start_all(self) -> None:
        """Takes over every active account; `monitor` tries those again that cannot be read yet."""
        await self.monitor()

    async def open(self, account: Account) -> bool:
        """Starts a lane after its first reconciliation; False while the network cannot be read."""
        async with self._opening.setdefault(account.id, asyncio.Lock()):
            return await self._open(account)

    async def _open(self, account: Account) -> bool:
        seat = self._seats.get(account.id)
        if seat is not None and seat.ready:
            return True
        self._expect(account)
        venue = self.venues.get(account.network)  # type: ignore[call-overload]
        credential = await accounts.credential(account.id)
        if venue is None or credential is None:
            return False
        if seat is None:
            parts = self._parts_of(venue)
            signer = Signer(account, credential, parts.vault, venue.network.chain_id)
            lane = Lane(account, signer, parts)
            seat = _Seat(lane)
            self._seats[account.id] = seat
            self._by_subaccount.setdefault(_subaccount(account), {})[account.id] = seat
            await venue.stream.subscribe(account.address, account.subaccount_number)
        venue.compliance.expect(account.id)
        await venue.tickers()
        if not await seat.lane.reconciler.run():
            return False
        try:
            await venue.node.tip()
        except NodeUnreachable:
            return False  # alerts wait: handed to the lane now, they would be refused
        await seat.lane.start()
        seat.ready = True
        self.reconciled[account.id] = True
        await seat.lane.take_waiting()  # alerts that were stored since the lane looked
        return True

    async def shut(self, account_id: int) -> None:
        """Stops an account's lane, as when its key is erased."""
        self.reconciled.pop(account_id, None)
        self._networks.pop(account_id, None)
        seat = self._seats.pop(account_id, None)
        if seat is None:
            return
        account = seat.lane.account
        self._by_subaccount[_subaccount(account)].pop(account_id, None)
        venue = self.venues[account.network]  # type: ignore[index]
        venue.compliance.forget(account_id)
        await venue.stream.unsubscribe(account.address, account.subaccount_number)
        await seat.lane.close()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(seat.lane.close() for seat in self._seats.values()))

    async def monitor(self) -> None:
        """The scheduled check: opens lanes that wait, reconciles all, looks at every plan again."""
        await self._open_waiting(await accounts.active())
        for venue in self.venues.values():
            await venue.ask_price_source()
        seats = [seat for seat in self._seats.values() if seat.ready]
        for seat in sorted(seats, key=lambda seat: not seat.lane.busy):
            if seat.lane.busy or self._is_due(seat):
                await self._attempt(self._check(seat), seat.lane.account.id)
            await self._attempt(seat.lane.take_waiting(), seat.lane.account.id)

    def _is_due(self, seat: _Seat) -> bool:
        """Whether an account at rest is to be looked at: its stream tells what happens there."""
        account = seat.lane.account
        venue = self.venues[account.network]  # type: ignore[index]
        fresh = venue.stream.account_fresh(account.address, account.subaccount_number, FRESH_S)
        now = venue.clock.monotonic()
        return not fresh or now - seat.checked_at >= IDLE_EVERY_S

    async def _attempt(self, work: Coroutine[Any, Any, Any], account_id: int) -> None:
        try:
            await work
        except Refusal as refusal:
            log.warning("an account cannot be checked yet", account=account_id, code=refusal.code)
        except Exception:
            log.exception("check of an account failed", account=account_id)

    async def _check(self, seat: _Seat) -> None:
        account = seat.lane.account
        seat.checked_at = self.venues[account.network].clock.monotonic()  # type: ignore[index]
        self.reconciled[account.id] = await seat.lane.reconciler.run()
        venue = self.venues[account.network]  # type: ignore[index]
        prices = {}
        for ticker in seat.lane.guard.watched_tickers():
            market = (await venue.quotes.quote(ticker)).market
            if market is not None and market.oracle_price is not None:
                prices[ticker] = market.oracle_price
        await seat.lane.guard.on_prices(prices)
        seat.lane.guard.wake()

    async def on_event(self, venue: Venue, event: StreamEvent) -> None:
        """Routes what a stream said."""
        venue.note(event)
        if isinstance(event, SubaccountUpdate):
            for seat in self._of(venue, event.address, event.number):
                await seat.lane.on_update(event.fills, event.orders)
        elif isinstance(event, MarketsUpdate | MarketsSnapshot):
            await self._on_prices(venue)
        elif isinstance(event, NeedsBackfill):
            for seat in self._of(venue, event.address, event.number):
                self._spawn(self._attempt(self._fill_in(venue, seat), seat.lane.account.id))
        elif isinstance(event, Connected):
            self._spawn(self._reopen(venue))
        elif isinstance(event, ConnectionTrouble | ConnectionRecovered):
            await self._tell_trouble(venue, event)
        elif isinstance(event, SubscriptionRefused):
            for seat in self._of(venue, event.address, event.number):
                await note_standing(self._parts_of(venue), seat.lane.account, event)

    async def _fill_in(self, venue: Venue, seat: _Seat) -> None:
        """Reads what no message brought: at once where something is watched, the others a few at a
        time and only while the stream has not shown that they missed nothing.
        """
        subaccount = (seat.lane.account.address, seat.lane.account.subaccount_number)
        if venue.stream.urgent(*subaccount):
            await self._check(seat)
            return
        async with self._reading:
            if venue.stream.needs_backfill(*subaccount) is not None:
                await self._check(seat)

    async def _tell_trouble(
        self, venue: Venue, event: ConnectionTrouble | ConnectionRecovered
    ) -> None:
        concerned = [seat.lane.account for row in event.accounts for seat in self._of(venue, *row)]
        await tell_trouble(self._parts_of(venue), event, concerned)

    async def _reopen(self, venue: Venue) -> None:
        active = await accounts.active()
        await self._open_waiting([row for row in active if row.network == venue.network.name])

    async def _open_waiting(self, rows: list[Account]) -> None:
        """Several at once: the indexer's budget decides how fast, and shares it out fairly."""
        gate = asyncio.Semaphore(OPENED_AT_ONCE)

        async def attempt(account: Account) -> None:
            async with gate:
                await self._attempt(self.open(account), account.id)

        await asyncio.gather(*(attempt(row) for row in rows if self.get(row.id) is None))

    async def _on_prices(self, venue: Venue) -> None:
        for seat in self._seats.values():
            if seat.lane.account.network != venue.network.name:
                continue
            prices = {}
            for ticker in seat.lane.guard.watched_tickers():
                market = venue.stream.markets.get(ticker)
                if market is not None and market.oracle_price is not None:
                    prices[ticker] = market.oracle_price
            if prices:
                await seat.lane.guard.on_prices(prices)

    def _of(self, venue: Venue, address: str, number: int) -> list[_Seat]:
        seats = self._by_subaccount.get((venue.network.name, address, number), {})
        return list(seats.values())

    def _holds(self, venue: Venue, address: str, number: int) -> bool:
        """Whether a subaccount's news matter more than others': a plan of it is watched."""
        return any(seat.lane.guard.watched_positions() for seat in self._of(venue, address, number))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _subaccount(account: Account) -> Subaccount:
    return (account.network, account.address, account.subaccount_number)
