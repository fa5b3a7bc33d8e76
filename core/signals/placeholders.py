"""TradingView's placeholders: what stands in a message where it did not fill them in."""

from __future__ import annotations

import difflib
import re

PLACEHOLDER = re.compile(r"\{\{[^{}]{0,64}\}\}")
_ALWAYS = frozenset(
    (
        *("ticker", "exchange", "interval", "time", "timenow"),
        *("open", "high", "low", "close", "volume"),
        *("syminfo.currency", "syminfo.basecurrency"),
        *(f"plot_{number}" for number in range(20)),
    )
)
_OF_STRATEGIES = frozenset(
    f"strategy.{name}"
    for name in (
        *("order.action", "order.contracts", "order.price", "order.id", "order.comment"),
        *("order.alert_message", "position_size", "market_position", "market_position_size"),
        *("prev_market_position", "prev_market_position_size"),
    )
)


def placeholder_in(text: str) -> str | None:
    """The first placeholder that is still in a text."""
    match = PLACEHOLDER.search(text)
    return None if match is None else match.group()


def cure_of(placeholder: str) -> str:
    """What to do about a placeholder that TradingView did not replace."""
    name = placeholder.strip("{}")
    known = name.strip().lower()
    if known == "time":
        return (
            "Use {{timenow}} for the time; {{time}} is the time of the bar. "
            "Only TradingView fills in placeholders."
        )
    if name != known and known in _ALWAYS | _OF_STRATEGIES:
        return f"Write it exactly as {{{{{known}}}}}."
    if known in _OF_STRATEGIES:
        return (
            "TradingView fills it in only in an alert of a strategy, not of an indicator or a "
            "price. Make the alert on the strategy, or write the value itself."
        )
    if known in _ALWAYS:
        return "Only TradingView fills in placeholders; in a test of your own write the value."
    near = difflib.get_close_matches(known, sorted(_ALWAYS | _OF_STRATEGIES), 1)
    if near:
        return f"TradingView knows no such placeholder; did you mean {{{{{near[0]}}}}}?"
    return "TradingView knows no such placeholder; write the value itself."
