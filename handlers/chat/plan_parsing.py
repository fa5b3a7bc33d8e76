"""What people type for the levels of an open position's plan: prices, or distances in percent.

A distance is of the average entry and follows it; it lies on the side that its level belongs to,
whatever sign was typed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from core.signals.alert import BreakEven, Level, Trailing
from core.trading.views import PositionView
from handlers.chat.parsing import Unreadable, level, number, percent

_TARGET = re.compile(r"(?P<level>\S+)(?:\s+(?P<share>[^\s%]+)\s*%)?")
_TRAILING = re.compile(
    r"(?P<distance>\S+)(?:\s+(?:after|from|at)\s+(?P<start>\S+))?", re.IGNORECASE
)
_BREAK_EVEN = re.compile(r"(?:at\s+)?(?P<at>[^\s+]+)(?:\s*\+\s*(?P<beyond>\S+))?", re.IGNORECASE)
_FIRST_TARGET: Final = frozenset({"target", "first", "tp1"})


@dataclass(frozen=True)
class Asked:
    """A level and, of a target, the fraction that it closes."""

    level: Level
    fraction: Decimal | None = None


def stop_level(text: str, position: PositionView) -> Level:
    """Raises Unreadable."""
    return _level(text.strip(), position, stop=True)


def target_level(text: str, position: PositionView) -> Asked:
    """A level, and its share where one is given: 66,000 50%. Raises Unreadable."""
    found = _TARGET.fullmatch(text.strip())
    if found is None:
        raise Unreadable("Send a price or a distance, and if you like a share, like 3% 50%.")
    share = None if found["share"] is None else percent(found["share"]) / 100
    if share is not None and share > 1:
        raise Unreadable("A target closes at most 100 %.")
    return Asked(_level(found["level"], position, stop=False), share)


def trailing_rule(text: str, position: PositionView) -> Trailing:
    """A distance, and where it begins: 1.5%, 200 after 66,000. Raises Unreadable."""
    found = _TRAILING.fullmatch(text.strip())
    if found is None:
        raise Unreadable("Write it like 1%, or 1% after 2%.")
    start = found["start"]
    return Trailing(
        _distance(found["distance"], position),
        None if start is None else _level(start, position, stop=False),
    )


def break_even_rule(text: str, position: PositionView) -> BreakEven:
    """When the stop goes to the entry, and how far past it: 1%, 66,000 + 0.1%, target. Raises
    Unreadable.
    """
    found = _BREAK_EVEN.fullmatch(text.strip())
    if found is None:
        raise Unreadable("Write it like 1%, 1% + 0.1% or target.")
    first = found["at"].lower() in _FIRST_TARGET
    at = None if first else _level(found["at"], position, stop=False)
    beyond = None if found["beyond"] is None else _distance(found["beyond"], position)
    return BreakEven(at, beyond)


def _level(text: str, position: PositionView, *, stop: bool) -> Level:
    price = level(
        text,
        entry=position.entry_price,
        tick=position.tick_size,
        long=position.side == "LONG",
        stop=stop,
    )
    return Level(percent=percent(text)) if text.endswith("%") else Level(price=price)


def _distance(text: str, position: PositionView) -> Level:
    if text.endswith("%"):
        share = percent(text)
        if share >= 100:
            raise Unreadable("A distance is less than the whole price.")
        return Level(percent=share)
    away = number(text, grouped=True)
    if away >= position.entry_price:
        raise Unreadable("A distance is less than the whole price.")
    return Level(offset=away)
