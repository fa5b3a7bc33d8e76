"""Reads the fields of a preset's object one by one.

Names are compared without case, `_` and `-`; unknown fields are passed over; what cannot be read is
a fault of the same kind as in our own grammar.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, TypeVar

from core.signals.alert import Level
from core.signals.faults import AlertFault
from core.signals.fields import MAX_COMMENT, MAX_ID
from core.signals.fields_reader import number_in
from core.signals.grammar import time_in
from core.signals.masking import safe_name
from core.signals.placeholders import cure_of, placeholder_in
from core.signals.presets.common import (
    SECRET,
    Moment,
    checked_symbol,
    checked_time,
    distance,
    fault,
    one_line,
    plain,
)

_T = TypeVar("_T")

_FLAGS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_LONGEST_LAG: Final = dt.timedelta(days=1)


def given_secret(fields: Fields, *places: str) -> str | None:
    """The secret in a field `secret`, else in the first of the platform's own places."""
    for name in (SECRET, *places):
        value = fields.raw(name)
        if isinstance(value, str) and value:
            return value
    return None


class Fields:
    """The fields of an object of a preset, read one by one; null and empty count as absent."""

    def __init__(self, obj: Mapping[str, Any], path: str = "") -> None:
        self._path = path
        self._given: dict[str, tuple[str, Any]] = {}
        for name, value in obj.items():
            if value is None or (isinstance(value, str) and not value.strip()):
                continue
            key = plain(name)
            if key in self._given and self._given[key][1] != value:
                raise fault(
                    "duplicate_field",
                    f"The field {safe_name(name)} is there twice, with different values.",
                    "Keep one of them.",
                    field=path + name,
                )
            self._given[key] = (name, value)

    def __contains__(self, name: str) -> bool:
        return plain(name) in self._given

    def __iter__(self) -> Iterator[str]:
        return iter(name for name, _ in self._given.values())

    def raw(self, name: str) -> Any:
        """What stands in a field, as it is; None where it is absent."""
        found = self._given.get(plain(name))
        return None if found is None else found[1]

    def fault(self, name: str, code: str, text: str, cure: str | None = None) -> AlertFault:
        """A fault at a field."""
        return fault(code, text, cure, field=self._path + name)

    def first(self, *names: str) -> str | None:
        """The first of these names that is there."""
        return next((name for name in names if name in self), None)

    def text(self, *names: str) -> str | None:
        """A text or number, as text; a placeholder that was not filled in is a fault."""
        name = self.first(*names)
        if name is None:
            return None
        value = self.raw(name)
        if isinstance(value, bool):
            value = "true" if value else "false"
        if isinstance(value, Decimal):
            value = format(value, "f")
        if not isinstance(value, str):
            raise self.fault(
                name, f"{plain(name)}_invalid", f"{name} is not a text.", "Write one value."
            )
        left = placeholder_in(value)
        if left is not None:
            raise self.fault(
                name,
                "placeholder_left",
                f"{safe_name(left)} was not replaced by TradingView.",
                cure_of(left),
            )
        return value.strip()

    def number(self, *names: str) -> Decimal | None:
        """A number, also in quotes."""
        text = self.text(*names)
        if text is None:
            return None
        number = number_in(text)
        if number is None:
            name = self.first(*names) or names[0]
            raise self.fault(
                name,
                f"{plain(name)}_invalid",
                f"{name} is not a number.",
                "Write a number like 0.05; leave the field out where there is none.",
            )
        return number

    def amount(self, *names: str) -> Decimal | None:
        """A number above zero; zero means that the field is not used."""
        return self.quantity(*names) or None

    def quantity(self, *names: str) -> Decimal | None:
        """How much an order is for: zero or above. An entry of zero is refused later
        (`checked_size`); it must not become one of the strategy's own size.
        """
        number = self.number(*names)
        if number is not None and number < 0:
            name = self.first(*names) or names[0]
            raise self.fault(
                name,
                f"{plain(name)}_not_positive",
                f"{name} is below zero.",
                "Write a number above zero; the side comes from the action.",
            )
        return number

    def percent(self, *names: str) -> Decimal | None:
        """Percent above zero, with or without the sign of percent; zero: not used."""
        return self.part(*names) or None

    def part(self, *names: str) -> Decimal | None:
        """How much an order is for in percent, zero or above: like `quantity`."""
        text = self.text(*names)
        if text is None:
            return None
        name = self.first(*names) or names[0]
        number = number_in(text.removesuffix("%"))
        if number is None or number < 0:
            raise self.fault(
                name,
                f"{plain(name)}_invalid",
                f"{name} is not a number of percent.",
                'Write a number like 5 or "5%".',
            )
        return number

    def flag(self, *names: str) -> bool | None:
        """true or false; None where it is absent."""
        text = self.text(*names)
        if text is None:
            return None
        found = _FLAGS.get(text.casefold())
        if found is None:
            name = self.first(*names) or names[0]
            raise self.fault(
                name, f"{plain(name)}_invalid", f"{name} is neither true nor false.", "Write true."
            )
        return found

    def choice(self, known: Mapping[str, _T], *names: str) -> _T | None:
        """One of the known words, compared without case and separators."""
        text = self.text(*names)
        if text is None:
            return None
        if plain(text) not in known:
            name = self.first(*names) or names[0]
            raise self.fault(
                name,
                f"{plain(name)}_unknown",
                f"{safe_name(text)} is not known as {name}.",
                f"It is one of {', '.join(known)}.",
            )
        return known[plain(text)]

    def child(self, *names: str) -> Fields | None:
        """An object inside."""
        name = self.first(*names)
        if name is None:
            return None
        value = self.raw(name)
        if not isinstance(value, Mapping):
            raise self.fault(
                name, f"{plain(name)}_invalid", f"{name} is not an object.", "Write { … }."
            )
        return Fields(value, f"{self._path}{name}.")

    def children(self, *names: str) -> list[Fields]:
        """The objects in a list, or in an object whose names only count them."""
        name = self.first(*names)
        if name is None:
            return []
        value = self.raw(name)
        items = list(value.values()) if isinstance(value, Mapping) else value
        if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
            raise self.fault(
                name,
                f"{plain(name)}_invalid",
                f"{name} is not a list of objects.",
                "Write [{ … }].",
            )
        return [Fields(item, f"{self._path}{name}.") for item in items]

    def symbol(self, *names: str) -> str:
        """The market, as the alert calls it."""
        text = self.text(*names)
        if text is None:
            raise self.fault(
                names[0],
                "symbol_missing",
                "The alert names no market.",
                f'Add "{names[0]}": "{{{{ticker}}}}".',
            )
        return checked_symbol(text, self._path + (self.first(*names) or names[0]))

    def label(self, most: int, *names: str) -> str | None:
        """A text that only names something: on one line, and cut where it is too long."""
        name = self.first(*names)
        value = None if name is None else self.raw(name)
        if isinstance(value, Decimal):
            value = format(value, "f")
        return one_line(value, most) if isinstance(value, str) else None

    def id(self, *names: str) -> str | None:
        """What the strategy calls its order."""
        return self.label(MAX_ID, *names)

    def comment(self, *names: str) -> str | None:
        """What the strategy says of its order."""
        return self.label(MAX_COMMENT, *names)

    def time(self, moment: Moment, *names: str) -> dt.datetime | None:
        """When the alert was made, in UTC."""
        name = self.first(*names)
        if name is None:
            return None
        self.text(name)
        time = time_in(self.raw(name))
        if time is None:
            raise self.fault(
                name,
                "time_invalid",
                f"{name} is not a moment.",
                'Write "{{timenow}}", or like "2026-01-31T12:00:00Z"; without a zone it is UTC.',
            )
        return checked_time(time, moment, name)

    def lag(self, *names: str) -> dt.timedelta | None:
        """The alert's own age limit, given in seconds."""
        seconds = self.number(*names)
        if seconds is None:
            return None
        if not 0 < seconds <= _LONGEST_LAG.total_seconds():
            name = self.first(*names) or names[0]
            raise self.fault(
                name,
                f"{plain(name)}_invalid",
                f"{name} is not between one second and a day.",
                "Write seconds, like 300.",
            )
        return dt.timedelta(seconds=float(seconds))

    def level(
        self, below: Decimal, *, price: str = "", percent: str = "", offset: str = ""
    ) -> Level | None:
        """A level of the plan in one of three fields; two of them contradict each other."""
        names = [name for name in (price, percent, offset) if name and name in self]
        levels = [
            level
            for name, level in (
                (price, self.amount(price) if price else None),
                (percent, self.percent(percent) if percent else None),
                (offset, self.amount(offset) if offset else None),
            )
            if level is not None
        ]
        if not levels:
            return None
        if len(levels) > 1:
            raise self.fault(
                names[1],
                "level_twice",
                f"The level has both {names[0]} and {names[1]}.",
                "Keep one of them.",
            )
        if price and price in self and self.amount(price) is not None:
            return Level(price=levels[0])
        if percent and percent in self and self.percent(percent) is not None:
            return distance(levels[0], below, self._path + percent)
        return Level(offset=levels[0])
