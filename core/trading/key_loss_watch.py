"""Looks after accounts whose trading key the chain refuses: asks whether it is gone, tells what is
at stake, and ends when the key works again or is replaced.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

import structlog

from core.dydx.authenticators import Fit, judge
from core.dydx.keys import SigningKey
from core.dydx.node import NodeUnreachable
from core.events import KeyBack, KeyLost
from core.ledger import accounts, key_losses, outbox, positions
from core.ledger.models import Account, Credential, KeyLoss
from core.trading.key_loss import is_due
from core.trading.office import Office

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 30.0
BELIEVED_AFTER: Final = dt.timedelta(seconds=60)


class KeyLossWatch:
    """Looks after the accounts whose key was refused; a job calls `look`."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._asked_at: dict[int, float] = {}

    async def look(self) -> None:
        """Takes up new refusals, asks the chain, tells, and ends what is over."""
        affected = {row.id: row for row in await key_losses.affected()}
        losses = {row.account_id: row for row in await key_losses.under_way()}
        for account in affected.values():
            loss = losses.get(account.id) or await self._begin(account)
            try:
                await self._follow(account, loss)
            except Exception:
                log.exception("a lost key could not be looked after", account=account.id)
        for loss in losses.values():
            if loss.account_id not in affected:
                await self._end(await accounts.get(loss.account_id), loss, replaced=True)
        self._asked_at = {k: at for k, at in self._asked_at.items() if k in affected}

    async def _begin(self, account: Account) -> KeyLoss:
        credential = await accounts.credential(account.id)
        authenticator_id = credential.authenticator_id if credential is not None else None
        async with self._office.ledger.executing():
            return await key_losses.begin(account, authenticator_id)

    async def _follow(self, account: Account, loss: KeyLoss) -> None:
        credential = await accounts.credential(account.id)
        if credential is None:
            return
        now, clock = self._office.clock.now(), self._office.clock
        asked_at = self._asked_at.get(account.id)
        if asked_at is None or clock.monotonic() - asked_at >= LOOK_EVERY_S:
            self._asked_at[account.id] = clock.monotonic()
            works = await self._works(account, credential)
            if works:
                await self._end(account, loss, replaced=False)
                return
            doubted = works is None and now - loss.began_at < BELIEVED_AFTER
            if loss.state == "doubted" and doubted:
                return
        elif loss.state == "doubted":
            return
        holds = bool(await positions.open_of([account.id]))
        if is_due(loss, now, holds=holds):
            await self._tell(account, loss, now)

    async def _works(self, account: Account, credential: Credential) -> bool | None:
        """Whether the chain lists the key as one that can trade; None while it cannot be asked."""
        venue = self._office.venues.get(account.network)  # type: ignore[call-overload]
        if venue is None:
            return None
        try:
            listed = await venue.node.authenticators(account.address)
        except NodeUnreachable:
            return None
        secret = self._office.vault.open(
            credential.sealed, trader_id=credential.trader_id, record=credential.record
        )
        found = judge(listed, SigningKey.from_secret(secret).public_key, account.address)
        known = any(row.id == credential.authenticator_id for row in listed)
        return isinstance(found, Fit) and known

    async def _tell(self, account: Account, loss: KeyLoss, now: dt.datetime) -> None:
        log.warning("an account has lost its key", account=account.id, told=loss.told)
        event, number = KeyLost(account.id, loss.told), loss.told
        async with self._office.ledger.executing():
            await key_losses.note_told(loss, now)
            await outbox.put(account.trader_id, event, key=f"key_lost:{loss.id}:{number}", now=now)
        self._office.outbox_bell.ring()

    async def _end(self, account: Account, loss: KeyLoss, *, replaced: bool) -> None:
        """The key works (again), or another one took its place; said where the loss was said."""
        now = self._office.clock.now()
        log.info("an account can sign again", account=account.id, replaced=replaced)
        async with self._office.ledger.executing():
            await key_losses.end(loss, now)
            if loss.told and account.state == "active":
                await outbox.put(
                    account.trader_id,
                    KeyBack(account.id, replaced),
                    key=f"key_back:{loss.id}",
                    now=now,
                )
        await self._office.lanes.refresh(account.id)
        self._office.outbox_bell.ring()
