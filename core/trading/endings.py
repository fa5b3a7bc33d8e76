"""How intents end, and what is told of it: one transaction each."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

import structlog

from core.events import (
    Event,
    IntentRefused,
    OrderUnfilled,
    SignalAsks,
    SignalChanged,
    SignalMissed,
    SignalMocked,
    SignalRefused,
)
from core.ledger import intents, mocks, positions, signals, traders
from core.ledger.models import Intent, MockOrder, Order
from core.trading import states
from core.trading.course import Course, Made, given_up
from core.trading.decision import Missed, Refusal
from core.trading.guard import Guard
from core.trading.parking import Mock, Parked
from core.trading.permits import speaks_for_strategy
from core.trading.rows import opens
from core.trading.share_keeper import share_of, signed_size
from core.trading.workbench import Workbench

log = structlog.get_logger(__name__)

UNFILLED: Final = ("unfilled", "The order ended without a fill; nothing was traded.")
CANCELED: Final = ("canceled", "The order was canceled before it filled; nothing was traded.")


class Endings:
    """The last word on each intent of one account."""

    def __init__(self, bench: Workbench, guard: Guard) -> None:
        self._bench = bench
        self._parts = bench.parts
        self._guard = guard

    async def refuse(self, intent: Intent, refusal: Refusal, nearest: Sequence[str] = ()) -> None:
        """Ends an intent that was not carried out. `nearest`: tickers that its symbol may have
        meant.
        """
        state = "missed" if isinstance(refusal, Missed) else "refused"
        hint = (intent.payload.get("wish") or {}).get("hint") if state == "missed" else None
        reason = (refusal.code, f"{refusal.text} {hint}" if hint else refusal.text)
        log.info("intent not carried out", intent=intent.id, state=state, code=refusal.code)
        event: Event | None = None
        if intent.signal_id is not None:
            event = (SignalMissed if state == "missed" else SignalRefused)(intent.signal_id)
        async with self._parts.ledger.executing():
            await self._settle(intent, state, state, reason)
            if nearest and intent.signal_id is not None:
                await signals.note_nearest(intent.signal_id, nearest)
            if event is not None:
                await self._bench.tell(event, f"{state}:{intent.signal_id}", intent.signal_id)
            elif intent.source == "button":
                await self._bench.tell(IntentRefused(intent.id), f"intent:{intent.id}", None)
        if intent.source == "watch" and refusal.code != "nothing_to_close":
            await self._guard.retry(intent)

    async def lapse(self, intent: Intent, lapsed: Refusal) -> None:
        """Ends an intent that still waits for its trader."""
        signal_id, now = intent.signal_id, self._parts.clock.now()
        reason = (lapsed.code, lapsed.text)
        assert signal_id is not None
        async with self._parts.ledger.executing():
            if not await intents.give_up(intent, now, "missed", reason, {"asking"}):
                return
            await signals.settle(signal_id, "missed", reason)
            await self._bench.tell(SignalChanged(signal_id), f"card:{signal_id}", signal_id)
        self._parts.outbox_bell.ring()

    async def park(self, intent: Intent, parked: Parked) -> None:
        """Leaves an intent to its trader, with what it would do."""
        reason = (parked.code, parked.text)
        signal_id = intent.signal_id
        async with self._parts.ledger.executing():
            await self._settle(intent, parked.state, parked.state, reason)
            if signal_id is None:
                return
            if parked.mock is not None:
                await mocks.add(self._mock_row(parked.mock, signal_id))
                await self._bench.tell(SignalMocked(signal_id), f"mock:{signal_id}", signal_id)
            elif parked.state == "asking":
                await self._bench.tell(SignalAsks(signal_id), f"asks:{signal_id}", signal_id)

    async def wants_mock(self, intent: Intent) -> bool:
        """Whether an entry that reached no node is to become a mock order."""
        if intent.signal_id is None:
            return False
        return (await traders.get(self._bench.account.trader_id)).mock_when_unreachable

    async def canceled(self, intent: Intent, ticker: str) -> None:
        """All orders that were to be cancelled are proved gone."""
        reason = ("canceled", f"No order of this strategy waits in {ticker} any more.")
        async with self._parts.ledger.executing():
            await self._settle(intent, "done", "executed", reason)

    async def cut_short(self, intent: Intent, made: list[Order], refusal: Refusal) -> None:
        """Something was traded, but not all that was meant."""
        await self._end(intent, made, (refusal.code, f"Not all was done. {refusal.text}"))

    async def finish(self, intent: Intent, made: list[Order]) -> None:
        """All orders of an intent are settled."""
        await self._end(intent, made, None)

    async def _end(self, intent: Intent, made: list[Order], reason: tuple[str, str] | None) -> None:
        last = made[-1]
        rests = last.state in states.RESTING
        traded = any(row.filled_size for row in made) or rests
        asked_off = _was_asked_off(last)
        if not traded:
            reason = CANCELED if asked_off else UNFILLED
        elif reason is None:
            reason = await self._what_is_left(intent, made)
        async with self._parts.ledger.executing():
            await self._settle(intent, "done", "executed" if traded else "refused", reason)
            died = last.state in ("canceled", "expired") and intent.source != "watch"
            if died and not asked_off and (last.filled_size < last.size or reason is not None):
                await self._bench.tell(
                    OrderUnfilled(last.id), f"unfilled:{last.id}", intent.signal_id
                )
        if intent.source == "watch":
            await self._guard.retry(intent)

    async def _what_is_left(self, intent: Intent, made: list[Order]) -> tuple[str, str] | None:
        """Why a close ended before all was closed, if it did."""
        if intent.course is None:
            return None
        account_id, ticker = self._bench.account.id, made[-1].ticker
        held = await positions.open_in(account_id, ticker)
        left = signed_size(held) if held is not None else Decimal(0)
        if speaks_for_strategy(intent):
            left = await share_of(account_id, ticker, int(intent.payload["strategy_id"]))
        market = self._parts.venue.stream.markets.get(ticker)
        step = market.step_size if market is not None else Decimal(0)
        course = Course.from_json(intent.course)
        done = [Made(opens(row), row.filled_size) for row in made if row.id > course.after]
        if not left or not given_up(course, done, left, step):
            return None
        return (
            "not_flat",
            f"{abs(left).normalize():f} of the {ticker} position is still open: the book took "
            "no more within your slippage.",
        )

    async def _settle(
        self, intent: Intent, state: str, signal_state: str, reason: tuple[str, str] | None
    ) -> None:
        """The intent's state and its signal's, with the card; in the caller's transaction."""
        await intents.finish(intent.id, state, self._parts.clock.now(), reason)
        intent.state = state
        if intent.signal_id is not None:
            await signals.settle(intent.signal_id, signal_state, reason)
            await self._bench.tell(
                SignalChanged(intent.signal_id), f"card:{intent.signal_id}", intent.signal_id
            )

    def _mock_row(self, mock: Mock, signal_id: UUID) -> MockOrder:
        return MockOrder(
            account_id=self._bench.account.id,
            partition=self._bench.account.partition,
            signal_id=signal_id,
            order_id=mock.order_id,
            ticker=mock.ticker,
            side=mock.side,
            size=mock.size,
            price=mock.price,
            created_at=self._parts.clock.now(),
        )


def _was_asked_off(order: Order) -> bool:
    """Whether an order that was to wait for its price was cancelled without a fill, and somebody
    had asked for that.
    """
    asked = bool(order.order_flags) and order.cancel_asked_at is not None
    return asked and order.state == "canceled" and not order.filled_size
