"""From what TradingView calls a symbol to a dYdX ticker, by explicit rules and never by a guess.

dYdX quotes every perpetual in USD, so USD, USDT and USDC name the same market. Coins that others
trade by the thousand (1000PEPE) are known by a table; sizes and prices of such an alert are for
that many coins, so only `placed`, which converts them, resolves these.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from core.signals.alert import Alert
from core.signals.scaling import SCALED, in_coins

_EXCHANGE = re.compile(r"[A-Z0-9_]+:")
_SETTLEMENT = re.compile(r"(?<=[A-Z0-9])/(USDC|USDT|USD):(?:USDC|USDT|USD)$")
_PERPETUAL = re.compile(
    r"(?:\.PM?|[-_.]?PERP(?:ETUAL)?|[-_]SWAP|[-_]?PERP[-_]?INTX|_UMCBL|(?<=USD[TC])M)$"
)
_PAIR = re.compile(r"(?P<base>[A-Z0-9]+?)[-_/]?(?:USDT|USDC|USD)")
_BASE_ONLY = re.compile(r"(?P<base>[A-Z0-9]+?)[-_.]?PERP(?:ETUAL|[-_]?INTX)?")
_BY_THE_THOUSAND = re.compile(r"(?:10{3,8}|K|M|1M)(?P<base>[A-Z][A-Z0-9]*)")
_SAME_COIN = {"XBT": "BTC", "XDG": "DOGE"}


class SymbolUnknown(Exception):
    """No listed market is meant by this symbol; `nearest` are tickers that look alike."""

    def __init__(self, symbol: str, nearest: tuple[str, ...]) -> None:
        super().__init__(f"dYdX has no market for {symbol!r}")
        self.symbol = symbol
        self.nearest = nearest


class Listing(NamedTuple):
    """The market that a symbol means. One coin of the symbol is `factor` coins of the market."""

    ticker: str
    factor: int = 1


def resolve(symbol: str, tickers: Collection[str], aliases: Mapping[str, str] | None = None) -> str:
    """The ticker that a symbol means, one of `tickers`, where a coin of both is the same. Raises
    SymbolUnknown.
    """
    listing = listing_of(symbol, tickers, aliases)
    if listing.factor != 1:
        raise SymbolUnknown(symbol, (listing.ticker,))
    return listing.ticker


def placed(
    alert: Alert, tickers: Collection[str], aliases: Mapping[str, str] | None = None
) -> tuple[str, Alert]:
    """The ticker of an alert, and the alert with sizes and prices of that market's coin. One that
    was converted names the ticker, so that it is never converted again. Raises SymbolUnknown.
    """
    listing = listing_of(alert.symbol, tickers, aliases)
    if listing.factor == 1:
        return listing.ticker, alert
    return listing.ticker, replace(in_coins(alert, listing.factor), symbol=listing.ticker)


def listing_of(
    symbol: str, tickers: Collection[str], aliases: Mapping[str, str] | None = None
) -> Listing:
    """The market that a symbol means. Raises SymbolUnknown.

    In order: the ticker itself in any case; an alias (symbols to tickers, in any case); without an
    exchange (BINANCE:); without the mark of a perpetual (.P, PERP, -SWAP, PERP-INTX, KuCoin's M …)
    or of a settlement coin (:USDC); a coin followed by USD, USDT or USDC with or without - _ or /;
    a scaled coin by table. A coin alone is accepted only with the mark of a perpetual: SPX is an
    index elsewhere and a coin here.
    """
    if symbol in tickers:
        return Listing(symbol)
    name = symbol.strip().upper() if symbol.isascii() else symbol.strip()
    listed = _by_name(tuple(tickers))
    if name in listed:
        return Listing(listed[name])
    alias = _aliased(name, aliases or {})
    if alias in tickers:
        return Listing(alias, _factor(name, alias))
    if not symbol.isascii():
        raise SymbolUnknown(symbol, ())
    name = _EXCHANGE.sub("", name, count=1) if _EXCHANGE.match(name) else name
    if name in listed:
        return Listing(listed[name])
    bases = _bases(name)
    for base in bases:
        found = listed.get(f"{_SAME_COIN.get(base, base)}-USD")
        if found is not None:
            return Listing(found)
    for base in bases:
        scaled = SCALED.get(base)
        if scaled is not None and f"{scaled.base}-USD" in listed:
            return Listing(listed[f"{scaled.base}-USD"], scaled.factor)
    raise SymbolUnknown(symbol, _nearest(name, listed))


@lru_cache(maxsize=8)
def _by_name(tickers: tuple[str, ...]) -> Mapping[str, str]:
    """Tickers by their names in capitals."""
    return {ticker.upper(): ticker for ticker in tickers}


def _aliased(name: str, aliases: Mapping[str, str]) -> str:
    return {given.strip().upper(): ticker for given, ticker in aliases.items()}.get(name, "")


def _factor(name: str, ticker: str) -> int:
    """How many coins of an alias' market its symbol counts as one."""
    plain = _EXCHANGE.sub("", name, count=1) if _EXCHANGE.match(name) else name
    for base in _bases(plain):
        scaled = SCALED.get(base)
        if scaled is not None and ticker.upper() == f"{scaled.base}-USD":
            return scaled.factor
    return 1


def _bases(name: str) -> list[str]:
    """The coins that a name can mean, the plainest reading first."""
    plain = _PERPETUAL.sub("", _SETTLEMENT.sub(r"/\1", name))
    readings = [_PAIR.fullmatch(plain), _PAIR.fullmatch(name), _BASE_ONLY.fullmatch(name)]
    return list(dict.fromkeys(match["base"] for match in readings if match is not None))


def _nearest(name: str, listed: Mapping[str, str]) -> tuple[str, ...]:
    """Up to three tickers that look alike. A coin that may be counted by the thousand is not
    offered its plain one: as an alias it would be traded in the wrong size.
    """
    bases = {ticker.removesuffix("-USD"): ticker for ticker in listed}
    wanted = (_bases(name) or [_PERPETUAL.sub("", name)])[0][:32]
    near = [wanted] if wanted in bases else []
    near += difflib.get_close_matches(wanted, sorted(bases), 4, cutoff=0.6)
    thousand = _BY_THE_THOUSAND.fullmatch(wanted)
    plain = thousand["base"] if thousand is not None else None
    return tuple(listed[bases[base]] for base in dict.fromkeys(near) if base != plain)[:3]
