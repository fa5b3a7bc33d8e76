"""The lane: the single writer of an account. All that changes an account happens here, in order.

Intents of one market are worked one after another; different markets do not wait for each other.
Closes by the monitor or by a button do not queue behind entries: they are reduce-only and capped at
the position, so the worst they can do is nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Sequence
from uuid import UUID

import structlog

from core import failpoints
from core.dydx.indexer_types import IndexerFill, IndexerOrder
from core.dydx.node import NodeUnreachable, Outcome
from core.events import (
    IntentRefused,
    OrderUnfilled,
    SignalChanged,
    SignalMissed,
    SignalRefused,
)
from core.ledger import intents, orders, positions, signals
from core.ledger.models import Account, Intent, Order
from core.signals.symbols import SymbolUnknown, resolve
from core.trading import states
from core.trading.bookkeeper import Bookkeeper
from core.trading.decision import Missed, Refusal
from core.trading.executor import Executor, refusal_of
from core.trading.guard import Guard
from core.trading.parts import Parts
from core.trading.proof import Working, prove
from core.trading.reconcile import Reconciler
from core.trading.resting import Resting
from core.trading.sending import Sender
from core.trading.signing import Signer
from core.trading.workbench import Workbench

log = structlog.get_logger(__name__)

RETRY_PAUSE_S = 2.0
LET_GO_WITHIN_S = 4.0
LOOK_EVERY_S = 0.5


class Lane:
    """Works one account. `start` recovers what a crash left and must come before `submit`."""

    def __init__(self, account: Account, signer: Signer, parts: Parts) -> None:
        self.account = account
        self._parts = parts
        self._bench = Workbench(account, parts)
        self._lock = self._bench.lock
        self._bookkeeper = Bookkeeper(account, parts)
        self._sender = sender = Sender(account, signer, parts)
        self.resting = Resting(self._bench, sender, self.book)
        self.reconciler = Reconciler(account, parts, self.book)
        self._executor = Executor(account, sender, self.resting, self.reconciler.catch_up, parts)
        self.guard = Guard(self._bench, sender, self.resting, self.submit)
        self._tracks: dict[str, asyncio.Queue[Intent]] = {}
        self._working: dict[UUID, Working] = {}
        self._answers: dict[int, asyncio.Future[Order | None]] = {}
        self._touched: set[int] | None = None
        self._placing: set[asyncio.Event] = set()
        self._closing = False

    # life

    async def start(self) -> None:
        """Takes over: proves the orders that are not settled, then works the intents left over."""
        for order in await orders.in_states(self.account.id, states.WORKING):
            if order.state == "broadcasting":
                await self._bench.transition(
                    order, "unknown", "the process ended while it was sent"
                )
                if not order.order_flags:
                    self._bench.spawn(self._send_again(order))
            if not order.order_flags or (order.intent_id and order.state not in states.RESTING):
                self._follow(order)
        await self._sender.restore()
        await self.resting.load()
        left_over = await intents.open_of(self.account.id)
        await self.guard.rearm(left_over)
        await self.guard.refresh()
        for intent in left_over:
            self.submit(intent)
        self._bench.spawn(self.guard.run())
        self.guard.wake()

    async def _send_again(self, order: Order) -> None:
        """The same bytes once more, while they are valid: they may never have left.

        The chain fills an order id up to its size once, however often it comes. Only acceptance
        says something; a refusal may be due to the first sending. Source: docs/protocol.md.
        """
        try:
            if await self._parts.venue.height() >= order.good_til_block:
                return
        except NodeUnreachable:
            return
        answer = await self._parts.venue.node.broadcast(order.tx, resend=True)
        log.info("an order was sent again", order=order.id, outcome=answer.outcome.value)
        if answer.outcome is not Outcome.ACCEPTED:
            return
        async with self._lock:
            fresh = await orders.get(order.id)
            if fresh is not None and fresh.state == "unknown":
                evidence = f"the same bytes sent again, accepted by {answer.endpoint}"
                now = self._parts.clock.now()
                await self._bench.transition(fresh, "accepted", evidence, code=0, accepted_at=now)

    async def close(self) -> None:
        """Stops working; whatever is open goes on after the next start. An order that is on its way
        is answered first: cut off, it may never have left and would have to be proved dead.
        """
        self._closing = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LET_GO_WITHIN_S):
                while self._placing:
                    await next(iter(self._placing)).wait()
        await self._bench.close()

    # intents

    async def take_waiting(self) -> None:
        """Takes open intents that nobody works: stored while this lane was starting, or left behind
        by work that failed. An order that was made already is never made again.
        """
        if self._touched is not None:
            return
        # what is submitted or done with while the query runs is not judged by its answer
        touched = self._touched = set()
        try:
            found = await intents.open_of(self.account.id)
        finally:
            self._touched = None
        for intent in found:
            if intent.id not in self._answers and intent.id not in touched:
                log.warning("an open intent is taken up", intent=intent.id)
                self.submit(intent)

    def _touch(self, intent: Intent) -> None:
        if self._touched is not None:
            self._touched.add(intent.id)

    def submit(self, intent: Intent) -> asyncio.Future[Order | None]:
        """Takes a stored intent; the future is done with its first outcome: the order as soon as a
        node took it, else None once the ledger says what became of it.
        """
        self._touch(intent)
        answer = self._answers.get(intent.id)
        if answer is not None:
            return answer
        answer = asyncio.get_running_loop().create_future()
        self._answers[intent.id] = answer
        if intent.source != "signal":
            self._bench.spawn(self._work(intent))
            return answer
        try:
            ticker = resolve(
                str(intent.payload["symbol"]), self._parts.venue.stream.markets.tickers()
            )
        except SymbolUnknown as unknown:
            self._bench.spawn(self._turn_away(intent, _unknown_symbol(unknown)))
            return answer
        intent.payload["ticker"] = ticker
        self._track(ticker).put_nowait(intent)
        return answer

    def _track(self, ticker: str) -> asyncio.Queue[Intent]:
        if ticker not in self._tracks:
            queue: asyncio.Queue[Intent] = asyncio.Queue()
            self._tracks[ticker] = queue
            self._bench.spawn(self._run_track(ticker, queue))
        return self._tracks[ticker]

    async def _run_track(self, ticker: str, queue: asyncio.Queue[Intent]) -> None:
        while True:
            intent = await queue.get()
            await self._quiet(ticker)
            await self._bench.guarded(self._without_leftovers(intent, ticker))
            await self._bench.guarded(self._work(intent))

    async def _quiet(self, ticker: str) -> None:
        """Waits until no order of this market is unsettled."""
        while waiting := [w for w in self._working.values() if w.order.ticker == ticker]:
            await waiting[0].done.wait()

    async def _without_leftovers(self, intent: Intent, ticker: str) -> None:
        """Waits until no order of an earlier plan is left in a market before a position may be
        opened there: it would close the next one at the old level.
        """
        if intent.payload["action"] == "close":
            return
        while True:
            held = await positions.open_in(self.account.id, ticker)
            if not self.resting.leftovers(ticker, held.id if held else None):
                return
            self.guard.wake()
            await self._parts.clock.sleep(LOOK_EVERY_S)

    async def _work(self, intent: Intent) -> None:
        """From a stored intent to its end."""
        try:
            made = await orders.of_intent(intent.id) if intent.state != "waiting" else []
            working = self._working.get(made[-1].order_uuid) if made else None
            if not made:
                if self._closing:
                    return
                working = await self._place(intent)
            if working is not None:
                if working.order.state != "refused":
                    self._answer(intent)
                await working.done.wait()
            await self._finish(intent)
        except Refusal as refusal:
            await self._refuse(intent, refusal)
        finally:
            self._leave(intent)

    async def _turn_away(self, intent: Intent, refusal: Refusal) -> None:
        try:
            await self._refuse(intent, refusal)
        finally:
            self._leave(intent)

    def _leave(self, intent: Intent) -> None:
        self._touch(intent)
        self._answer(intent)
        self._answers.pop(intent.id, None)
        self._parts.outbox_bell.ring()

    def _answer(self, intent: Intent, order: Order | None = None) -> None:
        answer = self._answers.get(intent.id)
        if answer is not None and not answer.done():
            answer.set_result(order)

    async def _place(self, intent: Intent) -> Working:
        """Decides, stores the signed order, sends it once, records the answer."""
        placed = asyncio.Event()
        self._placing.add(placed)
        try:
            return await self._put_order(intent)
        finally:
            self._placing.discard(placed)
            placed.set()

    async def _put_order(self, intent: Intent) -> Working:
        view = await self._executor.look(intent)
        async with self._lock:
            order = await self._executor.prepare(intent, view)
            working = self._follow(order, prove_now=False)
        try:
            failpoints.hit("order_stored")
            answer = await self._sender.send(order, _received_at(intent))
            if answer.outcome is Outcome.ACCEPTED:
                self._answer(intent, order)
            failpoints.hit("order_sent")
            async with self._lock:
                working.order = await self._sender.record(order, answer)
        finally:
            self._bench.spawn(self._prove(working))
        return working

    async def _refuse(self, intent: Intent, refusal: Refusal) -> None:
        """Ends an intent that is not carried out."""
        state = "missed" if isinstance(refusal, Missed) else "refused"
        hint = intent.payload.get("hint") if state == "missed" else None
        reason = (refusal.code, f"{refusal.text} {hint}" if hint else refusal.text)
        now = self._parts.clock.now()
        log.info("intent not carried out", intent=intent.id, state=state, code=refusal.code)
        async with self._parts.ledger.executing():
            await intents.finish(intent.id, state, now, reason)
            if intent.signal_id is not None:
                await signals.settle(intent.signal_id, state, reason)
                event = (SignalMissed if state == "missed" else SignalRefused)(intent.signal_id)
                await self._bench.tell(
                    SignalChanged(intent.signal_id), f"card:{intent.signal_id}", intent.signal_id
                )
                await self._bench.tell(event, f"{state}:{intent.signal_id}", intent.signal_id)
            elif intent.source == "button":
                await self._bench.tell(IntentRefused(intent.id), f"intent:{intent.id}", None)
        if intent.source == "watch" and refusal.code != "nothing_to_close":
            await self.guard.retry(intent)

    async def _finish(self, intent: Intent) -> None:
        """The intent's order is settled: say what came of it."""
        made = await orders.of_intent(intent.id)
        order = made[-1]
        now = self._parts.clock.now()
        if order.state in ("refused", "refused_in_block"):
            await self._refuse(intent, refusal_of(order))
            return
        unfilled = order.filled_size == 0 and order.state not in states.RESTING
        reason = (
            ("unfilled", "The order ended without a fill; nothing was traded.")
            if unfilled
            else None
        )
        async with self._parts.ledger.executing():
            await intents.finish(intent.id, "done", now, reason)
            if intent.signal_id is not None:
                await signals.settle(
                    intent.signal_id, "refused" if unfilled else "executed", reason
                )
                await self._bench.tell(
                    SignalChanged(intent.signal_id), f"card:{intent.signal_id}", intent.signal_id
                )
            if order.state in ("canceled", "expired") and intent.source != "watch":
                await self._bench.tell(
                    OrderUnfilled(order.id), f"unfilled:{order.id}", intent.signal_id
                )
        if intent.source == "watch":
            await self.guard.retry(intent)

    # orders

    def _follow(self, order: Order, *, prove_now: bool = True) -> Working:
        working = Working(order)
        self._working[order.order_uuid] = working
        if order.order_flags:
            self.resting.follow(order)
        if prove_now:
            self._bench.spawn(self._prove(working))
        return working

    async def _prove(self, working: Working) -> None:
        """Waits for the proof of what became of an order, then settles it."""
        while True:
            if await self._proved(working):
                break
            await self._parts.clock.sleep(RETRY_PAUSE_S)
        self._working.pop(working.order.order_uuid, None)
        working.done.set()

    async def _proved(self, working: Working) -> bool:
        try:
            fresh = await orders.get(working.order.id)
            assert fresh is not None
            working.order = fresh
            if fresh.order_flags:
                working.order = await self._committed(fresh)
            elif fresh.state not in states.TERMINAL:
                end = await prove(working, self.account, self._parts, self.book)
                if end is not None:
                    await self._settle(working, *end)
        except Exception:
            log.exception("proof of an order failed", order=working.order.id)
            return False
        return True

    async def _committed(self, order: Order) -> Order:
        """Waits until a stateful order is proved to be in the chain's state, or over."""
        while order.state not in states.RESTING and order.state not in states.TERMINAL:
            await self._parts.clock.sleep(LOOK_EVERY_S)
            await self.resting.prove()
            fresh = await orders.get(order.id)
            assert fresh is not None
            order = fresh
        return order

    async def _settle(self, working: Working, state: str, evidence: str) -> None:
        async with self._lock:
            order = await orders.get(working.order.id)
            assert order is not None
            if order.state not in states.TERMINAL:
                await self._bench.transition(order, state, evidence)

    # what the chain says

    async def book(self, fills: Sequence[IndexerFill]) -> None:
        """Books fills (oldest first); those known already change nothing."""
        if not fills:
            return
        async with self._lock:
            batch = await self._bookkeeper.book(fills)
            await self.guard.refresh()
        if batch.orders or batch.position_ids:
            self.guard.wake()
        for order in batch.orders.values():
            working = self._working.get(order.order_uuid)
            if working is not None and order.state in states.TERMINAL:
                working.order = order
                working.settled.set()
        self._parts.outbox_bell.ring()

    async def on_update(
        self, fills: Sequence[IndexerFill], changed: Sequence[IndexerOrder]
    ) -> None:
        """A message of the account's stream."""
        for row in changed:
            working = self._working.get(UUID(row.id))
            if working is not None and row.removal_reason:
                working.hint = row.removal_reason
        await self.book(fills)
        if await self.resting.on_rows(changed):
            async with self._lock:
                await self.guard.refresh()
            self.guard.wake()

    async def cancel_resting(self, order_uuid: UUID) -> None:
        """Notes that an order is to be cancelled; it is asked of the chain until it is gone."""
        order = self.resting.get(order_uuid)
        if order is None:
            return
        if order.cancel_asked_at is None:
            async with self._lock, self._parts.ledger.executing():
                await orders.ask_cancel(order, self._parts.clock.now())
        self.guard.wake()

    def plan_fits(self) -> bool | None:
        """Whether the chain has room for another stop of this account; None where nobody knows."""
        return self._sender.fits(len(self.resting.living()))

    @property
    def busy(self) -> bool:
        """Whether something is held or under way that has to be looked after."""
        return bool(
            self._working
            or self._answers
            or self.resting.living()
            or self.guard.watched_positions()
        )

    # protection

    async def refresh_watch(self) -> None:
        """The plan of a position was changed by its trader."""
        async with self._lock:
            await self.guard.refresh()
        self.guard.wake()


def _unknown_symbol(unknown: SymbolUnknown) -> Refusal:
    near = f" Nearest: {', '.join(unknown.nearest)}." if unknown.nearest else ""
    return Refusal(
        "symbol_unknown", f"dYdX has no market for {unknown.symbol}.{near} Nothing was sent."
    )


def _received_at(intent: Intent) -> dt.datetime | None:
    value = intent.payload.get("received_at")
    return dt.datetime.fromisoformat(value) if value else None
