"""Makes the ORM cheap where a simulation spends most of its time: the same questions, again and
again, are put into SQL once.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import enum
from collections.abc import Generator, Iterator
from decimal import Decimal
from typing import Any, Final
from unittest import mock
from uuid import UUID

from tortoise.expressions import Q
from tortoise.queryset import QuerySet

AT_MOST: Final = 20_000
PLAIN: Final = (str, int, bool, UUID, dt.datetime, dt.date, Decimal, enum.Enum, type(None))

Sql = tuple[str, list[Any]]
_known: dict[Any, Sql] = {}


class _Odd(Exception):
    """A question that is not kept."""


class _Ready:
    """Stands in for a query whose SQL is known."""

    def __init__(self, sql: str, values: list[Any]) -> None:
        self._sql, self._values = sql, values

    def get_parameterized_sql(self) -> Sql:
        return self._sql, list(self._values)


def _plain(value: Any) -> Any:
    if isinstance(value, PLAIN):
        return type(value), value
    if isinstance(value, list | tuple | set | frozenset):
        return type(value), tuple(_plain(one) for one in value)
    raise _Odd


def _shape_of(condition: Q) -> Any:
    return (
        condition.join_type,
        condition._is_negated,
        tuple((name, _plain(value)) for name, value in condition.filters.items()),
        tuple(_shape_of(child) for child in condition.children),
    )


def _shape(query: QuerySet[Any]) -> Any:
    """What a query's SQL follows from. Raises _Odd where that is more than is looked at here."""
    if (
        query._annotations
        or query._custom_filters
        or query._fields_for_select
        or query._select_related
        or query._force_indexes
        or query._use_indexes
        or query._select_for_update_of
    ):
        raise _Odd
    return (
        query.model,
        query._limit,
        query._offset,
        query._distinct,
        query._select_for_update,
        tuple(query._orderings),
        tuple(_shape_of(condition) for condition in query._q_objects),
    )


def _await(self: QuerySet[Any]) -> Generator[Any, None, Any]:
    self._choose_db_if_not_chosen(self._select_for_update)
    try:
        shape = _shape(self)
    except _Odd:
        self._make_query()
        return self._execute().__await__()
    sql = _known.get(shape)
    if sql is None:
        self._make_query()
        if len(_known) > AT_MOST:
            _known.clear()
        text, values = self.query.get_parameterized_sql()
        sql = _known[shape] = text, list(values)
    self.query = _Ready(*sql)  # type: ignore[assignment]
    self._select_related_idx = []
    return self._execute().__await__()


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


@contextlib.contextmanager
def cheaper() -> Iterator[None]:
    """Within it the ORM remembers SQL, and reads times with the standard library."""
    with (
        mock.patch.object(QuerySet, "__await__", _await),
        mock.patch("tortoise.fields.data.parse_datetime", _moment),
    ):
        yield
