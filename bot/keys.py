"""The vault of this process: master key found or made, proved against the ledger, rotated."""

from __future__ import annotations

import structlog

from bot.settings import Settings
from core.clock import Random
from core.ledger import facts, sealed
from core.ledger.database import Ledger
from core.vault import Vault, find_master_keys

log = structlog.get_logger(__name__)


async def open_vault(settings: Settings, ledger: Ledger, random: Random) -> Vault:
    """Opens the vault and proves by the canary that its key is the one of this ledger.

    With MASTER_KEY_PREVIOUS everything is wrapped anew under the active key, all or nothing; the
    setting can be taken out afterwards. Raises VaultRefused with one line.
    """
    canary = await facts.recall(facts.CANARY)
    previous = settings.master_key_previous
    keys = find_master_keys(
        given=settings.master_key.get_secret_value() if settings.master_key else None,
        file=settings.master_key_file,
        previous=previous.get_secret_value() if previous else None,
        ledger_is_sealed=canary is not None or await facts.credentials_exist(),
        random=random,
    )
    vault = Vault(keys, random)
    if canary is not None:
        vault.check_canary(canary)
    if canary is None or not vault.canary_is_current(canary):
        await _seal_with_active_key(vault, ledger)
    return vault


async def _seal_with_active_key(vault: Vault, ledger: Ledger) -> None:
    def rewrap(row: sealed.SealedRow) -> bytes:
        return vault.rewrap(row.sealed, trader_id=row.trader_id, record=row.record)

    async with ledger.executing():
        count = await sealed.rewrap_all(vault.is_current, rewrap)
        await facts.remember(facts.CANARY, vault.make_canary())
    if count:
        log.info("credentials were wrapped with the new master key", count=count)
