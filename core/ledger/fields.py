"""Column types that neither engine can round."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

from tortoise.fields import CharField, Field


class MoneyField(CharField):  # type: ignore[type-arg]
    """An exact decimal kept as text.

    The ORM's own decimal column goes through binary floating point in SQLite arithmetic and is cut
    to 28 digits; money is therefore computed in Python and only stored here. Raises ValueError for
    NaN and infinity.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 78)
        super().__init__(**kwargs)

    def to_db_value(self, value: Any, instance: Any) -> str | None:
        if value is None:
            return None
        number = Decimal(value)
        if not number.is_finite():
            raise ValueError("an amount was not a finite number")
        return format(number, "f")

    def to_python_value(self, value: Any) -> Decimal | None:
        return None if value is None else Decimal(value)


def money(**kwargs: Any) -> Field[Decimal]:
    """A NOT NULL amount."""
    return cast("Field[Decimal]", MoneyField(**kwargs))


def money_or_none() -> Field[Decimal | None]:
    """An amount that may be unknown."""
    return cast("Field[Decimal | None]", MoneyField(null=True))
