"""What people type into conversations, read strictly: money is never guessed at."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Final

_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,12})?")
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:,\d{3}){1,3}(?:\.\d{1,12})?")
_NOTHING: Final = frozenset({"none", "no", "off", "-", "–"})


class Unreadable(Exception):
    """What was typed cannot be used; the text is a sentence for the one who typed it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def is_nothing(text: str) -> bool:
    """Whether the answer is that there shall be no value."""
    return text.strip().lower() in _NOTHING


def number(text: str, *, grouped: bool = False) -> Decimal:
    """A plain positive decimal: 0.015, 64212; with `grouped` also 64,212.5. Raises Unreadable."""
    bare = text.strip()
    if grouped and _GROUPED.fullmatch(bare):
        bare = bare.replace(",", "")
    if not bare.isascii() or not _NUMBER.fullmatch(bare):
        if re.fullmatch(r"\d+,\d+", bare):
            raise Unreadable("Write decimals with a point, like 0.5.")
        raise Unreadable("That is not a plain number.")
    value = Decimal(bare)
    if value <= 0:
        raise Unreadable("The number must be above zero.")
    return value


def percent(text: str) -> Decimal:
    """A percentage, with or without its sign. Raises Unreadable."""
    return number(text.strip().removesuffix("%").strip().lstrip("+-−"))


def level(text: str, *, entry: Decimal, tick: Decimal, long: bool, stop: bool) -> Decimal:
    """The price that an answer names: a price, or a percentage of the entry away from it.

    A stop lies on the losing side and a target on the winning side, whatever sign was typed. A
    percentage is rounded to the nearest tick; a price must be on one. Raises Unreadable.
    """
    bare = text.strip()
    if not bare.endswith("%"):
        return number(bare, grouped=True)
    share = percent(bare) / 100
    if long == stop and share >= 1:
        raise Unreadable("That leads to a price of zero or below.")
    with localcontext() as context:
        context.prec = 60
        price = entry * (1 - share if long == stop else 1 + share)
        ticks = (price / tick).to_integral_value(rounding=ROUND_HALF_EVEN)
        return max(ticks, Decimal(1)) * tick
