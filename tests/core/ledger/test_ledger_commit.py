"""Transactions whose statements are known beforehand."""

from __future__ import annotations

import pytest

from core.clock import SystemClock, SystemRandom
from core.ledger import facts
from core.ledger.database import LedgerLost, LedgerMisuse, open_ledger
from core.ledger.models import Meta
from core.ledger.raw import Statement, Unmet

PUT = 'INSERT INTO "meta" ("name", "value") VALUES ({}, {}) RETURNING "id"'


async def test_all_statements_are_committed_and_tell_their_rows(ledger_url: str) -> None:
    async with open_ledger(
        ledger_url, clock=SystemClock(), random=SystemRandom(), copies_dir=None, holder="t"
    ) as ledger:
        told = await ledger.commit([Statement(PUT, ("a", "1")), Statement(PUT, ("b", "2"))])
        assert [len(rows) for rows in told] == [1, 1]
        assert (await facts.recall("a"), await facts.recall("b")) == ("1", "2")


async def test_a_required_statement_without_a_row_undoes_the_whole(ledger_url: str) -> None:
    async with open_ledger(
        ledger_url, clock=SystemClock(), random=SystemRandom(), copies_dir=None, holder="t"
    ) as ledger:
        absent = Statement(
            'UPDATE "meta" SET "value" = {} WHERE "name" = {} RETURNING "id"',
            ("x", "absent"),
            required=True,
        )
        with pytest.raises(Unmet):
            await ledger.commit([Statement(PUT, ("a", "1")), absent])
        assert await facts.recall("a") is None
        await ledger.commit([Statement(PUT, ("a", "2"))])
        assert await facts.recall("a") == "2"


async def test_a_statement_that_fails_undoes_the_whole(ledger_url: str) -> None:
    async with open_ledger(
        ledger_url, clock=SystemClock(), random=SystemRandom(), copies_dir=None, holder="t"
    ) as ledger:
        with pytest.raises(Exception, match=r"(?i)unique"):
            await ledger.commit([Statement(PUT, ("a", "1")), Statement(PUT, ("a", "2"))])
        assert await facts.recall("a") is None


async def test_a_later_executor_fences_the_earlier_one_off(ledger_url: str) -> None:
    async with open_ledger(
        ledger_url, clock=SystemClock(), random=SystemRandom(), copies_dir=None, holder="t"
    ) as ledger:
        await Meta.filter(name="epoch").update(value=str(ledger.epoch + 1))
        with pytest.raises(LedgerLost):
            await ledger.commit([Statement(PUT, ("a", "1"))])
        assert ledger.lost.is_set()
        assert await facts.recall("a") is None


async def test_it_is_refused_inside_a_transaction(ledger_url: str) -> None:
    async with (
        open_ledger(
            ledger_url, clock=SystemClock(), random=SystemRandom(), copies_dir=None, holder="t"
        ) as ledger,
        ledger.transaction(),
    ):
        with pytest.raises(LedgerMisuse):
            await ledger.commit([Statement(PUT, ("a", "1"))])
