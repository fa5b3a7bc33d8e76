"""A strategy's values between what its trader says and what the ledger keeps. Pure."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from core.ledger.models import Strategy
from core.signals.alert import Level, TakeProfit
from core.trading.desk import StrategyChange
from core.trading.plan import break_even_json, targets_from_json, targets_json, trailing_json

SIZES: Final = (
    "default_size",
    "default_size_usd",
    "default_equity_percent",
    "default_risk_percent",
)
_PLAN: Final = ("take_profits", "trailing", "break_even")
_CLEARABLE: Final = frozenset(
    {
        *SIZES,
        *_PLAN,
        "stop_loss_percent",
        "max_position_usd",
        "allowed_symbols",
        "silent_after_h",
    }
)


def take_profits_of(row: Strategy) -> tuple[TakeProfit, ...]:
    """The default targets, nearest first."""
    if row.take_profits:
        return targets_from_json(row.take_profits)
    if row.take_profit_percent is not None:
        return (TakeProfit(Level(percent=row.take_profit_percent)),)
    return ()


def columns_of(change: StrategyChange) -> dict[str, Any]:
    """The columns that a change sets; a new default size takes the place of the old one."""
    values: dict[str, Any] = dict.fromkeys(change.clear & _CLEARABLE)
    if "take_profits" in values:
        values["take_profit_percent"] = None
    for item in fields(change):
        value = getattr(change, item.name)
        if item.name not in (*_PLAN, "clear") and value is not None:
            values[item.name] = value
    if change.take_profits is not None:
        values |= _targets(change.take_profits)
    if change.trailing is not None:
        values["trailing"] = trailing_json(change.trailing)
    if change.break_even is not None:
        values["break_even"] = break_even_json(change.break_even)
    if any(values.get(column) is not None for column in SIZES):
        values = dict.fromkeys(SIZES) | values
    return values


def _targets(targets: tuple[TakeProfit, ...]) -> dict[str, Any]:
    """A single target of the whole position has a column of its own."""
    if len(targets) == 1 and targets[0].fraction is None:
        return {"take_profit_percent": targets[0].level.percent, "take_profits": None}
    return {"take_profit_percent": None, "take_profits": targets_json(targets)}
