"""The part of JSON Schema (2020-12) that our schema uses, to hold bodies against it."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

_ANNOTATIONS = {"$schema", "$defs", "title", "description", "examples"}


def valid(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None) -> bool:
    """Whether a value (numbers as Decimal) fits a schema. Raises KeyError for unknown keywords."""
    root = root or schema
    return all(
        _KEYWORDS[name](value, argument, schema, root)
        for name, argument in schema.items()
        if name not in _ANNOTATIONS
    )


def _type(value: Any, wanted: str) -> bool:
    match wanted:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "string":
            return isinstance(value, str)
        case "number":
            return isinstance(value, Decimal)
        case "integer":
            return isinstance(value, Decimal) and value == value.to_integral_value()
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
    raise KeyError(wanted)


def _ref(value: Any, pointer: str, root: dict[str, Any]) -> bool:
    found: Any = root
    for part in pointer.removeprefix("#/").split("/"):
        found = found[part]
    return valid(value, found, root)


def _if(value: Any, condition: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    return not valid(value, condition, root) or valid(value, schema["then"], root)


def _properties(value: Any, forms: dict[str, Any], root: dict[str, Any]) -> bool:
    return not isinstance(value, dict) or all(
        valid(item, forms[name], root) for name, item in value.items() if name in forms
    )


def _closed(value: Any, schema: dict[str, Any]) -> bool:
    return not isinstance(value, dict) or set(value) <= set(schema["properties"])


def _bound(value: Any, holds: Callable[[Decimal], bool]) -> bool:
    return not isinstance(value, Decimal) or holds(value)


_KEYWORDS: dict[str, Callable[[Any, Any, dict[str, Any], dict[str, Any]], bool]] = {
    "type": lambda value, wanted, *_: _type(value, wanted),
    "const": lambda value, wanted, *_: (
        value == wanted and isinstance(value, bool) == isinstance(wanted, bool)
    ),
    "pattern": lambda value, text, *_: (
        not isinstance(value, str) or re.search(text, value, re.ASCII) is not None
    ),
    "minLength": lambda value, least, *_: not isinstance(value, str) or len(value) >= least,
    "maxLength": lambda value, most, *_: not isinstance(value, str) or len(value) <= most,
    "minItems": lambda value, least, *_: not isinstance(value, list) or len(value) >= least,
    "maxItems": lambda value, most, *_: not isinstance(value, list) or len(value) <= most,
    "minimum": lambda value, least, *_: _bound(value, lambda number: number >= least),
    "maximum": lambda value, most, *_: _bound(value, lambda number: number <= most),
    "exclusiveMinimum": lambda value, least, *_: _bound(value, lambda number: number > least),
    "exclusiveMaximum": lambda value, most, *_: _bound(value, lambda number: number < most),
    "required": lambda value, names, *_: not isinstance(value, dict) or set(names) <= set(value),
    "properties": lambda value, forms, _, root: _properties(value, forms, root),
    "additionalProperties": lambda value, _, schema, __: _closed(value, schema),
    "items": lambda value, form, _, root: (
        not isinstance(value, list) or all(valid(item, form, root) for item in value)
    ),
    "anyOf": lambda value, forms, _, root: any(valid(value, form, root) for form in forms),
    "allOf": lambda value, forms, _, root: all(valid(value, form, root) for form in forms),
    "oneOf": lambda value, forms, _, root: sum(valid(value, form, root) for form in forms) == 1,
    "not": lambda value, form, _, root: not valid(value, form, root),
    "if": _if,
    "then": lambda *_: True,
    "$ref": lambda value, pointer, _, root: _ref(value, pointer, root),
}
