"""Carries on all panics, also what an earlier process began: one task per account."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

import structlog

from core.dydx.indexer import IndexerError
from core.dydx.node import NodeUnreachable
from core.events import PanicProgress, PanicTold
from core.ledger import accounts, outbox, risk
from core.ledger.models import Panic, PanicAccount
from core.trading.key_steps import LATER_S, Wait
from core.trading.office import Office
from core.trading.risk.panic import AccountEmptier
from core.trading.risk.panic_states import OVER

log = structlog.get_logger(__name__)

WITHOUT_NETWORK_S: Final = 10.0


class PanicKeeper:
    """Works every account of every panic that is not over."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def resume(self) -> None:
        """Takes up what is not over; called once the networks are there."""
        for panic in await risk.working_panics():
            await self.take(panic)

    async def take(self, panic: Panic) -> None:
        """Works a stored panic until all its accounts are over."""
        for row in await risk.panic_accounts([panic.id]):
            if row.state not in OVER and row.id not in self._tasks:
                task = asyncio.create_task(self._run(panic, row))
                self._tasks[row.id] = task
                task.add_done_callback(partial(self._forget, row.id))
        await self._finish(panic)

    def _forget(self, row_id: int, done: asyncio.Task[None]) -> None:
        if self._tasks.get(row_id) is done:
            del self._tasks[row_id]

    async def close(self) -> None:
        """Stops at a step; the next start goes on."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, panic: Panic, row: PanicAccount) -> None:
        emptier: AccountEmptier | None = None

        async def changed() -> None:
            await self._tell_progress(panic)

        while row.state not in OVER:
            if emptier is None:
                account = await accounts.get(row.account_id)
                venue = self._office.venues.get(account.network)  # type: ignore[call-overload]
                if venue is None:
                    await self._office.clock.sleep(WITHOUT_NETWORK_S)
                    continue
                cancels = panic.kind != "close_all"
                emptier = AccountEmptier(self._office, venue, row, cancels, changed)
            pause = await self._step(emptier)
            if pause:
                await self._office.clock.sleep(pause)
        await self._finish(panic)

    async def _step(self, emptier: AccountEmptier) -> float:
        """One step; the seconds to wait after it."""
        try:
            await emptier.step()
        except Wait as wait:
            return wait.seconds
        except (NodeUnreachable, IndexerError) as error:
            log.info("a panic waits", account=emptier.row.account_id, reason=type(error).__name__)
            return LATER_S
        except Exception:
            log.exception("a step of a panic failed", account=emptier.row.account_id)
            return LATER_S
        return 0.0

    async def _tell_progress(self, panic: Panic) -> None:
        """Inside the caller's transaction."""
        if panic.message_id is None:
            return
        now = self._office.clock.now()
        event = PanicProgress(panic.id, panic.message_id)
        key = f"panic:{panic.id}:progress:{now.timestamp():.6f}"
        await outbox.put(panic.trader_id, event, key=key, now=now)

    async def _finish(self, panic: Panic) -> None:
        """Ends a panic whose accounts are all over, and the one that it is part of."""
        rows = await risk.panic_accounts([panic.id])
        parts = await risk.children(panic.id) if panic.kind == "house" else []
        if any(row.state not in OVER for row in rows) or any(p.state != "done" for p in parts):
            return
        now = self._office.clock.now()
        async with self._office.ledger.executing():
            if await risk.finish_panic(panic.id, now):
                await self._tell_progress(panic)
                key = f"panic:{panic.id}:done"
                await outbox.put(panic.trader_id, PanicTold(panic.id), key=key, now=now)
        self._office.outbox_bell.ring()
        if panic.parent_id is not None:
            parent = await risk.panic(panic.parent_id)
            if parent is not None:
                async with self._office.ledger.executing():
                    await self._tell_progress(parent)
                await self._finish(parent)
