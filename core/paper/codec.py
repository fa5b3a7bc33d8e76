"""State rows and block events as JSON and back, exactly. Used by whatever outlives the process."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import Any, Final

from core.paper import happenings, state

_TYPES: Final[dict[str, type[Any]]] = {
    kind.__name__: kind
    for module in (happenings, state)
    for kind in vars(module).values()
    if isinstance(kind, type) and dataclasses.is_dataclass(kind)
}
_KIND: Final = "~"


def encode(value: object) -> str:
    """JSON of integers, strings, bytes, times, tuples and this room's dataclasses."""
    return json.dumps(_plain(value), separators=(",", ":"))


def decode(text: str) -> Any:
    """What `encode` was given. Raises KeyError or TypeError for JSON of another version."""
    return _rich(json.loads(text))


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, bytes):
        return {_KIND: "bytes", "hex": value.hex()}
    if isinstance(value, dt.datetime):
        return {_KIND: "time", "iso": value.isoformat()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and type(value).__name__ in _TYPES:
        fields = dataclasses.fields(value)
        return {_KIND: type(value).__name__} | {
            field.name: _plain(getattr(value, field.name)) for field in fields
        }
    raise TypeError(f"{type(value).__name__} has no stored form")


def _rich(value: object) -> Any:
    if isinstance(value, list):
        return tuple(_rich(item) for item in value)
    if not isinstance(value, dict):
        return value
    if value[_KIND] == "bytes":
        return bytes.fromhex(value["hex"])
    if value[_KIND] == "time":
        return dt.datetime.fromisoformat(value["iso"])
    kind = _TYPES[value[_KIND]]
    return kind(**{name: _rich(item) for name, item in value.items() if name != _KIND})
