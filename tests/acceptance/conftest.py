"""A house per test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.acceptance.house import House, a_house
from tests.acceptance.nursery import Nursery
from tests.acceptance.process_house import ProcessHouse, a_process_house


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


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Starts bots as processes."""
    opened = Nursery()
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
async def street(
    tmp_path: Path, sqlite_ledger_url: str, nursery: Nursery
) -> AsyncIterator[ProcessHouse]:
    """Paper network and Telegram; the bot is a process of its own and not started yet."""
    async with a_process_house(tmp_path, sqlite_ledger_url, nursery) as opened:
        yield opened


@pytest.fixture
async def street_on_both(
    tmp_path: Path, ledger_url: str, nursery: Nursery
) -> AsyncIterator[ProcessHouse]:
    """As `street`, once on SQLite and once on PostgreSQL."""
    async with a_process_house(tmp_path, ledger_url, nursery) as opened:
        yield opened
