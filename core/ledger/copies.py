"""A copy of the ledger before a migration touches it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import shutil
import sqlite3
from pathlib import Path

import structlog

from core.ledger.address import Address, PostgresAddress, SqliteAddress

log = structlog.get_logger(__name__)

KEEP = 5
DUMP_WITHIN_S = 600.0


async def take_copy(
    address: Address, copies_dir: Path, now: dt.datetime, reason: str
) -> Path | None:
    """Copies the whole ledger into a new file of mode 0600 and drops all but the newest few.

    None when PostgreSQL could not be dumped from here; the log says so. Raises OSError or
    sqlite3.Error when SQLite's copy could not be written: then nothing must be migrated.
    """
    await asyncio.to_thread(_make_folder, copies_dir)
    stem = f"perpgram-{now:%Y%m%dT%H%M%S}-before-{reason}"
    match address:
        case SqliteAddress():
            target = copies_dir / f"{stem}.db"
            await asyncio.to_thread(_copy_sqlite, address.path, target)
        case PostgresAddress():
            target = copies_dir / f"{stem}.dump"
            if not await _dump(address, target):
                return None
    log.info("the ledger was copied before its migration", copy=str(target))
    await asyncio.to_thread(_drop_old, copies_dir, target.suffix)
    return target


def _make_folder(copies_dir: Path) -> None:
    copies_dir.mkdir(mode=0o700, parents=True, exist_ok=True)


def _copy_sqlite(source: Path, target: Path) -> None:
    """SQLite's own online copy: consistent, WAL included."""
    unfinished = target.with_suffix(".part")
    _make_private(unfinished)
    with (
        contextlib.closing(sqlite3.connect(source)) as old,
        contextlib.closing(sqlite3.connect(unfinished)) as new,
    ):
        old.backup(new)
        # a copy is one file: no -wal and -shm beside it
        new.execute("PRAGMA journal_mode=DELETE")
    with unfinished.open("rb") as written:
        os.fsync(written.fileno())
    unfinished.replace(target)


async def _dump(address: PostgresAddress, target: Path) -> bool:
    program = shutil.which("pg_dump")
    if program is None:
        log.warning("pg_dump was not found: the ledger is migrated without a copy of it")
        return False
    await asyncio.to_thread(_make_private, target)
    process = await asyncio.create_subprocess_exec(
        program,
        *_dump_arguments(address, target),
        env=_dump_environment(address),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    complaint = b""
    try:
        async with asyncio.timeout(DUMP_WITHIN_S):
            _, complaint = await process.communicate()
    except TimeoutError:
        complaint = b"it took too long"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == 0:
        return True
    await asyncio.to_thread(target.unlink, missing_ok=True)
    first = complaint.decode(errors="replace").strip().splitlines()[:1]
    log.warning("pg_dump failed: the ledger is migrated without a copy of it", error=first)
    return False


def _make_private(target: Path) -> None:
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))


def _dump_arguments(address: PostgresAddress, target: Path) -> list[str]:
    arguments = ["--format=custom", f"--file={target}", "--no-password"]
    arguments += [f"--host={address.host}", f"--port={address.port}"]
    if address.user is not None:
        arguments.append(f"--username={address.user}")
    return [*arguments, f"--dbname={address.database}"]


def _dump_environment(address: PostgresAddress) -> dict[str, str]:
    """The password goes by the environment: arguments can be read by other users."""
    environment = {**os.environ, "PGCONNECT_TIMEOUT": "10"}
    if address.password is not None:
        environment["PGPASSWORD"] = address.password
    if address.sslmode is not None:
        environment["PGSSLMODE"] = address.sslmode
    return environment


def _drop_old(copies_dir: Path, suffix: str) -> None:
    copies = sorted(copies_dir.glob(f"perpgram-*-before-*{suffix}"))
    for old in copies[:-KEEP]:
        old.unlink(missing_ok=True)
