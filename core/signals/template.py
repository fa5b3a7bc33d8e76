"""The ready message of a strategy, to paste into TradingView's alert."""

from __future__ import annotations

import datetime as dt
import json
import re

from core.signals.placeholders import PLACEHOLDER

_SECRET = "secret"  # noqa: S105 - the name of a field
_ORDERS = {
    _SECRET: "",
    "symbol": "{{ticker}}",
    "action": "{{strategy.order.action}}",
    "id": "{{strategy.order.id}}",
    "time": "{{timenow}}",
}
_POSITIONS = {
    _SECRET: "",
    "symbol": "{{ticker}}",
    "market_position": "{{strategy.market_position}}",
    "market_position_size": "{{strategy.market_position_size}}",
    "time": "{{timenow}}",
}


def alert_template(secret: str, *, sync: bool = False) -> str:
    """The smallest message, one field a line: of TradingView's orders, or with `sync` of the
    position that it has. With a secret of 43 characters a copy button of Telegram (at most 256) can
    hold either.
    """
    fields = {**(_POSITIONS if sync else _ORDERS), _SECRET: secret}
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
