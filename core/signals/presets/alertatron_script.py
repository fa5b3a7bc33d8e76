"""The script in an alert for Alertatron: `Keys(SYMBOL) { command(name=value, …); … } #bot`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from core.signals.presets.common import fault, several_orders, unsupported
from core.signals.presets.texts import decimal_of, filled, lines_of

# Possessive, and only from where a word begins: no body may take long to be turned away.
_BLOCK = re.compile(
    r"(?<![\w.\-])(?P<keys>[\w.\-]++)\s*+\((?P<symbol>[^(){}]*+)\)\s*+\{(?P<body>[^{}]*+)\}"
)
_COMMAND = re.compile(r"[\s;]*+(?P<name>[A-Za-z]\w*+)\s*+\((?P<inside>[^()]*+)\)[\s;]*+")
# The mark #bot is none.
_COMMENT = re.compile(r"(?:^|(?<=\s))(?:#(?!bot\b)|//)[^\n]*")
_VALUE = re.compile(r"(?P<at>@?)(?P<entry>e?)(?P<number>[+-]?[0-9.]+)(?P<unit>%%|%[abpe]?|)", re.I)
_PLACEHOLDERS = re.compile(r"\{\{([^{}]*)\}\}")
# Older names of the same commands.
_NAMES: Final = {
    "marketorder": "market",
    "limitorder": "limit",
    "stopmarket": "stop_loss",
    "stopmarketorder": "stop_loss",
    "stoporder": "stop_loss",
    "stoploss": "stop_loss",
    "stop_loss": "stop_loss",
    "takeprofit": "take_profit",
    "take_profit": "take_profit",
    "takeprofitorder": "take_profit",
    "stoportakeprofitorder": "stoportakeprofit",
    "trailingstoporder": "trailingstop",
    "cancelorders": "cancel",
}


@dataclass(frozen=True)
class Value:
    """A number in a script: absolute (`@`), from the entry (`e`), and what it counts."""

    number: Decimal
    unit: str
    absolute: bool = False
    entry: bool = False


@dataclass(frozen=True)
class Command:
    """A command and its arguments, both in lower case."""

    name: str
    arguments: Mapping[str, str]

    def text(self, *names: str) -> str | None:
        """An argument, in lower case."""
        for name in names:
            value = self.arguments.get(name)
            if value is not None:
                return filled(value, f"{self.name}.{name}").casefold()
        return None

    def value(self, *names: str) -> Value | None:
        """A number among the arguments."""
        text = self.text(*names)
        return None if text is None else _value(text, f"{self.name}.{names[0]}")

    def flag(self, name: str) -> bool | None:
        """true or false; None where it is absent."""
        text = self.text(name)
        return None if text is None else text in ("true", "1", "yes")


@dataclass(frozen=True)
class Block:
    """The commands for one market, and the name of the keys, which often names the exchange."""

    keys: str
    symbol: str
    commands: list[Command]


def block_of(text: str) -> Block:
    """The one block in a text. Raises AlertFault."""
    text = _COMMENT.sub("", _spared(lines_of(text)))
    blocks = list(_BLOCK.finditer(text))
    if not blocks:
        raise fault(
            "script_invalid",
            "The body holds no script.",
            "Write like: MyKeys(BTCUSD) { market(side=buy, amount=0.1); } #bot",
        )
    if len(blocks) > 1:
        raise several_orders(f"{len(blocks)} blocks of commands")
    one = blocks[0]
    return Block(one["keys"], _restored(one["symbol"]).strip(), _commands(one["body"]))


def is_script(text: str) -> bool:
    """Whether a text has the shape of a script."""
    return _BLOCK.search(_COMMENT.sub("", _spared(lines_of(text)))) is not None


def _spared(text: str) -> str:
    """Placeholders that were not filled in must not look like a block's braces."""
    return _PLACEHOLDERS.sub(lambda match: f"\x01{match[1]}\x02", text)


def _restored(text: str) -> str:
    return text.replace("\x01", "{{").replace("\x02", "}}")


def _commands(body: str) -> list[Command]:
    found: list[Command] = []
    at = 0
    while body[at:].strip(" \t\r\n;"):
        match = _COMMAND.match(body, at)
        if match is None:
            raise fault(
                "script_invalid",
                "A command of the script cannot be read.",
                "Write each like market(side=buy, amount=0.1);",
            )
        name = match["name"].casefold()
        found.append(Command(_NAMES.get(name, name), _arguments(match["inside"], name)))
        at = match.end()
    return found


def _arguments(inside: str, name: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for part in inside.split(","):
        if not part.strip():
            continue
        key, sign, value = part.partition("=")
        key = key.strip().casefold() if sign else f"#{len(given)}"
        value = _restored((value if sign else part).strip().strip("\"'"))
        if key in given:
            raise fault(
                "duplicate_field",
                f"An argument of {name} is there twice.",
                "Keep one of them.",
                field=name,
            )
        given[key] = value
    return given


def _value(text: str, field: str) -> Value:
    match = _VALUE.fullmatch(text.replace(" ", ""))
    if match is None:
        raise fault(
            "argument_invalid",
            "An argument is not a number that can be read.",
            "Write like 100, 5%, 50%p or @42000.",
            field=field,
        )
    unit = match["unit"].casefold()
    if unit == "%e":
        raise unsupported("Percent of an entry cannot be had.", "Write like 5%.", field=field)
    return Value(
        decimal_of(match["number"], field),
        {"": "", "%": "%", "%b": "%", "%%": "%", "%a": "%", "%p": "%p"}[unit],
        absolute=bool(match["at"]),
        entry=bool(match["entry"]),
    )
