"""kill -9 behind every durable write and every send, on SQLite: nothing lost, nothing doubled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.acceptance.nursery import Nursery
from tests.acceptance.tour_of_deaths import die_everywhere
from tests.ledgers import Ledgers


@pytest.mark.skipif("PERPGRAM_TOUR" not in os.environ, reason="make failpoints runs it")
@pytest.mark.timeout(2400)
async def test_a_bot_that_dies_at_every_failpoint_loses_and_doubles_nothing(
    tmp_path: Path, sqlite_ledgers: Ledgers, nursery: Nursery
) -> None:
    await die_everywhere(tmp_path, sqlite_ledgers, nursery)
