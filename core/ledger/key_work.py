"""Work on keys: its rows, and the sealed keys that wait for its end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any
from uuid import UUID

from core.ledger.models import Account, Credential, KeyWork, SealedKey


async def add(
    *,
    trader_id: int,
    kind: str,
    state: str,
    network: str,
    address: str,
    number: int,
    now: dt.datetime,
    **values: Any,
) -> KeyWork:
    """A new piece of work, inside the caller's transaction."""
    return await KeyWork.create(
        trader_id=trader_id,
        kind=kind,
        state=state,
        network=network,
        address=address,
        subaccount_number=number,
        created_at=now,
        changed_at=now,
        **values,
    )


async def get(work_id: int) -> KeyWork | None:
    return await KeyWork.get_or_none(id=work_id)


async def in_states(states: Collection[str]) -> list[KeyWork]:
    """Work in these states, oldest first."""
    return await KeyWork.filter(state__in=list(states)).order_by("id")


async def on_address(network: str, address: str, states: Collection[str]) -> KeyWork | None:
    """Work on keys of this account that is in one of the states."""
    return await KeyWork.filter(network=network, address=address, state__in=list(states)).first()


async def of_trader(trader_id: int, states: Collection[str]) -> list[KeyWork]:
    return await KeyWork.filter(trader_id=trader_id, state__in=list(states)).order_by("id")


async def advance(work: KeyWork, state: str, now: dt.datetime, **values: Any) -> bool:
    """Moves work on from the state that the caller saw, inside his transaction; False when somebody
    else was first.
    """
    changed = await KeyWork.filter(id=work.id, state=work.state).update(
        state=state, changed_at=now, **values
    )
    if not changed:
        return False
    work.state, work.changed_at = state, now
    for name, value in values.items():
        setattr(work, name, value)
    return True


async def note(work: KeyWork, **values: Any) -> None:
    """Writes down what is known besides the state."""
    await KeyWork.filter(id=work.id).update(**values)
    for name, value in values.items():
        setattr(work, name, value)


async def keep_key(
    work: KeyWork, role: str, *, record: UUID, sealed: bytes, now: dt.datetime
) -> None:
    """Stores a sealed key with its work."""
    await SealedKey.create(
        work_id=work.id,
        role=role,
        record=record,
        trader_id=work.trader_id,
        sealed=sealed,
        created_at=now,
    )


async def key(work_id: int, role: str) -> SealedKey | None:
    return await SealedKey.get_or_none(work_id=work_id, role=role)


async def erase_keys(work_id: int) -> None:
    """Erases what was sealed for this work."""
    await SealedKey.filter(work_id=work_id).delete()


async def make_credential(
    work: KeyWork, account: Account, key: SealedKey, now: dt.datetime
) -> None:
    """The trading key becomes what signs for the account. It stays sealed: record and trader, to
    which it is bound, are the same.
    """
    await Credential.create(
        record=key.record,
        account_id=account.id,
        trader_id=key.trader_id,
        kind="trading_key",
        sealed=key.sealed,
        authenticator_id=work.authenticator_id,
        clob_pairs=work.clob_pairs,
        created_at=now,
    )
