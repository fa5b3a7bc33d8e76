"""What people type for a strategy's values, read strictly: money is never guessed at."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from core.signals.alert import BreakEven, Level, TakeProfit, Trailing
from core.trading.desk import StrategyChange
from handlers.chat.parsing import Unreadable, is_nothing, number, percent

_DOLLARS = re.compile(r"\$\s*(\S+)|(\S+?)\s*(?:USD|USDC|\$)", re.IGNORECASE)
_EQUITY = re.compile(r"(\S+?)\s*%(?:\s*(?:of\s+)?(?:the\s+)?equity)?", re.IGNORECASE)
_RISK = re.compile(r"risk\s+(\S+?)\s*%?|(\S+?)\s*%\s*risk", re.IGNORECASE)
_TARGET = re.compile(r"(?P<level>[^\s%]+)\s*%?(?:[\s:]+(?P<share>[^\s%]+)\s*%?)?")
_TRAILING = re.compile(
    r"(?P<distance>[^\s%]+)\s*%?(?:\s+(?:after|from|at)\s+(?P<start>[^\s%]+)\s*%?)?",
    re.IGNORECASE,
)
_BREAK_EVEN = re.compile(
    r"(?:at\s+)?(?P<at>[^\s%+]+)\s*%?(?:\s*(?:\+|plus\s)\s*(?P<beyond>[^\s%]+)\s*%?)?",
    re.IGNORECASE,
)
_FIRST_TARGET: Final = frozenset({"target", "first", "tp1"})
_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "size": ("default_size", "default_size_usd", "default_equity_percent", "default_risk_percent"),
    "targets": ("take_profits",),
    "stop": ("stop_loss_percent",),
    "trailing": ("trailing",),
    "break_even": ("break_even",),
    "maximum": ("max_position_usd",),
    "symbols": ("allowed_symbols",),
    "silence": ("silent_after_h",),
}
CLEARABLE: Final = frozenset(_COLUMNS)


def strategy_value(field: str, text: str) -> StrategyChange:
    """The change of a strategy that an answer asks for. Raises Unreadable."""
    return emptied(field) if is_nothing(text) else _READERS[field](text.strip())


def emptied(field: str) -> StrategyChange:
    """The change that leaves a value empty. Raises Unreadable where there must be one."""
    if field not in _COLUMNS:
        raise Unreadable("This one cannot be empty.")
    return StrategyChange(clear=frozenset(_COLUMNS[field]))


def _size(text: str) -> StrategyChange:
    if found := _RISK.fullmatch(text):
        return StrategyChange(default_risk_percent=number(found[1] or found[2]))
    if found := _DOLLARS.fullmatch(text):
        return StrategyChange(default_size_usd=number(found[1] or found[2]))
    if found := _EQUITY.fullmatch(text):
        return StrategyChange(default_equity_percent=number(found[1]))
    return StrategyChange(default_size=number(text))


def _targets(text: str) -> StrategyChange:
    if re.search(r"\d,\d", text):
        raise Unreadable("Write decimals with a point, and a space after each comma.")
    parts = [part.strip() for part in re.split(r"[,;\n]+", text) if part.strip()]
    found = sorted((_target(part) for part in parts), key=lambda one: one.level.percent or 0)
    if not found:
        raise Unreadable("That names no target.")
    return StrategyChange(take_profits=tuple(found))


def _target(text: str) -> TakeProfit:
    found = _TARGET.fullmatch(text)
    if found is None:
        raise Unreadable("Each target is a distance and a share, like 1% 50%.")
    share = None if found["share"] is None else percent(found["share"]) / 100
    return TakeProfit(Level(percent=percent(found["level"])), share)


def _trailing(text: str) -> StrategyChange:
    found = _TRAILING.fullmatch(text)
    if found is None:
        raise Unreadable("Write it like 1% or 1% after 2%.")
    start = None if found["start"] is None else Level(percent=percent(found["start"]))
    return StrategyChange(trailing=Trailing(Level(percent=percent(found["distance"])), start))


def _break_even(text: str) -> StrategyChange:
    found = _BREAK_EVEN.fullmatch(text)
    if found is None:
        raise Unreadable("Write it like 1%, 1% + 0.1% or target.")
    first = found["at"].lower() in _FIRST_TARGET
    at = None if first else Level(percent=percent(found["at"]))
    beyond = None if found["beyond"] is None else Level(percent=percent(found["beyond"]))
    return StrategyChange(break_even=BreakEven(at, beyond))


def _stop(text: str) -> StrategyChange:
    return StrategyChange(stop_loss_percent=percent(text))


def _maximum(text: str) -> StrategyChange:
    bare = re.sub(r"\s*(?:USDC?|\$)$", "", text, flags=re.IGNORECASE)
    return StrategyChange(max_position_usd=number(bare.removeprefix("$")))


def _symbols(text: str) -> StrategyChange:
    found = [part.upper() for part in re.split(r"[\s,;]+", text) if part]
    if not found or len(found) > 100 or any(len(symbol) > 32 for symbol in found):
        raise Unreadable("Send up to 100 symbols, separated by commas.")
    return StrategyChange(allowed_symbols=tuple(dict.fromkeys(found)))


def _slippage(text: str) -> StrategyChange:
    value = percent(text) * 100
    if value != value.to_integral_value():
        raise Unreadable("Two decimals of a percent are the finest.")
    if value > 10_000:
        raise Unreadable("That is more than all of the price.")
    return StrategyChange(slippage_bps=int(value))


def _age(text: str) -> StrategyChange:
    return StrategyChange(max_alert_age_s=_whole(text, r"s|sec|seconds", "Send whole seconds."))


def _silence(text: str) -> StrategyChange:
    return StrategyChange(silent_after_h=_whole(text, r"h|hours?", "Send whole hours."))


def _whole(text: str, units: str, otherwise: str) -> int:
    bare = re.sub(rf"\s*(?:{units})$", "", text, flags=re.IGNORECASE)
    if not bare.isascii() or not re.fullmatch(r"\d{1,6}", bare) or int(bare) == 0:
        raise Unreadable(otherwise)
    return int(bare)


_READERS: Final[Mapping[str, Callable[[str], StrategyChange]]] = {
    "size": _size,
    "targets": _targets,
    "stop": _stop,
    "trailing": _trailing,
    "break_even": _break_even,
    "maximum": _maximum,
    "symbols": _symbols,
    "slippage": _slippage,
    "age": _age,
    "silence": _silence,
}
