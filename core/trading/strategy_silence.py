"""Telling a trader that a strategy's alerts stopped coming."""

from __future__ import annotations

import datetime as dt

from core.events import StrategySilent
from core.ledger import outbox, strategies
from core.ledger.models import Strategy
from core.trading.office import Office


def heard_at(row: Strategy) -> dt.datetime:
    """When a strategy was last heard of; one that never was, since it was made."""
    return row.last_alert_at or row.created_at


def is_silent(row: Strategy, hours: int, now: dt.datetime) -> bool:
    """Whether no alert came for so many hours."""
    return now - heard_at(row) >= dt.timedelta(hours=hours)


async def tell_silent(office: Office) -> None:
    """One message for each strategy that was silent for as long as its trader set; the next alert
    ends the silence.
    """
    now = office.clock.now()
    for row in await strategies.may_be_silent():
        assert row.silent_after_h is not None
        if not is_silent(row, row.silent_after_h, now):
            continue
        since = heard_at(row)
        event = StrategySilent(row.id, row.silent_after_h, since.isoformat())
        async with office.ledger.executing():
            fresh = await strategies.lock(row.id)
            if fresh.silence_told_at is not None or heard_at(fresh) != since:
                continue
            await strategies.change(row.id, silence_told_at=now)
            key = f"silent:{row.id}:{since.isoformat()}:{row.silent_after_h}"
            await outbox.put(row.trader_id, event, key=key, now=now)
        office.outbox_bell.ring()
