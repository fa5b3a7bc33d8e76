"""Symbols become tickers by rule; what no rule covers is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.signals.alert import (
    Action,
    Alert,
    BreakEven,
    Force,
    Level,
    MarketPosition,
    OrderKind,
    Size,
    SizeUnit,
    TakeProfit,
    Target,
    Terms,
    Trailing,
)
from core.signals.scaling import SCALED
from core.signals.symbols import Listing, SymbolUnknown, listing_of, placed, resolve

LONG = "BUFFI,uniswap_v3,4c1803-USD"
TICKERS = (
    *("BTC-USD", "ETH-USD", "SOL-USD", "DOGE-USD", "PEPE-USD", "SHIB-USD", "SPX-USD"),
    *("1INCH-USD", "PERP-USD", "USDT-USD", LONG),
)


@pytest.mark.parametrize(
    "symbol",
    [
        *("BTC-USD", "BTCUSD", "btcusd", "BTCUSDT", "BTCUSDC", "BTCUSDT.P"),
        *("BTC-PERP-INTX", "COINBASE:BTCPERPINTX", "BTC-PERPETUAL", "KUCOIN:XBTUSDTM"),
        *("KRAKEN:XBTUSD.PM", "BTCUSDT_UMCBL", "BTC-USD-PERP", "HYPERLIQUID:BTCUSDC.P"),
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


def test_an_alias_of_the_strategy_names_what_no_rule_does() -> None:
    aliases = {"btceur": "BTC-USD", "SP:SPX": "SPX-USD", "MYCOIN": "GONE-USD"}

    assert resolve("BTCEUR", TICKERS, aliases) == "BTC-USD"
    assert resolve(" sp:spx ", TICKERS, aliases) == "SPX-USD"
    with pytest.raises(SymbolUnknown):
        resolve("MYCOIN", TICKERS, aliases)
    with pytest.raises(SymbolUnknown):
        resolve("SPX", TICKERS, aliases)


def test_an_alias_never_renames_a_listed_ticker() -> None:
    assert resolve("BTC-USD", TICKERS, {"BTC-USD": "ETH-USD"}) == "BTC-USD"


@pytest.mark.parametrize(
    ("symbol", "listing"),
    [
        ("BINANCE:1000PEPEUSDT.P", Listing("PEPE-USD", 1000)),
        ("1000PEPE/USDC:USDC", Listing("PEPE-USD", 1000)),
        ("SHIB1000USDT", Listing("SHIB-USD", 1000)),
        ("kPEPE-USD", Listing("PEPE-USD", 1000)),
        ("PEPEUSDT", Listing("PEPE-USD")),
    ],
)
def test_a_coin_counted_by_the_thousand_is_known_by_table(symbol: str, listing: Listing) -> None:
    assert listing_of(symbol, TICKERS) == listing


def test_a_listed_scaled_coin_is_its_own_market() -> None:
    assert listing_of("1000PEPEUSDT", (*TICKERS, "1000PEPE-USD")) == Listing("1000PEPE-USD")


def test_an_alias_of_a_scaled_coin_keeps_its_factor() -> None:
    aliases = {"1000PEPEUSDT.P": "PEPE-USD"}

    assert listing_of("1000PEPEUSDT.P", TICKERS, aliases) == Listing("PEPE-USD", 1000)
    with pytest.raises(SymbolUnknown):
        resolve("1000PEPEUSDT.P", TICKERS, aliases)


@pytest.mark.parametrize("symbol", ["1000DOGEUSDT.P", "KDOGE-USD", "1MDOGEUSDT", "10000ETHUSDT"])
def test_a_coin_that_may_be_scaled_is_not_offered_its_plain_one(symbol: str) -> None:
    with pytest.raises(SymbolUnknown) as caught:
        listing_of(symbol, TICKERS)

    assert not {"DOGE-USD", "ETH-USD"} & set(caught.value.nearest)


def test_an_alert_of_a_scaled_coin_is_put_into_single_coins() -> None:
    price, percent = Level(price=Decimal(5)), Level(percent=Decimal(2))
    alert = Alert(
        Action.SELL,
        "1000PEPEUSDT",
        size=Size(Decimal(3), SizeUnit.BASE),
        target=Target(
            MarketPosition.SHORT, Decimal(2), MarketPosition.LONG, previous_size=Decimal(1)
        ),
        terms=Terms(OrderKind.LIMIT, Decimal(4), Force.GTT),
        take_profit=(TakeProfit(price, Decimal("0.5")), TakeProfit(percent)),
        stop_loss=Level(offset=Decimal(1)),
        trailing=Trailing(percent, price),
        break_even=BreakEven(price, Level(offset=Decimal(1))),
    )
    thousandth = Level(price=Decimal("0.005"))

    assert placed(alert, TICKERS) == (
        "PEPE-USD",
        Alert(
            Action.SELL,
            "PEPE-USD",
            size=Size(Decimal(3000), SizeUnit.BASE),
            target=Target(
                MarketPosition.SHORT,
                Decimal(2000),
                MarketPosition.LONG,
                previous_size=Decimal(1000),
            ),
            terms=Terms(OrderKind.LIMIT, Decimal("0.004"), Force.GTT),
            take_profit=(TakeProfit(thousandth, Decimal("0.5")), TakeProfit(percent)),
            stop_loss=Level(offset=Decimal("0.001")),
            trailing=Trailing(percent, thousandth),
            break_even=BreakEven(thousandth, Level(offset=Decimal("0.001"))),
        ),
    )


def test_a_converted_alert_is_not_converted_again() -> None:
    alert = Alert(Action.BUY, "1000PEPEUSDT", size=Size(Decimal(3), SizeUnit.BASE))
    once = placed(alert, TICKERS)

    assert placed(once[1], TICKERS) == once


@pytest.mark.parametrize(
    ("unit", "after"),
    [
        (SizeUnit.CONTRACTS, 3000),
        (SizeUnit.USD, 3),
        (SizeUnit.EQUITY_PERCENT, 3),
        (SizeUnit.POSITION_PERCENT, 3),
    ],
)
def test_only_coins_are_counted_by_the_thousand(unit: SizeUnit, after: int) -> None:
    alert = Alert(Action.BUY, "1000PEPEUSDT", size=Size(Decimal(3), unit))

    assert placed(alert, TICKERS)[1].size == Size(Decimal(after), unit)


def test_an_alert_of_a_plain_coin_stays_as_it_is() -> None:
    alert = Alert(Action.BUY, "BTCUSDT", size=Size(Decimal(3), SizeUnit.BASE))

    assert placed(alert, TICKERS) == ("BTC-USD", alert)


def test_the_factor_of_a_scaled_name_is_the_one_it_says() -> None:
    for name, scaled in SCALED.items():
        assert scaled.base in name
        rest = name.replace(scaled.base, "", 1)
        assert {"K": "1000", "1M": "1000000"}.get(rest, rest) == str(scaled.factor), name


@given(st.text(max_size=70))
def test_any_text_gives_a_listed_ticker_or_is_unknown(symbol: str) -> None:
    try:
        assert resolve(symbol, TICKERS) in TICKERS
    except SymbolUnknown as unknown:
        assert set(unknown.nearest) <= set(TICKERS)  # noqa: PT017
