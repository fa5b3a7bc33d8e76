"""Messages as people send them from TradingView, in the shapes that bots and platforms document:
what becomes of a position must be what their authors meant.

Field names and values are as found in public documents; where a strategy's placeholders stand in a
message, it is played through the orders of a strategy.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from core.signals.evaluate import answer
from core.signals.placeholders import PLACEHOLDER

NOW = "2026-01-31T12:00:05Z"
A, C, P = "{{strategy.order.action}}", "{{strategy.order.contracts}}", "{{strategy.market_position}}"
PS, BEFORE = "{{strategy.market_position_size}}", "{{strategy.prev_market_position}}"
BS, SIGNED = "{{strategy.prev_market_position_size}}", "{{strategy.position_size}}"
T, ID, NOTE = "{{ticker}}", "{{strategy.order.id}}", "{{strategy.order.comment}}"
AT, PRICE, CLOSE, BAR = "{{timenow}}", "{{strategy.order.price}}", "{{close}}", "{{time}}"
FRAME, VENUE = "{{interval}}", "{{exchange}}"


class Play(NamedTuple):
    """An order of a strategy: action, contracts, the position after and before it, what is held."""

    action: str
    contracts: str
    after: str
    before: str
    held: str


PLAYS = {
    "opens long": Play("buy", "0.5", "0.5", "0", "0"),
    "opens short": Play("sell", "0.5", "-0.5", "0", "0"),
    "adds": Play("buy", "0.25", "0.75", "0.5", "0.5"),
    "adds short": Play("sell", "0.25", "-0.75", "-0.5", "-0.5"),
    "trims": Play("sell", "0.2", "0.3", "0.5", "0.5"),
    "trims short": Play("buy", "0.2", "-0.3", "-0.5", "-0.5"),
    "exits": Play("sell", "0.5", "0", "0.5", "0.5"),
    "exits short": Play("buy", "0.5", "0", "-0.5", "-0.5"),
    "turns short": Play("sell", "1", "-0.5", "0.5", "0.5"),
    "turns long": Play("buy", "1", "0.5", "-0.5", "-0.5"),
    "exits what is not held": Play("sell", "0.5", "0", "0.5", "0"),
    "exits after the turn": Play("sell", "0.5", "0", "0.5", "-0.5"),
}
MEANT = {
    "opens long": "open BUY 0.5 0.5",
    "opens short": "open SELL 0.5 -0.5",
    "adds": "add BUY 0.25 0.75",
    "adds short": "add SELL 0.25 -0.75",
    "trims": "reduce SELL 0.2 0.3",
    "trims short": "reduce BUY 0.2 -0.3",
    "exits": "close SELL 0.5 0",
    "exits short": "close BUY 0.5 0",
    "turns short": "reverse SELL 1 -0.5",
    "turns long": "reverse BUY 1 0.5",
    "exits what is not held": "none",
    "exits after the turn": "none",
}
# Without the position after the order nothing tells an exit from an entry, nor a turn from an exit.
ORDERS = {
    **MEANT,
    "turns short": "close SELL 0.5 0",
    "turns long": "close BUY 0.5 0",
    "exits what is not held": "open SELL 0.5 -0.5",
    "exits after the turn": "add SELL 0.5 -1",
}
# A size of the strategy's own (0.5 here) instead of TradingView's.
OWN_SIZE = {
    **MEANT,
    "adds": "add BUY 0.5 1",
    "adds short": "add SELL 0.5 -1",
    "trims": "close SELL 0.5 0",
    "trims short": "close BUY 0.5 0",
}
ORDERS_OWN_SIZE = {
    **ORDERS,
    "adds": "add BUY 0.5 1",
    "adds short": "add SELL 0.5 -1",
    "trims": "close SELL 0.5 0",
    "trims short": "close BUY 0.5 0",
}
# TradersPost adds only where it is told to.
TRADERSPOST = {**MEANT, "adds": "none", "adds short": "none"}
# One order of the exchange: what goes past flat opens the other side.
NET = {
    **ORDERS,
    "turns short": "reverse SELL 1 -0.5",
    "turns long": "reverse BUY 1 0.5",
}
TO_BE = {**MEANT, "exits after the turn": "close BUY 0.5 0"}
TICKERLY = {**MEANT, "exits after the turn": "none"}


def filled(template: Any, play: Play, ticker: str = "BTCUSDT.P") -> str:
    """The message as TradingView sends it for an order of a strategy."""

    def side(size: str) -> str:
        return "flat" if size == "0" else "short" if size.startswith("-") else "long"

    text = template if isinstance(template, str) else json.dumps(template)
    values = {
        **{"ticker": ticker, "exchange": "BINANCE", "interval": "60", "timenow": NOW},
        **{"time": "2026-01-31T11:00:00Z", "close": "100", "open": "99", "high": "101"},
        **{"low": "98", "volume": "1532.7", "strategy.order.price": "100"},
        **{"strategy.order.action": play.action, "strategy.order.contracts": play.contracts},
        **{"strategy.order.id": "Entry", "strategy.order.comment": "cross"},
        **{"strategy.market_position": side(play.after), "strategy.position_size": play.after},
        "strategy.market_position_size": play.after.removeprefix("-"),
        "strategy.prev_market_position": side(play.before),
        "strategy.prev_market_position_size": play.before.removeprefix("-"),
    }
    return PLACEHOLDER.sub(lambda match: values[match.group()[2:-2]], text)


def answered(body: str, position: str = "0", **line: Any) -> dict[str, Any]:
    given = {"body": body, "received_at": NOW, "position": position, "oracle_price": "100"}
    given |= {"equity": "1000", "default_size": "0.5"}
    return answer(json.dumps(given | line).encode())


def told(body: Any, position: str = "0", **line: Any) -> str:
    """Effect, side, size and the position after it; of a refusal its code."""
    text = body if isinstance(body, str) else json.dumps(body)
    found = answered(text, position, **line)
    if found["intent"] == "reject":
        return f"reject {found['error']['code']}"
    if found["side"] is None:
        return str(found["intent"])
    return f"{found['intent']} {found['side']} {found['size']} {found['position_after']}"


STRATEGIES: list[tuple[Any, dict[str, str]]] = [
    # Messages of bots' own documents: names of all kinds for the same placeholders.
    ({"ticker": T, "action": A, "contracts": C, "market_position": P}, MEANT),
    ({"symbol": T, "action": A, "qty": C, "market_position": P, "price": CLOSE}, MEANT),
    ({"symbol": T, "side": A, "quantity": C, "position": P}, MEANT),
    (
        {
            **{"secret": "s3cret-s3cret", "ticker": T, "action": A, "contracts": C, "price": CLOSE},
            **{"order_id": ID, "market_position": P, "market_position_size": PS},
            **{"prev_market_position": BEFORE, "prev_market_position_size": BS, "timestamp": AT},
        },
        MEANT,
    ),
    (
        {
            **{"ticker": T, "price": CLOSE, "action": A, "market_position": P},
            **{"position_size": SIGNED, "prev_position_size": BS, "quantity": C},
            "strategy_name": "trend",
        },
        MEANT,
    ),
    (
        {
            **{"ticker": T, "exchange": VENUE, "interval": FRAME, "timeframe": FRAME, "action": A},
            **{"contracts": C, "price": PRICE, "market_position": P, "market_position_size": PS},
            **{"prev_market_position": BEFORE, "timestamp": BAR},
        },
        MEANT,
    ),
    (
        {
            **{"action": A, "alert_message": "", "close": CLOSE, "comment": NOTE, "contracts": C},
            **{"exchange": VENUE, "high": "{{high}}", "id": ID, "interval": FRAME},
            **{"low": "{{low}}", "open": "{{open}}", "position_size": SIGNED, "ticker": T},
            **{"prev_market_position": BEFORE, "prev_market_position_size": BS, "price": PRICE},
            **{"time": BAR, "signature": "none"},
        },
        MEANT,
    ),
    (
        {
            **{"passphrase": "abcdefgh", "time": AT, "exchange": VENUE, "ticker": T},
            "bar": {"time": BAR, "open": "{{open}}", "close": CLOSE, "volume": "{{volume}}"},
            "strategy": {
                **{"position_size": SIGNED, "order_action": A, "order_contracts": C},
                **{"order_price": PRICE, "order_id": ID, "market_position": P},
                **{"market_position_size": PS, "prev_market_position": BEFORE},
                "prev_market_position_size": BS,
            },
        },
        MEANT,
    ),
    (
        '{"passphrase": "abcdefgh", "time": "{{timenow}}", "ticker": "{{ticker}}", "bar": {"open": '
        '{{open}}, "close": {{close}}, "volume": {{volume}}}, "strategy": {"position_size": '
        '{{strategy.position_size}}, "order_action": "{{strategy.order.action}}", '
        '"order_contracts": {{strategy.order.contracts}}, "order_price": {{strategy.order.price}}, '
        '"market_position": "{{strategy.market_position}}", "market_position_size": '
        '{{strategy.market_position_size}}, "prev_market_position": '
        '"{{strategy.prev_market_position}}", "prev_market_position_size": '
        "{{strategy.prev_market_position_size}}}}",
        MEANT,
    ),
    (
        {
            "strategy": {"name": "SMI", "settings": {"source": "x"}},
            "instrument": {"ticker": T},
            "order": {"action": A, "quantity": C},
            "position": {"new_size": SIGNED},
        },
        MEANT,
    ),
    ({"action": A, "contracts": C, "position_size": SIGNED, "symbol": T}, MEANT),
    ({"ticker": T, "action": A, "position_size": SIGNED, "contracts": C, "price": CLOSE}, MEANT),
    (
        {
            **{"data": {"action": A, "contracts": C, "position_size": SIGNED}, "price": CLOSE},
            **{"signal_param": "{}", "signal_type": "725b414d", "symbol": T, "time": AT},
        },
        MEANT,
    ),
    (
        {
            **{"symbol": T, "exchange": VENUE, "interval": FRAME, "action": A, "price": CLOSE},
            **{"qty": C, "position_size": SIGNED, "order_price": PRICE, "time": AT},
        },
        MEANT,
    ),
    (
        {
            **{"apikey": "key", "strategy": "Tradingview", "symbol": T, "action": A},
            **{"exchange": "NFO", "pricetype": "MARKET", "product": "MIS", "quantity": C},
            "position_size": SIGNED,
        },
        MEANT,
    ),
    (
        {
            **{"strategy": "Trend", "bot_token": "4ATU7", "order": A, "contracts": C},
            **{"ticker": T, "position_size": SIGNED},
        },
        MEANT,
    ),
    (
        {
            **{"strategy_order_action": A, "strategy_order_contracts": C, "ticker": T},
            **{"strategy_market_position": P, "strategy_market_position_size": PS},
            **{"strategy_prev_market_position": BEFORE, "timenow": AT, "position_size": SIGNED},
        },
        MEANT,
    ),
    (
        "Trend (20, 14): order {{strategy.order.action}} @ {{strategy.order.contracts}} filled on "
        "{{ticker}}. New strategy position is {{strategy.position_size}}",
        MEANT,
    ),
    (
        {
            **{"action": A, "ticker": T, "contracts": C, "price": PRICE, "position": P},
            "time": AT,
        },
        MEANT,
    ),
    # Of these the size is the strategy's own.
    (
        {
            **{"secret": "s3cret-s3cret", "event_id": f"{AT}-{T}", "timestamp": AT, "symbol": T},
            **{"action": A, "market_position": P, "prev_market_position": BEFORE, "entry": CLOSE},
        },
        OWN_SIZE,
    ),
    (
        {
            **{"strategy": "5/8/13", "ticker": T, "close": CLOSE, "action": A, "direction": P},
            **{"interval": FRAME, "sent_at": AT, "strprice": PRICE},
        },
        OWN_SIZE,
    ),
    ({"symbol": T, "action": A, "market_position": P, "tp": "", "sl": "", "price": CLOSE}, OWN_SIZE),
    ({"name": "MACD", "price": PRICE, "type": A, "side": P, "symbol": T, "time": AT}, OWN_SIZE),
    ({"symbol": T, "qty": "0.5", "action": A, "market_position": P, "price": CLOSE}, OWN_SIZE),
    ({"symbol": T, "data": A, "action": A, "position": P, "date": AT, "token": "t0ken"}, OWN_SIZE),
    # An order and its size alone.
    ({"symbol": T, "action": A, "contracts": C}, ORDERS),
    ({"side": A, "ticker": T, "size": C, "price": PRICE, "sent": AT}, ORDERS),
    ({"symbol": T, "side": A, "qty": C, "price": CLOSE, "signalId": "f4e9", "uid": "6e6d"}, ORDERS),
    ({"symbol": T, "side": A, "qty": C, "trigger_time": AT}, ORDERS),
    ({"accId": "DU1", "symbol": T, "side": A, "amount": C, "simulated": False}, ORDERS),
    (
        {
            **{"token": "t0ken", "nonce": "n1", "exchange": VENUE, "apiKey": "k", "symbol": T},
            **{"side": A, "amount": C, "price": CLOSE},
        },
        ORDERS,
    ),
    (
        {
            **{"secret": "s3cret-s3cret", "symbol": T, "action": A, "price": CLOSE},
            **{"stop_loss": "", "target": "", "quantity": C, "strategy": ID},
        },
        ORDERS,
    ),
    (
        {
            **{"strategy_name": "V69", "symbol": T, "side": A, "quantity": C, "close": CLOSE},
            **{"open": "{{open}}", "order_type": "MARKET", "ATR": "1.2", "opposite": "1"},
        },
        ORDERS,
    ),
    ({"action": "market_order", "ticker": T, "side": A, "quantity": C, "price": CLOSE}, ORDERS),
    ({"symbol": T, "action": A, "price": CLOSE, "time": AT}, ORDERS_OWN_SIZE),
    ({"symbol": T, "action": A, "price": CLOSE, "time": BAR, "interval": FRAME}, ORDERS_OWN_SIZE),
    ({"action": A, "symbol": T, "strategy": "Trend"}, ORDERS_OWN_SIZE),
    ({"symbol": T, "price": CLOSE, "side": A, "interval": FRAME, "time": BAR}, ORDERS_OWN_SIZE),
    ({"time": AT, "ticker": T, "order_action": A, "order_price": PRICE}, ORDERS_OWN_SIZE),
    ({"symbol": T, "side": A, "trade": NOTE, "price": PRICE, "trigger_time": AT}, ORDERS_OWN_SIZE),
    # TradersPost, with its own words.
    (
        {
            **{"ticker": T, "action": A, "sentiment": P, "quantity": C, "price": CLOSE},
            **{"time": AT, "interval": FRAME},
        },
        TRADERSPOST,
    ),
    (
        {"ticker": T, "time": AT, "action": A, "sentiment": P, "price": PRICE},
        {**OWN_SIZE, "adds": "none", "adds short": "none"},
    ),
    # 3Commas, OKX, HyperTrade, Tickerly, Finandy, junta.
    (
        {
            **{"secret": "token", "max_lag": "300", "timestamp": AT, "trigger_price": CLOSE},
            **{"tv_exchange": VENUE, "tv_instrument": T, "action": A, "bot_uuid": "uuid"},
            "strategy_info": {
                **{"market_position": P, "market_position_size": PS},
                **{"prev_market_position": BEFORE, "prev_market_position_size": BS},
            },
            "order": {"amount": C, "currency_type": "base"},
        },
        MEANT,
    ),
    (
        {
            **{"id": ID, "action": A, "marketPosition": P, "prevMarketPosition": BEFORE},
            **{"instrument": "BTC-USDT-SWAP", "signalToken": "token", "timestamp": AT},
            **{"maxLag": "60", "investmentType": "base", "amount": C},
        },
        MEANT,
    ),
    (
        {
            "general": {"strategy": "x", "ticker": T, "interval": FRAME, "timenow": AT},
            "currency": {"quote": "USDT", "base": "BTC"},
            "order": {"action": A, "contracts": C, "price": PRICE, "id": ID},
            "market": {
                **{"position": P, "position_size": PS},
                **{"previous_position": BEFORE, "previous_position_size": BS},
            },
        },
        MEANT,
    ),
    (
        {"action": A, "ticker": T, "prev_position": BEFORE, "quantity": C, "pointer": "p0inter"},
        TICKERLY,
    ),
    ({"name": "Hook 1", "secret": "8701", "side": A, "positionSide": P, "symbol": T}, OWN_SIZE),
    (
        {
            **{"exchange": "dydxv4", "strategy": "s", "market": "BTC_USD", "size": "0.5"},
            **{"reverse": True, "order": A, "position": P, "price": PRICE, "passphrase": ""},
        },
        OWN_SIZE,
    ),
    # Plain orders of the exchange.
    (
        "EXCHANGE=binance\nSYMBOL=BTCUSDT\nSIGNAL={{strategy.order.action}}\nORDER_TYPE=MARKET\n"
        "VOLUME={{strategy.order.contracts}}\nTOKEN=t0ken",
        NET,
    ),
    ("e=bybit s=BTCUSDT b={{strategy.order.action}} q={{strategy.order.contracts}} t=market", NET),
    (
        "MyKeys(BTCUSDT) { market(side={{strategy.order.action}}, "
        "amount={{strategy.order.contracts}}); } #bot",
        NET,
    ),
    (
        {
            **{"exchange": "bybit", "pair": T, "orderType": A, "units": C, "token": "t0ken"},
            **{"unitsType": "absolute", "isMarket": True, "apiKey": "main"},
        },
        NET,
    ),
    # The position to be in, whatever is held.
    (
        "MyKeys(BTCUSDT) {\n cancel(which=all);\n market(position={{strategy.position_size}});\n}\n"
        "#bot",
        TO_BE,
    ),
    ({"symbol": T, "market_position": P, "market_position_size": PS}, TO_BE),
    ({"ticker": T, "market_position": P, "market_position_size": PS, "price": CLOSE}, TO_BE),
]


@pytest.mark.parametrize("play", PLAYS)
@pytest.mark.parametrize(("template", "meant"), STRATEGIES)
def test_a_strategys_message_does_what_the_strategy_did(
    template: Any, meant: dict[str, str], play: str
) -> None:
    body = filled(template, PLAYS[play])

    assert told(body, PLAYS[play].held) == meant[play], body
