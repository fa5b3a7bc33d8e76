"""Tells traders and operators of what stands between them and the network."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from core.dydx.indexer_types import Compliance
from core.dydx.stream import ConnectionRecovered, ConnectionTrouble, SubscriptionRefused
from core.events import AccountStanding, Event, NewsBack, NewsMissing, OperatorNotice
from core.ledger import accounts, outbox, traders
from core.ledger.models import Account
from core.trading.parts import Parts

log = structlog.get_logger(__name__)


async def tell_trouble(
    parts: Parts, event: ConnectionTrouble | ConnectionRecovered, concerned: Sequence[Account]
) -> None:
    """A connection failed for longer than its retries, or delivers again after that."""
    down = isinstance(event, ConnectionTrouble)
    since, network = event.since.isoformat(), parts.venue.network.name
    log.warning(
        "a stream is down" if down else "a stream is back",
        network=network,
        accounts=len(concerned),
        since=since,
    )
    mark = f"{network}:{event.connection}:{since}:{down}"
    async with parts.ledger.executing():
        for account in concerned:
            told = NewsMissing(account.id, since) if down else NewsBack(account.id, since)
            await _put(parts, account.trader_id, told, f"news:{account.id}:{mark}")
        await _put_for_admins(
            parts,
            OperatorNotice(network, "stream_down" if down else "stream_up", len(concerned), since),
            f"operator:{mark}",
        )
    parts.outbox_bell.ring()


async def note_standing(
    parts: Parts, account: Account, found: Exception | SubscriptionRefused | Compliance
) -> None:
    """dYdX said what it lets an account do; told where that is new."""
    book = parts.venue.compliance
    if book.note(account.id, found):
        await _tell_standing(parts, account)


async def note_served(parts: Parts, account: Account) -> None:
    """dYdX answered for an account; told where that ends a block."""
    if parts.venue.compliance.served(account.id):
        await _tell_standing(parts, account)


async def _tell_standing(parts: Parts, account: Account) -> None:
    book, network, now = parts.venue.compliance, parts.venue.network.name, parts.clock.now()
    standing = book.state(account.id).value
    log.warning("what dYdX lets an account do", account=account.id, standing=standing)
    mark = f"{standing}:{now.isoformat()}"
    async with parts.ledger.executing():
        event = AccountStanding(account.id, standing)
        await accounts.set_standing(account.id, standing)
        await _put(parts, account.trader_id, event, f"standing:{account.id}:{mark}")
        if book.newly_all_blocked():
            notice = OperatorNotice(network, "all_blocked", len(book.blocked()), now.isoformat())
            await _put_for_admins(parts, notice, f"operator:{network}:{mark}")
    parts.outbox_bell.ring()


async def tell_operator(parts: Parts, notice: OperatorNotice, key: str) -> None:
    """A line for the admins, once per `key`."""
    log.warning("the operator is told", what=notice.what, accounts=notice.accounts)
    async with parts.ledger.executing():
        await _put_for_admins(parts, notice, key)
    parts.outbox_bell.ring()


async def _put_for_admins(parts: Parts, event: Event, key: str) -> None:
    for admin in await traders.with_role("admin"):
        await _put(parts, admin.id, event, f"{key}:{admin.id}")


async def _put(parts: Parts, trader_id: int, event: Event, key: str) -> None:
    await outbox.put(trader_id, event, key=key[:128], now=parts.clock.now())
