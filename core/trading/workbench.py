"""What the parts of one lane share: the account, its lock, its tasks, and how things are written
down and told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import structlog

from core.events import Event, SignalChanged
from core.ledger import orders, outbox
from core.ledger.models import Account, Order
from core.trading import states
from core.trading.parts import Parts

log = structlog.get_logger(__name__)


class Workbench:
    """One account's bench. Whatever changes the account's rows holds `lock`."""

    def __init__(self, account: Account, parts: Parts) -> None:
        self.account = account
        self.parts = parts
        self.lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs work beside the lane; its failure is logged and ends nothing else."""
        task = asyncio.create_task(self.guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # one that ended before it began

    async def guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Awaits work and logs what it raises."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("lane work failed", account=self.account.id)

    async def close(self) -> None:
        """Ends all work."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def transition(self, order: Order, state: str, evidence: str, **values: Any) -> None:
        """Writes down a proved step of an order, and has its signal's card say so. Raises
        IllegalTransition.
        """
        states.check_transition(order.state, state)
        now = self.parts.clock.now()
        if state in states.TERMINAL:
            values.setdefault("resolved_at", now)
        async with self.parts.ledger.executing():
            await orders.append_transition(
                order, state, evidence, self.parts.ledger.epoch, now, **values
            )
            if order.signal_id is not None:
                await self.tell(
                    SignalChanged(order.signal_id), f"card:{order.signal_id}", order.signal_id
                )
        self.parts.outbox_bell.ring()

    async def tell(self, event: Event, key: str, signal_id: UUID | None) -> None:
        """Puts a message into the outbox, inside the caller's transaction."""
        await outbox.put(
            self.account.trader_id,
            event,
            key=key,
            now=self.parts.clock.now(),
            signal_id=signal_id,
        )
