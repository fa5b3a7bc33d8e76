"""SQLite: one connection, and write transactions that take the write lock when they begin.

What the ORM's own client leaves open and this one closes: a deferred BEGIN that fails half-way when
another process writes; a failed or cancelled BEGIN or COMMIT that keeps the connection's lock or
leaves the transaction open for the next one to commit; scripts that commit silently.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tortoise.backends.base.client import NestedTransactionContext, TransactionContext
from tortoise.backends.sqlite.client import (
    SqliteClient,
    SqliteTransactionContext,
    SqliteTransactionWrapper,
)
from tortoise.connection import get_connections
from tortoise.exceptions import IntegrityError, OperationalError

from core.ledger.alone import undeclared
from core.ledger.engines.owner import Owner
from core.ledger.engines.turns import Turns
from core.ledger.raw import Unmet
from core.ledger.tasks import settle, spawn

Prepared = tuple[str, list[Any], bool]
Rows = list[dict[str, Any]]


COMMITTED_AT_ONCE: Final = 512


@dataclass(eq=False)
class _Asked:
    """A transaction that waits for its turn. `outcome`: its rows, or why nothing is stored."""

    statements: list[Prepared]
    outcome: asyncio.Future[list[Rows]]


class LedgerSqliteClient(SqliteClient):
    """The root connection."""

    def __init__(self, file_path: str, **kwargs: Any) -> None:
        super().__init__(file_path, **kwargs)
        self._turns = Turns()
        self._lock = self._turns  # type: ignore[assignment]
        self._asked: list[_Asked] = []
        self._committing: asyncio.Task[None] | None = None

    async def transact(self, statements: list[Prepared]) -> list[Rows]:
        """BEGIN IMMEDIATE, the statements, COMMIT in one step of the driver's thread.

        Those that wait for the connection at the same time are committed together, each whole or
        not at all: what takes long is that the disk confirms, and it confirms all of them at once.
        """
        asked = _Asked(statements, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        if self._committing is None or self._committing.done():
            self._committing = spawn(self._commit_asked())
        try:
            return await asked.outcome
        except asyncio.CancelledError:
            if asked in self._asked:
                self._asked.remove(asked)
            raise

    async def _commit_asked(self) -> None:
        """Commits group by group until nobody waits, each before all that wait for the connection
        already; between two groups another has its turn.
        """
        while self._asked:
            await self._turns.acquire(next_turn=True)
            try:
                if self._connection is None:
                    await self.create_connection(with_db=True)
                group = self._asked[:COMMITTED_AT_ONCE]
                del self._asked[:COMMITTED_AT_ONCE]
                await _commit_group(self._connection, group)
            except Exception as error:  # the file cannot be opened
                group, self._asked = self._asked, []
                _tell(group, [error] * len(group))
            finally:
                self._turns.release()

    def _in_transaction(self) -> TransactionContext:
        return _Transaction(_TransactionClient(self), self._lock)

    async def execute_insert(self, query: str, values: list[Any]) -> Any:
        undeclared(query)
        return await super().execute_insert(query, values)

    async def execute_many(self, query: str, values: list[list[Any]]) -> None:
        undeclared(query)
        await super().execute_many(query, values)

    async def execute_query(self, query: str, values: list[Any] | None = None) -> Any:
        undeclared(query)
        return await super().execute_query(query, values)

    async def execute_query_dict(self, query: str, values: list[Any] | None = None) -> Any:
        undeclared(query)
        return await super().execute_query_dict(query, values)


class _TransactionClient(SqliteTransactionWrapper):
    """The connection inside a transaction; only its owner may use it."""

    def __init__(self, connection: Any, owner: Owner | None = None) -> None:
        super().__init__(connection)
        self.owner = owner

    def _in_transaction(self) -> TransactionContext:
        return NestedTransactionContext(_TransactionClient(self, self.owner))

    def acquire_connection(self) -> Any:
        assert self.owner is not None
        self.owner.check()
        return super().acquire_connection()

    async def begin(self) -> None:
        try:
            await self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise OperationalError(error) from error

    async def execute_batch(self, statements: list[Prepared]) -> list[Rows]:
        """Runs the statements in one step of the driver's thread; their rows in turn."""
        async with self.acquire_connection() as connection:
            return await _in_thread(connection, _run_all, statements)

    async def execute_script(self, query: str) -> None:
        """Statement by statement: the driver's own script call would commit the transaction."""
        for statement in statements(query):
            await self.execute_query(statement)


