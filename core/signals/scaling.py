"""Coins that other exchanges trade by the thousand. Explicit, never guessed from a name: KAVA is
not a thousand AVA.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Final, NamedTuple

from core.signals.alert import (
    Alert,
    BreakEven,
    Level,
    Size,
    SizeUnit,
    TakeProfit,
    Target,
    Terms,
    Trailing,
)

_COIN_UNITS: Final = (SizeUnit.BASE, SizeUnit.CONTRACTS, SizeUnit.EITHER)


class Scaled(NamedTuple):
    """One coin of the name is `factor` coins of `base`."""

    base: str
    factor: int


def _table(rows: Iterable[tuple[str, int, str]]) -> dict[str, Scaled]:
    return {name: Scaled(base, factor) for base, factor, names in rows for name in names.split()}


# The names under which Binance, Bybit, OKX, Gate and Hyperliquid list them.
SCALED: Final[Mapping[str, Scaled]] = _table(
    (
        ("PEPE", 1000, "1000PEPE KPEPE"),
        ("SHIB", 1000, "1000SHIB SHIB1000 KSHIB"),
        ("BONK", 1000, "1000BONK KBONK"),
        ("FLOKI", 1000, "1000FLOKI KFLOKI"),
        ("LUNC", 1000, "1000LUNC KLUNC"),
        ("XEC", 1000, "1000XEC"),
        ("SATS", 1000, "1000SATS"),
        ("SATS", 10_000, "10000SATS"),
        ("RATS", 1000, "1000RATS"),
        ("TURBO", 1000, "1000TURBO"),
        ("BTT", 1000, "1000BTT"),
        ("TOSHI", 1000, "1000TOSHI"),
        ("WHY", 1000, "1000WHY"),
        ("CHEEMS", 1000, "1000CHEEMS"),
        ("CHEEMS", 1_000_000, "1000000CHEEMS"),
        ("MUMU", 1000, "1000MUMU"),
        ("APU", 1000, "1000APU"),
        ("CATS", 1000, "1000CATS"),
        ("DOGS", 1000, "KDOGS"),
        ("LADYS", 10_000, "10000LADYS"),
        ("COQ", 10_000, "10000COQ"),
        ("WEN", 10_000, "10000WEN"),
        ("ELON", 10_000, "10000ELON"),
        ("QUBIC", 10_000, "10000QUBIC"),
        ("MOG", 1_000_000, "1000000MOG"),
        ("BOB", 1_000_000, "1000000BOB"),
        ("PEIPEI", 1_000_000, "1000000PEIPEI"),
        ("BABYDOGE", 1_000_000, "1MBABYDOGE 1000000BABYDOGE"),
    )
)


def in_coins(alert: Alert, factor: int) -> Alert:
    """The same alert with its sizes in single coins and its prices for one coin."""
    with localcontext() as context:
        context.prec = 100
        return replace(
            alert,
            size=_size(alert.size, factor),
            target=_target(alert.target, factor),
            terms=_terms(alert.terms, factor),
            take_profit=tuple(
                TakeProfit(_moved(target.level, factor), target.fraction)
                for target in alert.take_profit
            ),
            stop_loss=_level(alert.stop_loss, factor),
            trailing=_trailing(alert.trailing, factor),
            break_even=_break_even(alert.break_even, factor),
        )


def _size(size: Size | None, factor: int) -> Size | None:
    if size is None or size.unit not in _COIN_UNITS:
        return size
    return Size(size.value * factor, size.unit)


def _target(target: Target | None, factor: int) -> Target | None:
    if target is None:
        return None
    return replace(
        target,
        size=_times(target.size, factor),
        previous_size=_times(target.previous_size, factor),
    )


def _times(value: Decimal | None, factor: int) -> Decimal | None:
    return None if value is None else value * factor


def _terms(terms: Terms, factor: int) -> Terms:
    return terms if terms.price is None else replace(terms, price=terms.price / factor)


def _level(level: Level | None, factor: int) -> Level | None:
    return None if level is None else _moved(level, factor)


def _moved(level: Level, factor: int) -> Level:
    if level.price is not None:
        return Level(price=level.price / factor)
    return level if level.offset is None else Level(offset=level.offset / factor)


def _trailing(rule: Trailing | None, factor: int) -> Trailing | None:
    if rule is None:
        return None
    return Trailing(_moved(rule.distance, factor), _level(rule.activation, factor))


def _break_even(rule: BreakEven | None, factor: int) -> BreakEven | None:
    if rule is None:
        return None
    return BreakEven(_level(rule.at, factor), _level(rule.beyond, factor))
