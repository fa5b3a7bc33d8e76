"""Opening the ledger, and the two kinds of transaction on it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import structlog
from tortoise.context import TortoiseContext
from tortoise.exceptions import BaseORMException
from tortoise.transactions import in_transaction

from core import failpoints
from core.clock import Clock, Random
from core.ledger import raw
from core.ledger.address import Address, SqliteAddress, parse_address
from core.ledger.errors import (
    LedgerInUse,
    LedgerLost,
    LedgerMisuse,
    LedgerRefused,
    LedgerTooNew,
)
from core.ledger.lock import executor_lock
from core.ledger.migrating import applied_migrations, migrate, missing_migrations, orm_config
from core.ledger.models import Meta

__all__ = [
    "Ledger",
    "LedgerInUse",
    "LedgerLost",
    "LedgerMisuse",
    "LedgerRefused",
    "LedgerTooNew",
    "open_ledger",
    "visit_ledger",
]

log = structlog.get_logger(__name__)

EPOCH = "epoch"
INSTALLATION = "installation"
PROBE = "probe"
PROBE_WITHIN_S = 2.0

# What a database that cannot be used raises.
FAULTS = (
    BaseORMException,
    sqlite3.Error,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,
)

_inside: contextvars.ContextVar[bool] = contextvars.ContextVar("ledger_transaction", default=False)


class Ledger:
    """The open ledger. The query modules of this room work on it without being handed it.

    `epoch` grows with each executor and fences its writes; it is 0 for a visitor. `lost` is set as
    soon as another process may be executing.
    """

    def __init__(self, address: Address, context: TortoiseContext, clock: Clock) -> None:
        self._address = address
        self._context = context
        self._clock = clock
        self.epoch = 0
        self.installation = ""
        self.lost = asyncio.Event()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """All writes inside are committed together, or none is.

        On SQLite write transactions run one after another, as BEGIN IMMEDIATE; keep them short and
        never wait for a network inside. Raises LedgerMisuse when one is open in this task already:
        an inner block could fail, be caught, and leave half of itself to the outer one's commit.
        Start no task inside but with `core.ledger.tasks.spawn`.
        """
        if _inside.get():
            raise LedgerMisuse(
                "a transaction was opened inside another one, or in a task that was started there"
            )
        place = failpoints.site()
        token = _inside.set(True)
        try:
            async with in_transaction():
                yield
        finally:
            _inside.reset(token)
        failpoints.done(place)

    @contextlib.asynccontextmanager
    async def executing(self) -> AsyncIterator[None]:
        """A transaction of the executor, refused once a later executor exists.

        Raises LedgerLost. On PostgreSQL the epoch's row stays locked against change until the
        commit, so that a later executor starts with everything that was committed before it.
        """
        self.check_granted()
        async with self.transaction():
            await self._prove_epoch()
            yield

    def check_granted(self) -> None:
        """Raises LedgerLost where another process may be executing; asked right before each call to
        an exchange, which knows nothing of epochs.
        """
        if self.lost.is_set():
            raise LedgerLost("the ledger's lock was lost")

    async def commit(self, statements: Sequence[raw.Statement]) -> list[list[dict[str, Any]]]:
        """A transaction of the executor whose statements are known beforehand; their rows in turn.

        On SQLite it is one step of the database's thread. Raises LedgerLost, and raw.Unmet when a
        required statement tells no row; then nothing was written.
        """
        self.check_granted()
        if _inside.get():
            raise LedgerMisuse("a transaction was opened inside another one")
        if not isinstance(self._address, SqliteAddress):
            async with self.executing():
                return await raw.batch(statements)
        place = failpoints.site()
        told = await self._transact(statements)
        failpoints.done(place)
        return told

    async def _transact(self, statements: Sequence[raw.Statement]) -> list[list[dict[str, Any]]]:
        """On SQLite: the statements behind the fence, in one step."""
        fence = raw.Statement(
            "SELECT value FROM meta WHERE name = {} AND value = {}",
            (EPOCH, str(self.epoch)),
            required=True,
        )
        connection: Any = self._context.db()
        try:
            told: list[list[dict[str, Any]]] = await connection.transact(
                raw.prepared([fence, *statements])
            )
        except raw.Unmet as unmet:
            if unmet.place > 0:
                raise raw.Unmet(unmet.place - 1) from None
            self.lost.set()
            raise LedgerLost("a later process executes on this ledger") from None
        return told[1:]

    async def check_writable(self) -> bool:
        """Whether a row can be committed within 2 s; for the readiness probe."""
        if self.lost.is_set():
            return False
        try:
            async with asyncio.timeout(PROBE_WITHIN_S), self.transaction():
                await _put(PROBE, self._clock.now().isoformat())
        except (*FAULTS, TimeoutError) as error:
            log.warning("the ledger was not writable", error=type(error).__name__)
            return False
        return True

    async def scrub(self) -> None:
        """Empties SQLite's write-ahead log, so that no trace of erased rows stays in it.

        Deleted rows themselves are overwritten with zeros (`secure_delete`). PostgreSQL's own
        files are the server's business.
        """
        if isinstance(self._address, SqliteAddress):
            await self._context.db().execute_query("PRAGMA wal_checkpoint(TRUNCATE)")

    async def _prove_epoch(self) -> None:
        lock = "" if isinstance(self._address, SqliteAddress) else " FOR SHARE"
        rows = await self._context.db().execute_query_dict(
            f"SELECT value FROM meta WHERE name = '{EPOCH}'{lock}"  # noqa: S608
        )
        if not rows or int(rows[0]["value"]) != self.epoch:
            self.lost.set()
            raise LedgerLost("a later process executes on this ledger")

    async def _begin_epoch(self, random: Random) -> None:
        async with self.transaction():
            row = await Meta.select_for_update().get_or_none(name=EPOCH)
            self.epoch = int(row.value) + 1 if row is not None else 1
            await _put(EPOCH, str(self.epoch))
            known = await Meta.get_or_none(name=INSTALLATION)
            self.installation = known.value if known is not None else str(random.uuid4())
            if known is None:
                await _put(INSTALLATION, self.installation)


async def _put(name: str, value: str) -> None:
    if not await Meta.filter(name=name).update(value=value):
        await Meta.create(name=name, value=value)


@contextlib.asynccontextmanager
async def open_ledger(
    url: str, *, clock: Clock, random: Random, copies_dir: Path | None, holder: str
) -> AsyncIterator[Ledger]:
    """Opens the ledger to execute on it: lock, copy and migration if one is due, new epoch.

    `holder` is what a second process is told about this one, such as its HTTP address. The open
    ledger serves every task of the process, also those that were started before. Raises
    LedgerInUse, LedgerTooNew and LedgerRefused, each with one line.
    """
    address = parse_address(url)
    _make_place(address)
    lost_early = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(executor_lock(address, clock, holder, lost_early.set))
        with _readable_faults(address):
            await migrate(address, now=clock.now(), copies_dir=copies_dir)
        ledger = await stack.enter_async_context(_connected(address, clock))
        ledger.lost = lost_early
        with _readable_faults(address):
            await ledger._begin_epoch(random)
        yield ledger


@contextlib.asynccontextmanager
async def visit_ledger(url: str, *, clock: Clock) -> AsyncIterator[Ledger]:
    """Opens a ledger beside its executor, for a command that adds a row and ends.

    Takes no lock and changes no table; `executing` is refused. Raises LedgerRefused when there is
    no ledger yet or its tables are not those of this program.
    """
    address = parse_address(url)
    if isinstance(address, SqliteAddress) and not address.path.exists():
        raise LedgerRefused(f"there is no ledger at {address.path} yet; start the bot first")
    async with _connected(address, clock) as ledger:
        with _readable_faults(address):
            missing = missing_migrations(await applied_migrations(ledger._context.db()))
        if missing:
            raise LedgerRefused("the ledger is older than this program; start the bot first")
        ledger.lost.set()
        yield ledger


@contextlib.asynccontextmanager
async def _connected(address: Address, clock: Clock) -> AsyncIterator[Ledger]:
    context = TortoiseContext()
    try:
        with context:
            # the global fallback lets tasks find the ledger that were started before it was open
            await context.init(config=orm_config(address), _enable_global_fallback=True)
        yield Ledger(address, context, clock)
    finally:
        await context.close_connections()


@contextlib.contextmanager
def _readable_faults(address: Address) -> Iterator[None]:
    """A database that cannot be used is one line for the operator."""
    try:
        yield
    except FAULTS as error:
        where = address.path if isinstance(address, SqliteAddress) else address.database
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise LedgerRefused(f"the ledger {where} could not be used: {line}") from error


def _make_place(address: Address) -> None:
    """The folder and an empty file that only we can read; SQLite gives its log the same mode."""
    if not isinstance(address, SqliteAddress):
        return
    try:
        address.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(address.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise LedgerRefused(
            f"the ledger {address.path} could not be opened: {error.strerror}"
        ) from None
