"""Reads a body's fields one by one, each with a fault that says where and why it is turned away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from core.signals.faults import AlertFault
from core.signals.fields import FIELDS, FLAGS, SECRET_FIELD, nearest_field
from core.signals.masking import safe_name
from core.signals.placeholders import cure_of, placeholder_in
from core.signals.reading import AlertObject, number_of

_T = TypeVar("_T")


def number_in(value: Any) -> Decimal | None:
    """A finite number, as a number or in quotes."""
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    return number_of(value.strip()) if isinstance(value, str) else None


class Fields:
    """A body's fields; null counts as absent."""

    def __init__(self, obj: Mapping[str, Any]) -> None:
        self._obj = obj
        self._given = {name: value for name, value in obj.items() if value is not None}

    def __contains__(self, name: str) -> bool:
        return name in self._given

    def get(self, name: str) -> Any:
        """What stands in a field, None where it is absent."""
        return self._given.get(name)

    def fault(self, field: str, code: str, text: str, cure: str | None = None) -> AlertFault:
        """A fault at a field, with its place where the body is known."""
        place, excerpt = None, ""
        if isinstance(self._obj, AlertObject):
            place, excerpt = self._obj.places.get(field), self._obj.excerpt(field)
        return AlertFault(
            code,
            text,
            cure,
            line=place.line if place else None,
            column=place.column if place else None,
            field=safe_name(field),
            excerpt=excerpt,
        )

    def check_names(self) -> None:
        """Raises `unknown_field`: a misspelt stop must not leave a position without one."""
        for name in self._obj:
            if name in FIELDS or name == SECRET_FIELD:
                continue
            near = nearest_field(name)
            raise self.fault(
                name,
                "unknown_field",
                f"An alert has no field {safe_name(name)}.",
                f"Did you mean {near}? " * bool(near) + f"The fields are {', '.join(FIELDS)}.",
            )

    def check_secret_is_nowhere_else(self) -> None:
        """Raises `secret_elsewhere`: other fields are shown and stored."""
        secret = self._obj.get(SECRET_FIELD)
        if not isinstance(secret, str) or len(secret) < 8:
            return
        for name, value in self._given.items():
            if name != SECRET_FIELD and secret in str(value):
                raise self.fault(
                    name,
                    "secret_elsewhere",
                    f"The secret stands in the field {name} too.",
                    "Keep it in the field secret only; elsewhere it would be shown and stored.",
                )

    def check_placeholders(self) -> None:
        """Raises `placeholder_left` where TradingView did not fill one in."""
        for name in FIELDS:
            for text in _texts(self._given.get(name)):
                left = placeholder_in(text)
                if left is not None:
                    raise self.fault(
                        name,
                        "placeholder_left",
                        f"{safe_name(left)} was not replaced by TradingView.",
                        cure_of(left),
                    )

    def required(self, name: str, example: str) -> Any:
        """What stands in a field that must be there."""
        value = self._given.get(name)
        if value is None:
            raise self.fault(
                name, f"{name}_missing", f"The alert has no {name}.", f"Add {name}: {example}."
            )
        return value

    def number(
        self, name: str, cure: str = 'Write a number like 0.05 or "0.05".'
    ) -> Decimal | None:
        """A number, as a number or in quotes."""
        value = self._given.get(name)
        if value is None:
            return None
        number = number_in(value)
        if number is None:
            raise self.fault(name, f"{name}_invalid", f"{name} is not a number.", cure)
        return number

    def amount(self, name: str) -> Decimal | None:
        """A number above zero."""
        return self.positive(name, self.number(name))

    def positive(self, name: str, number: Decimal | None) -> Decimal | None:
        """The same number; raises where it is not above zero."""
        if number is not None and number <= 0:
            raise self.fault(
                name,
                f"{name}_not_positive",
                f"{name} is not above zero.",
                "The side comes from action; write a number above zero or leave it out.",
            )
        return number

    def percent(self, name: str, *, most: Decimal | None = None) -> Decimal | None:
        """Percent above zero, as a number or like "5%"."""
        value = self._given.get(name)
        if value is None:
            return None
        plain = value.strip().removesuffix("%") if isinstance(value, str) else value
        number = number_in(plain)
        if number is None:
            raise self.fault(
                name,
                f"{name}_invalid",
                f"{name} is not a number of percent.",
                'Write a number like 5 or "5%".',
            )
        self.positive(name, number)
        if most is not None and number > most:
            raise self.fault(
                name,
                f"{name}_invalid",
                f"{name} is above {most} %.",
                f"Write at most {most}.",
            )
        return number

    def choice(self, name: str, known: Mapping[str, _T]) -> _T | None:
        """One of the known words, in any case, with - or a space for _."""
        value = self._given.get(name)
        if value is None:
            return None
        plain = (
            value.strip().lower().replace("-", "_").replace(" ", "_")
            if isinstance(value, str)
            else None
        )
        found = known.get(plain) if plain is not None else None
        if found is None:
            shown = safe_name(value) if isinstance(value, str) else "This"
            article = "an" if name == "action" else "a"
            raise self.fault(
                name,
                f"{name}_unknown",
                f"{shown or 'An empty text'} is not {article} {name}.",
                f"It is one of {', '.join(known)}.",
            )
        return found

    def flag(self, name: str) -> bool:
        """true or false, also in quotes; false where it is absent."""
        value = self._given.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        found = FLAGS.get(value.strip().lower()) if isinstance(value, str) else None
        if found is None:
            raise self.fault(
                name, f"{name}_invalid", f"{name} is neither true nor false.", "Write true."
            )
        return found

    def label(self, name: str, most: int) -> str | None:
        """A text that only names something: cut where it is too long, None where it is empty."""
        value = self._given.get(name)
        if value is None:
            return None
        text = format(value, "f") if isinstance(value, Decimal) else value
        if not isinstance(text, str):
            raise self.fault(
                name, f"{name}_invalid", f"{name} is not a text.", "Put it in double quotes."
            )
        text = text.strip()
        if not text.isprintable():
            text = "".join(c if c.isprintable() else " " for c in text).strip()
        return (text if len(text) <= most else f"{text[: most - 1]}…") or None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
