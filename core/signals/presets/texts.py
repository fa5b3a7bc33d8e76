"""Bodies that are no JSON: the secret in them, and levels and sizes as texts write them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from core.signals.fields_reader import number_in
from core.signals.masking import safe_name
from core.signals.placeholders import cure_of, placeholder_in
from core.signals.presets.common import fault

_SECRET = re.compile(
    r"(?P<before>^|[\s;,|&#])secret\s*+=\s*+(?P<quote>[\"']?)(?P<value>[^\s;,|&\"'(){}]++)(?P=quote)",
    re.IGNORECASE,
)
_ESCAPED_LINE = re.compile(r"\\r\\n|\\n|\r\n|\r")
TEMPLATE_MARK: Final = "secret="


def text_secret(text: str) -> str | None:
    """What stands behind `secret=` in a text."""
    match = _SECRET.search(text)
    return None if match is None else match["value"]


def without_secret(text: str) -> str:
    """The same text without its `secret=…`."""
    return _SECRET.sub(lambda match: match["before"], text)


def lines_of(text: str) -> str:
    """The same text with every way to write the end of a line as one."""
    return _ESCAPED_LINE.sub("\n", text)


def filled(value: str, field: str) -> str:
    """The same value, if TradingView filled in what it should."""
    left = placeholder_in(value)
    if left is not None:
        raise fault(
            "placeholder_left",
            f"{safe_name(left)} was not replaced by TradingView.",
            cure_of(left),
            field=field,
        )
    return value


def decimal_of(text: str, field: str, *, cure: str = "Write a number like 0.05.") -> Decimal:
    """A number in a text; a plus sign before it is passed over."""
    number = number_in(text.strip().removeprefix("+"))
    if number is None:
        raise fault(f"{field.casefold()}_invalid", f"{field} is not a number.", cure, field=field)
    return number
