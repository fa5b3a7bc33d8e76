"""Transactions: all or nothing, one at a time, nobody else inside, and never left open."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import ClientSession, web
from hypothesis import given
from hypothesis import strategies as st
from tortoise.exceptions import OperationalError

from core.ledger.database import Ledger, LedgerMisuse
from core.ledger.engines.sqlite import statements
from core.ledger.fields import MoneyField
from core.ledger.models import Order, Trader
from core.ledger.tasks import settle, spawn
from tests.core.ledger.ledger_kit import a_trader, an_account, an_order, opened, until


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with opened(ledger_url) as ledger:
        yield ledger


async def names() -> list[int]:
    found = await Trader.all().order_by("telegram_id").values_list("telegram_id", flat=True)
    return [int(str(number)) for number in found]


async def test_a_transaction_inside_another_is_a_mistake(ledger: Ledger) -> None:
    async with ledger.executing():
        await a_trader(1)
        with pytest.raises(LedgerMisuse):
            async with ledger.transaction():
                pass
    assert await names() == [1]


async def test_a_task_born_in_a_transaction_cannot_use_it(ledger: Ledger) -> None:
    """Else it would write into a transaction that it does not belong to, and after the commit use
    a connection that is no longer its own.
    """
    late = asyncio.Event()

    async def write_later() -> None:
        await late.wait()
        await a_trader(3)

    async with ledger.executing():
        await a_trader(1)
        early = asyncio.create_task(a_trader(2))
        with pytest.raises(LedgerMisuse):
            await early
        nested = asyncio.create_task(write_in_transaction(ledger, 4))
        with pytest.raises(LedgerMisuse):
            await nested
        task = asyncio.create_task(write_later())
    late.set()
    with pytest.raises(LedgerMisuse):
        await task
    assert await names() == [1]


async def write_in_transaction(ledger: Ledger, number: int) -> None:
    async with ledger.executing():
        await a_trader(number)


async def test_a_spawned_task_is_free_of_its_parents_transaction(ledger: Ledger) -> None:
    async with ledger.executing():
        await a_trader(1)
        task = spawn(write_in_transaction(ledger, 2))
    await task
    assert await names() == [1, 2]


async def test_transactions_of_many_tasks_do_not_mix(ledger: Ledger) -> None:
    async def write(number: int) -> None:
        async with ledger.executing():
            await a_trader(number)
            await asyncio.sleep(0)
            await a_trader(1000 + number)
            if number % 3 == 0:
                raise ZeroDivisionError

    await asyncio.gather(*[write(number) for number in range(20)], return_exceptions=True)
    kept = [number for number in range(20) if number % 3]
    assert await names() == [*kept, *[1000 + number for number in kept]]


async def test_a_task_cancelled_anywhere_leaves_no_transaction_open(ledger: Ledger) -> None:
    """Cancelled at each of its awaits in turn; afterwards everything still works."""
    for steps in range(40):
        task = asyncio.create_task(write_in_transaction(ledger, 100 + steps))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(10):
        await write_in_transaction(ledger, 1)
    assert 1 in await names()


async def test_a_task_cancelled_while_another_process_writes_frees_the_ledger(
    sqlite_ledger_url: str,
) -> None:
    async with opened(sqlite_ledger_url) as ledger:
        other = sqlite3.connect(sqlite_ledger_url.removeprefix("sqlite://"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        task = asyncio.create_task(write_in_transaction(ledger, 7))
        connection: Any = ledger._context.db()
        await until(connection._lock.locked)
        task.cancel()
        other.execute("ROLLBACK")
        other.close()
        with pytest.raises(asyncio.CancelledError):
            await task
        await write_in_transaction(ledger, 1)
        assert await names() == [1]


async def test_a_commit_that_fails_is_rolled_back_and_not_left_to_the_next(
    sqlite_ledger_url: str,
) -> None:
    async with opened(sqlite_ledger_url) as ledger:
        await ledger._context.db().execute_query("PRAGMA defer_foreign_keys=ON")
        with pytest.raises(OperationalError):
            await add_an_orphan(ledger)
        await write_in_transaction(ledger, 1)
        assert await Order.all().count() == 0
        assert await names() == [1]


async def add_an_orphan(ledger: Ledger) -> None:
    """Breaks a foreign key that is only looked at when the transaction is committed."""
    async with ledger.transaction():
        await ledger._context.db().execute_query("PRAGMA defer_foreign_keys=ON")
        trader = Trader(id=999)
        trader._saved_in_db = True
        await an_account(trader)


async def test_sqlite_writes_are_durable_and_erased_rows_are_overwritten(
    sqlite_ledger_url: str,
) -> None:
    async with opened(sqlite_ledger_url) as ledger:
        found = {}
        for pragma in ("journal_mode", "synchronous", "foreign_keys", "secure_delete"):
            [row] = await ledger._context.db().execute_query_dict(f"PRAGMA {pragma}")
            found[pragma] = row[pragma]
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
    }


async def test_handlers_find_the_ledger_whether_served_before_or_after_it_opened(
    ledger_url: str,
) -> None:
    async def count(_: web.Request) -> web.Response:
        return web.json_response(await Trader.all().count())

    async def serve() -> tuple[web.AppRunner, str]:
        app = web.Application()
        app.router.add_get("/", count)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/"

    before, before_url = await serve()
    async with opened(ledger_url) as ledger:
        after, after_url = await serve()
        await write_in_transaction(ledger, 1)
        async with ClientSession() as session:
            for url in (before_url, after_url):
                async with session.get(url) as answer:
                    assert await answer.json() == 1
        await before.cleanup()
        await after.cleanup()


EXACT = [
    "0",
    "-0.000000000000000001",
    "123456789012345678901234567890.123456789012345678",
    "100000000000000000000000000000000000000000",
    "0.1",
    "1E+3",
]


@pytest.mark.parametrize("text", EXACT)
async def test_an_amount_comes_back_as_it_was(ledger: Ledger, text: str) -> None:
    account = await an_account(await a_trader())
    order = await an_order(account, size=Decimal(text), limit_price=Decimal("0.1"))
    found = await Order.get(id=order.id)
    assert found.size == Decimal(text)
    await Order.filter(id=order.id).update(filled_size=found.size + Decimal("1E-18"))
    [again] = await Order.all()
    assert again.filled_size == Decimal(text) + Decimal("1E-18")
    assert again.filled_quote == 0


@given(st.decimals(allow_nan=False, allow_infinity=False, places=18))
def test_every_amount_survives_its_column(amount: Decimal) -> None:
    column = MoneyField()
    text = column.to_db_value(amount, None)
    assert text is not None
    assert "E" not in text
    assert column.to_python_value(text) == amount


@pytest.mark.parametrize("amount", [Decimal("NaN"), Decimal("Infinity")])
def test_what_is_no_amount_is_not_stored(amount: Decimal) -> None:
    with pytest.raises(ValueError, match="finite"):
        MoneyField().to_db_value(amount, None)


def test_a_script_is_split_only_where_a_statement_ends() -> None:
    script = "CREATE TABLE a (b TEXT DEFAULT ';');\nINSERT INTO a VALUES ('x;y')"
    assert statements(script) == [
        "CREATE TABLE a (b TEXT DEFAULT ';');",
        "INSERT INTO a VALUES ('x;y');",
    ]


async def test_settling_ends_the_work_before_it_passes_a_cancellation_on() -> None:
    go = asyncio.Event()
    ended: list[bool] = []

    async def work() -> None:
        await go.wait()
        ended.append(True)

    task = asyncio.create_task(settle(work()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]
