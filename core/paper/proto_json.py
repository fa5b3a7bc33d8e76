"""Messages as the base framework's gateway writes them in JSON: all fields with their own names,
64-bit integers as text, amounts and fractions in decimal.
"""

from __future__ import annotations

import base64
from typing import Any, Final

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message
from v4_proto.gogoproto import gogo_pb2

Json = dict[str, Any]
_TEXTS: Final = ("google.protobuf.Timestamp", "google.protobuf.Duration")
_ANY: Final = "google.protobuf.Any"
_INTEGERS: Final = "SerializableInt"
_FRACTIONS: Final = "LegacyDec"
_PLACES: Final = 18


def rendered(message: Message) -> Json:
    """A message as JSON. A member that may be absent and is, is null."""
    answer: Json = {}
    for field in message.DESCRIPTOR.fields:
        choice = field.containing_oneof
        if choice is not None and not message.HasField(field.name):
            continue
        value = getattr(message, field.name)
        if field.is_repeated:
            answer[field.name] = _repeated(field, value)
        elif field.message_type is None:
            answer[field.name] = _scalar(field, value)
        elif message.HasField(field.name) or not _nullable(field):
            answer[field.name] = _message(value)
        else:
            answer[field.name] = None
    return answer


def _repeated(field: Any, values: Any) -> Any:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        member = kind.fields_by_name["value"]
        is_message = member.message_type is not None
        return {
            str(key): _message(values[key]) if is_message else _scalar(member, values[key])
            for key in sorted(values)
        }
    if kind is not None:
        return [_message(value) for value in values]
    return [_scalar(field, value) for value in values]


def _message(value: Any) -> Any:
    name = value.DESCRIPTOR.full_name
    if name in _TEXTS:
        return value.ToJsonString()
    if name == _ANY:
        return _packed(value)
    return rendered(value)


def _packed(value: Any) -> Json | None:
    if not value.type_url:
        return None
    try:
        kind = descriptor_pool.Default().FindMessageTypeByName(value.type_url.rpartition("/")[2])
        inner = message_factory.GetMessageClass(kind).FromString(value.value)
    except (KeyError, DecodeError):
        return {"@type": value.type_url, "value": base64.b64encode(value.value).decode()}
    return {"@type": value.type_url} | rendered(inner)


def _nullable(field: Any) -> bool:
    options = field.GetOptions()
    if not options.HasExtension(gogo_pb2.nullable):
        return True
    return bool(options.Extensions[gogo_pb2.nullable])


def _scalar(field: Any, value: Any) -> Any:
    custom = str(field.GetOptions().Extensions[gogo_pb2.customtype])
    if field.type == field.TYPE_BYTES:
        if custom.endswith(_INTEGERS):
            return str(_integer(value))
        return base64.b64encode(value).decode() or None
    if field.type == field.TYPE_ENUM:
        known = field.enum_type.values_by_number.get(value)
        return value if known is None else known.name
    if field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64):
        return str(value)
    if custom.endswith(_FRACTIONS):
        return _fraction(value)
    return value


def _integer(value: bytes) -> int:
    """The chain's SerializableInt: the first byte's lowest bit is the sign."""
    magnitude = int.from_bytes(value[1:], "big")
    return -magnitude if value[:1] == b"\x03" else magnitude


def _fraction(text: str) -> str:
    """A fraction counts 10^-18 on the wire."""
    digits = (text or "0").removeprefix("-").rjust(_PLACES + 1, "0")
    sign = "-" if text.startswith("-") else ""
    return f"{sign}{digits[:-_PLACES]}.{digits[-_PLACES:]}"
