"""What values a strategy may have. Pure; each rule refuses with a sentence for its trader."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from core.ledger.models import Strategy
from core.signals.alert import BreakEven, Level, TakeProfit, Trailing
from core.trading.views import DeskError

MAX_NAME = 32
MAX_TARGETS = 6
MAX_SILENT_H = 720
MAX_AGE_S = 3600
MAX_SLIPPAGE_BPS = 500
_GAIN = 1000
_LOSS = 100
_POSITIVE = ("default_size", "default_size_usd", "max_position_usd")


def checked_name(name: str) -> str:
    """The name as it is kept. Code: name_invalid."""
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise DeskError("name_invalid", f"A name has 1 to {MAX_NAME} printable characters.")
    return name


def check_numbers(values: Mapping[str, Any]) -> None:
    """Code: value_invalid."""
    for name in _POSITIVE:
        if values.get(name) is not None and values[name] <= 0:
            raise _invalid("The value must be above zero.")
    _within(values.get("default_equity_percent"), 0, _GAIN, "A size in percent of the equity")
    _within(values.get("default_risk_percent"), 0, _LOSS, "A risk")
    _within(values.get("stop_loss_percent"), 0, _LOSS, "The distance of a stop")
    _whole(values.get("slippage_bps"), 1, MAX_SLIPPAGE_BPS, "Slippage must be", "0.01 and 5 %")
    _whole(values.get("max_alert_age_s"), 1, MAX_AGE_S, "The age limit must be", "1 and 3600 s")
    _whole(
        values.get("silent_after_h"),
        1,
        MAX_SILENT_H,
        "Silence is told after",
        f"1 and {MAX_SILENT_H} hours",
    )


def check_plan(
    targets: tuple[TakeProfit, ...] | None, trail: Trailing | None, secure: BreakEven | None
) -> None:
    """Code: value_invalid."""
    if targets is not None:
        _check_targets(targets)
    if trail is not None:
        _within(trail.distance.percent, 0, _LOSS, "The distance of a trailing stop")
        _within(_percent(trail.activation), 0, _GAIN, "The start of a trailing stop")
    if secure is not None:
        at, beyond = _percent(secure.at), _percent(secure.beyond)
        _within(at, 0, _GAIN, "The start of break-even")
        _within(beyond, 0, _GAIN, "The distance past the entry")
        if at is not None and beyond is not None and beyond >= at:
            raise _invalid("Break-even must lie nearer to the entry than the price it starts at.")


def check_whole(row: Strategy, values: Mapping[str, Any]) -> None:
    """What only makes sense together, as the strategy would be with new values. Codes:
    stop_missing, target_missing.
    """

    def after(name: str) -> Any:
        return values[name] if name in values else getattr(row, name)

    if after("default_risk_percent") is not None and after("stop_loss_percent") is None:
        raise DeskError(
            "stop_missing",
            "A size by risk needs a stop: the loss at the stop is what it counts. "
            "Set a stop first, or another size.",
        )
    secure = after("break_even")
    targets = after("take_profits") or after("take_profit_percent") is not None
    if secure is not None and secure["at"] is None and not targets:
        raise DeskError(
            "target_missing",
            "Break-even is set to start at the first target, so there must be a target. "
            "Set one first, or a percentage for break-even.",
        )


def _check_targets(targets: tuple[TakeProfit, ...]) -> None:
    if not 1 <= len(targets) <= MAX_TARGETS:
        raise _invalid(f"A plan has 1 to {MAX_TARGETS} targets.")
    levels = [_percent(one.level) for one in targets]
    for level in levels:
        _within(level, 0, _GAIN, "The distance of a target")
    if len(set(levels)) < len(levels):
        raise _invalid("Two targets lie at the same distance.")
    named = [one.fraction for one in targets if one.fraction is not None]
    if any(not 0 < fraction <= 1 for fraction in named):
        raise _invalid("The share of a target lies above 0 and at most at 100 %.")
    total = sum(named, Decimal(0))
    if total > 1:
        raise _invalid(f"The shares add up to {_text(total * 100)} %, which is above 100 %.")
    if total == 1 and len(named) < len(targets):
        raise _invalid("The named shares are 100 % already: nothing is left for the others.")


def _percent(level: Level | None) -> Decimal | None:
    return None if level is None else level.percent


def _within(value: Decimal | None, low: int, high: int, what: str) -> None:
    if value is not None and not low < value < high:
        raise _invalid(f"{what} lies above {low} and below {high} %.")


def _whole(value: int | None, low: int, high: int, what: str, limits: str) -> None:
    if value is not None and not low <= value <= high:
        raise _invalid(f"{what} between {limits}.")


def _invalid(text: str) -> DeskError:
    return DeskError("value_invalid", text)


def _text(value: Decimal) -> str:
    return format(value.normalize(), "f")
