"""The alert grammar: which fields an alert has, and what their values mean."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from core.signals import grammar_levels, grammar_sizes, grammar_terms
from core.signals.alert import Action, Alert, Target
from core.signals.fields import (
    ACTIONS,
    MAX_COMMENT,
    MAX_ID,
    MAX_SYMBOL,
    SECRET_FIELD,
)
from core.signals.fields_reader import Fields

MAX_AHEAD: Final = dt.timedelta(seconds=120)
BAR_HINT_AGE: Final = dt.timedelta(seconds=60)
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)\s?(Z|z|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
_EPOCH = re.compile(r"\d{10}|\d{13}", re.ASCII)
_EARLIEST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def secret_of(obj: Mapping[str, Any]) -> str | None:
    """The secret that a body gives, if it gives one as a text."""
    given = obj.get(SECRET_FIELD)
    return given if isinstance(given, str) and given else None


def parse_alert(obj: Mapping[str, Any], now: dt.datetime) -> Alert:
    """The alert in a body's fields; `secret` is passed over. Raises AlertFault.

    A field that is null counts as absent. `now` bounds the alert's time, which may be at most two
    minutes ahead.
    """
    fields = Fields(obj)
    fields.check_names()
    fields.check_secret_is_nowhere_else()
    fields.check_placeholders()
    symbol = _symbol(fields)
    action = fields.choice("action", ACTIONS)
    target = grammar_sizes.target(fields, action)
    sync = fields.flag("sync")
    _check_wish(fields, action, target, sync=sync)
    time = _time(fields, now)
    id, order_id = fields.label("id", MAX_ID), fields.label("order_id", MAX_ID)  # noqa: A001
    return Alert(
        action=action,
        symbol=symbol,
        size=grammar_sizes.size(fields, action, target),
        target=target,
        sync=sync,
        terms=grammar_terms.terms(fields, action),
        take_profit=grammar_levels.take_profit(fields),
        stop_loss=grammar_levels.stop_loss(fields),
        trailing=grammar_levels.trailing(fields),
        break_even=grammar_levels.break_even(fields),
        time=time,
        id=id or order_id,
        comment=fields.label("comment", MAX_COMMENT),
        hint=bar_time_hint(time, now),
    )


def bar_time_hint(time: dt.datetime | None, now: dt.datetime) -> str | None:
    """What may be wrong with a time that is old and on a whole minute."""
    if time is None or time.second or time.microsecond or now - time < BAR_HINT_AGE:
        return None
    return (
        "Its time looks like the time of a bar: use {{timenow}} in the message, "
        "not {{time}}, which is when the bar opened."
    )


def time_in(value: Any) -> dt.datetime | None:
    """ISO 8601 with date and time (without zone: UTC), or Unix time of 10 (s) or 13 (ms) digits."""
    text = format(value, "f") if isinstance(value, Decimal) and value.is_finite() else value
    if not isinstance(text, str):
        return None
    text = text.strip()
    if _EPOCH.fullmatch(text):
        milliseconds = int(text) if len(text) == 13 else int(text) * 1000
        return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=milliseconds)
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    day, clock, zone = match.groups()
    try:
        time = dt.datetime.fromisoformat(f"{day}T{clock}{(zone or 'Z').upper()}").astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None
    return time if time >= _EARLIEST else None


def _symbol(fields: Fields) -> str:
    value = fields.required("symbol", '"{{ticker}}", or a market like "BTC-USD"')
    if not isinstance(value, str):
        raise fields.fault(
            "symbol", "symbol_invalid", "symbol is not a text.", 'Write it like "BTC-USD".'
        )
    value = value.strip()
    if not 1 <= len(value) <= MAX_SYMBOL or not value.isprintable():
        raise fields.fault(
            "symbol",
            "symbol_invalid",
            f"symbol is empty, longer than {MAX_SYMBOL} characters or not printable.",
            'Write it like "BTC-USD" or "{{ticker}}".',
        )
    return value


def _check_wish(
    fields: Fields, action: Action | None, target: Target | None, *, sync: bool
) -> None:
    """An action, or a position to be in."""
    if target is None and sync:
        raise fields.fault(
            "sync",
            "market_position_missing",
            "sync needs the position to be in.",
            'Add "market_position": "{{strategy.market_position}}".',
        )
    if action is None and target is None:
        fields.required("action", '"buy", "sell", "close" or "{{strategy.order.action}}"')


def _time(fields: Fields, now: dt.datetime) -> dt.datetime | None:
    value = fields.get("time")
    if value is None:
        return None
    time = time_in(value)
    if time is None:
        raise fields.fault(
            "time",
            "time_invalid",
            "time is not a moment.",
            'Write "{{timenow}}", or like "2026-01-31T12:00:00Z"; without a zone it is UTC.',
        )
    if time - now > MAX_AHEAD:
        raise fields.fault(
            "time",
            "time_ahead",
            "The alert's time is more than two minutes ahead.",
            "A time without zone is taken as UTC. If it is right, this machine's clock is not.",
        )
    return time
