"""What it means for an account that the chain refuses its trading key: nothing new is opened.

A refusal for the key is written down with the order that met it; whether the key is really gone is
asked of the chain, as one of its codes has several causes. Source: docs/protocol.md, trading keys.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from core.dydx.authenticators import KeyTrouble, key_trouble
from core.ledger import key_losses
from core.ledger.models import Account, KeyLoss
from core.ledger.raw import Statement
from core.trading.decision import Refusal

# Pauses after each message while positions are open; the last one goes on.
AGAIN_AFTER: Final = tuple(dt.timedelta(minutes=minutes) for minutes in (15, 45, 180, 720, 1440))


def notes_of(
    account: Account,
    authenticator_id: int | None,
    codespace: str,
    code: int | None,
    now: dt.datetime,
) -> list[Statement]:
    """What a node's refusal means for the account, for the transaction that records it."""
    doubted = key_trouble(codespace, code) in (KeyTrouble.GONE, KeyTrouble.FORBIDDEN)
    if authenticator_id is None or not doubted:
        return []
    if account.key_lost_at is None:
        account.key_lost_at = now
    return [key_losses.noting(account.id, now)]


def check_key(account: Account) -> None:
    """Raises Refusal `key_lost` where the chain refuses the account's key."""
    if account.key_lost_at is not None:
        raise Refusal(
            "key_lost",
            "dYdX does not take the trading key of this account any more. Nothing was sent. "
            "Connect a new key for the account.",
        )


def is_due(loss: KeyLoss, now: dt.datetime, *, holds: bool) -> bool:
    """Whether the trader is to be told (again): at once, then while positions are open."""
    if loss.told == 0:
        return True
    assert loss.told_at is not None
    pause = AGAIN_AFTER[min(loss.told - 1, len(AGAIN_AFTER) - 1)]
    return holds and now - loss.told_at >= pause
