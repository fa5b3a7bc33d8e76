"""Single facts about the ledger: the vault's canary, the bot's name."""

from __future__ import annotations

from typing import Final

from core.ledger.models import Account, Credential, Meta, SealedKey

CANARY: Final = "canary"
BOT_NAME: Final = "bot_name"


async def recall(name: str) -> str | None:
    row = await Meta.get_or_none(name=name)
    return row.value if row is not None else None


async def remember(name: str, value: str) -> None:
    """Inside the caller's transaction."""
    if not await Meta.filter(name=name).update(value=value):
        await Meta.create(name=name, value=value)


async def credentials_exist() -> bool:
    """Whether anything was ever sealed here."""
    return await Credential.exists() or await SealedKey.exists() or await Account.exists()
