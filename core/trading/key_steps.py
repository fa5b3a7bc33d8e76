"""What all work on keys shares: moving on in the ledger, telling its trader, nonces."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from core.dydx.node import Block
from core.dydx.nonces import NoncesFull, SequenceNeeded, nonce_dead
from core.events import KeyProgress, KeyTold
from core.ledger import key_work, outbox
from core.ledger.models import KeyWork
from core.trading.key_states import OVER, WAITS_FOR_TRADER, check_step
from core.trading.office import Office
from core.trading.venue import Venue

SOON_S: Final = 0.4
LATER_S: Final = 3.0
_BEHIND: Final = dt.timedelta(seconds=5)


class Wait(Exception):
    """The next step cannot be made yet."""

    def __init__(self, seconds: float, why: str) -> None:
        super().__init__(why)
        self.seconds = seconds


async def move(office: Office, work: KeyWork, state: str, **values: Any) -> bool:
    """One step of the table in a transaction of its own, with the message that tells of it; False
    when somebody else moved the work first.
    """
    async with office.ledger.executing():
        moved = await move_inside(office, work, state, **values)
    office.outbox_bell.ring()
    return moved


async def move_inside(office: Office, work: KeyWork, state: str, **values: Any) -> bool:
    """As `move`, inside the caller's transaction."""
    check_step(work.kind, work.state, state)
    now = office.clock.now()
    if not await key_work.advance(work, state, now, **values):
        return False
    await tell(work, now)
    return True


async def tell(work: KeyWork, now: dt.datetime) -> None:
    """An end, and what waits for the trader, is a new message; all else edits the one that shows
    the progress.
    """
    if work.state in OVER | WAITS_FOR_TRADER:
        key = f"key:{work.id}:{work.state}:{now.timestamp():.6f}"
        await outbox.put(work.trader_id, KeyTold(work.id), key=key, now=now)
    if work.message_id is not None:
        key = f"key:{work.id}:progress:{work.state}:{now.timestamp():.6f}"
        event = KeyProgress(work.id, work.message_id)
        await outbox.put(work.trader_id, event, key=key, now=now)


async def stick(office: Office, work: KeyWork, code: str, text: str) -> None:
    """The work waits for its trader, who is told why."""
    await move(office, work, "stuck", reason_code=code, reason_text=text)


async def next_nonce(office: Office, venue: Venue, address: str) -> int:
    """A timestamp nonce for the next transaction of an address. Raises NodeUnreachable, and Wait
    while the chain stands: a transaction with an ordinary sequence would stay valid for ever.
    """
    tip = await venue.tip()
    try:
        return venue.owner(address).nonce(tip, venue.block_age_s())
    except NoncesFull as full:
        raise Wait(LATER_S, str(full)) from None
    except SequenceNeeded:
        raise Wait(LATER_S, "the chain makes no blocks") from None


def is_dead(nonce: int, block: Block) -> bool:
    """Whether a transaction that no block up to this one holds can never come into one."""
    return nonce_dead(nonce, block.time - _BEHIND)


async def still_listed(venue: Venue, address: str, authenticator_id: int) -> bool:
    """Whether the chain lists an authenticator now. Raises NodeUnreachable."""
    rows = await venue.node.authenticators(address)
    return any(row.id == authenticator_id for row in rows)
