"""Reads an alert's body: one strict JSON object, or a fault that says where and how to cure it.

Stricter than JSON where leniency could cost money: no NaN or Infinity, numbers of bounded length
kept as Decimal, no field twice, no more than `MAX_DEPTH` levels, no lone surrogates and no NUL.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, NamedTuple

from core.signals import mistakes
from core.signals.faults import AlertFault
from core.signals.masking import excerpt_at, safe_name

__all__ = [
    "MAX_BODY",
    "MAX_DEPTH",
    "AlertFault",
    "AlertObject",
    "Place",
    "number_of",
    "read_object",
]

MAX_BODY = 8192
MAX_DEPTH = 8
MAX_NUMBER_CHARACTERS = 64
MAX_EXPONENT = 30

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NUMBER_LIKE = re.compile(r"[-+.0-9][-+._%0-9a-zA-Z]*")
_BAD_CHARACTER = re.compile("[\x00\ud800-\udfff]")
_WORD = re.compile(r"(?:true|false|null)\b")
_WORDS = {"true": True, "false": False, "null": None}


class Place(NamedTuple):
    """Where something stands in the body; line and column count from 1, in characters."""

    line: int
    column: int
    offset: int


class AlertObject(dict[str, Any]):
    """The fields of a body, and where each value stands."""

    def __init__(self, fields: dict[str, Any], places: dict[str, Place], text: str) -> None:
        super().__init__(fields)
        self.places = places
        self._text = text

    def excerpt(self, field: str) -> str:
        """The part of the body around a field's value, with all that may be a secret masked."""
        place = self.places.get(field)
        return excerpt_at(self._text, place.offset) if place else ""

    def __repr__(self) -> str:
        return f"AlertObject(fields={[safe_name(name) for name in self]})"


