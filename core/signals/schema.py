"""The grammar as JSON Schema (2020-12), made from the tables that the parser reads.

It says what a schema can say: names, words, forms of values, and which fields go together. What
needs more (a time that is ahead, fractions that sum up to more than 1, a symbol that is not listed)
the parser refuses.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from core.signals.fields import (
    BELOW_STOP,
    BELOW_TARGET,
    MAX_LEVERAGE,
    MAX_SYMBOL,
    MAX_TARGETS,
    SECRET_FIELD,
    SIZES,
    TABLE,
    WORDS,
    ZERO_WHEN_FLAT,
    Field,
    Kind,
)
from core.signals.grammar_levels import BREAK_EVEN_KEYS, LEVEL_KEYS, SHARE_KEY, TRAILING_KEYS

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_DIGITS: Final = r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_ZERO: Final = r"^\s*0(?:\.0+)?(?:[eE][+-]?[0-9]+)?\s*%?\s*$"
_ZERO_TEXT: Final = r"^\s*-?0(?:\.0+)?(?:[eE][+-]?[0-9]+)?\s*$"
_POSITIVE_TEXT: Final = {"pattern": rf"^\s*{_DIGITS}\s*$", "not": {"pattern": _ZERO}}
_PERCENT_TEXT: Final = {"pattern": rf"^\s*{_DIGITS}\s*%\s*$", "not": {"pattern": _ZERO}}
_EITHER_TEXT: Final = {"pattern": rf"^\s*{_DIGITS}\s*%?\s*$", "not": {"pattern": _ZERO}}
_TIME_TEXT: Final = (
    r"^\s*(?:[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"\s?(?:Z|z|[+-][0-9]{2}(?::?[0-9]{2})?)?|[0-9]{10}|[0-9]{13})\s*$"
)
_DURATION_TEXT: Final = r"^\s*[0-9]{1,8}\s?[sSmMhHdD]?\s*$"
_POSITION_FIELDS: Final = (
    "market_position_size",
    "prev_market_position",
    "prev_market_position_size",
)


@cache
def alert_schema() -> Schema:
    """The schema of an alert's body in our own grammar."""
    fields: Schema = {
        SECRET_FIELD: {"type": "string", "minLength": 1, "description": "The secret."}
    }
    for field in TABLE:
        more = [] if field.name == "symbol" else [{"type": "null"}]
        if field.name in ZERO_WHEN_FLAT:
            more.append(_ref("zero"))
        form: Schema = {"anyOf": [*_forms(field), *more]}
        fields[field.name] = {"description": field.about, **form}
    return {
        "$schema": DIALECT,
        "title": "Perpgram alert",
        "description": "The body of POST /api/webhooks/signal/{webhook_uuid}. A field that is "
        "null counts as absent.",
        "type": "object",
        "required": [SECRET_FIELD, "symbol"],
        "additionalProperties": False,
        "properties": fields,
        "allOf": list(_rules()),
        "$defs": _definitions(),
        "examples": list(examples()),
    }


def examples() -> Iterable[Schema]:
    """Bodies that are accepted, from the smallest on."""
    smallest = {SECRET_FIELD: "…", "symbol": "BTCUSDT.P"}
    yield {**smallest, "action": "buy"}
    yield {**smallest, "action": "sell", "market_position": "flat", "contracts": "0.5"}
    yield {
        **smallest,
        "action": "long",
        "risk_percent": 1,
        "stop_loss": "2%",
        "take_profit": [{"percent": 2, SHARE_KEY: "50%"}, {"price": 99000}],
        "trailing": {"activation": "2%", "distance": "1%"},
        "break_even": True,
    }
    yield {**smallest, "action": "buy", "type": "limit", "price": 60000, "expires": "12h"}
    yield {**smallest, "action": "close", "size": "50%"}
    yield {**smallest, "market_position": "short", "market_position_size": "0.2", "sync": True}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _forms(field: Field) -> list[Schema]:
    """What may stand in a field, but null."""
    match field.kind:
        case Kind.TEXT if field.name == "symbol":
            return [{"type": "string", "maxLength": MAX_SYMBOL + 16, "pattern": r"\S"}]
        case Kind.TEXT:
            return [{"type": "string"}, {"type": "number"}]
        case Kind.WORD:
            return [_words(WORDS[field.name])]
        case Kind.AMOUNT if field.name == "leverage":
            return [{"allOf": [_ref("amount"), _most(str(MAX_LEVERAGE))]}]
        case Kind.AMOUNT:
            return [_ref("amount")]
        case Kind.COUNT:
            return [{"type": "number"}, {"type": "string", "pattern": rf"^\s*-?{_DIGITS}\s*$"}]
        case Kind.SIZE:
            return [_ref("amount"), {"type": "string", **_PERCENT_TEXT}]
        case Kind.PERCENT:
            return [_above_zero(), {"type": "string", **_EITHER_TEXT}]
        case Kind.DURATION:
            return [
                {"type": "integer", "minimum": 60, "maximum": 90 * 86_400},
                {"type": "string", "pattern": _DURATION_TEXT},
            ]
        case Kind.TIME:
            return [
                {"type": "integer", "minimum": 10**9, "maximum": 10**13 - 1},
                {"type": "string", "pattern": _TIME_TEXT},
            ]
        case Kind.FLAG:
            return [{"type": "boolean"}, _words(("true", "false"))]
        case Kind.LEVEL:
            return [_ref("stop")]
        case Kind.TARGETS:
            listed = {"type": "array", "minItems": 1, "maxItems": MAX_TARGETS}
            return [_ref("target"), {**listed, "items": _ref("target")}]
        case Kind.TRAILING:
            return [_ref("distance"), _object(TRAILING_KEYS)]
        case Kind.BREAK_EVEN:
            return [
                {"type": "boolean"},
                _words(("true", "false")),
                _ref("level"),
                _object(BREAK_EVEN_KEYS),
            ]


