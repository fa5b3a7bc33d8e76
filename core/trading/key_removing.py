"""Taking a trading key's permission away: the owner's key signed once and was forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog

from core.dydx.node import Outcome
from core.ledger.models import KeyWork
from core.trading.key_steps import LATER_S, SOON_S, Wait, is_dead, move, still_listed
from core.trading.office import Office
from core.trading.venue import Venue

log = structlog.get_logger(__name__)


@dataclass
class KeyRemover:
    """Advances one piece of work of kind `remove`: sends the stored bytes until the chain lists the
    permission no more, or they can come into no block.
    """

    office: Office
    venue: Venue
    work: KeyWork
    _send_at: float | None = 0.0

    async def step(self) -> None:
        work, venue = self.work, self.venue
        assert work.authenticator_id is not None
        assert work.tx is not None
        assert work.tx_hash is not None
        assert work.nonce is not None
        block = await venue.node.latest_block()
        if not await still_listed(venue, work.address, work.authenticator_id):
            venue.owner(work.address).decided(work.nonce)
            await move(self.office, work, "done", tx=None)
            return
        found = await venue.node.transaction(work.tx_hash)
        if found is not None and found.code != 0:
            await self._fail(f"dYdX refused it in its block ({found.codespace} {found.code}).")
            return
        if found is None and is_dead(work.nonce, block):
            await self._fail("No block took the transaction in time.")
            return
        if found is None and self._send_at is not None:
            await self._send(work.tx)
        raise Wait(SOON_S, "the chain lists the permission still")

    async def _send(self, tx: bytes) -> None:
        now = self.office.clock.monotonic()
        if self._send_at is None or now < self._send_at:
            return
        answer = await self.venue.broadcast(tx, resend=True)
        self._send_at = None if answer.outcome is Outcome.ACCEPTED else now + LATER_S
        if answer.outcome is Outcome.REFUSED:
            sentence = answer.meaning.sentence if answer.meaning is not None else ""
            await self._fail(f"dYdX refused it. {sentence}")

    async def _fail(self, why: str) -> None:
        assert self.work.nonce is not None
        self.venue.owner(self.work.address).decided(self.work.nonce)
        log.info("a permission was not removed", work=self.work.id)
        text = f"{why} {_STILL_LISTED}"
        await move(
            self.office, self.work, "failed", reason_code="not_removed", reason_text=text, tx=None
        )


_STILL_LISTED: Final = (
    "The chain still lists the key. Try again with the phrase, or remove it on dydx.trade."
)
