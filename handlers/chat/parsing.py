"""What people type into conversations, read strictly: money is never guessed at."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Final

from core.trading.desk import StrategyChange

_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,12})?")
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:,\d{3}){1,3}(?:\.\d{1,12})?")
_NOTHING: Final = frozenset({"none", "no", "off", "-", "–"})


class Unreadable(Exception):
    """What was typed cannot be used; the text is a sentence for the one who typed it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def is_nothing(text: str) -> bool:
    """Whether the answer is that there shall be no value."""
    return text.strip().lower() in _NOTHING


def number(text: str, *, grouped: bool = False) -> Decimal:
    """A plain positive decimal: 0.015, 64212; with `grouped` also 64,212.5. Raises Unreadable."""
    bare = text.strip()
    if grouped and _GROUPED.fullmatch(bare):
        bare = bare.replace(",", "")
    if not bare.isascii() or not _NUMBER.fullmatch(bare):
        if re.fullmatch(r"\d+,\d+", bare):
            raise Unreadable("Write decimals with a point, like 0.5.")
        raise Unreadable("That is not a plain number.")
    value = Decimal(bare)
    if value <= 0:
        raise Unreadable("The number must be above zero.")
    return value


def percent(text: str) -> Decimal:
    """A percentage, with or without its sign. Raises Unreadable."""
    return number(text.strip().removesuffix("%").strip().lstrip("+-−"))


def level(text: str, *, entry: Decimal, tick: Decimal, long: bool, stop: bool) -> Decimal:
    """The price that an answer names: a price, or a percentage of the entry away from it.

    A stop lies on the losing side and a target on the winning side, whatever sign was typed. A
    percentage is rounded to the nearest tick; a price must be on one. Raises Unreadable.
    """
    bare = text.strip()
    if not bare.endswith("%"):
        return number(bare, grouped=True)
    share = percent(bare) / 100
    if long == stop and share >= 1:
        raise Unreadable("That leads to a price of zero or below.")
    with localcontext() as context:
        context.prec = 60
        price = entry * (1 - share if long == stop else 1 + share)
        ticks = (price / tick).to_integral_value(rounding=ROUND_HALF_EVEN)
        return max(ticks, Decimal(1)) * tick


def strategy_value(field: str, text: str) -> StrategyChange:
    """The change of a strategy that an answer asks for. Raises Unreadable."""
    if is_nothing(text):
        return _emptied(field)
    if field == "size":
        return _size(text)
    if field == "target":
        return StrategyChange(take_profit_percent=percent(text))
    if field == "stop":
        return StrategyChange(stop_loss_percent=percent(text))
    if field == "maximum":
        return StrategyChange(max_position_usd=_usd(text))
    if field == "symbols":
        return StrategyChange(allowed_symbols=_symbols(text))
    if field == "slippage":
        return StrategyChange(slippage_bps=_bps(text))
    return StrategyChange(max_alert_age_s=_seconds(text))


_COLUMNS: Final = {
    "size": ("default_size", "default_size_usd"),
    "target": ("take_profit_percent",),
    "stop": ("stop_loss_percent",),
    "maximum": ("max_position_usd",),
    "symbols": ("allowed_symbols",),
}


def _emptied(field: str) -> StrategyChange:
    if field not in _COLUMNS:
        raise Unreadable("This one cannot be empty.")
    return StrategyChange(clear=frozenset(_COLUMNS[field]))


def _size(text: str) -> StrategyChange:
    bare = text.strip()
    dollars = re.fullmatch(r"\$\s*(\S+)|(\S+)\s*(?:USD|USDC|\$)", bare, re.IGNORECASE)
    if dollars:
        return StrategyChange(
            default_size_usd=number(dollars.group(1) or dollars.group(2)),
            clear=frozenset({"default_size"}),
        )
    return StrategyChange(default_size=number(bare), clear=frozenset({"default_size_usd"}))


def _usd(text: str) -> Decimal:
    bare = re.sub(r"\s*(?:USDC?|\$)$", "", text.strip(), flags=re.IGNORECASE)
    return number(bare.removeprefix("$"))


def _symbols(text: str) -> tuple[str, ...]:
    found = [part.upper() for part in re.split(r"[\s,;]+", text.strip()) if part]
    if not found or len(found) > 100 or any(len(symbol) > 32 for symbol in found):
        raise Unreadable("Send up to 100 symbols, separated by commas.")
    return tuple(dict.fromkeys(found))


def _bps(text: str) -> int:
    value = percent(text) * 100
    if value != value.to_integral_value():
        raise Unreadable("Two decimals of a percent are the finest.")
    if value > 1000:
        raise Unreadable("More than 10 % slippage is not offered.")
    return int(value)


def _seconds(text: str) -> int:
    bare = re.sub(r"\s*(?:s|sec|seconds)$", "", text.strip(), flags=re.IGNORECASE)
    if not bare.isascii() or not re.fullmatch(r"\d{1,6}", bare) or int(bare) == 0:
        raise Unreadable("Send whole seconds.")
    return int(bare)
