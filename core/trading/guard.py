"""Keeps the plans of an account true: orders on chain first, and the bot's watch behind them.

A plan's levels rest on chain as conditional reduce-only orders wherever chain and tier have room,
the stops first; what there is no room for is watched (core/trading/sentry.py).
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

import structlog

from core.dydx.drafts import CancelDraft, OrderDraft
from core.dydx.limits import UNLIMITED, Priority
from core.dydx.markets import Market
from core.dydx.node import NodeUnreachable, Outcome
from core.dydx.orders import stop_market_draft, take_profit_market_draft
from core.dydx.protocol import Side
from core.ledger import orders, plans, positions
from core.ledger.models import Intent, Order
from core.trading.bareness import Bareness
from core.trading.decision import Refusal
from core.trading.guard_rows import guard_order, is_guard
from core.trading.patience import Patience
from core.trading.plan_book import Held, PlanBook
from core.trading.protection import (
    STOP,
    Cancel,
    GuardOrder,
    HeldPosition,
    Place,
    short_of_place,
    steps,
)
from core.trading.reasons import Reasons
from core.trading.removed_stops import is_met, note_removed_stops
from core.trading.resting import Resting
from core.trading.rows import cancel_of, order_row
from core.trading.sending import Moment, NoRoom, Room, Sender
from core.trading.sentry import Sentry
from core.trading.slots import (
    Claim,
    Figures,
    Reservation,
    Reservations,
    allotted,
    room_for_stop,
)
from core.trading.venue import first_of
from core.trading.watch import Met
from core.trading.workbench import Workbench

log = structlog.get_logger(__name__)

RETRY_PAUSE_S: Final = 2.0
LOOK_EVERY_S: Final = 5.0
TEND_EVERY_S: Final = 15.0
FULL_FOR_S: Final = 15.0
LEAVES_WITHIN: Final = dt.timedelta(seconds=10)
STOP_WAITS_S: Final = 8.0
TARGET_WAITS_S: Final = 30.0
PLAN_LIFETIME_S: Final = 90 * 86_400
FAR: Final = Decimal(1_000_000)


class Guard:
    """The plans of one account."""

    def __init__(
        self,
        bench: Workbench,
        sender: Sender,
        resting: Resting,
        submit: Callable[[Intent], object],
    ) -> None:
        self._bench = bench
        self._parts = bench.parts
        self._sender = sender
        self._resting = resting
        self._sentry = Sentry(bench, resting, submit, self.wake)
        self._bell = asyncio.Event()
        self._tended_at: float | None = None
        self._read_at = float("-inf")
        self._stale = True
        self._waking = False
        self._refused_at: tuple[float, int] | None = None
        self._bareness = Bareness(bench)
        self._placeless: set[int] = set()
        self._waiting_stops: set[int] = set()
        self._patience = Patience(self._parts.clock)
        self._reasons = Reasons()
        self._reservations = Reservations(self._foresee, self._expect_no_more)
        resting.on_triggered(self._stop_triggered)

    @property
    def book(self) -> PlanBook:
        """What is held, with its plans."""
        return self._sentry.book

    # what is watched

    async def refresh(self) -> None:
        """Reads positions and plans anew; the caller holds the lock."""
        await self.book.refresh(self._guards())
        self._read_at = self._parts.clock.monotonic()

    def note_orders(self) -> None:
        """An order of a plan has moved, and nothing else: what is watched follows at once. The
        caller holds the lock.
        """
        self.book.take_orders(self._guards())

    def _guards(self) -> list[GuardOrder]:
        return [guard_order(row) for row in self._resting.living() if is_guard(row)]

    def watched_tickers(self) -> set[str]:
        """The markets in which a plan is watched."""
        return {row.position.ticker for row in self.book.rows()}

    def watched_positions(self) -> set[int]:
        """The positions whose plan is watched or being carried out."""
        return {row.position.id for row in self.book.rows()}

    def unprotected(self) -> set[int]:
        """The positions whose stop neither rests on chain nor is watched with present prices."""
        return self._bareness.positions(self.book.rows(), self._guards(), self.book.stop_price)

    def _off_chain(self) -> set[int]:
        """The positions whose stop has a place on chain and does not rest there."""
        rows, price_of = self.book.rows(), self.book.stop_price
        return self._bareness.off_chain(rows, self._guards(), price_of, self._placeless)

    async def on_prices(self, prices: dict[str, Decimal]) -> None:
        """Prices that were asked for; those of the stream go to the network's watch itself."""
        self._parts.venue.watch.on_prices(prices)

    async def retry(self, intent: Intent) -> None:
        """A plan's close is over; what it left is closed again."""
        await self._sentry.retry(intent)

    def _stop_triggered(self, order: Order) -> None:
        """The chain found a stop met, which it may by a trade that no oracle price shows: like any
        that is met, it has two blocks to close the position.
        """
        row = self.book.get(order.position_id or 0)
        if row is None or order.purpose != "stop_loss" or order.cancel_asked_at is not None:
            return
        for mark in self.book.marks(row):
            if mark.kind == "stop":
                met = replace(mark, on_chain=True)
                self._sentry.told(Met(row.position.id, met, order.trigger_price or mark.price))

    async def rearm(self, left_over: Sequence[Intent]) -> None:
        """After a restart, before `refresh`: takes over what was being closed."""
        await self._sentry.take_over(left_over)

    # places for stops

    def reserve(self, ticker: str, position_id: int | None = None) -> Reservation:
        """Keeps a place and a placement for the stop of a position that is about to be opened in a
        market, or enlarged (`position_id`), from memory. To be released once the entry is over.
        """
        living = self._guards()
        has_stop = position_id is not None and any(
            row.position_id == position_id and row.target_id == STOP and row.living
            for row in living
        )
        room = room_for_stop(self._figures(living), needs_slot=not has_stop)
        made = self._reservations.make(ticker, room, needs_slot=not has_stop)
        self.wake(reread=False)  # a target may have to give up its place
        return made

    def has_place(self) -> bool | None:
        """Whether the chain has a place for one more stop, reserved or not; None where nobody
        knows. Targets give theirs up.
        """
        figures = replace(self._figures(self._guards()), reserved=0)
        return None if figures.slots is None else not figures.full

    def _figures(self, living: Sequence[GuardOrder]) -> Figures:
        """Targets give their places to stops, so they are not counted as held."""
        targets = sum(1 for row in living if row.purpose == "take_profit" and row.living)
        stopped = {row.position_id for row in living if row.target_id == STOP and row.living}
        owed = sum(
            1
            for row in self.book.rows()
            if row.position.id not in stopped and self.book.stop_price(row) is not None
        )
        height, budget = self._parts.venue.stream.height, self._sender.budget
        return Figures(
            slots=self._sender.slots,
            held=len(self._resting.living()) - targets,
            owed=owed,
            reserved=self._reservations.slots,
            placements=None if height is None or budget is None else budget.left(height),
        )

    def _expect(self, key: str, count: int) -> None:
        if self._sender.budget is not None:
            self._sender.budget.expect(self._named(key), count)

    def _foresee(self, key: str, count: int) -> None:
        if self._sender.budget is not None:
            self._sender.budget.foresee(self._named(key), count)

    def _expect_no_more(self, key: str) -> None:
        if self._sender.budget is not None:
            self._sender.budget.expect_no_more(self._named(key))

    def _named(self, key: str) -> str:
        return f"{self._bench.account.id}:{key}"

    # orders on chain

    def wake(self, *, reread: bool = True) -> None:
        """Something changed that the orders on chain may have to follow. `reread`: in the ledger,
        and not only prices or places.
        """
        self._stale = self._stale or reread
        self._bell.set()

    async def run(self) -> None:
        """Brings the orders in line with the plans whenever woken, and now and then while
        something is held.
        """
        try:
            await self._run()
        finally:
            self.book.close()  # the lane ends: nothing of this account is watched here any more
            self._wait_for_stops_of(set())
            self._reservations.close()

    async def _run(self) -> None:
        while True:
            await self._next_round()
            if not self._is_due():
                continue
            self._bell.clear()
            self._tended_at = now = self._parts.clock.monotonic()
            changed = self._stale or now - self._read_at >= TEND_EVERY_S
            self._stale = False
            try:
                settled = await self._tend(changed=changed)
            except (NodeUnreachable, NoRoom) as error:
                log.info(
                    "plans wait for the chain", account=self._bench.account.id, error=str(error)
                )
                settled, self._stale = False, True
            except Exception:  # whatever it is: the account's plans must not go untended for it
                log.exception("plans could not be tended", account=self._bench.account.id)
                settled, self._stale = False, True
            if not settled and not self._waking:
                self._waking = True
                self._bench.spawn(self._wake_later())

    async def _next_round(self) -> None:
        if not self.watched_positions():
            await self._bell.wait()
            return
        if not self._bell.is_set():
            await first_of(self._parts.clock, LOOK_EVERY_S, self._bell.wait)
        try:
            await self._bareness.look(self.unprotected(), self._off_chain(), self.book.rows())
        except Exception:  # an alarm that cannot be stored now is due at the next look as well
            log.exception("protection could not be checked", account=self._bench.account.id)

    def _is_due(self) -> bool:
        if self._bell.is_set() or self._tended_at is None:
            return True
        return self._parts.clock.monotonic() - self._tended_at >= TEND_EVERY_S

    async def _wake_later(self) -> None:
        """One round more in a moment; only one of these waits at a time."""
        try:
            await self._parts.clock.sleep(RETRY_PAUSE_S)
        finally:
            self._waking = False
        self.wake()

    async def _tend(self, *, changed: bool = True) -> bool:
        """One round; True when everything is in place. Only this process writes to the ledger, so
        that it is read again only where something `changed`.
        """
        if changed:
            await self._resting.refresh()
        before = [(row.id, row.state) for row in self._resting.living()]
        await self._resting.prove()
        changed = changed or before != [(row.id, row.state) for row in self._resting.living()]
        async with self._bench.lock:
            if changed:
                await self.refresh()
                await note_removed_stops(self._bench, self.book)
            await self._keep_best()
        await self._sender.look_at_equity()
        guards = {row.id: row for row in self._resting.living() if is_guard(row)}
        living = [guard_order(row) for row in guards.values()]
        rows = {row.position.id: row for row in self.book.rows()}
        room = self._room_to_trail()
        planned = [self.book.wanted(row, living, room, self._filling(row)) for row in rows.values()]
        todo = self._steps(planned, living)
        self._wait_for_stops_of(
            {step.position_id for step in todo if isinstance(step, Place) and step.is_stop}
        )
        levels = {(step.position_id, step.target_id) for step in todo if isinstance(step, Place)}
        self._patience.keep(levels)
        self._reasons.keep(levels)
        for step in todo:
            if isinstance(step, Cancel):
                await self._resting.cancel(guards[step.order_id])
            elif self._patience.is_over((step.position_id, step.target_id)):
                await self._place(step, rows[step.position_id], guards)
        leaving = [
            row
            for row in self._resting.living()
            if row.cancel_asked_at is not None
            and not (row.position_id in rows and self._resting.is_being_replaced(row))
        ]
        leaving += await self._outliving(leaving)
        for order in leaving:
            await self._resting.cancel(order)
        settled = all(row.state == "untriggered" for row in guards.values())
        return not todo and not leaving and settled

    def _filling(self, row: Held) -> Decimal:
        """What resting entries that have begun to fill may still add to a position."""
        return sum(
            (
                order.size - order.filled_size
                for order in self._resting.living()
                if order.ticker == row.position.ticker
                and not order.reduce_only
                and order.filled_size > 0
                and order.cancel_asked_at is None
                and (order.side == "BUY") == row.long
            ),
            Decimal(0),
        )

    async def _outliving(self, leaving: Sequence[Order]) -> list[Order]:
        """Exits that an alert left waiting and whose position is closed: they would act on the next
        one.
        """
        exits = [
            row
            for row in self._resting.living()
            if row.reduce_only and not is_guard(row) and row not in leaving
        ]
        if not exits:
            return []
        held = {row.id for row in await positions.open_of([self._bench.account.id])}
        return [row for row in exits if row.position_id not in held]

    def _steps(
        self, planned: Sequence[HeldPosition], living: Sequence[GuardOrder]
    ) -> list[Place | Cancel]:
        """What to do on chain, within the places that the account has."""
        now, slots = self._parts.clock.now(), self._sender.slots
        held = len(self._resting.living())
        free = None if slots is None else max(slots - held, 0)
        if self._was_full(held):
            free = 0
        claims = self._claims(planned, living)
        keys = {claim.key for claim in claims}
        ours = len({(row.position_id, row.target_id) for row in living if row.living} & keys)
        spare = self._reservations.slots + (free == 0 and short_of_place(planned, living, now))
        # a place that is about to be free must not be asked of another order as well
        leaving = sum(1 for row in self._resting.living() if _is_leaving(row, now))
        allowed = allotted(claims, slots, held - ours - leaving, spare)
        waiting = sum(1 for row in self._resting.living() if not is_guard(row))
        lasting = allotted(claims, slots, waiting)
        self._placeless = {row.id for row in planned if (row.id, STOP) not in lasting}
        return steps(planned, living, now, allowed, free)

    def _was_full(self, held: int) -> bool:
        """Whether the chain said a moment ago that no place is left, and none became free since."""
        if self._refused_at is None:
            return False
        at, held_then = self._refused_at
        return held >= held_then and self._parts.clock.monotonic() - at < FULL_FOR_S

    def _claims(self, planned: Sequence[HeldPosition], living: Sequence[GuardOrder]) -> list[Claim]:
        found = []
        for position in planned:
            market = self.book.market(position.ticker)
            price = market.oracle_price if market is not None else None
            for level in position.levels():
                away = FAR if price is None else abs(level.trigger - price) / price
                rests = any(row.serves(level) and row.living for row in living)
                found.append(Claim(level.position_id, level.target_id, away, rests))
        return found

    def _room_to_trail(self) -> int:
        """Placements that are not kept for stops which must be placed."""
        height, budget = self._parts.venue.stream.height, self._sender.budget
        if height is None or budget is None:
            return UNLIMITED
        return min(budget.room(height, Priority.ENTRY), budget.left(height))

    async def _keep_best(self) -> None:
        """Writes down how far trailing stops have come. The caller holds the lock."""
        moved = [row for row in self.book.rows() if row.plan.best != row.plan.row.best]
        if moved:
            async with self._parts.ledger.executing():
                for row in moved:
                    await plans.change(row.plan.row, best=row.plan.best)

    async def _place(self, step: Place, row: Held, guards: dict[int, Order]) -> None:
        """Carries a step out where market and chain allow it now; else the next round tries."""
        market = self.book.market(row.position.ticker)
        if market is None or market.oracle_price is None:
            return
        if is_met(step.purpose, step.trigger, row.long, market.oracle_price):
            # it would be carried out at once; the watch does that now, at a better price
            self._parts.venue.watch.on_prices({row.position.ticker: market.oracle_price})
            return
        replaced = guards.get(step.replaces) if step.replaces is not None else None
        try:
            moment = await self._sender.moment()
            room = await self._sender.room(moment)
            async with self._bench.lock:
                stored = await self._store(step, row, market, replaced, moment, room)
        except (ValueError, Refusal) as error:
            if self._reasons.is_new((step.position_id, step.target_id), str(error)):
                log.warning(
                    "a plan's level has no order", position=row.position.id, error=str(error)
                )
            return
        except NoRoom as error:
            if step.is_stop:
                # nothing that can wait takes the next placement
                self._waiting_stops.add(step.position_id)
                self._expect(_stop_key(step.position_id), 1)
            if self._reasons.is_new((step.position_id, step.target_id), str(error)):
                log.info("a plan's level waits", position=row.position.id, reason=str(error))
            return
        self._reasons.forget((step.position_id, step.target_id))
        if step.is_stop:
            self._wait_for_stops_of(self._waiting_stops - {step.position_id})
        answer = await self._sender.send(stored)
        async with self._bench.lock:
            fresh = await self._sender.record(stored, answer)
        self._patience.note(
            (step.position_id, step.target_id),
            refused=answer.outcome is Outcome.REFUSED,
            longest_s=STOP_WAITS_S if step.is_stop else TARGET_WAITS_S,
        )
        if (answer.codespace, answer.code) == ("clob", 10001):
            held = len(self._resting.living()) - 1
            self._refused_at = (self._parts.clock.monotonic(), held)
        if replaced is not None and answer.outcome in (Outcome.REFUSED, Outcome.UNSENT):
            # nothing of the transaction happened: the old order stays what it was
            async with self._bench.lock, self._parts.ledger.executing():
                await orders.ask_cancel(replaced, None)
        log.info(
            "a plan's order was sent",
            position=row.position.id,
            purpose=step.purpose,
            state=fresh.state,
            codespace=answer.codespace,
            code=answer.code,
        )

    def _wait_for_stops_of(self, position_ids: set[int]) -> None:
        """Keeps placements back for the waiting stops of these positions only: those of others were
        placed, or are not wanted any more.
        """
        for position_id in self._waiting_stops - position_ids:
            self._expect_no_more(_stop_key(position_id))
        self._waiting_stops &= position_ids

    async def _store(
        self,
        step: Place,
        row: Held,
        market: Market,
        replaced: Order | None,
        moment: Moment,
        room: Room,
    ) -> Order:
        """The row of a plan's order, with the bytes to send. The caller holds the lock."""
        account, position = self._bench.account, row.position
        held = len(self._resting.living()) - (replaced is not None)
        # one that only moves can wait; one that is to cover more cannot
        moves = replaced is not None and replaced.size - replaced.filled_size >= step.size
        trails = step.is_stop and moves and row.plan.trailing is not None
        room.take(held, Priority.PROTECTION if step.is_stop and not trails else Priority.ENTRY)
        make = stop_market_draft if step.is_stop else take_profit_market_draft
        draft = make(
            address=account.address,
            number=account.subaccount_number,
            client_id=account.next_client_id,
            market=market,
            side=Side.SELL if position.side == "LONG" else Side.BUY,
            size=step.size,
            trigger_price=step.trigger,
            good_til_block_time=moment.end_of(PLAN_LIFETIME_S),
            # a target that can only be had far below its price is better left to the watch
            slippage_bps=self._parts.stop_slippage_bps
            if step.is_stop
            else self._parts.default_slippage_bps,
        )
        drafts: list[OrderDraft | CancelDraft] = [draft]
        if replaced is not None:
            drafts.insert(0, cancel_of(account, replaced))
        stateful = self._sender.sign_stateful(drafts, moment, urgent=step.is_stop)
        order = order_row(
            account,
            draft,
            stateful.signed,
            market,
            epoch=self._parts.ledger.epoch,
            now=self._parts.clock.now(),
            purpose=step.purpose,
            nonce=stateful.nonce,
            position_id=position.id,
            target_id=None if step.is_stop else step.target_id,
            signal_id=position.signal_id,
        )
        await orders.add(self._parts.ledger, order, f"plan of position {position.id}", replaced)
        account.next_client_id = orders.following(draft.client_id)
        self._resting.follow(order)
        return order


def _is_leaving(row: Order, now: dt.datetime) -> bool:
    """Whether an order's cancel was asked for so recently that its place is as good as free."""
    return row.cancel_asked_at is not None and now - row.cancel_asked_at < LEAVES_WITHIN


def _stop_key(position_id: int) -> str:
    return f"stop:{position_id}"