def _definitions() -> Schema:
    return {
        "amount": {"anyOf": [_above_zero(), {"type": "string", **_POSITIVE_TEXT}]},
        "zero": {"anyOf": [{"const": 0}, {"type": "string", "pattern": _ZERO_TEXT}]},
        "stop": _level(str(BELOW_STOP), LEVEL_KEYS),
        "level": _level(str(BELOW_TARGET), LEVEL_KEYS),
        "distance": {
            "anyOf": [
                {"type": "string", **_PERCENT_TEXT},
                _one_of(LEVEL_KEYS[1:], str(BELOW_STOP)),
            ]
        },
        "target": _level(str(BELOW_TARGET), LEVEL_KEYS, share=True),
    }


def _level(below: str, keys: tuple[str, ...], *, share: bool = False) -> Schema:
    return {
        "anyOf": [
            _above_zero(),
            {"type": "string", **_EITHER_TEXT},
            _one_of(keys, below, share=share),
        ]
    }


def _one_of(keys: tuple[str, ...], below: str, *, share: bool = False) -> Schema:
    """An object with exactly one of these keys."""
    percent = {
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": int(below)},
            {"type": "string", **_EITHER_TEXT},
        ]
    }
    values = {key: percent if key == "percent" else _ref("amount") for key in keys}
    if share:
        values[SHARE_KEY] = {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
                {"type": "string", **_EITHER_TEXT},
            ]
        }
    return {
        "type": "object",
        "properties": {key: {"anyOf": [form, {"type": "null"}]} for key, form in values.items()},
        "additionalProperties": False,
        "oneOf": [_given(key) for key in keys],
    }


def _object(keys: tuple[str, ...]) -> Schema:
    """An object of two parts; a distance alone is one of the other forms."""
    parts = {"activation": "level", "distance": "distance", "at": "level", "beyond": "distance"}
    forms: Schema = {key: {"anyOf": [_ref(parts[key]), {"type": "null"}]} for key in keys}
    if "at" in forms:
        forms["at"]["anyOf"].append({"const": True})
    needed = [_given("distance")] if "distance" in keys else [_given(key) for key in keys]
    return {
        "type": "object",
        "properties": forms,
        "additionalProperties": False,
        "anyOf": needed,
    }


def _rules() -> Iterable[Schema]:
    """Which fields go together."""
    yield {"anyOf": [_given("action"), _given("market_position")]}
    for one, other in itertools.combinations(SIZES, 2):
        yield {"not": {"allOf": [_given(one), _given(other)]}}
    for name in _POSITION_FIELDS:
        yield {"if": _given(name), "then": _given("market_position")}
    yield {"if": _says("sync", ("true",), True), "then": _given("market_position")}
    waits = _says("type", ("limit", "stop"))
    yield {"if": waits, "then": _given("price")}
    for name in ("price", "time_in_force", "expires"):
        yield {"if": _given(name), "then": waits}
    yield {"if": _says("type", ("stop",)), "then": {"not": _given("time_in_force")}}
    yield {"if": _says("time_in_force", ("ioc",)), "then": {"not": _given("expires")}}
    at_market = ("close", "exit", "flat", "reduce", "reverse", "cancel")
    yield {"if": _says("action", at_market), "then": {"not": waits}}
    for word, excluded in (
        ("long", ("short", "flat")),
        ("short", ("long", "flat")),
        ("add", ("flat",)),
        ("reverse", ("flat",)),
    ):
        yield {
            "if": _says("action", (word,)),
            "then": {"not": _says("market_position", excluded)},
        }
    closes = ("close", "exit", "flat")
    for name in ("size", "size_usd", "contracts", "risk_percent"):
        free = ("cancel", *(closes if name == "risk_percent" else ()))
        yield {
            "if": {"allOf": [_given(name), _given("leverage")]},
            "then": _says("action", free),
        }
    reduces = _says("action", ("reduce",))
    yield {"if": reduces, "then": {"not": _given("leverage")}}
    yield {"if": reduces, "then": {"not": _given("risk_percent")}}
    yield {
        "if": {"allOf": [_given("size_percent"), _given("leverage")]},
        "then": {"not": _says("action", closes)},
    }
    for name in ZERO_WHEN_FLAT:
        zero = {"allOf": [_given(name), {"properties": {name: _ref("zero")}}]}
        yield {"if": zero, "then": _says("market_position", ("flat",))}
    share = {"properties": {"size": {"type": "string", "pattern": "%"}}}
    yield {
        "if": {"allOf": [_given("size"), share]},
        "then": _says("action", (*closes, "reduce")),
    }


def _given(name: str) -> Schema:
    """The field is there and not null."""
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


def _says(name: str, words: Iterable[str], also: object = None) -> Schema:
    """The field is there and says one of these words."""
    says = _words(tuple(words))
    if also is not None:
        says = {"anyOf": [says, {"const": also}]}
    return {"required": [name], "properties": {name: says}}


def _words(words: tuple[str, ...]) -> Schema:
    """One of these words in any case, with - or a space for _."""
    ways = "|".join("".join(_any_case(letter) for letter in word) for word in words)
    return {"type": "string", "pattern": rf"^\s*(?:{ways})\s*$"}


def _any_case(letter: str) -> str:
    if letter == "_":
        return "[-_ ]"
    return f"[{letter}{letter.upper()}]" if letter.isalpha() else re.escape(letter)


def _above_zero() -> Schema:
    return {"type": "number", "exclusiveMinimum": 0}


def _most(maximum: str) -> Schema:
    return {"anyOf": [{"type": "string"}, {"type": "number", "maximum": int(maximum)}]}
