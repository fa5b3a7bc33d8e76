"""Writes that are committed where they stand are declared, and have a failpoint."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core import failpoints
from core.clock import SystemClock, SystemRandom
from core.ledger import conversations, facts
from core.ledger.database import Ledger, open_ledger
from core.ledger.models import Conversation

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with open_ledger(
        ledger_url,
        clock=SystemClock(),
        random=SystemRandom(),
        copies_dir=None,
        holder="a test",
    ) as opened:
        yield opened


@pytest.fixture
def died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where the process would have died."""
    places: list[str] = []
    monkeypatch.setenv(failpoints.EACH, str(tmp_path / "places"))
    monkeypatch.setattr(failpoints, "done", places.append)
    return places


async def test_a_declared_write_is_committed_before_its_failpoint(
    ledger: Ledger, died: list[str]
) -> None:
    await conversations.set_state("a", "asked", NOW)
    await conversations.update_data("a", {"one": 1}, NOW)
    assert len(died) == 2
    assert all(place.startswith(f"{__name__}.") for place in died)
    assert await conversations.get_state("a") == "asked"


async def test_a_write_outside_a_transaction_that_nobody_declared_is_noticed(
    ledger: Ledger, died: list[str]
) -> None:
    await Conversation.create(key="b", data={}, updated_at=NOW)
    await Conversation.filter(key="b").update(state="asked")
    await facts.remember("odd", "1")
    assert died
    assert all(place.startswith(f"undeclared {__name__}.") for place in died)


async def test_what_is_written_inside_a_transaction_needs_no_word(
    ledger: Ledger, died: list[str]
) -> None:
    async with ledger.executing():
        await Conversation.create(key="c", data={}, updated_at=NOW)
        await conversations.get_state("c")
    assert len(died) == 1
    assert not died[0].startswith("undeclared")