async def _in_thread(connection: Any, work: Any, *values: Any) -> list[Rows]:
    try:
        rows: list[Rows] = await connection._execute(work, connection._conn, *values)
    except sqlite3.Error as error:
        raise _translated(error) from error
    return rows


def _translated(error: Exception) -> Exception:
    """In the ORM's words, as its own client does."""
    if isinstance(error, sqlite3.IntegrityError):
        return IntegrityError(error)
    if isinstance(error, sqlite3.OperationalError):
        return OperationalError(error)
    return error


def _run_all(connection: sqlite3.Connection, statements: list[Prepared]) -> list[Rows]:
    told = []
    for place, (sql, values, required) in enumerate(statements):
        rows = [dict(row) for row in connection.execute(sql, values)]
        if required and not rows:
            raise Unmet(place)
        told.append(rows)
    return told


async def _commit_group(connection: Any, group: list[_Asked]) -> None:
    """Commits what a group asks for and tells each its outcome; raises nothing."""
    try:
        told = await connection._execute(
            _transact, connection._conn, [asked.statements for asked in group]
        )
    except Exception as error:
        told = [error] * len(group)
    _tell(group, told)


def _tell(group: Sequence[_Asked], told: Sequence[list[Rows] | Exception]) -> None:
    for asked, found in zip(group, told, strict=True):
        if asked.outcome.done():  # who asked was cancelled
            continue
        if isinstance(found, Exception):
            asked.outcome.set_exception(_translated(found))
        else:
            asked.outcome.set_result(found)


def _transact(
    connection: sqlite3.Connection, group: list[list[Prepared]]
) -> list[list[Rows] | Exception]:
    """The transactions of a group as one; it is over, one way or the other, when the thread takes
    other work. Raises where nothing of any of them is stored.
    """
    try:  # nothing fails in the usual group
        return _transacted(connection, group, _run_all)
    except (sqlite3.Error, Unmet) as error:
        return [error] if len(group) == 1 else _transacted(connection, group, _run_whole)


def _transacted(
    connection: sqlite3.Connection,
    group: list[list[Prepared]],
    run: Callable[[sqlite3.Connection, list[Prepared]], list[Rows] | Exception],
) -> list[list[Rows] | Exception]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        told = [run(connection, statements) for statements in group]
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return told


def _run_whole(
    connection: sqlite3.Connection, statements: list[Prepared]
) -> list[Rows] | Exception:
    """All statements, or none and why. Raises where SQLite gave up the transaction around them."""
    connection.execute("SAVEPOINT whole")
    found: list[Rows] | Exception
    try:
        found = _run_all(connection, statements)
    except (sqlite3.Error, Unmet) as error:
        if not connection.in_transaction:
            raise
        connection.execute("ROLLBACK TO whole")
        found = error
    connection.execute("RELEASE whole")
    return found


class _Transaction(SqliteTransactionContext):
    """Holds the connection's lock from BEGIN IMMEDIATE to COMMIT or ROLLBACK, whatever happens."""

    connection: _TransactionClient

    async def __aenter__(self) -> _TransactionClient:
        await self._trxlock.acquire()
        try:
            await self.ensure_connection()
            try:
                await self.connection.begin()
            except BaseException:
                # a BEGIN that was under way when the task was cancelled is undone here
                await settle(self.connection._connection.rollback())
                raise
        except BaseException:
            self._trxlock.release()
            raise
        self.connection.owner = Owner()
        self.token = get_connections().set(self.connection_name, self.connection)
        return self.connection

    async def __aexit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        assert self.connection.owner is not None
        self.connection.owner.end()
        get_connections().reset(self.token)
        try:
            await settle(self._finish(commit=exc_type is None))
        finally:
            self._trxlock.release()

    async def _finish(self, *, commit: bool) -> None:
        raw = self.connection._connection
        if not commit:
            await raw.rollback()
            return
        try:
            await raw.commit()
        except sqlite3.Error as error:
            await raw.rollback()
            raise OperationalError(error) from error


def statements(script: str) -> list[str]:
    """The script's statements, split where SQLite itself sees an end."""
    found, pending = [], ""
    for piece in script.split(";"):
        pending += piece + ";"
        if sqlite3.complete_statement(pending):
            if pending.strip(" \n\t;"):
                found.append(pending.strip())
            pending = ""
    if pending.strip(" \n\t;"):
        found.append(pending.strip())
    return found


client_class = LedgerSqliteClient
