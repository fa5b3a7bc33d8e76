"""How other platforms write a market, turned into what core/signals/symbols.py resolves."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from core.signals.alert import SizeUnit
from core.signals.presets.common import fault

_QUOTES: Final = ("USDT", "USDC", "USD", "BUSD", "FDUSD", "TUSD")
# Exchanges' contracts of one US dollar each, whatever the coin costs.
_DOLLAR_CONTRACTS: Final = ("XBTUSD",)
# Deribit's, which count ten or one of them.
_DOLLAR_MARK: Final = "-PERPETUAL"
_EITHER: Final = ("BTCUSD", "ETHUSD")
_IN_DOLLARS: Final = ("bybit", "deribit")
_IN_COINS: Final = (
    "bitfinex",
    "coinbase",
    "kraken",
    "bitstamp",
    "gemini",
    "ftx",
    "dydx",
    "perpgram",
)
_UNLIKELY_COINS: Final = Decimal(10)
_EXCHANGE = re.compile(r"^[A-Za-z0-9_]+:")


def quote_first(symbol: str) -> str:
    """3Commas and Altrady write the quote first: USDT_BTC, USDT_BTCUSDT, BINA_USDT_BTC."""
    parts = symbol.strip().upper().split("_")
    if len(parts) == 3 and parts[1] in _QUOTES:
        parts = parts[1:]
    if len(parts) != 2 or parts[0] not in _QUOTES:
        return symbol
    quote, base = parts
    names_pair = base.endswith(_QUOTES) and base not in _QUOTES
    return base if names_pair or base.endswith("PERP") else f"{base}-{quote}"


def unit_of(symbol: str, number: Decimal, exchange: str = "") -> SizeUnit:
    """What a bare amount counts: coins, or contracts of one US dollar each.

    XBTUSD is BitMEX's and counts dollars. BTCUSD and ETHUSD are coins on one exchange and dollars
    on another: an exchange that the message names decides, a fraction can only be coins, and a
    whole number from ten on is refused, as the two differ by the price of the coin.
    """
    name = _EXCHANGE.sub("", symbol.strip().upper()).removesuffix(".P")
    if name in _DOLLAR_CONTRACTS or name.endswith(_DOLLAR_MARK):
        return SizeUnit.USD
    if name not in _EITHER:
        return SizeUnit.BASE
    if any(one in exchange.casefold() for one in _IN_DOLLARS):
        return SizeUnit.USD
    in_coins = any(one in exchange.casefold() for one in _IN_COINS)
    if in_coins or number < _UNLIKELY_COINS or number != number.to_integral_value():
        return SizeUnit.BASE
    raise fault(
        "size_ambiguous",
        f"{number:f} of {name} may be coins or contracts of one dollar.",
        "Use a market like BTCUSDT for coins, or percent of the balance.",
        field="amount",
    )
