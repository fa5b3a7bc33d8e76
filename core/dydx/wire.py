"""How the indexer writes values, and the base of every typed message of it.

Amounts, prices, heights and client ids travel as JSON strings. A value that was read is written
back unchanged: `wire()` of a parsed message equals the JSON it came from.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, PlainSerializer, ValidationError
from pydantic.alias_generators import to_camel


def _plain(value: Decimal) -> str:
    return format(value, "f")


def _iso(value: dt.datetime) -> str:
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Number = Annotated[Decimal, PlainSerializer(_plain, return_type=str)]
"""An amount, price or rate, written as a JSON string without exponent."""

Whole = Annotated[int, PlainSerializer(str, return_type=str)]
"""An integer that the indexer writes as a JSON string: heights, client ids, flags."""

Moment = Annotated[dt.datetime, PlainSerializer(_iso, return_type=str)]
"""A UTC time with milliseconds, written as ISO 8601 with Z."""


class Unreadable(ValueError):
    """A message did not have the shape it should have. The text names fields, never contents."""


class Wire(BaseModel):
    """A message or row as the indexer writes it: attribute names here, camelCase there.

    An unknown field or enum value is an error in `read_exactly`; `read` skips unknown fields, so
    that an indexer which learned a new field does not silence the stream.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True
    )

    @classmethod
    def read(cls, value: Any) -> Self:
        """The typed value of parsed JSON. Raises Unreadable."""
        try:
            return cls.model_validate(value, extra="ignore")
        except ValidationError as error:
            raise Unreadable(_faults(cls.__name__, error)) from None

    @classmethod
    def read_exactly(cls, value: Any) -> Self:
        """As `read`, but a field that is not known here is an error too. Raises Unreadable."""
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise Unreadable(_faults(cls.__name__, error)) from None

    def wire(self) -> dict[str, Any]:
        """The JSON this was read from."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _faults(name: str, error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    listed = "; ".join(
        f"{'.'.join(str(part) for part in fault['loc'])}: {fault['type']}" for fault in faults[:5]
    )
    return f"{name} could not be read: {listed}"
