"""The vault at the start of the process: canary, wrong key, rotation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from bot.keys import open_vault
from bot.settings import Settings
from core.clock import SystemRandom
from core.ledger import facts, key_work
from core.ledger.database import Ledger
from core.ledger.models import Credential, SealedKey
from core.vault import Vault, VaultRefused
from tests.core.ledger.ledger_kit import NOW, a_trader, an_account, opened

OLD, NEW = "aa" * 32, "bb" * 32


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with opened(ledger_url) as ledger:
        yield ledger


async def started(ledger: Ledger, key: str | None, previous: str | None = None) -> Vault:
    settings = Settings(
        master_key=SecretStr(key) if key else None,
        master_key_previous=SecretStr(previous) if previous else None,
        master_key_file=Path("/nowhere/master.key"),
    )
    return await open_vault(settings, ledger, SystemRandom())


async def test_a_start_with_another_master_key_is_refused(ledger: Ledger) -> None:
    await started(ledger, OLD)
    await started(ledger, OLD)
    with pytest.raises(VaultRefused, match="not the one"):
        await started(ledger, NEW)
    with pytest.raises(VaultRefused, match="is missing"):
        await started(ledger, None)


async def test_a_rotation_wraps_every_credential_anew_and_retires_the_old_key(
    ledger: Ledger,
) -> None:
    vault = await started(ledger, OLD)
    trader = await a_trader()
    for number in range(3):
        account, record = await an_account(trader, number), uuid4()
        await Credential.create(
            record=record,
            account_id=account.id,
            trader_id=trader.id,
            kind="mnemonic",
            sealed=vault.seal(b"key %d" % number, trader_id=trader.id, record=record),
            created_at=NOW,
        )
    work = await key_work.add(
        trader_id=trader.id,
        kind="make",
        state="sealed",
        network="paper",
        address="dydx1",
        number=0,
        now=NOW,
    )
    record = uuid4()
    sealed = vault.seal(b"an owner's key", trader_id=trader.id, record=record)
    await key_work.keep_key(work, "owner", record=record, sealed=sealed, now=NOW)
    await started(ledger, NEW, previous=OLD)
    alone = await started(ledger, NEW)
    opened_keys = [
        alone.open(row.sealed, trader_id=row.trader_id, record=row.record)
        for table in (Credential, SealedKey)
        for row in await table.all().order_by("id")
    ]
    assert opened_keys == [b"key 0", b"key 1", b"key 2", b"an owner's key"]
    with pytest.raises(VaultRefused):
        await started(ledger, OLD)


async def test_a_credential_that_cannot_be_wrapped_anew_stops_the_rotation_as_a_whole(
    ledger: Ledger,
) -> None:
    vault = await started(ledger, OLD)
    account = await an_account(await a_trader())
    row = await Credential.create(
        record=uuid4(),
        account_id=account.id,
        trader_id=1,
        kind="mnemonic",
        sealed=vault.seal(b"key", trader_id=999, record=uuid4()),
        created_at=NOW,
    )
    before = await facts.recall(facts.CANARY)
    with pytest.raises(VaultRefused):
        await started(ledger, NEW, previous=OLD)
    assert await facts.recall(facts.CANARY) == before
    assert (await Credential.get(id=row.id)).sealed == row.sealed
