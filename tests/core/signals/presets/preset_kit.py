"""Reads bodies of other platforms and says in one line what becomes of a position."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest

from core.signals.alert import Alert, Level, Size, SizeUnit, TakeProfit
from core.signals.body import open_body
from core.signals.faults import AlertFault
from core.signals.meaning import Situation, meaning_of

NOW = dt.datetime(2026, 1, 31, 12, 0, 5, tzinfo=dt.UTC)
FIVE_S_AGO = dt.datetime(2026, 1, 31, 12, 0, tzinfo=dt.UTC)
SECRET = "k7Jd0PqLx3-VtR9_bWm2ZcYhN5sFgA8uEoIrT1yQwXz"
PRICE = Decimal(100)
EQUITY = Decimal(10_000)
DEFAULT = Size(Decimal(7), SizeUnit.BASE)


def raw(body: Any) -> bytes:
    """A body from a text, or from what becomes a JSON object."""
    return (body if isinstance(body, str) else json.dumps(body)).encode()


def alert_in(body: Any, preset: str = "auto") -> Alert:
    """The alert in a body, read when each market costs 100 USD."""
    return open_body(raw(body), preset).alert(NOW, lambda symbol: PRICE)


def told(body: Any, position: str = "0", preset: str = "auto", *, sync: bool = False) -> str:
    """What becomes of a position: effect, side, size and the position after it. The strategy's own
    size is 7 coins, its account worth 10,000 USD.
    """
    alert = alert_in(body, preset)
    meaning = meaning_of(alert, Situation(Decimal(position), PRICE, EQUITY, DEFAULT, sync))
    if meaning.side is None:
        return meaning.effect.value
    numbers = f"{plain(meaning.size)} {plain(meaning.position_after)}"
    return f"{meaning.effect.value} {meaning.side} {numbers}"


def plain(number: Decimal | None) -> str:
    """A number without exponent and without zeros at its end."""
    if number is None:
        return "?"
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def fault_in(body: Any, preset: str = "auto") -> AlertFault:
    """The fault of a body that is refused."""
    with pytest.raises(AlertFault) as caught:
        alert_in(body, preset)
    return caught.value


def level(found: Level | None) -> str:
    """A level as text: a price, 5%, or +50 for dollars from the entry."""
    if found is None:
        return "-"
    if found.price is not None:
        return plain(found.price)
    return f"{plain(found.percent)}%" if found.percent is not None else f"+{plain(found.offset)}"


def targets(found: tuple[TakeProfit, ...]) -> str:
    """Targets as text: 5% 0.5, 10% 0.5."""
    return ", ".join(
        level(one.level) + ("" if one.fraction is None else f" {plain(one.fraction)}")
        for one in found
    )
