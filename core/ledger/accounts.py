"""Accounts and their sealed credentials."""

from __future__ import annotations

import datetime as dt
import hashlib
from uuid import UUID

from core.ledger.models import Account, Credential

PARTITIONS = 256


def partition_of(network: str, address: str, number: int) -> int:
    """The lane's partition: a stable hash of the account, so that lanes can be shared out later."""
    digest = hashlib.sha256(f"{network}/{address}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % PARTITIONS


async def add(
    *,
    trader_id: int,
    network: str,
    address: str,
    number: int,
    chain_account_number: int | None,
    first_client_id: int,
    fills_height: int,
    now: dt.datetime,
) -> Account:
    return await Account.create(
        trader_id=trader_id,
        network=network,
        address=address,
        subaccount_number=number,
        chain_account_number=chain_account_number,
        partition=partition_of(network, address, number),
        next_client_id=first_client_id,
        fills_height=fills_height,
        state="active",
        created_at=now,
    )


async def get(account_id: int) -> Account:
    return await Account.get(id=account_id)


async def lock(account_id: int) -> Account:
    """The account under its lane's row lock, until the transaction ends."""
    return await Account.select_for_update().get(id=account_id)


async def find(network: str, address: str, number: int) -> Account | None:
    return await Account.get_or_none(network=network, address=address, subaccount_number=number)


async def active() -> list[Account]:
    return await Account.filter(state="active").order_by("id")


async def of_trader(trader_id: int) -> list[Account]:
    return await Account.filter(trader_id=trader_id, state="active").order_by("id")


async def reconnect(account_id: int, trader_id: int) -> None:
    """A key came in again for an account whose history the ledger has."""
    await Account.filter(id=account_id).update(
        state="active", trader_id=trader_id, key_lost_at=None
    )


async def disconnect(account_id: int) -> None:
    """Erases the sealed key and marks the account; its history stays."""
    await Credential.filter(account_id=account_id).delete()
    await Account.filter(id=account_id).update(state="disconnected")


async def take_sequence(account: Account) -> int:
    """The next number of the lane of an account that this transaction has locked."""
    account.last_sequence += 1
    await Account.filter(id=account.id).update(last_sequence=account.last_sequence)
    return int(account.last_sequence)


async def take_over(account: Account, height: int) -> None:
    """What the account holds as of that block is in the ledger; fills count from there."""
    account.since_height = height
    await Account.filter(id=account.id).update(since_height=height)


async def set_standing(account_id: int, standing: str) -> None:
    """What dYdX lets an account do."""
    await Account.filter(id=account_id).update(standing=standing)


async def set_fills_height(account_id: int, height: int) -> None:
    await Account.filter(id=account_id).update(fills_height=height)


async def set_chain_account_number(account_id: int, number: int) -> None:
    await Account.filter(id=account_id).update(chain_account_number=number)


async def drop_credential(account_id: int) -> None:
    """Erases the sealed key, for another one that comes in the same transaction."""
    await Credential.filter(account_id=account_id).delete()
    await Account.filter(id=account_id).update(key_lost_at=None)


async def leave(account_id: int) -> None:
    """The account takes no more orders; its key stays until its orders are cancelled."""
    await Account.filter(id=account_id).update(state="leaving")


async def set_sharing(account_id: int, sharing: bool) -> None:
    """Whether several strategies may hold one market of the account."""
    await Account.filter(id=account_id).update(sharing=sharing)


async def set_without_stop_room(account_id: int, choice: str) -> None:
    """What becomes of an entry whose stop cannot rest on chain: refuse or watch."""
    await Account.filter(id=account_id).update(without_stop_room=choice)


async def add_credential(
    *,
    record: UUID,
    account_id: int,
    trader_id: int,
    kind: str,
    sealed: bytes,
    now: dt.datetime,
    authenticator_id: int | None = None,
    clob_pairs: list[int] | None = None,
) -> None:
    await Credential.create(
        record=record,
        account_id=account_id,
        trader_id=trader_id,
        kind=kind,
        sealed=sealed,
        authenticator_id=authenticator_id,
        clob_pairs=clob_pairs,
        created_at=now,
    )


async def credential(account_id: int) -> Credential | None:
    return await Credential.get_or_none(account_id=account_id)
