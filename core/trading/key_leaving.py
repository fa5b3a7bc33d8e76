"""Disconnecting an account: its orders are cancelled and proved gone, then its key is erased.

What a key placed in the chain's state outlives the key, so it goes first. Orders in markets that
the key may not touch are counted and left.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from core.dydx.indexer import IndexerError
from core.dydx.indexer_types import IndexerOrder
from core.dydx.node import NodeUnreachable
from core.events import KeyTold
from core.ledger import accounts, key_work, outbox, strategies
from core.ledger.models import Account, KeyWork
from core.trading.key_steps import SOON_S, Wait, move, move_inside
from core.trading.office import Office
from core.trading.signing import Signer
from core.trading.sweeping import OrderSweep
from core.trading.venue import Venue

SLOW_AFTER: Final = dt.timedelta(seconds=60)


@dataclass
class AccountLeaver:
    """Advances one piece of work of kind `leave`; `step` as that of KeyMaker."""

    office: Office
    venue: Venue
    work: KeyWork
    _sweep: OrderSweep | None = None

    async def step(self) -> None:
        if self.work.state == "cancelling":
            try:
                await self._cancel()
            except (NodeUnreachable, IndexerError):
                await self._tell_progress(dict(self.work.report or self._report([], 0)))
                raise
        else:
            await self._finish()

    # orders

    async def _cancel(self) -> None:
        """One pass: cancels what lives; erases the key once nothing does any more."""
        work = self.work
        assert work.account_id is not None
        account = await accounts.get(work.account_id)
        credential = await accounts.credential(account.id)
        if account.chain_account_number is None:
            on_chain = await self.venue.node.account(account.address)
            account.chain_account_number = on_chain.number if on_chain is not None else None
        if credential is None or account.chain_account_number is None:
            await self._erase(account, self._report([], 0))
            return
        if self._sweep is None:
            signer = Signer(account, credential, self.office.vault, self.venue.network.chain_id)
            self._sweep = OrderSweep(self.office, self.venue, account, signer)
        found = await self._sweep.look()
        open_ids = [row.id for row in found.living]
        if found.done:
            await self._erase(account, self._report(open_ids, found.untouchable))
            return
        able = await self._sweep.cancel(found, self._note_asked)
        report = self._report(open_ids, found.untouchable)
        if not able:
            await self._erase(account, report)
            return
        await self._tell_progress(report)
        raise Wait(SOON_S, f"{len(open_ids)} orders are not proved gone yet")

    async def _tell_progress(self, report: dict[str, Any]) -> None:
        """Notes how far it is; after a while its trader is told that it takes long."""
        work, now = self.work, self.office.clock.now()
        slow = now - work.created_at > SLOW_AFTER
        tell_it = slow and not (work.report or {}).get("slow")
        if slow:
            report["slow"] = True
        if report == work.report:
            return
        async with self.office.ledger.executing():
            await key_work.note(work, report=report)
            if tell_it:
                key = f"key:{work.id}:slow"
                await outbox.put(work.trader_id, KeyTold(work.id), key=key, now=now)
        self.office.outbox_bell.ring()

    async def _note_asked(self, rows: list[IndexerOrder]) -> None:
        """Which orders were to be cancelled is stored before the first cancel leaves, so that the
        count is right after a restart, too.
        """
        report = self.work.report or {}
        before = report.get("asked", [])
        fresh = [row.id for row in rows if row.id not in before]
        if fresh:
            async with self.office.ledger.executing():
                await key_work.note(self.work, report={**report, "asked": [*before, *fresh]})

    def _report(self, open_ids: list[str], untouchable: int) -> dict[str, Any]:
        asked: list[str] = (self.work.report or {}).get("asked", [])
        gone = [order_id for order_id in asked if order_id not in open_ids]
        return {"asked": asked, "cancelled": len(gone), "left": len(open_ids) + untouchable}

    # the key

    async def _erase(self, account: Account, report: dict[str, Any]) -> None:
        await erase(self.office, self.work, account, report)

    async def _finish(self) -> None:
        await self.office.ledger.scrub()
        await self.office.ledger.scrub()
        await move(self.office, self.work, "done")
        await self.office.strategy_book.load()


async def erase(office: Office, work: KeyWork, account: Account, report: dict[str, Any]) -> None:
    """In one transaction: the sealed key is gone, the account is disconnected."""
    async with office.ledger.executing():
        if await move_inside(office, work, "erased", report=report):
            await accounts.disconnect(account.id)
            await strategies.pause_of_account(account.id)
    office.outbox_bell.ring()
