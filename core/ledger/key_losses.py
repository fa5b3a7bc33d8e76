"""Times in which the chain refused an account's trading key."""

from __future__ import annotations

import datetime as dt
from typing import Final

from core.ledger import raw
from core.ledger.models import Account, KeyLoss

OPEN: Final = ("doubted", "lost")


def noting(account_id: int, now: dt.datetime) -> raw.Statement:
    """Notes that the chain refused an account's key, as a statement of a batch."""
    return raw.Statement(
        'UPDATE "account" SET "key_lost_at" = COALESCE("key_lost_at", {}) WHERE "id" = {}',
        (now, account_id),
    )


async def affected() -> list[Account]:
    """The active accounts whose key the chain refused."""
    return await Account.filter(state="active", key_lost_at__isnull=False).order_by("id")


async def under_way() -> list[KeyLoss]:
    """The losses that are not over, oldest first."""
    return await KeyLoss.filter(state__in=list(OPEN)).order_by("id")


async def begin(account: Account, authenticator_id: int | None) -> KeyLoss:
    """Notes a refusal that is to be looked into."""
    return await KeyLoss.create(
        account_id=account.id,
        partition=account.partition,
        authenticator_id=authenticator_id,
        began_at=account.key_lost_at,
        state="doubted",
    )


async def note_told(loss: KeyLoss, now: dt.datetime) -> None:
    """Its trader is told once more."""
    loss.state, loss.told, loss.told_at = "lost", loss.told + 1, now
    await loss.save()


async def end(loss: KeyLoss, now: dt.datetime) -> None:
    """The account can sign again, or is not the bot's any more."""
    loss.state, loss.ended_at = "over", now
    await loss.save()
    await Account.filter(id=loss.account_id).update(key_lost_at=None)
