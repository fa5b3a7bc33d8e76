"""All lanes of this process: built from the ledger and fed by the streams."""

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
from core.trading.account_rows import take_over
from core.trading.compliance import Standing
from core.trading.decision import Refusal
from core.trading.lane import Lane
from core.trading.market_watch import MarketWatch
from core.trading.news import note_standing, tell_trouble
from core.trading.order_check import OrderCheck
from core.trading.parts import Parts
from core.trading.signing import Signer
from core.trading.venue import Venue

log = structlog.get_logger(__name__)

OPENED_AT_ONCE = 16
READ_AT_ONCE = 10
Subaccount = tuple[str, str, int]
"""Network, address and number."""


@dataclass(eq=False)
class Seat:
    """An account's lane and what compares its orders with the chain. `ready`: it was taken over."""

    lane: Lane
    orders: OrderCheck
    ready: bool = False

    @property
    def account(self) -> Account:
        return self.lane.account

    async def check_positions(self, *, money: bool = False) -> bool:
        """Fills and positions (and with `money` the balance) against the chain; False when the
        indexer could not be read.
        """
        return await self.lane.reconciler.run(money=money)

    async def check_orders(self) -> bool:
        """Orders against the chain; False when the indexer could not be read."""
        return await self.orders.run()


class Lanes:
    """The lanes by account; while one is missing here its alerts wait in the ledger."""

    def __init__(
        self, venues: dict[NetworkName, Venue], parts_of: Callable[[Venue], Parts]
    ) -> None:
        self.venues = venues
        self.parts_of = parts_of
        self._seats: dict[int, Seat] = {}
        self._by_subaccount: dict[Subaccount, dict[int, Seat]] = {}
        self._opening: dict[int, asyncio.Lock] = {}
        self._reading = asyncio.Semaphore(READ_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self.reconciled: dict[int, bool] = {}
        self._networks: dict[int, NetworkName] = {}
        self._markets = {name: MarketWatch(parts_of(venue)) for name, venue in venues.items()}
        for venue in venues.values():
            venue.stream.urgent = partial(self._holds, venue)

    def get(self, account_id: int) -> Lane | None:
        seat = self._seats.get(account_id)
        return seat.lane if seat and seat.ready else None

    def network_of(self, account_id: int) -> NetworkName | None:
        """The network of an account that is connected."""
        return self._networks.get(account_id)

    def is_reconciled(self, account_id: int) -> bool:
        """Whether the last comparison of an account with the chain was answered."""
        return self.reconciled.get(account_id, False)

    async def refresh(self, account_id: int) -> None:
        """What was decided or found about an account changed in the ledger."""
        if account_id in self._seats:
            self._refresh_seat(await accounts.get(account_id))

    def _refresh_seat(self, row: Account) -> None:
        """Has an account's lane know what the ledger says of it now."""
        seat = self._seats.get(row.id)
        if seat is not None:
            seat.account.sharing = row.sharing
            seat.account.without_stop_room = row.without_stop_room
            seat.account.key_lost_at = row.key_lost_at

    def seats(self, venue: Venue | None = None) -> list[Seat]:
        """The accounts that were taken over, of one network or of all."""
        return [
            seat
            for seat in self._seats.values()
            if seat.ready and (venue is None or seat.account.network == venue.network.name)
        ]

    def networks_in_use(self) -> set[NetworkName]:
        """The networks with a connected account."""
        return set(self._networks.values())

    def unprotected_positions(self) -> set[int]:
        """The positions whose stop is neither on chain nor watched by a lane now."""
        return {p for seat in self.seats() for p in seat.lane.guard.unprotected()}

    def watched_positions(self) -> set[int]:
        """The positions whose plan a lane watches now."""
        return {p for seat in self.seats() for p in seat.lane.guard.watched_positions()}

    # life

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
        try:
            await venue.tickers()
        except Refusal:
            return False
        parts = self.parts_of(venue)
        if account.since_height is None and not await take_over(parts, account):
            return False
        if seat is None:
            signer = Signer(account, credential, parts.vault, venue.network.chain_id)
            lane = Lane(account, signer, parts)
            seat = Seat(lane, OrderCheck(account, parts, lane.resting, lane.on_update))
            self._seats[account.id] = seat
            self._by_subaccount.setdefault(_subaccount(account), {})[account.id] = seat
            await venue.stream.subscribe(account.address, account.subaccount_number)
        venue.compliance.expect(account.id, Standing(account.standing))
        if not await seat.check_positions():
            return False
        try:
            await venue.node.tip()
        except NodeUnreachable:
            return False  # alerts wait: handed to the lane now, they would be refused
        await seat.lane.start()
        seat.ready = True
        if seat.lane.busy and not await seat.check_orders():
            log.warning("orders could not be compared at the start", account=account.id)
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
        account = seat.account
        self._by_subaccount[_subaccount(account)].pop(account_id, None)
        venue = self._venue(seat)
        venue.compliance.forget(account_id)
        await venue.stream.unsubscribe(account.address, account.subaccount_number)
        await seat.lane.close()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(seat.lane.close() for seat in self._seats.values()))

    # the regular look

    async def monitor(self) -> None:
        """Opens lanes that wait, takes up alerts that nobody works, looks at every plan again."""
        active = await accounts.active()
        for row in active:
            self._refresh_seat(row)
        await self._open_waiting(active)
        for venue in self.venues.values():
            await venue.ask_price_source()
        for seat in sorted(self.seats(), key=lambda seat: not seat.lane.busy):
            if seat.lane.busy:
                await self._attempt(self.tend(seat), seat.account.id)
            await self._attempt(seat.lane.take_waiting(), seat.account.id)

    async def tend(self, seat: Seat) -> None:
        """Looks at the plans of an account again, at the best prices known."""
        venue = self._venue(seat)
        prices = {}
        for ticker in seat.lane.guard.watched_tickers():
            market = (await venue.quotes.quote(ticker)).market
            if market is not None and market.oracle_price is not None:
                prices[ticker] = market.oracle_price
        await seat.lane.guard.on_prices(prices)
        seat.lane.guard.wake(reread=False)

    async def _attempt(self, work: Coroutine[Any, Any, Any], account_id: int) -> None:
        try:
            await work
        except Refusal as refusal:
            log.warning("an account cannot be checked yet", account=account_id, code=refusal.code)
        except Exception:
            log.exception("check of an account failed", account=account_id)

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

    # what the streams say

    async def on_event(self, venue: Venue, event: StreamEvent) -> None:
        """Routes what a stream said."""
        venue.note(event)
        if isinstance(event, SubaccountUpdate):
            for seat in self._of(venue, event.address, event.number):
                await seat.lane.on_update(event.fills, event.orders)
        elif isinstance(event, MarketsUpdate | MarketsSnapshot):
            self._on_prices(venue)
            await self._markets[venue.network.name].look(event.tickers)
        elif isinstance(event, NeedsBackfill):
            for seat in self._of(venue, event.address, event.number):
                self._spawn(self._attempt(self._fill_in(venue, seat), seat.account.id))
        elif isinstance(event, Connected):
            self._spawn(self._reopen(venue))
        elif isinstance(event, ConnectionTrouble | ConnectionRecovered):
            concerned = [seat.account for row in event.accounts for seat in self._of(venue, *row)]
            await tell_trouble(self.parts_of(venue), event, concerned)
        elif isinstance(event, SubscriptionRefused):
            for seat in self._of(venue, event.address, event.number):
                await note_standing(self.parts_of(venue), seat.account, event)

    async def _fill_in(self, venue: Venue, seat: Seat) -> None:
        """Reads what no message brought: at once where something is watched, the others a few at a
        time and only while the stream has not shown that they missed nothing.
        """
        subaccount = (seat.account.address, seat.account.subaccount_number)
        if venue.stream.urgent(*subaccount):
            await self._check(seat)
            return
        async with self._reading:
            if venue.stream.needs_backfill(*subaccount) is not None:
                await self._check(seat)

    async def _check(self, seat: Seat) -> None:
        """Everything that may have happened while no news came."""
        self.reconciled[seat.account.id] = await seat.check_positions()
        if seat.ready and seat.lane.busy:
            await seat.check_orders()
            await self.tend(seat)

    def _on_prices(self, venue: Venue) -> None:
        prices = {}
        for ticker in venue.watch.tickers():
            market = venue.stream.markets.get(ticker)
            if market is not None and market.oracle_price is not None:
                prices[ticker] = market.oracle_price
        venue.watch.on_prices(prices)

    def _venue(self, seat: Seat) -> Venue:
        return self.venues[seat.account.network]  # type: ignore[index]

    def _of(self, venue: Venue, address: str, number: int) -> list[Seat]:
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
