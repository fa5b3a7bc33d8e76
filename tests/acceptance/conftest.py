"""A house per test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance.house import House, a_house


@pytest.fixture
async def house(tmp_path: Path, sqlite_ledger_url: str) -> AsyncIterator[House]:
    """Paper network and Telegram; the bot is not started yet."""
    async with a_house(tmp_path, sqlite_ledger_url) as opened:
        yield opened


@pytest.fixture
async def desk(house: House) -> House:
    """The house with a running bot and a connected trader."""
    await house.start_bot()
    await house.connect()
    return house


@pytest.fixture
async def desk_on_both(tmp_path: Path, ledger_url: str) -> AsyncIterator[House]:
    """As `desk`, once on SQLite and once on PostgreSQL."""
    async with a_house(tmp_path, ledger_url) as opened:
        await opened.start_bot()
        await opened.connect()
        yield opened
