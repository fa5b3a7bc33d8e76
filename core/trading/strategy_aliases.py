"""Aliases: symbols that a strategy's alerts use for a dYdX ticker that no rule finds."""

from __future__ import annotations

from collections.abc import Collection

from core.ledger.models import Signal, Strategy
from core.trading.views import DeskError

MAX_ALIASES = 50


def alias_key(symbol: str) -> str:
    """Under which a symbol is kept: its letters' case and outer spaces make no difference."""
    return symbol.strip().upper()


def with_alias(
    row: Strategy, signal: Signal, ticker: str, tickers: Collection[str]
) -> dict[str, str]:
    """The aliases of a strategy with one more, for the symbol of a signal that was refused for it.

    Only a ticker that the refusal offered and that is listed now is taken. Codes: alias_invalid,
    symbol_unknown.
    """
    offered = signal.parsed.get("nearest") or ()
    if signal.reason_code != "symbol_unknown" or ticker not in offered:
        raise DeskError("alias_invalid", f"{ticker} was not offered for this alert.")
    if ticker not in tickers:
        raise DeskError("symbol_unknown", f"dYdX lists no market {ticker} at the moment.")
    aliases = {**(row.aliases or {}), alias_key(str(signal.parsed["symbol"])): ticker}
    if len(aliases) > MAX_ALIASES:
        raise DeskError(
            "alias_invalid", f"A strategy has at most {MAX_ALIASES} aliases. Remove one first."
        )
    return aliases


def without_alias(row: Strategy, symbol: str) -> dict[str, str]:
    """The aliases of a strategy with one less. Code: alias_unknown."""
    aliases = dict(row.aliases or {})
    if aliases.pop(alias_key(symbol), None) is None:
        raise DeskError("alias_unknown", "This alias was removed already.")
    return aliases
