"""The kind of order in an alert: market, limit or stop, and how long it waits."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Final

from core.signals.alert import Action, Force, OrderKind, Terms
from core.signals.fields import FORCES, KINDS, MAX_EXPIRES, MIN_EXPIRES
from core.signals.fields_reader import Fields

DURATION: Final = re.compile(r"(\d{1,8})\s?([smhd]?)", re.ASCII)
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
# These are sent at market, or send no order at all.
_AT_MARKET: Final = (Action.CLOSE, Action.REDUCE, Action.REVERSE, Action.CANCEL)


def terms(fields: Fields, action: Action | None) -> Terms:
    """The kind of order; without `type` it is a market order."""
    kind = fields.choice("type", KINDS) or OrderKind.MARKET
    price = fields.amount("price")
    force = fields.choice("time_in_force", FORCES)
    expires = _expires(fields)
    if kind is OrderKind.MARKET:
        for name, value in (("price", price), ("time_in_force", force), ("expires", expires)):
            if value is not None:
                raise fields.fault(
                    name,
                    f"{name}_without_type",
                    f"{name} is given, but a market order has none.",
                    'Add "type": "limit" (or "stop"), or leave it out.',
                )
        return Terms()
    if action in _AT_MARKET:
        assert action is not None
        raise fields.fault(
            "type",
            f"type_of_{action.value}",
            f"A {action.value} cannot be a {kind.value} order.",
            "It is sent at market; leave type out, or give the position a take_profit.",
        )
    if price is None:
        raise fields.fault(
            "type", "price_missing", f"A {kind.value} order needs a price.", 'Add "price": 95000.'
        )
    if kind is OrderKind.STOP and force is not None:
        raise fields.fault(
            "time_in_force",
            "time_in_force_of_stop",
            "A stop order has no time_in_force.",
            "It waits for its price and then trades at market; leave time_in_force out.",
        )
    if kind is OrderKind.LIMIT:
        force = force or Force.GTT
        if force is Force.IOC and expires is not None:
            raise fields.fault(
                "expires",
                "expires_of_ioc",
                "An IOC order does not wait, so that it cannot expire.",
                "Leave expires out, or use gtt or post_only.",
            )
    return Terms(kind, price, force, expires)


def _expires(fields: Fields) -> dt.timedelta | None:
    value = fields.get("expires")
    if value is None:
        return None
    text = format(value, "f") if isinstance(value, Decimal) else value
    match = DURATION.fullmatch(text.strip().lower()) if isinstance(text, str) else None
    length = (
        dt.timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
        if match is not None and int(match[1]) * _SECONDS[match[2]] <= 10**9
        else None
    )
    if length is None or not MIN_EXPIRES <= length <= MAX_EXPIRES:
        raise fields.fault(
            "expires",
            "expires_invalid",
            "expires is no duration between one minute and 90 days.",
            'Write seconds, or like "30m", "12h" or "7d".',
        )
    return length
