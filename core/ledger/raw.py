"""Statements in SQL that both engines understand: what the ORM has no words for, and what must be
quick. On the way of a signal several statements go to the database in one step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tortoise.context import require_context
from tortoise.models import Model


@dataclass(frozen=True)
class Statement:
    """SQL in which `{}` stands for each value in turn.

    One that changes rows must end with RETURNING for them to be told. With `required` it must tell
    a row, else `Unmet` is raised and nothing of its transaction stays.
    """

    sql: str
    values: tuple[Any, ...] = ()
    required: bool = False


class Unmet(Exception):
    """A required statement told no row: somebody else was there first. `place` is its index."""

    def __init__(self, place: int) -> None:
        super().__init__(f"statement {place} of a batch met no row")
        self.place = place


async def run(sql: str, *values: Any) -> list[dict[str, Any]]:
    """Runs one statement on the task's connection."""
    connection: Any = require_context().db()
    placed = _placed(Statement(sql, values), _is_sqlite(connection))
    rows: list[dict[str, Any]] = await connection.execute_query_dict(placed, list(values))
    return rows


async def batch(statements: Sequence[Statement]) -> list[list[dict[str, Any]]]:
    """Runs statements one after the other inside the caller's transaction; their rows in turn.

    SQLite runs them in one step of its thread.
    """
    connection: Any = require_context().db()
    sqlite = _is_sqlite(connection)
    if sqlite:
        found: list[list[dict[str, Any]]] = await connection.execute_batch(prepared(statements))
        return found
    told = []
    for place, one in enumerate(statements):
        rows = await connection.execute_query_dict(_placed(one, sqlite), list(one.values))
        if one.required and not rows:
            raise Unmet(place)
        told.append(rows)
    return told


def prepared(statements: Sequence[Statement]) -> list[tuple[str, list[Any], bool]]:
    """For SQLite's own client: statement, values, whether it must tell a row."""
    return [(_placed(one, sqlite=True), list(one.values), one.required) for one in statements]


def insertion(
    row: Model,
    *,
    conflict: str | None = None,
    otherwise: str | None = None,
    computed: Mapping[str, Statement] | None = None,
) -> Statement:
    """INSERT of a new row, with RETURNING of its id.

    `computed` gives columns a value that the database finds when the statement runs.
    `conflict` is the unique column on which it may meet a row that is there already; that one stays
    as it is, or gets the assignments `otherwise`.
    """
    found = computed or {}
    sql, columns = _inserting(
        type(row), conflict, otherwise, tuple((name, one.sql) for name, one in found.items())
    )
    values: list[Any] = []
    for name, column in columns:
        if column is None:
            values += found[name].values
        else:
            values.append(column.to_db_value(getattr(row, name), row))
    return Statement(sql, tuple(values))


def insertion_of(
    model: type[Model],
    values: Mapping[str, Any],
    *,
    conflict: str,
    otherwise: str | None = None,
) -> Statement:
    """INSERT of a row of which only these columns are given; the database has defaults for the
    rest. For what is written often: no model is made. See `insertion`.
    """
    fields = model._meta.fields_map
    sql = _insert_sql(model, tuple(values), ("{}",) * len(values), conflict, otherwise)
    placed = tuple(fields[name].to_db_value(value, model) for name, value in values.items())
    return Statement(sql, placed)


@lru_cache(maxsize=256)
def _inserting(
    model: type[Model],
    conflict: str | None,
    otherwise: str | None,
    computed: tuple[tuple[str, str], ...],
) -> tuple[str, list[tuple[str, Any]]]:
    """The SQL of an insertion, and the fields in the order of their places; None for those that the
    database computes.
    """
    meta, found = model._meta, dict(computed)
    names = [name for name in meta.fields_db_projection if not meta.fields_map[name].generated]
    places = tuple(found.get(name, "{}") for name in names)
    sql = _insert_sql(model, tuple(names), places, conflict, otherwise)
    return sql, [(name, None if name in found else meta.fields_map[name]) for name in names]


@lru_cache(maxsize=256)
def _insert_sql(
    model: type[Model],
    names: tuple[str, ...],
    places: tuple[str, ...],
    conflict: str | None,
    otherwise: str | None,
) -> str:
    meta = model._meta
    columns = ", ".join(f'"{meta.fields_db_projection[name]}"' for name in names)
    action = ""
    if conflict is not None:
        action = f' ON CONFLICT ("{conflict}") DO '
        action += "NOTHING" if otherwise is None else f"UPDATE SET {otherwise}"
    return (
        f'INSERT INTO "{meta.db_table}" ({columns}) VALUES ({", ".join(places)}){action} '  # noqa: S608
        'RETURNING "id"'
    )


async def insert_if_absent(row: Model, *, conflict: str, otherwise: str | None = None) -> bool:
    """Inserts `row` without ever failing on a conflict, which would end a PostgreSQL transaction.

    True when a row was written.
    """
    statement = insertion(row, conflict=conflict, otherwise=otherwise)
    return bool(await run(statement.sql, *statement.values))


def _is_sqlite(connection: Any) -> bool:
    return bool(connection.capabilities.dialect == "sqlite")


def _placed(statement: Statement, sqlite: bool) -> str:
    return _with_places(statement.sql, len(statement.values), sqlite)


@lru_cache(maxsize=1024)
def _with_places(sql: str, count: int, sqlite: bool) -> str:
    if sqlite:
        return sql.format(*["?"] * count)
    return sql.format(*[f"${place}" for place in range(1, count + 1)])