def read_object(raw: bytes) -> AlertObject:
    """The body as a strict JSON object; a UTF-8 byte order mark is passed over.

    Numbers are Decimal. Raises AlertFault for everything else; nothing in it shows a secret.
    """
    if len(raw) > MAX_BODY:
        raise AlertFault(
            "too_large",
            f"The body is longer than {MAX_BODY} bytes.",
            "Shorten the alert's message.",
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise AlertFault(
            "not_utf8",
            "The body is not UTF-8 text.",
            "Send the message as UTF-8; TradingView does so by itself.",
        ) from None
    return _Reader(text).read()


def number_of(text: str) -> Decimal | None:
    """A number as JSON writes it, exact and without an exponent; None if it is not one.

    At most 64 characters and magnitudes between 1e-30 and 1e30, so that no later step can be made
    to work on a million digits.
    """
    if len(text) > MAX_NUMBER_CHARACTERS or _NUMBER.fullmatch(text) is None:
        return None
    _, _, exponent = text.lower().partition("e")
    if exponent and len(exponent.lstrip("+-").lstrip("0")) > 2:
        return None
    value = Decimal(text)
    if value.is_zero():
        return Decimal(0)
    if abs(value.adjusted()) > MAX_EXPONENT:
        return None
    return Decimal(format(value, "f"))


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._path: list[str] = []
        self._places: dict[str, Place] = {}

    def read(self) -> AlertObject:
        self._skip_space()
        if self._at == len(self._text):
            raise AlertFault(
                "empty",
                "The body is empty.",
                "Paste the strategy's message into the alert.",
            )
        if self._peek() != "{":
            raise self._fault_here(mistakes.at_start(self._text, self._at))
        fields = self._object(depth=1)
        self._skip_space()
        if self._at < len(self._text):
            raise self._fault_here(mistakes.after_end(self._text, self._at))
        return AlertObject(fields, self._places, self._text)

    def _object(self, depth: int) -> dict[str, Any]:
        self._check_depth(depth)
        fields: dict[str, Any] = {}
        self._at += 1
        self._skip_space()
        if self._peek() == "}":
            self._at += 1
            return fields
        while True:
            self._skip_space()
            at = self._at
            if self._peek() != '"':
                raise self._fault_here(mistakes.at_name(self._text, at))
            name = self._string()
            if name in fields:
                raise self._fault(
                    mistakes.Mistake(
                        "duplicate_field",
                        f"The field {safe_name(name)} is there twice.",
                        "Keep one of them.",
                    ),
                    at,
                    name,
                )
            self._skip_space()
            if self._peek() != ":":
                raise self._fault(mistakes.at_colon(self._text, self._at), self._at, name)
            self._at += 1
            self._skip_space()
            self._path.append(name)
            if depth == 1:
                self._places[name] = self._place(self._at)
            fields[name] = self._value(depth)
            self._path.pop()
            self._skip_space()
            if self._ends("}"):
                return fields

    def _array(self, depth: int) -> list[Any]:
        self._check_depth(depth)
        values: list[Any] = []
        self._at += 1
        self._skip_space()
        if self._peek() == "]":
            self._at += 1
            return values
        while True:
            self._skip_space()
            values.append(self._value(depth))
            self._skip_space()
            if self._ends("]"):
                return values

    def _ends(self, bracket: str) -> bool:
        """Passes over a comma (False) or the closing bracket (True)."""
        found = self._peek()
        if found == bracket:
            self._at += 1
            return True
        if found != ",":
            raise self._fault_here(mistakes.at_end(self._text, self._at, bracket))
        comma = self._at
        self._at += 1
        self._skip_space()
        if self._peek() == bracket:
            raise self._fault_here(mistakes.TRAILING_COMMA, comma)
        return False

    def _value(self, depth: int) -> Any:
        found = self._peek()
        if found == '"':
            return self._string()
        if found == "{":
            if self._text.startswith("{{", self._at):
                raise self._fault_here(mistakes.at_value(self._text, self._at))
            return self._object(depth + 1)
        if found == "[":
            return self._array(depth + 1)
        word = _WORD.match(self._text, self._at)
        if word is not None:
            self._at = word.end()
            return _WORDS[word.group()]
        like = _NUMBER_LIKE.match(self._text, self._at)
        if like is not None:
            return self._number(like.group())
        raise self._fault_here(mistakes.at_value(self._text, self._at))

    def _number(self, token: str) -> Decimal:
        value = number_of(token)
        if value is None:
            mistake = mistakes.number(token, well_formed=_NUMBER.fullmatch(token) is not None)
            raise self._fault_here(mistake)
        self._at += len(token)
        return value

    def _string(self) -> str:
        match = _STRING.match(self._text, self._at)
        if match is None:
            offset, mistake = mistakes.in_string(self._text, self._at)
            raise self._fault_here(mistake, offset)
        token = match.group()
        value = str(json.loads(token)) if "\\" in token else token[1:-1]
        if _BAD_CHARACTER.search(value):
            raise self._fault_here(mistakes.BAD_CHARACTER)
        self._at = match.end()
        return value

    def _check_depth(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise self._fault_here(
                mistakes.Mistake(
                    "too_deep",
                    f"The body has more than {MAX_DEPTH} levels of brackets.",
                    "An alert needs no more than two.",
                )
            )

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip_space(self) -> None:
        match = _SPACE.match(self._text, self._at)
        assert match is not None
        self._at = match.end()

    def _fault_here(self, mistake: mistakes.Mistake, offset: int | None = None) -> AlertFault:
        return self._fault(
            mistake,
            self._at if offset is None else offset,
            ".".join(self._path) if self._path else None,
        )

    def _fault(self, mistake: mistakes.Mistake, offset: int, field: str | None) -> AlertFault:
        place = self._place(offset)
        return AlertFault(
            mistake.code,
            mistake.text,
            mistake.cure,
            line=place.line,
            column=place.column,
            field=None if field is None else safe_name(field),
            excerpt=excerpt_at(self._text, offset),
        )

    def _place(self, offset: int) -> Place:
        line_start = self._text.rfind("\n", 0, offset) + 1
        return Place(self._text.count("\n", 0, offset) + 1, offset - line_start + 1, offset)
