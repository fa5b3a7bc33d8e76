"""Exact shapes of JSON values: every key named, none more, each of its kind.

A shape is a test of one value, a list with the shape of all items, or a dict of keys; a key that
ends in "?" may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kind:
    """A test of one value, with the name that a fault shows."""

    name: str
    fits: Callable[[Any], bool]


@dataclass(frozen=True)
class Each:
    """An object with free keys whose values all have one shape."""

    shape: Any


@dataclass(frozen=True)
class OneOf:
    """A value that has one of several shapes."""

    shapes: tuple[Any, ...]


def _text(name: str, pattern: str) -> Kind:
    compiled = re.compile(pattern)
    return Kind(name, lambda v: isinstance(v, str) and compiled.fullmatch(v) is not None)


TEXT = Kind("text", lambda v: isinstance(v, str))
BOOL = Kind("true or false", lambda v: isinstance(v, bool))
INT = Kind("an integer", lambda v: isinstance(v, int) and not isinstance(v, bool))
FLOAT = Kind("a number", lambda v: isinstance(v, int | float) and not isinstance(v, bool))
NULL = Kind("null", lambda v: v is None)
WHOLE = _text("an integer as text", r"-?\d+")
NUMBER = _text("a number as text", r"-?\d+(\.\d+)?")
MOMENT = _text("a time", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
UUID = _text("a UUID", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
HASH = _text("a hash", r"[0-9A-F]{64}")
HEX = _text("hexadecimal", r"[0-9a-f]+")
ADDRESS = _text("an address", r"dydx1[0-9a-z]{38,58}")
ANY = Kind("anything", lambda v: True)


def words(*allowed: str) -> Kind:
    """One of these words."""
    return Kind(f"one of {', '.join(allowed)}", lambda v: v in allowed)


def maybe(shape: Any) -> OneOf:
    """The shape, or null."""
    return OneOf((NULL, shape))


def faults(shape: Any, value: Any, at: str = "") -> Iterator[str]:
    """What is wrong with a value, one line each."""
    here = at or "the body"
    if isinstance(shape, Kind):
        if not shape.fits(value):
            yield f"{here} was {str(value)[:60]!r}, not {shape.name}"
    elif isinstance(shape, OneOf):
        found = [list(faults(one, value, at)) for one in shape.shapes]
        if all(found):
            yield min(found, key=len)[0]
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{here} was no list"
            return
        for at_index, item in enumerate(value):
            yield from faults(shape[0], item, f"{at}[{at_index}]")
    elif isinstance(shape, tuple):
        if not isinstance(value, list) or len(value) != len(shape):
            yield f"{here} was no list of {len(shape)}"
            return
        for index, (one, item) in enumerate(zip(shape, value, strict=True)):
            yield from faults(one, item, f"{at}[{index}]")
    elif not isinstance(value, dict):
        yield f"{here} was no object"
    elif isinstance(shape, Each):
        for key, item in value.items():
            yield from faults(shape.shape, item, f"{at}.{key}".lstrip("."))
    else:
        yield from _object(shape, value, at, here)


def _object(shape: dict[str, Any], value: dict[str, Any], at: str, here: str) -> Iterator[str]:
    named = {key.rstrip("?"): (one, key.endswith("?")) for key, one in shape.items()}
    for key in value.keys() - named.keys():
        yield f"{here} had an unknown field {key}"
    for key, (one, optional) in named.items():
        if key in value:
            yield from faults(one, value[key], f"{at}.{key}".lstrip("."))
        elif not optional:
            yield f"{here} lacked {key}"
