"""What an alert says once it was understood."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Action(StrEnum):
    """What an alert asks for; what that means for an open position: core/signals/meaning.py."""

    BUY = "buy"
    SELL = "sell"
    LONG = "long"
    SHORT = "short"
    ADD = "add"
    REDUCE = "reduce"
    CLOSE = "close"
    REVERSE = "reverse"
    CANCEL = "cancel"


class MarketPosition(StrEnum):
    """Which way a position lies, in TradingView's words."""

    LONG = "long"
    SHORT = "short"
    FLAT = "flat"


class Against(StrEnum):
    """What a buy or sell does with a position that lies the other way, where the grammar of its
    platform says so: `net` is one order of its size, what goes past flat opens the other side;
    `close` closes all of it and opens nothing; `turn` reduces it by a size that is smaller, and
    else turns it into one of the size. Without it: reduce by the size, at most to flat. A reduce
    can be `net` too; from flat it still does nothing.
    """

    NET = "net"
    CLOSE = "close"
    TURN = "turn"


class SizeUnit(StrEnum):
    """What a size counts: coins, dollars of notional, percent of the account's equity as notional,
    percent of the equity or dollars lost where the stop is met, percent of the open position;
    contracts: coins of TradingView's whole order, on a reversal with the part that closes; either:
    coins of which the message does not say whether they are those of the whole order or those of
    the position that it opens.
    """

    BASE = "base"
    CONTRACTS = "contracts"
    EITHER = "either"
    USD = "usd"
    EQUITY_PERCENT = "equity_percent"
    RISK_PERCENT = "risk_percent"
    RISK_USD = "risk_usd"
    POSITION_PERCENT = "position_percent"


@dataclass(frozen=True)
class Size:
    """How much, above zero. A leverage is a size too: 3 times the equity are 300 percent of it."""

    value: Decimal
    unit: SizeUnit


@dataclass(frozen=True)
class Target:
    """The position that the strategy has now on its chart: its way and, where given, its size in
    coins (unsigned); and what it was before.
    """

    position: MarketPosition
    size: Decimal | None = None
    previous: MarketPosition | None = None
    previous_size: Decimal | None = None


class OrderKind(StrEnum):
    """How an alert wants to trade: at market, at a limit, or at market once the oracle price has
    reached a price.
    """

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"


class Force(StrEnum):
    """How long a limit order lives: it rests, fills at once what it can, or rests or not at all."""

    GTT = "gtt"
    IOC = "ioc"
    POST_ONLY = "post_only"


@dataclass(frozen=True)
class Terms:
    """The kind of order that an alert asks for. `price` is the limit, or a stop's trigger; `force`
    is set for limits, `expires` where the order rests and the alert says how long.
    """

    kind: OrderKind = OrderKind.MARKET
    price: Decimal | None = None
    force: Force | None = None
    expires: dt.timedelta | None = None

    @property
    def rests(self) -> bool:
        """Whether the order may wait on chain for its price."""
        return self.kind is OrderKind.STOP or self.force in (Force.GTT, Force.POST_ONLY)


@dataclass(frozen=True)
class Level:
    """Where a price of the plan lies: absolute, or a distance from the entry, in percent or in
    dollars (`offset`). Distances are unsigned. Exactly one of the three is set.
    """

    price: Decimal | None = None
    percent: Decimal | None = None
    offset: Decimal | None = None


@dataclass(frozen=True)
class TakeProfit:
    """A target and the share of the position that it closes (0 < fraction ≤ 1); None: what the
    targets that name a share leave, in equal parts.
    """

    level: Level
    fraction: Decimal | None = None


@dataclass(frozen=True)
class Trailing:
    """A stop that follows the best price at a distance (percent or offset), from the entry on or
    once `activation` was met.
    """

    distance: Level
    activation: Level | None = None


@dataclass(frozen=True)
class BreakEven:
    """Moves the stop to the entry once `at` was met; None: once the first target was filled.
    `beyond`: how far past the entry, on the winning side (percent or offset); None: at the entry.
    """

    at: Level | None = None
    beyond: Level | None = None


@dataclass(frozen=True)
class Alert:
    """An alert that was understood.

    `action` is None where only `target` speaks. `sync`: the alert itself makes `target` the wish,
    whatever the strategy's setting. `only`: it concerns a position of this way alone; with another
    one it has no effect. `unless`: with a position of this way it has no effect. `against`: see
    Against; it speaks louder than `target`, sync louder than both. `cancels`: the strategy's
    resting orders in this market are cancelled first. `time` is in UTC; `stale_after` is the
    alert's own age limit. `hint` says what may be wrong with an alert that can be used (its time
    looks like a bar's).
    """

    action: Action | None
    symbol: str
    size: Size | None = None
    target: Target | None = None
    sync: bool = False
    only: MarketPosition | None = None
    unless: MarketPosition | None = None
    against: Against | None = None
    cancels: bool = False
    terms: Terms = Terms()
    take_profit: tuple[TakeProfit, ...] = ()
    stop_loss: Level | None = None
    trailing: Trailing | None = None
    break_even: BreakEven | None = None
    time: dt.datetime | None = None
    stale_after: dt.timedelta | None = None
    id: str | None = None
    comment: str | None = None
    hint: str | None = None
