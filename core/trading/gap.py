"""Times in which no alert could be taken: noticed by the last durable sign of life, and told.

TradingView sends an alert again for some seconds only; what it sent into a longer gap is lost.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import Final

import structlog

from core.events import GapFound
from core.ledger import accounts, facts, outbox, reconciliation, strategies
from core.ledger.errors import LedgerLost
from core.ledger.models import Gap
from core.trading.office import Office

log = structlog.get_logger(__name__)

ALIVE: Final = "alive_at"
BEAT_EVERY_S: Final = 5.0
GAP_AFTER: Final = dt.timedelta(seconds=15)
READ_WITHIN: Final = dt.timedelta(seconds=60)


class GapWatch:
    """Keeps the sign of life, which is a fact in the ledger: a process that cannot write it cannot
    take an alert either.
    """

    def __init__(self, office: Office) -> None:
        self._office = office

    async def beat(self) -> None:
        """Alerts are taken now. Called at the start, before the stop, and every few seconds."""
        now = self._office.clock.now()
        async with self._office.ledger.executing():
            last = await facts.recall(ALIVE)
            began_at = dt.datetime.fromisoformat(last) if last is not None else now
            if now - began_at > GAP_AFTER:
                await reconciliation.add_gap(began_at, now)
                log.warning("no alert could be taken", since=began_at.isoformat())
            await facts.remember(ALIVE, now.isoformat())

    async def stop(self) -> None:
        """From here on no alert is taken. A process whose ledger is another's now says nothing."""
        with contextlib.suppress(LedgerLost):
            await self.beat()

    async def tell(self) -> None:
        """Tells each trader with an active strategy of a gap, once his accounts were compared with
        the chain; after a minute even so.
        """
        for gap in await reconciliation.open_gaps():
            patience_over = self._office.clock.now() - gap.ended_at >= READ_WITHIN
            waiting = False
            for trader_id in await self._concerned(gap):
                complete = await self._is_read(trader_id)
                if complete or patience_over:
                    await self._tell(gap, trader_id, complete=complete)
                else:
                    waiting = True
            if not waiting:
                async with self._office.ledger.executing():
                    await reconciliation.close_gap(gap.id)

    async def _concerned(self, gap: Gap) -> list[int]:
        return sorted(
            {
                row.trader_id
                for row in await strategies.living()
                if row.state == "active" and row.created_at < gap.ended_at
            }
        )

    async def _is_read(self, trader_id: int) -> bool:
        return all(
            self._office.lanes.is_reconciled(row.id) for row in await accounts.of_trader(trader_id)
        )

    async def _tell(self, gap: Gap, trader_id: int, *, complete: bool) -> None:
        event = GapFound(gap.began_at.isoformat(), gap.ended_at.isoformat(), complete)
        async with self._office.ledger.executing():
            await outbox.put(
                trader_id,
                event,
                key=f"gap:{gap.id}:{trader_id}",
                now=self._office.clock.now(),
            )
        self._office.outbox_bell.ring()
