"""The ledger's SQLite without its thread, on a file in memory, and as cheap as it can be.

Each step is done at once and its result comes in the loop's next turn, so that other tasks get
their chance in between as with the real driver. Before and after each step the machine may die.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import aiosqlite.core

from core.ledger.address import SqliteAddress, parse_address
from core.ledger.migrating import migrate
from tests.sim.cheap import cheaper
from tests.sim.virtual import WorldTime, machine_now, run

_MEMORY = Path("/dev/shm")


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder for ledgers; in memory where the machine has such a place."""
    return tempfile.TemporaryDirectory(
        prefix="perpgram-sim-", dir=_MEMORY if _MEMORY.is_dir() else None
    )


async def _execute(self: Any, fn: Any, *args: Any, **kwargs: Any) -> Any:
    if not self._running or not self._connection:
        raise ValueError("Connection closed")
    machine = machine_now()
    if machine is not None:
        await machine.moment("ledger")
    try:
        result = fn(*args, **kwargs)
    finally:
        await asyncio.sleep(0)
    if machine is not None:
        await machine.moment("ledger done")
    return result


async def _connect(self: Any) -> Any:
    if self._connection is None:
        self._connection = self._connector()
        machine = machine_now()
        if machine is not None:
            machine.connections.append(self._connection)
    return self


def _await(self: Any) -> Any:
    return self._connect().__await__()


def _stop(self: Any) -> None:
    self._running = False
    if self._connection is not None:
        self._connection.close()
        self._connection = None


async def _close(self: Any) -> None:
    self.stop()


def _nothing_left(self: Any) -> None:
    """The machine that died closed it."""


class _NoThread:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Never started."""


def _cheap(self: SqliteAddress, *, migrating: bool) -> dict[str, Any]:
    return {
        "engine": "core.ledger.engines.sqlite",
        "credentials": {
            "file_path": str(self.path),
            "journal_mode": "WAL",
            "synchronous": "OFF",
            "busy_timeout": 0,
            "foreign_keys": "OFF" if migrating else "ON",
        },
    }


async def _nothing_to_migrate(*args: Any, **kwargs: Any) -> list[str]:
    return []


@contextlib.contextmanager
def inline() -> Iterator[None]:
    """Within it the driver works on the loop."""
    connection = aiosqlite.core.Connection
    with (
        mock.patch.object(aiosqlite.core, "Thread", _NoThread),
        mock.patch.object(connection, "_execute", _execute),
        mock.patch.object(connection, "_connect", _connect),
        mock.patch.object(connection, "__await__", _await),
        mock.patch.object(connection, "stop", _stop),
        mock.patch.object(connection, "close", _close),
        mock.patch.object(connection, "__del__", _nothing_left),
        mock.patch.object(SqliteAddress, "connection", _cheap),
        cheaper(),
    ):
        yield


@contextlib.contextmanager
def without_migrating() -> Iterator[None]:
    """Ledgers are copies of one that was migrated."""
    with mock.patch("core.ledger.database.migrate", _nothing_to_migrate):
        yield


def make_template(folder: Path, began: Any) -> Path:
    """An empty ledger with its tables."""
    path = folder / "template.db"
    path.touch(mode=0o600)

    async def work(loop: Any) -> None:
        now = WorldTime(loop, began).now()
        await migrate(parse_address(f"sqlite://{path}"), now=now, copies_dir=None)

    with inline():
        run(work)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("PRAGMA journal_mode = DELETE")
    return path


def fresh(template: Path, path: Path) -> None:
    """A new ledger from the template."""
    for old in path.parent.glob(path.name + "*"):
        old.unlink()
    shutil.copy(template, path)


class Reader:
    """Reads the ledger's committed rows beside the bot."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, timeout=0)
        self._database.row_factory = sqlite3.Row

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in self._database.execute(sql, values)]

    def write(self, sql: str, *values: Any) -> bool:
        """Changes a row; False where somebody else is in the middle of a transaction."""
        try:
            self._database.execute(sql, values)
        except sqlite3.OperationalError:
            return False
        return True

    def close(self) -> None:
        self._database.close()
