"""From what TradingView calls a symbol to a dYdX ticker, by explicit rules and never by a guess.

dYdX quotes every perpetual in USD, so USD, USDT and USDC name the same market. Scaled coins
(1000PEPE for PEPE) are refused even where the coin itself is listed: sizes and prices of such an
alert would be wrong by the factor.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection

_EXCHANGE = re.compile(r"[A-Z0-9_]+:")
_SETTLEMENT = re.compile(r"(?<=[A-Z])/(USDC|USDT|USD):(?:USDC|USDT|USD)$")
_PERPETUAL = re.compile(r"(?:\.P|[-_.]?PERP|[-_]SWAP)$")
_PAIR = re.compile(r"(?P<base>[A-Z0-9]+?)[-_/]?(?:USDT|USDC|USD)")
_BASE_ONLY = re.compile(r"(?P<base>[A-Z0-9]+)[-_.]?PERP")
_SCALED = re.compile(r"(?:10{3,8}|K|M|1M)(?P<base>[A-Z][A-Z0-9]*)")
_SAME_COIN = {"XBT": "BTC", "XDG": "DOGE"}


class SymbolUnknown(Exception):
    """No listed market is meant by this symbol; `nearest` are tickers that look alike."""

    def __init__(self, symbol: str, nearest: tuple[str, ...]) -> None:
        super().__init__(f"dYdX has no market for {symbol!r}")
        self.symbol = symbol
        self.nearest = nearest


def resolve(symbol: str, tickers: Collection[str]) -> str:
    """The ticker that a symbol means, one of `tickers`. Raises SymbolUnknown.

    In order: the ticker itself in any case; without an exchange (BINANCE:); without the mark of a
    perpetual (.P, PERP, -SWAP) or of a settlement coin (:USDC); a coin followed by USD, USDT or
    USDC with or without - _ or /. A coin alone is accepted only with the mark of a perpetual: SPX
    is an index elsewhere and a coin here.
    """
    if symbol in tickers:
        return symbol
    if not symbol.isascii():
        raise SymbolUnknown(symbol, ())
    name = symbol.strip().upper()
    listed = {ticker.upper(): ticker for ticker in tickers}
    if name in listed:
        return listed[name]
    name = _EXCHANGE.sub("", name, count=1) if _EXCHANGE.match(name) else name
    if name in listed:
        return listed[name]
    for base in _bases(name):
        found = listed.get(f"{_SAME_COIN.get(base, base)}-USD")
        if found is not None:
            return found
    raise SymbolUnknown(symbol, _nearest(name, listed))


def _bases(name: str) -> list[str]:
    """The coins that a name can mean, the plainest reading first."""
    plain = _PERPETUAL.sub("", _SETTLEMENT.sub(r"/\1", name))
    readings = [_PAIR.fullmatch(plain), _PAIR.fullmatch(name), _BASE_ONLY.fullmatch(name)]
    return list(dict.fromkeys(match["base"] for match in readings if match is not None))


def _nearest(name: str, listed: dict[str, str]) -> tuple[str, ...]:
    bases = {ticker.removesuffix("-USD"): ticker for ticker in listed}
    wanted = (_bases(name) or [_PERPETUAL.sub("", name)])[0][:32]
    near: list[str] = []
    scaled = _SCALED.fullmatch(wanted)
    if scaled is not None and scaled["base"] in bases:
        near.append(scaled["base"])
    near += [wanted] if wanted in bases else []
    near += difflib.get_close_matches(wanted, sorted(bases), 3, cutoff=0.6)
    return tuple(listed[bases[base]] for base in dict.fromkeys(near))[:3]
