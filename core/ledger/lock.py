"""One executor per ledger: who holds the lock acts, everybody else learns his name.

SQLite: an exclusive `flock` on `<file>.lock`, in which the holder wrote who he is. The kernel frees
it when the process is gone, and keeps it while the process is only stopped. PostgreSQL: a session's
advisory lock on a connection of its own, whose `application_name` is the holder.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import asyncpg
import structlog

from core.clock import Clock
from core.ledger.address import KEEPALIVES, Address, PostgresAddress, SqliteAddress
from core.ledger.errors import LedgerInUse, LedgerRefused

log = structlog.get_logger(__name__)

CHECK_EVERY_S = 2.0
CHECK_WITHIN_S = 5.0
# PostgreSQL cuts application_name at 63 bytes.
NAME_BYTES = 63


@contextlib.asynccontextmanager
async def executor_lock(
    address: Address, clock: Clock, holder: str, on_lost: Callable[[], None]
) -> AsyncIterator[None]:
    """Holds the ledger's lock. `on_lost` is called once if it is lost meanwhile.

    Raises LedgerInUse naming the holder, LedgerRefused when the place cannot be reached.
    """
    match address:
        case SqliteAddress():
            with _file_lock(address, clock, holder):
                yield
        case PostgresAddress():
            async with _advisory_lock(address, clock, holder, on_lost):
                yield


@contextlib.contextmanager
def _file_lock(address: SqliteAddress, clock: Clock, holder: str) -> Iterator[None]:
    try:
        handle = os.open(address.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerRefused(
            f"the ledger's folder {address.path.parent} was not writable: {error.strerror}"
        ) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LedgerInUse(_in_use(_read_holder(handle), str(address.path))) from None
        note = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": clock.now().isoformat(timespec="seconds"),
            "at": holder,
        }
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(note).encode(), 0)
        yield
    finally:
        # the file stays: removing it would let two processes lock two files of one name
        os.close(handle)


def _read_holder(handle: int) -> str:
    try:
        note = json.loads(os.pread(handle, 4096, 0))
        return f"process {note['pid']} on {note['host']} ({note['at']}) since {note['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"


def _in_use(who: str, where: str) -> str:
    return (
        f"the ledger {where} is in use by {who}; "
        "stop it first (kill -9 if it hangs), or give this one another DATABASE_URL"
    )


@contextlib.asynccontextmanager
async def _advisory_lock(
    address: PostgresAddress, clock: Clock, holder: str, on_lost: Callable[[], None]
) -> AsyncIterator[None]:
    connection = await _connect(address, _name(holder))
    watch: asyncio.Task[None] | None = None
    try:
        key = _key(await connection.fetchval("SELECT current_schema()"))
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", key):
            raise LedgerInUse(_in_use(await _holder_of(connection, key), address.database))
        closing = False

        def lost(_: Any = None) -> None:
            if not closing:
                on_lost()

        connection.add_termination_listener(lost)
        watch = asyncio.create_task(_watch(connection, clock, lost))
        yield
        closing = True
    finally:
        closing = True
        if watch is not None:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        await _disconnect(connection)


async def _connect(address: PostgresAddress, name: str) -> Any:
    settings = {**KEEPALIVES, "application_name": name}
    try:
        return await asyncpg.connect(
            **address.arguments(), command_timeout=CHECK_WITHIN_S, server_settings=settings
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise LedgerRefused(
            f"PostgreSQL at {address.host}:{address.port} did not let us in: "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}"
        ) from None


async def _disconnect(connection: Any) -> None:
    try:
        await connection.close(timeout=CHECK_WITHIN_S)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()


async def _watch(connection: Any, clock: Clock, lost: Callable[[], None]) -> None:
    """Asks the lock's connection for a sign of life; silence is a loss."""
    while True:
        await clock.sleep(CHECK_EVERY_S)
        try:
            await connection.execute("SELECT 1")
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.critical("the ledger's lock connection died", error=type(error).__name__)
            lost()
            return


def _key(schema: str | None) -> int:
    """A ledger is a schema of a database; the server keeps databases apart by itself."""
    digest = hashlib.sha256(f"perpgram executor of {schema}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _name(holder: str) -> str:
    name = f"perpgram {os.getpid()}@{socket.gethostname()} {holder}"
    return name.encode("ascii", "replace")[:NAME_BYTES].decode()


async def _holder_of(connection: Any, key: int) -> str:
    row = await connection.fetchrow(
        "SELECT a.application_name AS name, a.backend_start AS since"
        " FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
        " AND l.classid::bigint = (($1::bigint >> 32) & 4294967295)"
        " AND l.objid::bigint = ($1::bigint & 4294967295)"
        " AND a.datname = current_database()",
        key,
    )
    if row is None:
        return "another process"
    return f"{row['name']} since {row['since'].isoformat(timespec='seconds')}"
