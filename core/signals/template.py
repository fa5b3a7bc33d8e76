"""The ready message of a strategy, to paste into TradingView's alert."""

from __future__ import annotations

import datetime as dt
import json
import re

from core.signals.placeholders import PLACEHOLDER

_LINES = (
    ("secret", "{secret}"),
    ("symbol", "{{ticker}}"),
    ("action", "{{strategy.order.action}}"),
    ("id", "{{strategy.order.id}}"),
    ("time", "{{timenow}}"),
)


def alert_template(secret: str) -> str:
    """The smallest message, one field a line. With a secret of 43 characters it has 181 characters,
    so a copy button of Telegram (at most 256) can hold it.
    """
    fields = {name: secret if name == "secret" else value for name, value in _LINES}
    return json.dumps(fields, indent=1, ensure_ascii=False)


def filled(template: str, *, ticker: str, action: str, id: str, time: dt.datetime | str) -> str:  # noqa: A002
    """The message as TradingView would send it; a time is written with whole seconds in UTC."""
    if isinstance(time, dt.datetime):
        time = time.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    values = {
        "{{ticker}}": ticker,
        "{{strategy.order.action}}": action,
        "{{strategy.order.id}}": id,
        "{{timenow}}": time,
    }

    def value_of(match: re.Match[str]) -> str:
        value = values.get(match.group())
        return match.group() if value is None else json.dumps(value, ensure_ascii=False)[1:-1]

    return PLACEHOLDER.sub(value_of, template)
