"""Carries the intents of one account out: from a stored intent to its end, over as many orders as
it takes. All that has to be remembered is in the ledger: the intent's course and its orders.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Final

import structlog

from core.dydx.node import NodeUnreachable, Outcome
from core.ledger import intents, orders, positions
from core.ledger.models import Intent, Order
from core.signals.alert import Action
from core.trading.course import Course
from core.trading.decision import Crowded, Refusal
from core.trading.endings import Endings
from core.trading.executor import UNREACHABLE, Executor, refusal_of
from core.trading.following import LOOK_EVERY_S, RETRY_PAUSE_S, Following
from core.trading.guard import Guard
from core.trading.guard_rows import is_guard
from core.trading.parking import Mock, Parked
from core.trading.permits import SUPERSEDED, check_intent_age, speaks_for_strategy
from core.trading.proof import Working
from core.trading.resting import Resting
from core.trading.rows import opens
from core.trading.sending import Sender
from core.trading.slots import Reservation
from core.trading.syncing import was_overtaken
from core.trading.track import Job
from core.trading.wishes import wish_of
from core.trading.workbench import Workbench

log = structlog.get_logger(__name__)

CLOSE_FOR: Final = dt.timedelta(minutes=15)
CANCEL_AGAIN_S: Final = 2.0
FLAT_WITHIN_S: Final = 60.0
ROOM_WITHIN_S: Final = 5.0
RUSH_FOR_S: Final = 5.0
LONGEST_PAUSE_S: Final = 30.0
CLOSED_MEANWHILE: Final = (
    "nothing_to_close",
    "The position was closed before this could be; nothing of this alert was traded.",
)
NOTHING_HELD: Final = frozenset({"nothing_to_close", "nothing_to_do"})


class Work:
    """The hands of a lane."""

    def __init__(
        self,
        bench: Workbench,
        sender: Sender,
        executor: Executor,
        resting: Resting,
        following: Following,
        guard: Guard,
        endings: Endings,
    ) -> None:
        self._bench = bench
        self._parts = bench.parts
        self._sender = sender
        self._executor = executor
        self._resting = resting
        self._following = following
        self._guard = guard
        self._endings = endings
        self._answers: dict[int, asyncio.Future[Order | None]] = {}
        self._placing: set[asyncio.Event] = set()
        self._cancelled_at: dict[int, float] = {}
        self._closing = False

    # who waits for an outcome

    def expect(self, intent: Intent) -> asyncio.Future[Order | None]:
        """The future of an intent's first outcome."""
        return self._answers.setdefault(intent.id, asyncio.get_running_loop().create_future())

    def has(self, intent_id: int) -> bool:
        """Whether an intent is in hand."""
        return intent_id in self._answers

    @property
    def idle(self) -> bool:
        """Whether no intent is in hand."""
        return not self._answers

    def _answer(self, intent: Intent, order: Order | None = None) -> None:
        answer = self._answers.get(intent.id)
        if answer is not None and not answer.done():
            answer.set_result(order)

    def leave(self, intent: Intent) -> None:
        """Whoever waits for the intent reads what became of it from the ledger."""
        self._answer(intent)
        self._answers.pop(intent.id, None)
        self._parts.outbox_bell.ring()

    async def let_go(self) -> None:
        """Begins no order from here on, and waits until none is on its way to a node."""
        self._closing = True
        while self._placing:
            await next(iter(self._placing)).wait()

    # an intent, from its place in the lane to its end

    async def carry_out(self, job: Job, *, at_once: bool = False) -> None:
        """Works a job to its end; what it may not do is told. `at_once`: it waits for no other."""
        intent = job.intent
        try:
            if wish_of(intent).action is Action.CANCEL:
                await self._cancel_orders(job)
            else:
                await self._carry_out(job, at_once=at_once)
        except Parked as parked:
            await self._endings.park(intent, parked)
        except Refusal as refusal:
            await self._endings.refuse(intent, refusal)

    async def _carry_out(self, job: Job, *, at_once: bool) -> None:
        intent = job.intent
        rows = await orders.of_intent(intent.id) if intent.state != "waiting" else []
        if not rows and not at_once and not job.overtakes:
            await self._wait_for_turn(job)
        if not rows and wish_of(intent).cancels:
            check_intent_age(intent, self._parts.clock.now())
            await self._cancel_waiting(job)
        while not self._closing:
            if rows:
                rows = await self._watched(intent, rows[-1])
            made = await self._made(intent, rows)
            if job.overtakes and not at_once:
                await self._cut_entries(intent)
            if not at_once and await self._awaits_closes(intent):
                continue
            try:
                order = await self._next_order(job, made, rows)
            except Refusal as refusal:
                if refusal.code in NOTHING_HELD and await self._awaits_entries(job):
                    continue
                if refusal.code == UNREACHABLE[0] and await self._waits_for_node(job, refusal):
                    continue
                if not any(row.filled_size for row in made):
                    raise
                await self._endings.cut_short(intent, made, refusal)
                return
            if order is not None:
                rows = [*rows, order]
            elif not await self._awaits_entries(job):
                if not made:
                    raise Refusal(*CLOSED_MEANWHILE)
                await self._endings.finish(intent, made)
                return

    async def _watched(self, intent: Intent, order: Order) -> list[Order]:
        """Waits for the proof of an order's end, or that it rests; all orders of the intent."""
        working = self._following.get(order.order_uuid)
        if working is not None:
            if working.order.state != "refused":
                self._answer(intent)
            await working.done.wait()
        return await orders.of_intent(intent.id)

    async def _wait_for_turn(self, job: Job) -> None:
        """An entry waits until its market is quiet and nothing of an earlier plan is left there: it
        would close the new position at the old level.
        """
        ticker = str(job.intent.payload["ticker"])
        await self._following.quiet(ticker)
        if job.cut.is_set():
            raise Refusal(*SUPERSEDED)
        await self._without_leftovers(ticker)

    async def _without_leftovers(self, ticker: str) -> None:
        """Waits until no order of an earlier position may trade in a market, and none that was
        triggered may just be making the open one an earlier one.
        """
        while exits := self._resting.exits(ticker):
            held = await positions.open_in(self._bench.account.id, ticker)
            of_held = all(order.position_id == (held.id if held else None) for order in exits)
            if of_held and not any(order.state == "triggered" for order in exits):
                return
            self._guard.wake()
            await self._parts.clock.sleep(LOOK_EVERY_S)

    async def _made(self, intent: Intent, rows: list[Order]) -> list[Order]:
        """The orders of an intent that a node took, all of them over. Raises Refusal where its last
        one was refused and is not to be tried again.
        """
        made = [row for row in rows if row.state not in ("refused", "refused_in_block")]
        last = rows[-1] if rows else None
        if last is None or last in made or _before_resumption(intent, last):
            return made
        if last.codespace == "unsent" and not opens(last) and self._may_go_on(intent):
            return made
        if any(row.filled_size for row in made):
            return made
        if _found_nothing(last) and self._may_go_on(intent):
            return made
        refusal = refusal_of(last)
        if last.codespace == "unsent" and opens(last):
            await self._mock(intent, refusal, Mock.of_order(last))
        raise refusal

    async def _mock(self, intent: Intent, refusal: Refusal, mock: Mock) -> None:
        """Raises Parked where a trader wants what reached no node in his book of mock orders."""
        if await self._endings.wants_mock(intent):
            raise Parked("mock", refusal.code, refusal.text, mock)

    async def _waits_for_node(self, job: Job, refusal: Refusal) -> bool:
        """What no node could be asked for: a close waits a while for one; an entry may become a
        mock order (raises Parked).
        """
        intent = job.intent
        if job.overtakes or intent.course is not None:
            if self._may_go_on(intent):
                await self._parts.clock.sleep(RETRY_PAUSE_S)
                return True
        elif await self._endings.wants_mock(intent):
            leg, market = await self._executor.sketch(intent)
            await self._mock(intent, refusal, Mock.of_leg(leg, market))
        return False

    def _may_go_on(self, intent: Intent) -> bool:
        """Whether a close whose order reached no node is tried again."""
        young = self._parts.clock.now() - intent.created_at < CLOSE_FOR
        return young and intent.source != "watch"

    async def _next_order(self, job: Job, made: list[Order], rows: list[Order]) -> Order | None:
        """Makes the intent's next order; None when there is none to make."""
        intent = job.intent
        if rows and intent.source == "watch":
            return None
        if rows and not _before_resumption(intent, rows[-1]):
            await self._before_another(job, made, rows)
        placed = asyncio.Event()
        self._placing.add(placed)
        try:
            return await self._put_order(job, made)
        finally:
            self._placing.discard(placed)
            placed.set()

    async def _before_another(self, job: Job, made: list[Order], rows: list[Order]) -> None:
        """Between two orders of an intent: a pause after one that found no match or no node; before
        a reversal opens, or a sync once more, proof that nothing is left.
        """
        last = rows[-1]
        if not opens(last) and not last.filled_size:
            await self._parts.clock.sleep(min(RETRY_PAUSE_S * len(rows), LONGEST_PAUSE_S))
        course = Course.from_json(job.intent.course or {})
        opened = any(opens(row) for row in made if row.id > course.after)
        reverses = bool(course.closing and course.opening) and not opened
        if job.cut.is_set() or not (reverses or await was_overtaken(job.intent, course, made)):
            return
        if await positions.open_in(self._bench.account.id, last.ticker) is None:
            await self._flat_on_node(last.clob_pair_id)
            await self._without_leftovers(last.ticker)

    async def _stored(self, job: Job, made: list[Order]) -> Working | None:
        """Decides and stores the intent's next order; None when there is none to make. The chain
        takes few orders per block: for a moment this waits until it takes another. Raises Refusal.
        """
        clock = self._parts.clock
        until = clock.monotonic() + ROOM_WITHIN_S
        while True:
            try:
                return await self._stored_now(job, made)
            except Crowded:
                if clock.monotonic() >= until or self._closing:
                    raise
            await clock.sleep(LOOK_EVERY_S)

    async def _stored_now(self, job: Job, made: list[Order]) -> Working | None:
        intent = job.intent
        view = await self._executor.look(intent)
        async with self._bench.lock:
            prepared = await self._executor.prepare(intent, view, made, cut=job.cut.is_set())
            if prepared is None:
                return None
            working = self._following.follow(prepared.order, prove_now=False)
            if prepared.reservation is not None:
                self._bench.spawn(_release_after(working, prepared.reservation))
            return working

    async def _flat_on_node(self, clob_pair_id: int) -> None:
        """Waits until a node has committed that nothing is held in a market. Raises Refusal."""
        account, clock = self._bench.account, self._parts.clock
        until = clock.monotonic() + FLAT_WITHIN_S
        while clock.monotonic() < until:
            try:
                state = await self._parts.venue.node.subaccount(
                    account.address, account.subaccount_number
                )
                if not state.positions.get(clob_pair_id):
                    return
            except NodeUnreachable as error:
                log.info("a reversal waits for a node", error=str(error))
            await clock.sleep(LOOK_EVERY_S)
        raise Refusal("not_flat", "It was not proved in time that nothing of it is left.")

    async def _put_order(self, job: Job, made: list[Order]) -> Order | None:
        """Decides, stores the signed order, sends it once, records the answer."""
        intent = job.intent
        await self._parts.rush.calm(RUSH_FOR_S)
        working = await self._stored(job, made)
        if working is None:
            return None
        order = working.order
        try:
            answer = await self._sender.send(order, _received_at(intent))
            if answer.outcome is Outcome.ACCEPTED:
                self._answer(intent, order)
            async with self._bench.lock:
                working.order = await self._sender.record(order, answer)
        finally:
            self._following.prove(working)
        return working.order

    # entries that a close came after

    async def _awaits_entries(self, job: Job) -> bool:
        """Whether a close has to look again: an entry before it is not proved over. Waits a
        moment then.
        """
        if not job.overtakes:
            return False
        ticker = str(job.intent.payload["ticker"])
        entries = [
            row
            for row in self._following.unsettled(ticker)
            if not row.order.order_flags and row.order.intent_id != job.intent.id
        ]
        if entries:
            await self._parts.clock.sleep(LOOK_EVERY_S)
        return bool(entries)

    async def _awaits_closes(self, intent: Intent) -> bool:
        """Whether an intent has to look again: a close of the same strategy is not proved over, and
        the chain does not cap it at the position, as that holds the shares of others too. Waits a
        moment then.
        """
        if not speaks_for_strategy(intent):
            return False
        unsettled = [row.order for row in self._following.unsettled(str(intent.payload["ticker"]))]
        closes = [
            row
            for row in unsettled
            if not opens(row) and not row.reduce_only and row.intent_id != intent.id
        ]
        mine = await self._spoken_for(intent, closes) if closes else []
        if mine:
            await self._parts.clock.sleep(LOOK_EVERY_S)
        return bool(mine)

    async def _cut_entries(self, intent: Intent) -> None:
        """Cancels the entries of a market that may still fill. The chain's nodes remember a cancel
        also of an order that they have not seen. Source: docs/protocol.md, short-term orders.
        """
        unsettled = [row.order for row in self._following.unsettled(str(intent.payload["ticker"]))]
        entries = [
            row
            for row in unsettled
            if not row.order_flags and opens(row) and row.intent_id != intent.id
        ]
        for order in await self._spoken_for(intent, entries):
            await self._cancel_entry(order)

    async def _spoken_for(self, intent: Intent, rows: Sequence[Order]) -> list[Order]:
        """The orders that an intent may cancel: of the same strategy, all where a person asks."""
        if intent.source != "signal":
            return list(rows)
        owners = await intents.strategies_of({row.intent_id for row in rows if row.intent_id})
        mine = intent.payload.get("strategy_id")
        return [row for row in rows if owners.get(row.intent_id or 0) == mine]

    async def _cancel_entry(self, order: Order) -> None:
        now = self._parts.clock.monotonic()
        if now - self._cancelled_at.get(order.id, -CANCEL_AGAIN_S) < CANCEL_AGAIN_S:
            return
        self._cancelled_at[order.id] = now
        if order.cancel_asked_at is None:
            async with self._bench.lock, self._parts.ledger.executing():
                await orders.ask_cancel(order, self._parts.clock.now())
        answer = await self._sender.cancel_short_term(order)
        log.info("an entry was cancelled", order=order.id, outcome=answer.outcome.value)

    async def _cancel_orders(self, job: Job) -> None:
        """Cancels the entries of a strategy that wait in a market, never the stop of a position.
        Ends when each is proved gone.
        """
        intent = job.intent
        check_intent_age(intent, self._parts.clock.now())
        ticker = str(intent.payload["ticker"])
        if not await self._cancel_waiting(job):
            raise Refusal("nothing_to_cancel", f"No order waits in {ticker}; nothing was sent.")
        if not self._closing:
            await self._endings.canceled(intent, ticker)

    async def _cancel_waiting(self, job: Job) -> bool:
        """Whether there were entries to cancel; each is proved gone then."""
        intent = job.intent
        ticker = intent.payload["ticker"]
        resting = [
            row for row in self._resting.living() if row.ticker == ticker and not is_guard(row)
        ]
        waiting = await self._spoken_for(intent, resting)
        in_flight = await self._awaits_entries(job)
        if not waiting and not in_flight:
            return False
        for order in waiting:
            if order.cancel_asked_at is None:
                async with self._bench.lock, self._parts.ledger.executing():
                    await orders.ask_cancel(order, self._parts.clock.now())
        self._guard.wake()
        while not self._closing:
            await self._cut_entries(intent)
            in_flight = await self._awaits_entries(job)
            left = [row for row in waiting if self._resting.get(row.order_uuid) is not None]
            if not left and not in_flight:
                break
            await self._parts.clock.sleep(LOOK_EVERY_S)
        return True


async def _release_after(working: Working, reservation: Reservation) -> None:
    """Keeps the place of a stop until its entry is over; a fill has its own claim by then."""
    try:
        await working.done.wait()
    finally:
        reservation.release()


def _found_nothing(order: Order) -> bool:
    """Whether a node refused a close because its memory, ahead of the chain's state, holds nothing
    of the position any more: a stop is just closing it. Source: docs/protocol.md.
    """
    return not opens(order) and (order.codespace, order.code) == ("clob", 2001)


def _before_resumption(intent: Intent, order: Order) -> bool:
    """Whether an order was over before its trader had the intent carried out once more."""
    since = intent.payload.get("resumed_at")
    return since is not None and order.created_at < dt.datetime.fromisoformat(since)


def _received_at(intent: Intent) -> dt.datetime | None:
    value = intent.payload.get("received_at")
    return dt.datetime.fromisoformat(value) if value else None
