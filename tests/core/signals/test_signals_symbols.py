"""Symbols become tickers by rule; what no rule covers is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.signals.symbols import SymbolUnknown, resolve

LONG = "BUFFI,uniswap_v3,4c1803-USD"
TICKERS = (
    *("BTC-USD", "ETH-USD", "SOL-USD", "DOGE-USD", "PEPE-USD", "SHIB-USD", "SPX-USD"),
    *("1INCH-USD", "PERP-USD", "USDT-USD", LONG),
)


@pytest.mark.parametrize(
    "symbol",
    [
        *("BTC-USD", "BTCUSD", "btcusd", "BTCUSDT", "BTCUSDC", "BTCUSDT.P"),
        *("BTCUSD.P", "BTC/USD", "BTC/USDT", "BTC/USDC:USDC", "BTC-USDT", "BTC_USD"),
        *("BTC_USDT", "BTCPERP", "BTC-PERP", "BTCUSDTPERP", "BTCUSD_PERP", "BTC-USDT-SWAP"),
        *(
            "BTC-USD-SWAP",
            "BINANCE:BTCUSDT.P",
            "BYBIT:BTCUSDT",
            "DYDX:BTCUSD",
            "BINANCE:BTC/USDT:USDT",
            "XBTUSD",
        ),
        *("KRAKEN:XBTUSDT", "BITSTAMP_DL:BTCUSD"),
    ],
)
def test_ways_to_write_bitcoin_in_dollars(symbol: str) -> None:
    assert resolve(symbol, TICKERS) == "BTC-USD"


@pytest.mark.parametrize(
    ("symbol", "ticker"),
    [
        ("1INCHUSDT.P", "1INCH-USD"),
        ("PERPUSDT", "PERP-USD"),
        ("PERP-USD", "PERP-USD"),
        ("USDTUSD", "USDT-USD"),
        ("KRAKEN:XDGUSD", "DOGE-USD"),
        (LONG, LONG),
        (LONG.lower(), LONG),
        (" eth-usd ", "ETH-USD"),
    ],
)
def test_other_symbols_with_a_rule(symbol: str, ticker: str) -> None:
    assert resolve(symbol, TICKERS) == ticker


@pytest.mark.parametrize(
    ("symbol", "nearest"),
    [
        ("1000PEPEUSDT.P", "PEPE-USD"),
        ("1000SHIB-USD", "SHIB-USD"),
        ("kPEPE-USD", "PEPE-USD"),
        ("SPX", "SPX-USD"),
        ("SP:SPX", "SPX-USD"),
        ("BTC", "BTC-USD"),
        ("BTCEUR", "BTC-USD"),
        ("BTCBUSD", "BTC-USD"),
        ("ETHBTC", "ETH-USD"),
        ("SOLL-USD", "SOL-USD"),
    ],
)
def test_a_scaled_coin_a_bare_name_or_another_currency_is_refused_with_the_nearest(
    symbol: str, nearest: str
) -> None:
    with pytest.raises(SymbolUnknown) as caught:
        resolve(symbol, TICKERS)

    assert caught.value.symbol == symbol
    assert nearest in caught.value.nearest


@pytest.mark.parametrize(
    "symbol",
    ["", "USD", "-USD", ":", "/", "CME:BTC1!", "BTCUSDT240628", "ВTCUSD", "ſOLUSD", "x" * 64],
)
def test_what_looks_like_nothing_listed_is_refused(symbol: str) -> None:
    with pytest.raises(SymbolUnknown):
        resolve(symbol, TICKERS)


def test_nothing_is_resolved_when_nothing_is_listed() -> None:
    with pytest.raises(SymbolUnknown) as caught:
        resolve("BTCUSD", ())

    assert caught.value.nearest == ()


@given(st.text(max_size=70))
def test_any_text_gives_a_listed_ticker_or_is_unknown(symbol: str) -> None:
    try:
        assert resolve(symbol, TICKERS) in TICKERS
    except SymbolUnknown as unknown:
        assert set(unknown.nearest) <= set(TICKERS)  # noqa: PT017
