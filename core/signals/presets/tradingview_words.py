"""The names and words that messages made of TradingView's placeholders use, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from core.signals.alert import MarketPosition
from core.signals.presets.common import LONG, SHORT


class Said(NamedTuple):
    """What a word asks for: `order` (buy or sell), `enter`, `close`, `reduce`, `add`, `reverse`,
    `cancel`, or `open`, which leaves the side to another field. `way` is the side, `all` says that
    the whole position is meant.
    """

    what: str
    way: MarketPosition | None = None
    all: bool = False


def _sided(way: MarketPosition, side: str, order: str) -> dict[str, Said]:
    """The words of one side, like long and buy."""
    enters = (
        *(side, f"enter{side}", f"{side}entry", f"open{side}", f"{side}open", f"go{side}"),
        *(f"{order}{side}", f"start{side}", f"entry{side}", f"{side}signal", f"{order}entry"),
    )
    closes = (
        *(f"close{side}", f"{side}close", f"exit{side}", f"{side}exit", f"closeall{side}"),
        *(f"close{order}", f"{order}exit", f"exit{order}", f"{order}close"),
    )
    return {
        order: Said("order", way),
        f"{order}signal": Said("order", way),
        f"{order}market": Said("order", way),
        **dict.fromkeys(enters, Said("enter", way)),
        **dict.fromkeys(closes, Said("close", way)),
    }


WORDS: Final[Mapping[str, Said]] = {
    **_sided(LONG, "long", "buy"),
    **_sided(SHORT, "short", "sell"),
    **dict.fromkeys(("bull", "bullish"), Said("enter", LONG)),
    **dict.fromkeys(("bear", "bearish"), Said("enter", SHORT)),
    **dict.fromkeys(("cover", "buytocover"), Said("close", SHORT)),
    **dict.fromkeys(("close", "exit", "exitposition", "sl", "tp"), Said("close")),
    **dict.fromkeys(("stoploss", "takeprofit", "stopped", "stophit", "slhit"), Said("close")),
    **dict.fromkeys(("tphit", "stoplosshit", "takeprofithit"), Said("close")),
    **dict.fromkeys(
        (f"{name}{number}" for name in ("tp", "takeprofit") for number in range(1, 7)),
        Said("close"),
    ),
    **dict.fromkeys(
        ("flat", "flatten", "closeall", "exitall", "closeposition", "closeallpositions"),
        Said("close", all=True),
    ),
    **dict.fromkeys(("reduce", "decrease", "partialclose", "closepartial"), Said("reduce")),
    **dict.fromkeys(("scaleout", "trim", "partialexit", "exitpartial"), Said("reduce")),
    **dict.fromkeys(("add", "increase", "scalein", "dca", "average", "averagedown"), Said("add")),
    **dict.fromkeys(("safetyorder", "pyramid"), Said("add")),
    "takepartial": Said("reduce"),
    **dict.fromkeys(("reverse", "flip"), Said("reverse")),
    **dict.fromkeys(("cancel", "cancelall", "cancelorders", "cancelallorders"), Said("cancel")),
    **dict.fromkeys(("open", "enter", "entry", "openposition"), Said("open")),
    **dict.fromkeys(("order", "trade", "marketorder", "placeorder"), Said("open")),
}

# Names are compared without case, `_` and `-`; in each row the first one that is there counts.
SYMBOLS: Final = (
    *("symbol", "ticker", "tickerid", "tvsymbol", "symboltv", "instrument", "pair", "market"),
    *("contract", "instid"),
)
COINS: Final = ("coin", "asset", "baseasset", "basecurrency", "base")
# What stands there must be a word that is known; in the others it may be anything.
ACTIONS: Final = ("action", "orderaction", "strategyorderaction", "side", "order", "orderside")
MAYBE_ACTIONS: Final = (
    *("signal", "direction", "signaltype", "tradeaction", "command", "cmd", "type", "trade"),
    *("tradetype", "eventtype", "positionside", "tradeside", "data", "event", "eventname"),
    *("intent", "positioneffect", "openclose", "alerttype", "messagetype"),
)
POSITION: Final = (
    *("marketposition", "strategymarketposition", "position", "sentiment", "newposition"),
    "strategyposition",
)
POSITION_SIZE: Final = ("marketpositionsize", "strategymarketpositionsize")
SIGNED_SIZE: Final = (
    *("positionsize", "strategypositionsize", "newpositionsize", "positionsizeafter"),
    "positionnewsize",
)
PREVIOUS: Final = (
    *("prevmarketposition", "strategyprevmarketposition", "prevposition", "previousposition"),
    *("previousmarketposition", "positionprevious"),
)
PREVIOUS_SIZE: Final = (
    *("prevmarketpositionsize", "strategyprevmarketpositionsize", "prevpositionsize"),
    *("previouspositionsize", "previousmarketpositionsize"),
)
# Whatever else a position is called: by its name, and by the word that stands there.
OTHER_POSITION: Final = r"(?!pre|last|old|close|exit)\w{0,20}pos(?:ition)?"
OTHER_PREVIOUS: Final = r"(?:pre|last|old)\w{0,20}pos(?:ition)?"
CONTRACTS: Final = ("contracts", "ordercontracts", "strategyordercontracts")
COUNTS: Final = (
    *("quantity", "qty", "size", "amount", "lots", "lot", "ordersize", "orderqty", "units"),
    *("orderquantity", "baseamount", "amountbase", "basequantity", "lotsize", "sizevalue"),
)
# What else may be a size, and what only sounds like one.
OTHER_SIZES: Final = (
    r"\w*(?:qty|quantity|lots?|amount|units?|notional|contracts)|sz"
    r"|(?:order|trade|pos|position|lot|entry|base|quote|buy|sell|stake|bet|usdt?)size"
    r"|(?:order|trade|entry|usdt?)?margin"
    r"|(?:sell|buy|close|exit|reduce|order|trade|entry)(?:percent|pct|percentage)"
    r"|risk(?:usd|dollars?|amount)?|(?:usd|dollar)risk"
)
NO_SIZES: Final = (
    *("min", "max", "step", "contract", "account", "prev", "open", "profit", "pnl", "fee", "tp"),
    *("sl", "target"),
)
VOLUME: Final = "volume"
BAR: Final = ("open", "high", "low")
DOLLARS: Final = (
    *("sizeusd", "usd", "amountusd", "usdamount", "quoteamount", "quoteqty", "quoteorderqty"),
    *("notional", "notionalusd", "notionalusdc", "positionsizeusd", "qtyusd", "quantityusd"),
    *("amountusdt", "usdtamount", "sizeusdt", "usdt", "usdsize"),
)
PERCENTS: Final = (
    *("percent", "amountpercent", "sizepercent", "qtypercent", "quantitypercent", "equitypercent"),
    *("percentofequity", "balancepercentage", "balancepercent", "sizepct", "qtypct", "equitypct"),
)
# In an exit they are those of the entry before it, and say nothing of the position.
OF_BALANCE: Final = (
    *("balancepercentage", "balancepercent", "equitypercent", "equitypct", "percentofequity"),
)
# In an exit, of the position.
PARTS: Final = (
    *("closepercent", "closepct", "closepercentage", "exitpercent", "exitpct", "sellpercent"),
    *("reducepercent", "reducepct", "partialpercent", "percentofposition"),
)
RISKS: Final = ("riskpercent", "riskpct", "riskpercentage")
UNITS: Final = (
    *("sizetype", "qtytype", "qtymode", "amounttype", "quantitytype", "sizemode", "sizeunit"),
    "ordersizetype",
)
UNIT_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("percent", "percentage", "%", "pct", "percentofequity", "equity"), "percent"),
    **dict.fromkeys(("balance", "percentofbalance"), "percent"),
    **dict.fromkeys(("usd", "usdt", "usdc", "quote", "cash", "dollar", "dollars"), "dollars"),
    **dict.fromkeys(("base", "coin", "coins", "fixed", "contracts", "units", "qty"), "coins"),
    **dict.fromkeys(("absolute", "quantity"), "coins"),
}
KINDS: Final = ("ordertype", "pricetype", "ordtype", "type")
LIMITS: Final = ("limitprice", "limit", "price", "orderprice", "entryprice", "entry")
# Beside an order that does not wait the first of them is its stop loss.
TRIGGERS: Final = ("stopprice", "triggerprice", "price", "orderprice")
PRICES: Final = ("price", "close", "orderprice", "strategyorderprice", "entryprice", "entry")
STOPS: Final = (
    "stoploss",
    "slprice",
    "stoplossprice",
    "sl",
    "stop",
    "stoplosspx",
    "stoplosstarget",
)
STOP_PERCENTS: Final = (
    *("slpercent", "slpct", "stoplosspercent", "stoplosspct", "stoplosspercentage"),
    *("slpercentage", "percentagesl", "percentsl"),
)
TARGETS: Final = (
    "takeprofit",
    "takeprofits",
    "tpprice",
    "takeprofitprice",
    "tp",
    "target",
    "targetprice",
    "profittarget",
)
NUMBERED: Final = ("takeprofit", "tp", "target", "t")
TARGET_PERCENTS: Final = (
    *("tppercent", "tppct", "takeprofitpercent", "takeprofitpct", "takeprofitpercentage"),
    *("tppercentage", "percentagetp", "percenttp"),
)
# Behind the name of a numbered target: its distance where it has no price, else its share.
IN_PERCENT: Final = ("percent", "pct", "percentage")
SHARES: Final = (*IN_PERCENT, "share", "sizepercent", "qtypercent", "closepercent")
# Orders that wait for a stop or a target by themselves.
CONDITIONAL: Final = ("takeprofit", "stoploss", "trailingstop")
WAITING_FOR: Final = ("stopprice", "triggerprice", "callbackrate", "activationprice")
# What an order may wait for beside a plan: which price counts, and for how much of it.
HARMLESS: Final = frozenset(
    (
        *("price", "absolute", "fixed", "market", "limit", "mark", "markprice", "last"),
        *("lastprice", "index", "indexprice", "full", "partial"),
    )
)
COINS_OF_TARGET: Final = ("qty", "quantity", "size", "contracts", "amount")
TRAILS: Final = ("trailing", "trailingstop", "trailingstoploss", "trailstop", "trail")
TRAIL_PERCENTS: Final = (
    *("trailpercent", "trailpct", "trailingpercent", "trailingpct", "trailingstoppercent"),
    *("trailingstoppct", "trailstoppercent", "tspercent", "tspct"),
)
PLAN_NAMES: Final = ("stop", "trail", "takeprofit", "breakeven")
PLAN_DISTANCES: Final = (
    r"(?:sl|tp)[0-9]?(?:offset|pips?|points?|ticks?|distance|trigger.*|atr|dollars?|usd|amount)"
    r"|(?:dollars?|usd|amount|pips?|points?|ticks?|initial|fixed)(?:sl|tp)[0-9]?"
)
TIMES: Final = (
    *("timenow", "timestamp", "time", "sentat", "sent", "alerttime", "triggertime", "signalts"),
)
INTERVALS: Final = ("interval", "timeframe", "tf")
IDS: Final = ("id", "orderid", "strategyorderid", "alertid", "eventid", "signalid")
COMMENTS: Final = ("comment", "ordercomment", "strategyordercomment")
REDUCE_ONLY: Final = ("reduceonly",)
CLOSES: Final = ("closeposition", "closeall", "closeonly")
REVERSES: Final = ("reverse", "closeopposite", "reverseposition")
SECRETS: Final = (
    *("passphrase", "password", "token", "key", "authkey", "authtoken", "webhooksecret"),
    "signaltoken",
)
# Objects inside whose fields count like those beside them; a word before a name joins it.
GROUPS: Final = {
    **dict.fromkeys(("strategy", "data", "order", "alert", "signal", "instrument", "trade"), ""),
    **dict.fromkeys(("alertinfo", "strategyinfo", "payload", "params", "orderinfo"), ""),
    "position": "position",
}
DECORATION: Final = frozenset(
    (
        *("exchange", "interval", "timeframe", "tf", "close", "open", "high", "low", "volume"),
        *("strategy", "strategyname", "strategyid", "name", "botname", "botid", "message", "msg"),
        *("note", "reason", "bar", "currency", "quotecurrency", "account", "leverage", "text"),
        *("alertname", "source", "version", "chart", "orderprice", "user", "userid", "tag"),
        *("product", "apikey", "nonce", "title", "price", "entryprice", "entry", "margin"),
        *("margintype", "marginmode", "bartime", "plot", "plots", "atr", "rsi", "score", "date"),
        *("confidence", "reasoning"),
    )
)
