"""The lane: the single writer of an account. All that changes an account happens here, in order.

Intents of one market are worked one after another; different markets do not wait for each other.
Closes by the monitor or by a button do not queue behind entries: they are reduce-only and capped at
the position, so the worst they can do is nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Coroutine, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog

from core import failpoints
from core.dydx.indexer_types import IndexerFill, IndexerOrder
from core.dydx.node import NodeUnreachable, Outcome
from core.events import (
    IntentRefused,
    OrderUnfilled,
    ProtectionFailing,
    SignalChanged,
    SignalMissed,
    SignalRefused,
)
from core.ledger import accounts, intents, orders, outbox, positions, signals
from core.ledger.models import Account, Intent, Order
from core.signals.symbols import SymbolUnknown, resolve
from core.trading import states
from core.trading.bookkeeper import Bookkeeper
from core.trading.decision import Missed, Refusal
from core.trading.executor import Executor, refusal_of
from core.trading.parts import Parts
from core.trading.proof import Working, prove
from core.trading.watch import PlanWatch

log = structlog.get_logger(__name__)

RETRY_PAUSE_S = 2.0
LET_GO_WITHIN_S = 4.0
TOLD_ATTEMPTS = frozenset({1, 5, 20, 100})


class Lane:
    """Works one account. `start` recovers what a crash left and must come before `submit`."""

    def __init__(self, account: Account, sealed: bytes, record: UUID, parts: Parts) -> None:
        self.account = account
        self._parts = parts
        self._lock = asyncio.Lock()
        self._bookkeeper = Bookkeeper(account, parts)
        self._executor = Executor(account, sealed, record, parts)
        self._watch = PlanWatch(account)
        self._tracks: dict[str, asyncio.Queue[Intent]] = {}
        self._working: dict[UUID, Working] = {}
        self._answers: dict[int, asyncio.Future[Order | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._touched: set[int] | None = None
        self._placing: set[asyncio.Event] = set()
        self._closing = False

    # life

    async def start(self) -> None:
        """Takes over: proves the orders that are not settled, then works the intents left over."""
        for order in await orders.in_states(self.account.id, states.WORKING):
            if order.state == "broadcasting":
                await self._transition(order, "unknown", "the process ended while it was sent")
                self._spawn(self._send_again(order))
            self._follow(order)
        left_over = await intents.open_of(self.account.id)
        await self._rearm(left_over)
        await self._refresh_watch()
        for intent in left_over:
            self.submit(intent)

    async def _rearm(self, left_over: Sequence[Intent]) -> None:
        """Arms plans whose closing intent is over while their position is still open."""
        closing = {intent.position_id for intent in left_over if intent.source == "watch"}
        held = await positions.open_of([self.account.id])
        for position_id, plan in (await positions.protections([row.id for row in held])).items():
            if plan.state == "closing" and position_id not in closing:
                async with self._parts.ledger.executing():
                    await positions.set_protection_state(position_id, "armed", plan.attempts + 1)

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
                await self._transition(fresh, "accepted", evidence, code=0, accepted_at=now)

    async def close(self) -> None:
        """Stops working; whatever is open goes on after the next start. An order that is on its way
        is answered first: cut off, it may never have left and would have to be proved dead.
        """
        self._closing = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LET_GO_WITHIN_S):
                while self._placing:
                    await next(iter(self._placing)).wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("lane work failed", account=self.account.id)

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
            self._spawn(self._work(intent))
            return answer
        try:
            ticker = resolve(
                str(intent.payload["symbol"]), self._parts.venue.stream.markets.tickers()
            )
        except SymbolUnknown as unknown:
            self._spawn(self._turn_away(intent, _unknown_symbol(unknown)))
            return answer
        intent.payload["ticker"] = ticker
        self._track(ticker).put_nowait(intent)
        return answer

    def _track(self, ticker: str) -> asyncio.Queue[Intent]:
        if ticker not in self._tracks:
            queue: asyncio.Queue[Intent] = asyncio.Queue()
            self._tracks[ticker] = queue
            self._spawn(self._run_track(ticker, queue))
        return self._tracks[ticker]

    async def _run_track(self, ticker: str, queue: asyncio.Queue[Intent]) -> None:
        while True:
            intent = await queue.get()
            await self._quiet(ticker)
            await self._guarded(self._work(intent))

    async def _quiet(self, ticker: str) -> None:
        """Waits until no order of this market is unsettled."""
        while waiting := [w for w in self._working.values() if w.order.ticker == ticker]:
            await waiting[0].done.wait()

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
        market, height = await self._executor.look(intent)
        async with self._lock:
            order = await self._executor.prepare(intent, market, height)
            working = self._follow(order, prove_now=False)
        try:
            failpoints.hit("order_stored")
            answer = await self._executor.send(order, _received_at(intent))
            if answer.outcome is Outcome.ACCEPTED:
                self._answer(intent, order)
            failpoints.hit("order_sent")
            async with self._lock:
                working.order = await self._executor.record(order, answer)
        finally:
            self._spawn(self._prove(working))
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
                await self._tell(
                    SignalChanged(intent.signal_id), f"card:{intent.signal_id}", intent.signal_id
                )
                await self._tell(event, f"{state}:{intent.signal_id}", intent.signal_id)
            elif intent.source == "button":
                await self._tell(IntentRefused(intent.id), f"intent:{intent.id}", None)
        if intent.source == "watch" and refusal.code != "nothing_to_close":
            await self._retry_close(intent)

    async def _finish(self, intent: Intent) -> None:
        """The intent's order is settled: say what came of it."""
        made = await orders.of_intent(intent.id)
        order = made[-1]
        now = self._parts.clock.now()
        if order.state == "refused":
            await self._refuse(intent, refusal_of(order))
            return
        unfilled = order.filled_size == 0
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
                await self._tell(
                    SignalChanged(intent.signal_id), f"card:{intent.signal_id}", intent.signal_id
                )
            if order.state in ("canceled", "expired") and intent.source != "watch":
                await self._tell(OrderUnfilled(order.id), f"unfilled:{order.id}", intent.signal_id)
        if intent.source == "watch":
            await self._retry_close(intent)

    # orders

    def _follow(self, order: Order, *, prove_now: bool = True) -> Working:
        working = Working(order)
        self._working[order.order_uuid] = working
        if prove_now:
            self._spawn(self._prove(working))
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
            if fresh.state not in states.TERMINAL:
                end = await prove(working, self.account, self._parts, self.book)
                if end is not None:
                    await self._settle(working, *end)
        except Exception:
            log.exception("proof of an order failed", order=working.order.id)
            return False
        return True

    async def _settle(self, working: Working, state: str, evidence: str) -> None:
        async with self._lock:
            order = await orders.get(working.order.id)
            assert order is not None
            if order.state not in states.TERMINAL:
                now = self._parts.clock.now()
                await self._transition(order, state, evidence, resolved_at=now)

    async def _transition(self, order: Order, state: str, evidence: str, **values: Any) -> None:
        states.check_transition(order.state, state)
        async with self._parts.ledger.executing():
            await orders.append_transition(
                order, state, evidence, self._parts.ledger.epoch, self._parts.clock.now(), **values
            )
            if order.signal_id is not None:
                await self._tell(
                    SignalChanged(order.signal_id), f"card:{order.signal_id}", order.signal_id
                )
        self._parts.outbox_bell.ring()

    async def _tell(self, event: Any, key: str, signal_id: UUID | None) -> None:
        await outbox.put(
            self.account.trader_id, event, key=key, now=self._parts.clock.now(), signal_id=signal_id
        )

    # what the chain says

    async def book(self, fills: Sequence[IndexerFill]) -> None:
        """Books fills (oldest first); those known already change nothing."""
        if not fills:
            return
        async with self._lock:
            batch = await self._bookkeeper.book(fills)
            await self._refresh_watch()
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

    # protection

    async def _refresh_watch(self) -> None:
        held = await positions.open_of([self.account.id])
        self._watch.replace(held, await positions.protections([row.id for row in held]))

    async def refresh_watch(self) -> None:
        """The plan of a position was changed by its trader."""
        async with self._lock:
            await self._refresh_watch()

    def watched_tickers(self) -> set[str]:
        """The markets in which a plan is watched."""
        return self._watch.tickers()

    def watched_positions(self) -> set[int]:
        """The positions whose plan is watched or being carried out."""
        return self._watch.positions()

    async def on_prices(self, prices: dict[str, Decimal]) -> None:
        """Closes what has met its plan."""
        for met in self._watch.met(prices):
            self._spawn(self._close_watched(met.position_id, met.breach))

    async def _close_watched(self, position_id: int, breach: str) -> None:
        async with self._lock, self._parts.ledger.executing():
            position = await positions.get(position_id)
            plan = await positions.protection(position_id)
            if (
                position is None
                or position.state != "open"
                or plan is None
                or plan.state != "armed"
            ):
                return
            await positions.set_protection_state(position_id, "closing")
            intent = await intents.add(
                account=await accounts.lock(self.account.id),
                key=f"watch:{position_id}:{plan.attempts}",
                source="watch",
                kind="close",
                payload={
                    "ticker": position.ticker,
                    "action": "close",
                    "purpose": breach,
                    "strategy_id": position.strategy_id,
                },
                now=self._parts.clock.now(),
                signal_id=None,
                position_id=position_id,
            )
        failpoints.hit("close_stored")
        if intent is not None:
            self.submit(intent)

    async def _retry_close(self, intent: Intent) -> None:
        """A plan's close did not flatten the position: arm again, say so, and try once more."""
        assert intent.position_id is not None
        position = await positions.get(intent.position_id)
        plan = await positions.protection(intent.position_id)
        if position is None or position.state != "open" or plan is None:
            return
        attempts = plan.attempts + 1
        async with self._parts.ledger.executing():
            await positions.set_protection_state(position.id, "armed", attempts)
            if attempts in TOLD_ATTEMPTS:
                await self._tell(
                    ProtectionFailing(position.id, attempts),
                    f"failing:{position.id}:{attempts}",
                    position.signal_id,
                )
        self._parts.outbox_bell.ring()
        await self._parts.clock.sleep(RETRY_PAUSE_S)
        await self._close_watched(position.id, str(intent.payload["purpose"]))


def _unknown_symbol(unknown: SymbolUnknown) -> Refusal:
    near = f" Nearest: {', '.join(unknown.nearest)}." if unknown.nearest else ""
    return Refusal(
        "symbol_unknown", f"dYdX has no market for {unknown.symbol}.{near} Nothing was sent."
    )


def _received_at(intent: Intent) -> dt.datetime | None:
    value = intent.payload.get("received_at")
    return dt.datetime.fromisoformat(value) if value else None
