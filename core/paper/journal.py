"""What outlives the process: the exchange's tables and the blocks, in one SQLite file.

A block is stored, durably, before anybody sees it, so that a restart (kill -9 too) never loses a
fill that was shown. The indexer half keeps its own snapshot here and gets the blocks since then
again: `save_part`, `part` and `blocks_after`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from core.paper.codec import decode, encode
from core.paper.exchange import Commit
from core.paper.happenings import BlockCommitted, OracleMoved

T = TypeVar("T")

_VERSION: Final = "2"
_LOCK_WAIT_S: Final = 2.0
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS rows (name TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (name, key))
  WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocks (height INTEGER PRIMARY KEY, block TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS parts (name TEXT PRIMARY KEY, height INTEGER NOT NULL,
  value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class StateUnusable(Exception):
    """The stored state is in use, damaged, of another version or of another chain; in the last
    three cases moving its folder away begins a new network.
    """


class Journal:
    """The file, on a thread of its own. Without a folder it lives in memory and is lost."""

    def __init__(self, folder: Path | None, chain_id: str) -> None:
        self._folder = folder
        self._chain_id = chain_id
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="paper-journal")
        self._database: sqlite3.Connection | None = None
        self._is_closed = False

    async def open(self) -> dict[str, dict[Any, Any]] | None:
        """Open the file; the saved tables, None for a new network. Raises StateUnusable."""
        return await self._run(self._open)

    async def write(self, commit: Commit) -> None:
        """Store a block and what it changed; durable when this returns."""
        await self._run(lambda: self._write(commit))

    async def save_part(self, name: str, height: int, value: bytes) -> None:
        """Store another part's snapshot, taken after the block of this height. Blocks up to it are
        not kept any longer.
        """
        await self._run(lambda: self._save_part(name, height, value))

    async def part(self, name: str) -> tuple[int, bytes] | None:
        """Another part's snapshot and its height."""
        return await self._run(lambda: self._part(name))

    async def save_note(self, name: str, value: str) -> None:
        """Store a text that belongs to the whole chain."""
        query = "INSERT OR REPLACE INTO notes VALUES (?, ?)"
        await self._run(lambda: self._connection().execute(query, (name, value)))

    async def note(self, name: str) -> str | None:
        """A text stored before."""
        query = "SELECT value FROM notes WHERE name = ?"
        row = await self._run(lambda: self._connection().execute(query, (name,)).fetchone())
        return None if row is None else str(row[0])

    async def blocks_after(self, height: int) -> list[BlockCommitted]:
        """The stored blocks above a height, oldest first. Blocks that only moved prices may be
        missing.
        """
        return await self._run(lambda: self._blocks_after(height))

    async def close(self) -> None:
        """Close the file; once more does nothing."""
        if not self._is_closed:
            self._is_closed = True
            await self._run(self._close)
            self._thread.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _open(self) -> dict[str, dict[Any, Any]] | None:
        path = ":memory:"
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = str(self._folder / "paper.sqlite3")
        database = sqlite3.connect(
            path, check_same_thread=False, isolation_level=None, timeout=_LOCK_WAIT_S
        )
        self._database = database
        try:
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise StateUnusable(
                f"the paper network's state in {path} could not be opened ({error}): another paper "
                "network uses it, or it is damaged and has to be moved away"
            ) from error
        about = dict(database.execute("SELECT name, value FROM about").fetchall())
        if not about:
            database.executemany(
                "INSERT INTO about VALUES (?, ?)",
                [("version", _VERSION), ("chain_id", self._chain_id)],
            )
            return None
        if about != {"version": _VERSION, "chain_id": self._chain_id}:
            raise StateUnusable(
                f"the paper network's state in {path} is of version {about.get('version')} and "
                f"chain {about.get('chain_id')}; move it away to begin a new one"
            )
        return self._load(database)

    def _load(self, database: sqlite3.Connection) -> dict[str, dict[Any, Any]] | None:
        tables: dict[str, dict[Any, Any]] = {}
        query = "SELECT name, key, value FROM rows"
        for name, key, value in database.execute(query):
            tables.setdefault(name, {})[decode(key)] = decode(value)
        if not tables:
            return None
        transactions = tables.get("transactions", {})
        tables["transactions"] = dict(sorted(transactions.items(), key=lambda row: row[1].height))
        return tables

    def _write(self, commit: Commit) -> None:
        database = self._connection()
        puts, drops = [], []
        for name, changes in commit.changes.items():
            for key, value in changes.items():
                if value is None:
                    drops.append((name, encode(key)))
                else:
                    puts.append((name, encode(key), encode(value)))
        database.execute("BEGIN IMMEDIATE")
        try:
            database.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)", puts)
            database.executemany("DELETE FROM rows WHERE name = ? AND key = ?", drops)
            if any(not isinstance(event, OracleMoved) for event in commit.block.events):
                database.execute(
                    "INSERT OR REPLACE INTO blocks VALUES (?, ?)",
                    (commit.block.height, encode(commit.block)),
                )
            database.execute("COMMIT")
        except BaseException:
            database.execute("ROLLBACK")
            raise

    def _save_part(self, name: str, height: int, value: bytes) -> None:
        database = self._connection()
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?)", (name, height, value))
        database.execute("DELETE FROM blocks WHERE height <= (SELECT min(height) FROM parts)")
        database.execute("COMMIT")

    def _part(self, name: str) -> tuple[int, bytes] | None:
        query = "SELECT height, value FROM parts WHERE name = ?"
        row = self._connection().execute(query, (name,)).fetchone()
        return None if row is None else (row[0], row[1])

    def _blocks_after(self, height: int) -> list[BlockCommitted]:
        query = "SELECT block FROM blocks WHERE height > ? ORDER BY height"
        return [decode(row[0]) for row in self._connection().execute(query, (height,))]

    def _connection(self) -> sqlite3.Connection:
        if self._database is None:
            raise RuntimeError("the journal was not open")
        return self._database

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
