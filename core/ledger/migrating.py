"""Bringing a ledger's tables to what the program expects, in one transaction, under its lock.

What the ORM's own command would do wrong and this does not: it rebuilds SQLite tables with foreign
keys on (which cascades deletes into the children), and writes down that a migration was applied
outside the transaction that applied it.
"""

from __future__ import annotations

import datetime as dt
import importlib
import pkgutil
from pathlib import Path
from typing import Any

import structlog
from tortoise.context import TortoiseContext
from tortoise.exceptions import BaseORMException
from tortoise.migrations.executor import MigrationExecutor
from tortoise.transactions import in_transaction

from core.ledger.address import Address, SqliteAddress
from core.ledger.copies import take_copy
from core.ledger.errors import LedgerRefused, LedgerTooNew

log = structlog.get_logger(__name__)

APP = "ledger"
MODELS = "core.ledger.models"
MIGRATIONS = "core.ledger.migrations"
TABLE = "tortoise_migrations"


def orm_config(
    address: Address,
    *,
    migrating: bool = False,
    models: str = MODELS,
    migrations: str = MIGRATIONS,
) -> dict[str, Any]:
    """The ORM's configuration for this ledger."""
    # the ORM keeps its statements by connection name, and those of the engines differ
    name = "sqlite" if isinstance(address, SqliteAddress) else "postgres"
    return {
        "connections": {name: address.connection(migrating=migrating)},
        "apps": {APP: {"models": [models], "default_connection": name, "migrations": migrations}},
    }


def known_migrations(migrations: str = MIGRATIONS) -> list[str]:
    """The names of the program's migrations, in order."""
    package = importlib.import_module(migrations)
    return sorted(
        module.name for module in pkgutil.iter_modules(package.__path__) if module.name[0] != "_"
    )


async def migrate(
    address: Address,
    *,
    now: dt.datetime,
    copies_dir: Path | None,
    models: str = MODELS,
    migrations: str = MIGRATIONS,
) -> list[str]:
    """Applies what is missing and returns the names. All of it or nothing is applied.

    Raises LedgerTooNew for a ledger of a newer program, LedgerRefused when a migration failed; the
    ledger is then as it was before.
    """
    config = orm_config(address, migrating=True, models=models, migrations=migrations)
    async with TortoiseContext() as context:
        await context.init(config=config)
        applied = await applied_migrations(context.db())
        missing = missing_migrations(applied, migrations)
        if not missing:
            return []
        if applied and copies_dir is not None:
            await _copy_first(address, copies_dir, now, missing[0])
        try:
            await _apply(address, config)
        except BaseORMException as error:
            raise LedgerRefused(
                f"the ledger could not be migrated and is unchanged: {_first_line(error)}"
            ) from error
    log.info("the ledger was migrated", applied=missing)
    return missing


def missing_migrations(applied: list[str], migrations: str = MIGRATIONS) -> list[str]:
    """What is still to be applied. Raises LedgerTooNew for what the program does not know."""
    known = known_migrations(migrations)
    strange = sorted(set(applied) - set(known))
    if strange:
        raise LedgerTooNew(
            f"the ledger was written by a newer version of Perpgram ({strange[-1]}); "
            "install that version again, or restore the copy made before the update"
        )
    return [name for name in known if name not in applied]


async def applied_migrations(connection: Any) -> list[str]:
    """Names as the ledger recorded them; empty for an empty database."""
    if connection.capabilities.dialect == "sqlite":
        there = f"SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '{TABLE}'"  # noqa: S608
    else:
        there = f"SELECT 1 WHERE to_regclass('{TABLE}') IS NOT NULL"
    if not await connection.execute_query_dict(there):
        return []
    rows = await connection.execute_query_dict(
        f"SELECT name FROM {TABLE} WHERE app = '{APP}' ORDER BY name"  # noqa: S608
    )
    return [row["name"] for row in rows]


async def _copy_first(
    address: Address, copies_dir: Path, now: dt.datetime, first_missing: str
) -> None:
    try:
        await take_copy(address, copies_dir, now, first_missing)
    except OSError as error:
        raise LedgerRefused(
            f"the ledger was not migrated, as no copy could be written to {copies_dir}: "
            f"{error.strerror}"
        ) from None


async def _apply(address: Address, config: dict[str, Any]) -> None:
    async with in_transaction() as transaction:
        # the executor is handed the transaction, so that its record is part of it
        executor = MigrationExecutor(transaction, config["apps"])
        # reading its table before it is there would end PostgreSQL's transaction
        await executor.recorder.ensure_schema(executor._schema_editor(atomic=False))
        await executor.migrate(direction="forward")
        if isinstance(address, SqliteAddress):
            broken = await transaction.execute_query_dict("PRAGMA foreign_key_check")
            if broken:
                raise LedgerRefused(
                    "the ledger could not be migrated and is unchanged: "
                    f"rows of {broken[0]['table']} would have lost what they belong to"
                )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
