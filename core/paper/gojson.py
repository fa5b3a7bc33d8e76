"""The list of parts in an authenticator's configuration, read as the chain's own JSON reader does.

A part's configuration is base64 text or an array of whole numbers; names are taken in any case,
unknown ones are ignored, null leaves a value empty. Source: docs/protocol.md, authenticators.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

_PART: Final = "SubAuthenticatorInitData"
_LIST: Final = f"[]types.{_PART}"


class Unreadable(Exception):
    """The bytes were not what the chain expects; the text is the reader's complaint."""


@dataclass(frozen=True)
class Part:
    """Type and configuration of one part."""

    kind: str = ""
    config: bytes = b""


class _Object(list[tuple[str, Any]]):
    """An object's members in order, doubles included."""


def read_parts(data: bytes) -> list[Part]:
    """The parts of an AllOf or AnyOf. Raises Unreadable."""
    text = data.decode("utf-8", "replace")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_Object,
            parse_constant=_no_constant,
            parse_int=_whole,
            parse_float=Decimal,
        )
    except json.JSONDecodeError as error:
        raise Unreadable(_syntax(text, error)) from error
    except RecursionError as error:
        raise Unreadable("exceeded max depth") from error
    if value is None:
        return []
    if isinstance(value, _Object) or not isinstance(value, list):
        raise Unreadable(f"json: cannot unmarshal {_name(value)} into Go value of type {_LIST}")
    return [_part(item) for item in value]


def _part(value: Any) -> Part:
    if value is None:
        return Part()
    if not isinstance(value, _Object):
        raise Unreadable(
            f"json: cannot unmarshal {_name(value)} into Go value of type types.{_PART}"
        )
    kind, config = "", b""
    for name, member in value:
        if member is None:
            continue
        if name.lower() == "type":
            if not isinstance(member, str):
                raise _mistyped(member, "type", "string")
            kind = member
        elif name.lower() == "config":
            config = _config(member)
    return Part(kind, config)


def _config(value: Any) -> bytes:
    if isinstance(value, str):
        return _base64(value)
    if isinstance(value, _Object) or not isinstance(value, list):
        raise _mistyped(value, "config", "[]uint8")
    return bytes(_byte(item) for item in value)


def _byte(value: Any) -> int:
    """One byte; the chain takes null for 0."""
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _mistyped(value, "config", "uint8")
    if isinstance(value, Decimal) or not 0 <= value <= 255:
        raise Unreadable(
            f"json: cannot unmarshal number {value} into Go struct field {_PART}.config of type "
            "uint8"
        )
    return value


def _base64(text: str) -> bytes:
    plain = text.replace("\r", "").replace("\n", "")
    try:
        return base64.b64decode(plain.encode(), validate=True)
    except (ValueError, binascii.Error) as error:
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        bad = next((at for at, one in enumerate(plain) if one not in alphabet), len(plain))
        at = bad if bad < len(plain) or not len(plain) % 4 else len(plain) // 4 * 4
        raise Unreadable(f"illegal base64 data at input byte {at}") from error


def _mistyped(value: Any, field: str, wanted: str) -> Unreadable:
    return Unreadable(
        f"json: cannot unmarshal {_name(value)} into Go struct field {_PART}.{field} of type "
        f"{wanted}"
    )


def _name(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, _Object):
        return "object"
    return "array" if isinstance(value, list) else "number"


def _whole(text: str) -> int:
    """A minus sign is refused where a byte is wanted, even before zero."""
    return -1 if text == "-0" else int(text)


def _no_constant(name: str) -> None:
    raise json.JSONDecodeError("not a value", name, 0)


def _syntax(text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text) or error.msg.startswith("Unterminated"):
        return "unexpected end of JSON input"
    character = _character(text[error.pos])
    if error.msg.startswith("Extra"):
        return f"invalid character {character} after top-level value"
    return f"invalid character {character} looking for beginning of value"


def _character(one: str) -> str:
    return "'\\''" if one == "'" else f"'{one}'"
