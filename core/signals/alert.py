"""What an alert says once it was understood."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Action(StrEnum):
    """What an alert asks for; what that means for an open position is the desk's to decide."""

    BUY = "buy"
    SELL = "sell"
    CLOSE = "close"


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
    """Where a take profit or stop loss lies: an absolute price, or a distance from the entry in
    percent. Exactly one of the two is set.
    """

    price: Decimal | None
    percent: Decimal | None


@dataclass(frozen=True)
class Alert:
    """An alert that was understood.

    `size` is in base units, `size_usd` in USD; at most one is set. `time` is in UTC. `hint` says
    what may be wrong with an alert that can be used (its time looks like a bar's).
    """

    action: Action
    symbol: str
    size: Decimal | None
    size_usd: Decimal | None
    take_profit: Level | None
    stop_loss: Level | None
    time: dt.datetime | None
    id: str | None
    hint: str | None = None
    terms: Terms = Terms()
