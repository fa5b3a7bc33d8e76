"""The values of a strategy in words, and the questions that change them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup
from aiogram.utils.formatting import Text

from core.signals.alert import Level, TakeProfit
from core.trading.views import StrategyView
from handlers.chat.buttons import CancelButton, FieldButton, StrategyButton
from handlers.chat.texts import numbers
from handlers.chat.texts.general import CANCEL_LINE
from handlers.chat.texts.plans import break_even_words, distance_words, trailing_words
from handlers.chat.texts.screen import LOOK, Screen, button, keyboard, lines, quiet, theirs

WHOLE: Final = Decimal(1)


def values(strategy: StrategyView) -> list[str | None]:
    """The defaults and limits of a strategy, a line each."""
    symbols = strategy.allowed_symbols
    shown = "all" if not symbols else quiet(", ".join(symbols), 120)
    return [
        f"size {size_words(strategy)}",
        f"target {target_words(strategy.take_profits)}",
        f"stop {_away(strategy.stop_loss_percent, numbers.MINUS)}",
        f"trailing {trailing_words(strategy.trailing)}" if strategy.trailing else None,
        f"break-even {break_even_words(strategy.break_even)}" if strategy.break_even else None,
        f"largest position {_usd_or_none(strategy.max_position_usd)}",
        f"markets {shown}",
        f"slippage at most {bps(strategy.slippage_bps)}",
        f"alerts at most {strategy.max_alert_age_s} s old",
        _silence(strategy),
    ]


def has_size(strategy: StrategyView) -> bool:
    """Whether alerts may leave out how much to trade."""
    return any(
        value is not None
        for value in (
            strategy.default_size,
            strategy.default_size_usd,
            strategy.default_equity_percent,
            strategy.default_risk_percent,
        )
    )


def size_words(strategy: StrategyView) -> str:
    """The default size in words."""
    if strategy.default_size is not None:
        return f"{numbers.plain(strategy.default_size)} of the coin"
    if strategy.default_size_usd is not None:
        return numbers.usdc(strategy.default_size_usd)
    if strategy.default_equity_percent is not None:
        return f"{numbers.plain(strategy.default_equity_percent)} % of the equity"
    if strategy.default_risk_percent is not None:
        return (
            f"by risk: {numbers.plain(strategy.default_risk_percent)} % of the equity at the stop"
        )
    return "not set: each alert must name one"


def target_words(targets: tuple[TakeProfit, ...]) -> str:
    """50 % at +1 % · 30 % at +2 % · 20 % at +4 %"""
    if not targets:
        return "none"
    if len(targets) > 1 and all(one.fraction is None for one in targets):
        return f"{' · '.join(_level(one.level) for one in targets)}, in equal parts"
    shown = " · ".join(_target(one, alone=len(targets) == 1) for one in targets)
    left = WHOLE - sum((one.fraction or Decimal(0) for one in targets), Decimal(0))
    if left > 0 and all(one.fraction is not None for one in targets):
        shown += f"; the last {_share(left)} stays open"
    return shown


def _target(target: TakeProfit, *, alone: bool) -> str:
    if target.fraction is None:
        return _level(target.level) if alone else f"the rest at {_level(target.level)}"
    return f"{_share(target.fraction)} at {_level(target.level)}"


def bps(value: int) -> str:
    """Basis points as percent."""
    return f"{numbers.plain(Decimal(value) / 100)} %"


def _silence(strategy: StrategyView) -> str | None:
    hours = strategy.silent_after_h
    return None if hours is None else f"warns after {hours} h without an alert"


def _away(value: Decimal | None, sign: str) -> str:
    return "none" if value is None else f"{sign}{numbers.plain(value)} %"


def _usd_or_none(value: Decimal | None) -> str:
    return "not limited" if value is None else numbers.usdc(value)


def _level(level: Level) -> str:
    return f"+{distance_words(level)}"


def _share(fraction: Decimal) -> str:
    return f"{numbers.plain(fraction * 100)} %"


# changing them

QUESTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "size": (
        "How large is an order whose alert names no size? Send one of:",
        "0.01 – coins",
        "100 USD – dollars",
        "10 % – of the equity",
        "risk 1 % – of the equity is lost if the stop is met",
    ),
    "targets": (
        "Send the target in percent from the entry, like 3%.",
        "Several, each with its share of the position: 1% 50%, 2% 30%, 4% 20%",
    ),
    "stop": ("Send the stop in percent from the entry, like 2%.",),
    "trailing": (
        "A trailing stop follows the best price. Send its distance, like 1%.",
        "To start later: 1% after 2%",
    ),
    "break_even": (
        "Break-even moves the stop to the entry. Send the gain at which, like 1%, or target for "
        "the first target.",
        "To keep a little: 1% + 0.1%",
    ),
    "maximum": ("Send the largest position in USD, like 500.",),
    "symbols": ("Send the markets that may be traded, like BTC-USD, ETH-USD.",),
    "slippage": ("Send the largest slippage of a market order in percent, like 0.5.",),
    "age": (
        "Send how many seconds old an alert may be, like 60.",
        "In mode ask it is also how long an entry waits for your tap.",
    ),
    "silence": (
        "After how many hours without an alert shall I tell you? Send a number, like 24.",
        "I tell you once; the next alert starts the count again.",
    ),
}
EMPTY: Final[Mapping[str, str]] = {
    "size": "No default size",
    "targets": "No target",
    "stop": "No stop",
    "trailing": "No trailing",
    "break_even": "No break-even",
    "maximum": "No limit",
    "symbols": "All markets",
    "silence": "Do not tell me",
}


def edit_menu(strategy: StrategyView) -> Screen:
    """Which value is to change."""

    def field(label: str, name: str) -> InlineKeyboardButton:
        return button(
            label, FieldButton.model_validate({"field": name, "strategy_id": strategy.id})
        )

    return Screen(
        lines(
            Text("What is to change in ", theirs(strategy.name), "? Alerts that name a value win."),
            *values(strategy),
        ),
        keyboard(
            [field("Size", "size"), field("Max position", "maximum")],
            [field("Target", "targets"), field("Stop", "stop")],
            [field("Trailing", "trailing"), field("Break-even", "break_even")],
            [field("Markets", "symbols"), field("Slippage", "slippage")],
            [field("Alert age", "age"), field("Silence", "silence")],
            [
                button("Done", StrategyButton(action="show", strategy_id=strategy.id, nonce=0)),
            ],
        ),
    )


def ask_value(strategy: StrategyView, field: str) -> Screen:
    """Asks for one value."""
    now = _now(strategy, field)
    return Screen(
        lines(
            Text("Strategy ", theirs(strategy.name)),
            f"now: {now}",
            "",
            *QUESTIONS[field],
            CANCEL_LINE,
        ),
        _answers(strategy.id, field),
    )


def value_refused(text: str, field: str, strategy_id: int) -> Screen:
    """The value cannot be used; the question stands."""
    return Screen(
        lines(f"{LOOK} {quiet(text)}", "Nothing was changed.", "", *QUESTIONS[field], CANCEL_LINE),
        _answers(strategy_id, field),
    )


def _answers(strategy_id: int, field: str) -> InlineKeyboardMarkup | None:
    empty = None
    if field in EMPTY:
        data = {"field": field, "strategy_id": strategy_id, "empty": True}
        empty = button(EMPTY[field], FieldButton.model_validate(data))
    return keyboard([empty, button("Cancel", CancelButton())])


def _now(strategy: StrategyView, field: str) -> str:
    symbols = strategy.allowed_symbols
    hours = strategy.silent_after_h
    trailing, break_even = strategy.trailing, strategy.break_even
    words = {
        "size": size_words(strategy),
        "targets": target_words(strategy.take_profits),
        "stop": _away(strategy.stop_loss_percent, numbers.MINUS),
        "trailing": "off" if trailing is None else trailing_words(trailing),
        "break_even": "off" if break_even is None else break_even_words(break_even),
        "maximum": _usd_or_none(strategy.max_position_usd),
        "symbols": "all" if not symbols else quiet(", ".join(symbols), 120),
        "slippage": bps(strategy.slippage_bps),
        "age": f"{strategy.max_alert_age_s} s",
        "silence": "off" if hours is None else f"after {hours} h",
    }
    return words[field]
