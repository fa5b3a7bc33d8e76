"""Transactions whose statements are known beforehand."""

from __future__ import annotations

import asyncio

import pytest
from tortoise.exceptions import IntegrityError, OperationalError

from core.clock import SystemClock, SystemRandom
from core.ledger import facts, raw
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


async def test_transactions_that_come_together_are_each_whole_or_not_at_all(
    ledger_url: str,
) -> None:
    """More than are committed at once; every third meets a row that is there, every fifth needs one
    that is not.
    """
    async with open_ledger(
        ledger_url, clock=SystemClock(), random=SystemRandom(), copies_dir=None, holder="t"
    ) as ledger:
        await ledger.commit([Statement(PUT, ("there", "1"))])
        absent = Statement('SELECT 1 FROM "meta" WHERE "name" = {}', ("absent",), required=True)

        async def one(number: int) -> str:
            statements = [Statement(PUT, (f"n{number}", "1"))]
            if number % 3 == 0:
                statements.append(Statement(PUT, ("there", "2")))
            if number % 5 == 0:
                statements.append(absent)
            try:
                told = await ledger.commit(statements)
            except Unmet as unmet:
                return f"unmet {unmet.place}"
            except IntegrityError:
                return "there already"
            return f"row {len(told)}"

        said = await asyncio.gather(*(one(number) for number in range(200)))
        for number, answer in enumerate(said):
            stored = await facts.recall(f"n{number}")
            if number % 3 == 0:
                assert (answer, stored) == ("there already", None)
            elif number % 5 == 0:
                assert (answer, stored) == ("unmet 1", None)
            else:
                assert (answer, stored) == ("row 1", "1")
        assert await facts.recall("there") == "1"


async def test_who_is_cancelled_while_it_waits_takes_nobody_with_it(ledger_url: str) -> None:
    async with open_ledger(
        ledger_url, clock=SystemClock(), random=SystemRandom(), copies_dir=None, holder="t"
    ) as ledger:
        for turns in range(12):
            tasks = [
                asyncio.create_task(ledger.commit([Statement(PUT, (f"{turns}.{number}", "1"))]))
                for number in range(6)
            ]
            for _ in range(turns):
                await asyncio.sleep(0)
            tasks[0].cancel()
            tasks[3].cancel()
            said = await asyncio.gather(*tasks, return_exceptions=True)
            for number in (1, 2, 4, 5):
                assert not isinstance(said[number], BaseException)
                assert await facts.recall(f"{turns}.{number}") == "1"


async def test_a_commit_that_the_disk_refuses_fails_for_all_that_came_together(
    sqlite_ledger_url: str,
) -> None:
    async with open_ledger(
        sqlite_ledger_url, clock=SystemClock(), random=SystemRandom(), copies_dir=None, holder="t"
    ) as ledger:
        pages = (await raw.run("PRAGMA page_count"))[0]["page_count"]
        await raw.run(f"PRAGMA max_page_count = {pages}")
        large = "x" * 10_000
        said = await asyncio.gather(
            *(ledger.commit([Statement(PUT, (f"n{n}", large))]) for n in range(5)),
            return_exceptions=True,
        )
        assert all(isinstance(one, OperationalError) for one in said)
        await raw.run(f"PRAGMA max_page_count = {pages + 1000}")
        await ledger.commit([Statement(PUT, ("after", large))])
        assert [await facts.recall(f"n{n}") for n in range(5)] == [None] * 5
