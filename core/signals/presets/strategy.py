"""TradingView's strategy in a preset's fields: its order and the position that it then has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from core.signals.alert import Action, MarketPosition, Target
from core.signals.faults import AlertFault
from core.signals.presets.common import FLAT, LONG, POSITIONS, SHORT
from core.signals.presets.reader import Fields

BUY_OR_SELL = {"buy": LONG, "sell": SHORT}


def target_of(
    fields: Fields,
    position: str,
    *,
    size: str | None = None,
    previous: str | None = None,
    previous_size: str | None = None,
) -> Target | None:
    """The position after the strategy's order; None where the field is absent."""
    after = fields.choice(POSITIONS, position)
    if after is None:
        return None
    before = fields.choice(POSITIONS, previous) if previous else None
    return Target(
        after,
        _unsigned(fields, size, after),
        before,
        _unsigned(fields, previous_size, before),
    )


def entry(way: MarketPosition) -> Action:
    """The action that opens, adds to or turns into a position of this way."""
    return Action.LONG if way is LONG else Action.SHORT


def order(way: MarketPosition) -> Action:
    """The action of an order that buys (long) or sells (short)."""
    return Action.BUY if way is LONG else Action.SELL


def contradiction(said: str, position: str) -> AlertFault:
    """The order cannot have led to the position."""
    return AlertFault(
        "contradiction",
        f"The alert says {said}, but that cannot lead to a position that is {position}.",
        "Take both from TradingView's placeholders.",
    )


def message(fields: Mapping[str, Any]) -> str:
    """A ready message of a preset, one field a line."""
    return json.dumps(fields, indent=1, ensure_ascii=False)


def _unsigned(fields: Fields, name: str | None, position: MarketPosition | None) -> Decimal | None:
    """A size without its sign; none for a position that is flat, or not known."""
    if name is None or position in (None, FLAT):
        return None
    number = fields.number(name)
    return abs(number) if number else None
