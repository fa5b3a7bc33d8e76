"""The lane: the single writer of an account. All that changes an account happens here, in order.

Intents of one market are worked one after another; different markets do not wait for each other.
A close goes ahead of the entries of its market and cancels those on their way. Closes by the
monitor and of a part by a button wait for nobody: they are reduce-only and capped at the position,
so the worst they can do is nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Sequence
from uuid import UUID

import structlog

from core.dydx.indexer_types import IndexerFill, IndexerOrder
from core.dydx.node import NodeUnreachable, Outcome
from core.ledger import intents, orders
from core.ledger.models import Account, Intent, Order
from core.signals.symbols import SymbolUnknown, resolve
from core.trading import states
from core.trading.bookkeeper import Bookkeeper
from core.trading.decision import Missed, Refusal
from core.trading.endings import Endings
from core.trading.executor import Executor
from core.trading.following import Following
from core.trading.guard import Guard
from core.trading.parts import Parts
from core.trading.permits import asked_at, max_age_s
from core.trading.reconcile import Reconciler
from core.trading.resting import Resting
from core.trading.sending import Sender
from core.trading.signing import Signer
from core.trading.track import Job, Track
from core.trading.wishes import overtakes
from core.trading.work import Work
from core.trading.workbench import Workbench

log = structlog.get_logger(__name__)

LET_GO_WITHIN_S = 4.0


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
        self.reconciler = Reconciler(self._bench, self.book)
        self._following = Following(self._bench, self.resting, self.book)
        self.guard = Guard(self._bench, sender, self.resting, self.submit)
        executor = Executor(
            account, sender, self.resting, self.reconciler.catch_up, self.guard.reserve, parts
        )
        self._endings = Endings(self._bench, self.guard)
        self._work = Work(
            self._bench, sender, executor, self.resting, self._following, self.guard, self._endings
        )
        self._tracks: dict[str, Track] = {}
        self._touched: set[int] | None = None

    # life

    async def start(self) -> None:
        """Takes over: proves the orders that are not settled, then works the intents left over."""
        for order in await orders.in_states(self.account.id, states.WORKING):
            if order.state == "broadcasting":
                await self._bench.transition(
                    order, "unknown", "the process ended while it was sent"
                )
                # one that is to be cancelled must not be brought to life
                if not order.order_flags and order.cancel_asked_at is None:
                    self._bench.spawn(self._send_again(order))
            if not order.order_flags or (order.intent_id and order.state not in states.RESTING):
                self._following.follow(order)
        await self._sender.restore()
        await self.resting.load()
        left_over = await intents.open_of(self.account.id)
        await self.guard.rearm(left_over)
        await self.guard.refresh()
        for intent in left_over:
            self.submit(intent)
        for intent in await intents.in_state(self.account.id, "asking"):
            self._bench.spawn(self._let_lapse(intent))
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
        self._parts.ledger.check_granted()
        answer = await self._parts.venue.broadcast(order.tx, resend=True)
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
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LET_GO_WITHIN_S):
                await self._work.let_go()
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
            if not self._work.has(intent.id) and intent.id not in touched:
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
        known = self._work.has(intent.id)
        answer = self._work.expect(intent)
        if known:
            return answer
        try:
            ticker = self._ticker(intent)
        except SymbolUnknown as unknown:
            self._bench.spawn(self._turn_away(intent, unknown))
            return answer
        intent.payload["ticker"] = ticker
        if intent.source == "watch" or (intent.source == "button" and _is_part(intent)):
            self._bench.spawn(self._at_once(intent))
        else:
            self._track(ticker).put(intent)
        return answer

    def _ticker(self, intent: Intent) -> str:
        """The market of an intent. Raises SymbolUnknown."""
        if "ticker" in intent.payload:
            return str(intent.payload["ticker"])
        tickers = self._parts.venue.stream.markets.tickers()
        return resolve(str(intent.payload["symbol"]), tickers, intent.payload.get("aliases"))

    def _track(self, ticker: str) -> Track:
        if ticker not in self._tracks:
            track = Track(self._in_turn, self._bench.spawn)
            self._tracks[ticker] = track
            self._bench.spawn(track.run())
        return self._tracks[ticker]

    async def _in_turn(self, job: Job) -> None:
        try:
            await self._bench.guarded(self._work.carry_out(job))
        finally:
            self._leave(job.intent)

    async def _at_once(self, intent: Intent) -> None:
        try:
            await self._work.carry_out(Job(intent, overtakes(intent)), at_once=True)
        finally:
            self._leave(intent)

    async def _turn_away(self, intent: Intent, unknown: SymbolUnknown) -> None:
        near = f" Nearest: {', '.join(unknown.nearest)}." if unknown.nearest else ""
        text = f"dYdX has no market for {unknown.symbol}.{near} Nothing was sent."
        try:
            await self._endings.refuse(intent, Refusal("symbol_unknown", text), unknown.nearest)
        finally:
            self._leave(intent)

    def _leave(self, intent: Intent) -> None:
        self._touch(intent)
        self._work.leave(intent)
        if intent.state == "asking":
            self._bench.spawn(self._let_lapse(intent))

    async def _let_lapse(self, intent: Intent) -> None:
        """An intent that waits for its trader ends with its age limit."""
        over_at = asked_at(intent) + dt.timedelta(seconds=max_age_s(intent) or 0)
        await self._parts.clock.sleep(max((over_at - self._parts.clock.now()).total_seconds(), 0.0))
        lapsed = Missed("not_answered", "You did not answer within the alert's age limit.")
        await self._endings.lapse(intent, lapsed)

    # what the chain says

    async def book(self, fills: Sequence[IndexerFill]) -> None:
        """Books fills (oldest first); those known already change nothing."""
        if not fills:
            return
        async with self._lock:
            batch = await self._bookkeeper.book(fills)
            if batch.is_empty:
                return
            if self._parts.firewall is not None:
                self._parts.firewall.note_change(self.account.id)
            await self.guard.refresh()
        self.guard.wake()
        self._following.note_fills(batch.orders.values())
        self._parts.outbox_bell.ring()

    async def on_update(
        self, fills: Sequence[IndexerFill], changed: Sequence[IndexerOrder]
    ) -> None:
        """A message of the account's stream."""
        self._following.note_rows(changed)
        await self.book(fills)
        if await self.resting.on_rows(changed):
            async with self._lock:
                self.guard.note_orders()
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
        return self.guard.has_place()

    @property
    def may_fill_unseen(self) -> bool:
        """Whether an order may open something just now of which the stream would not tell."""
        account, venue = self.account, self._parts.venue
        live = [*self._following.orders(), *self.resting.living()]
        return any(not order.reduce_only for order in live) and venue.news_missing(
            account.address, account.subaccount_number
        )

    @property
    def busy(self) -> bool:
        """Whether something is held or under way that has to be looked after."""
        return bool(
            self._following
            or not self._work.idle
            or self.resting.living()
            or self.guard.watched_positions()
        )

    # protection

    async def refresh_watch(self) -> None:
        """The plan of a position was changed by its trader."""
        async with self._lock:
            await self.guard.refresh()
        self.guard.wake()


def _is_part(intent: Intent) -> bool:
    """Whether a button asks for a part of a position only."""
    return "wish" not in intent.payload and not overtakes(intent)
