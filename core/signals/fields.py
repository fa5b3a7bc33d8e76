"""The fields of our own grammar, as tables: the parser, its schema and its faults read them."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from core.signals.alert import Action, Force, MarketPosition, OrderKind


class Kind(StrEnum):
    """What may stand in a field."""

    TEXT = "text"
    WORD = "word"
    AMOUNT = "amount"
    COUNT = "count"
    SIZE = "size"
    PERCENT = "percent"
    DURATION = "duration"
    TIME = "time"
    FLAG = "flag"
    LEVEL = "level"
    TARGETS = "targets"
    TRAILING = "trailing"
    BREAK_EVEN = "break_even"


@dataclass(frozen=True)
class Field:
    """A field: its name, what may stand in it, and a sentence about it."""

    name: str
    kind: Kind
    about: str


MAX_SYMBOL: Final = 64
MAX_ID: Final = 64
MAX_COMMENT: Final = 200
MAX_TARGETS: Final = 10
MIN_EXPIRES: Final = dt.timedelta(minutes=1)
MAX_EXPIRES: Final = dt.timedelta(days=90)
MAX_LEVERAGE: Final = Decimal(100)
# Distances in percent lie below these.
BELOW_TARGET: Final = Decimal(1000)
BELOW_STOP: Final = Decimal(100)

SECRET_FIELD: Final = "secret"  # noqa: S105 - the name of a field

TABLE: Final = (
    Field("symbol", Kind.TEXT, "A dYdX market, or what TradingView calls it."),
    Field("action", Kind.WORD, "What to do."),
    Field(
        "market_position",
        Kind.WORD,
        "{{strategy.market_position}}: where the strategy stands after its order.",
    ),
    Field("market_position_size", Kind.COUNT, "{{strategy.market_position_size}}, in coins."),
    Field(
        "prev_market_position",
        Kind.WORD,
        "{{strategy.prev_market_position}}: where it stood before its order.",
    ),
    Field(
        "prev_market_position_size", Kind.COUNT, "{{strategy.prev_market_position_size}}, in coins."
    ),
    Field(
        "contracts",
        Kind.AMOUNT,
        "{{strategy.order.contracts}}: coins of the whole order, the closing part included.",
    ),
    Field("order_id", Kind.TEXT, "{{strategy.order.id}}, for you to recognise the order."),
    Field("comment", Kind.TEXT, "{{strategy.order.comment}}, for you to recognise the order."),
    Field("type", Kind.WORD, "The kind of order; market without it."),
    Field("price", Kind.AMOUNT, "The limit, or the price at which a stop trades."),
    Field("time_in_force", Kind.WORD, "How long a limit lives; gtt without it."),
    Field("expires", Kind.DURATION, "How long a waiting order lives: seconds, or 30m, 12h, 7d."),
    Field(
        "size",
        Kind.SIZE,
        "Coins of the position to open, add or close; for close and reduce also a share of the "
        'position, like "50%".',
    ),
    Field("size_usd", Kind.AMOUNT, "The same in dollars of notional."),
    Field(
        "size_percent",
        Kind.PERCENT,
        "Notional in percent of the account's equity; for close and reduce percent of the "
        "position.",
    ),
    Field(
        "risk_percent",
        Kind.PERCENT,
        "Percent of the equity that is lost where the stop is met; the size follows from it.",
    ),
    Field(
        "leverage",
        Kind.AMOUNT,
        "Alone: notional as a multiple of the equity. With size_percent: multiplies it.",
    ),
    Field("take_profit", Kind.TARGETS, "A price, a distance like 2%, or a list of targets."),
    Field("stop_loss", Kind.LEVEL, "A price, or a distance like 2%."),
    Field("trailing", Kind.TRAILING, "A stop that follows the best price at a distance."),
    Field("break_even", Kind.BREAK_EVEN, "Moves the stop to the entry."),
    Field("sync", Kind.FLAG, "Makes market_position and its size the target."),
    Field("time", Kind.TIME, "{{timenow}}: when the alert was made."),
    Field("id", Kind.TEXT, "Like order_id; shown in its place where both are given."),
)
FIELDS: Final = tuple(field.name for field in TABLE)

ACTIONS: Final[Mapping[str, Action]] = {
    **{action.value: action for action in Action},
    "exit": Action.CLOSE,
    "flat": Action.CLOSE,
}
POSITIONS: Final[Mapping[str, MarketPosition]] = {item.value: item for item in MarketPosition}
KINDS: Final[Mapping[str, OrderKind]] = {item.value: item for item in OrderKind}
FORCES: Final[Mapping[str, Force]] = {
    "gtt": Force.GTT,
    "gtc": Force.GTT,
    "gtd": Force.GTT,
    "ioc": Force.IOC,
    "post_only": Force.POST_ONLY,
    "postonly": Force.POST_ONLY,
}
WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "action": tuple(ACTIONS),
    "market_position": tuple(POSITIONS),
    "prev_market_position": tuple(POSITIONS),
    "type": tuple(KINDS),
    "time_in_force": tuple(FORCES),
}
FLAGS: Final[Mapping[str, bool]] = {"true": True, "false": False}
# At most one of these gives the size.
SIZES: Final = ("size", "size_usd", "size_percent", "risk_percent", "contracts")
# These may be zero where market_position is flat.
ZERO_WHEN_FLAT: Final = ("size", "contracts")

_ALIASES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("ticker", "market", "pair", "instrument"), "symbol"),
    **dict.fromkeys(("side", "order", "signal", "direction"), "action"),
    **dict.fromkeys(("position", "sentiment", "marketposition"), "market_position"),
    **dict.fromkeys(("position_size", "marketpositionsize"), "market_position_size"),
    **dict.fromkeys(("prev_position", "prevmarketposition"), "prev_market_position"),
    **dict.fromkeys(("quantity", "qty", "amount", "volume"), "size"),
    **dict.fromkeys(("sizeusd", "usd", "notional"), "size_usd"),
    **dict.fromkeys(("percent", "equity_percent", "sizepercent"), "size_percent"),
    **dict.fromkeys(("risk", "riskpercent"), "risk_percent"),
    "lev": "leverage",
    **dict.fromkeys(("tp", "takeprofit", "targets"), "take_profit"),
    **dict.fromkeys(("sl", "stop", "stoploss"), "stop_loss"),
    **dict.fromkeys(("trail", "trailing_stop", "trailingstop"), "trailing"),
    **dict.fromkeys(("breakeven", "be"), "break_even"),
    **dict.fromkeys(("order_type", "ordertype", "kind"), "type"),
    **dict.fromkeys(("limit_price", "limitprice", "stop_price", "trigger_price"), "price"),
    **dict.fromkeys(("tif", "timeinforce"), "time_in_force"),
    **dict.fromkeys(("expiry", "expiration", "ttl"), "expires"),
    **dict.fromkeys(("timenow", "timestamp"), "time"),
    **dict.fromkeys(("passphrase", "password", "token", "key"), "secret"),
}


def nearest_field(name: str) -> str | None:
    """The field that a name was probably meant to be."""
    plain = name.strip().lower().replace("-", "_").replace(" ", "_")
    names = [*FIELDS, SECRET_FIELD]
    if plain in names:
        return plain
    alias = _ALIASES.get(plain) or _ALIASES.get(plain.replace("_", ""))
    if alias is not None:
        return alias
    near = difflib.get_close_matches(plain[:32], names, 1)
    return near[0] if near else None
