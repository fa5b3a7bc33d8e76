"""Statements that the ORM has no words for, in SQL that both engines understand."""

from __future__ import annotations

from typing import Any

from tortoise.context import require_context
from tortoise.models import Model


async def run(sql: str, *values: Any) -> list[dict[str, Any]]:
    """Runs one statement on the task's connection; `{}` stands for each value in turn.

    A statement that changes rows must end with RETURNING for them to be told.
    """
    connection: Any = require_context().db()
    if connection.capabilities.dialect == "sqlite":
        placed = sql.format(*["?"] * len(values))
    else:
        placed = sql.format(*[f"${place}" for place in range(1, len(values) + 1)])
    rows: list[dict[str, Any]] = await connection.execute_query_dict(placed, list(values))
    return rows


async def insert_if_absent(row: Model, *, conflict: str, otherwise: str | None = None) -> bool:
    """Inserts `row` without ever failing on a conflict, which would end a PostgreSQL transaction.

    `conflict` is the unique column that decides. `otherwise` is the SQL of assignments to make to
    the row that is there already; without it that row stays as it is. True when a row was written.
    """
    meta = type(row)._meta
    names = [name for name in meta.fields_db_projection if not meta.fields_map[name].generated]
    columns = ", ".join(f'"{meta.fields_db_projection[name]}"' for name in names)
    values = [meta.fields_map[name].to_db_value(getattr(row, name), row) for name in names]
    places = ", ".join(["{}"] * len(names))
    action = "NOTHING" if otherwise is None else f"UPDATE SET {otherwise}"
    written = await run(
        f'INSERT INTO "{meta.db_table}" ({columns}) VALUES ({places}) '  # noqa: S608
        f'ON CONFLICT ("{conflict}") DO {action} RETURNING "id"',
        *values,
    )
    return bool(written)
