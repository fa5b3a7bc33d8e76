"""What an alert or a button wants, as an intent keeps it in the ledger.

All that the lane needs is in the intent's payload, so that what was meant does not change with the
strategy later.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from pydantic import TypeAdapter

from core.ledger.models import Intent, Strategy
from core.signals.alert import Action, Alert, MarketPosition, Size, SizeUnit
from core.trading.plan import (
    break_even_json,
    level_from_json,
    level_json,
    targets_json,
    trailing_json,
)

WHOLE: Final = Decimal(100)
_ALERT: Final = TypeAdapter(Alert)


def text_of(value: Decimal | None) -> str | None:
    """A number as the ledger's JSON keeps it."""
    return None if value is None else format(value, "f")


# plans


def plan_json(alert: Alert, strategy: Strategy) -> dict[str, Any]:
    """The plan of an entry: the alert's own levels, the strategy's for what it does not name."""
    targets: list[dict[str, Any]] = [*targets_json(alert.take_profit)]
    if not targets and strategy.take_profits:
        targets = [dict(row) for row in strategy.take_profits]
    if not targets and strategy.take_profit_percent is not None:
        targets = [{"percent": text_of(strategy.take_profit_percent), "fraction": None}]
    stop = level_json(alert.stop_loss)
    if stop is None and strategy.stop_loss_percent is not None:
        stop = {"percent": format(strategy.stop_loss_percent, "f")}
    return {
        "take_profit": targets,
        "stop_loss": stop,
        "trailing": trailing_json(alert.trailing) or strategy.trailing,
        "break_even": break_even_json(alert.break_even) or strategy.break_even,
    }


# alerts


def alert_json(alert: Alert) -> dict[str, Any]:
    """An alert as the ledger keeps it: its fields by name, numbers as text."""
    kept: dict[str, Any] = _ALERT.dump_python(alert, mode="json")
    return kept


def alert_of(value: dict[str, Any], plan: dict[str, Any] | None = None) -> Alert:
    """The alert as it was before the ledger kept it, with the stop of the whole plan."""
    alert = _ALERT.validate_python({"action": None, "symbol": "", **value})
    stop = level_from_json((plan or {}).get("stop_loss"))
    return replace(alert, stop_loss=stop) if stop is not None else alert


def size_from_json(value: dict[str, Any] | None) -> Size | None:
    """A size as it was before the ledger kept it."""
    return Size(Decimal(value["value"]), SizeUnit(value["unit"])) if value else None


def default_size(strategy: Strategy) -> Size | None:
    """The size that a strategy gives to alerts without one."""
    for value, unit in (
        (strategy.default_size, SizeUnit.BASE),
        (strategy.default_size_usd, SizeUnit.USD),
        (strategy.default_equity_percent, SizeUnit.EQUITY_PERCENT),
        (strategy.default_risk_percent, SizeUnit.RISK_PERCENT),
    ):
        if value is not None:
            return Size(value, unit)
    return None


# intents


def signal_payload(strategy: Strategy, alert: Alert, received_at: dt.datetime) -> dict[str, Any]:
    """The payload of a signal's intent."""
    size = default_size(strategy)
    return {
        "symbol": alert.symbol,
        "aliases": strategy.aliases or {},
        "wish": alert_json(alert),
        "strategy_id": strategy.id,
        "mode": "paused" if strategy.state != "active" else strategy.mode,
        "sync": strategy.sync,
        "default_size": {"value": text_of(size.value), "unit": size.unit.value} if size else None,
        "plan": plan_json(alert, strategy),
        "slippage_bps": strategy.slippage_bps,
        "asked_at": (alert.time or received_at).isoformat(),
        "received_at": received_at.isoformat(),
        "limits": {
            "max_alert_age_s": int(alert.stale_after.total_seconds())
            if alert.stale_after
            else strategy.max_alert_age_s,
        },
    }


def wish_of(intent: Intent) -> Alert:
    """What an intent wants: the alert that it keeps, or the close that a button or the monitor
    asked for.
    """
    payload = intent.payload
    wish = payload.get("wish")
    if wish is not None:
        return alert_of(wish, payload.get("plan"))
    fraction = Decimal(payload.get("fraction") or 1)
    part = Size(fraction * WHOLE, SizeUnit.POSITION_PERCENT) if fraction < 1 else None
    return Alert(action=Action(payload["action"]), symbol=str(payload["ticker"]), size=part)


def overtakes(intent: Intent) -> bool:
    """Whether an intent goes ahead of entries that are not settled: it wants the whole position
    gone, or orders cancelled.
    """
    wish = wish_of(intent)
    if wish.action is Action.CANCEL:
        return True
    if wish.target is not None and wish.target.position is MarketPosition.FLAT:
        return wish.action in (None, Action.BUY, Action.SELL, Action.CLOSE)
    return wish.action is Action.CLOSE and wish.size is None


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)
