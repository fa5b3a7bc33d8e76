"""What an intent means against the open position, and whether the limits allow it. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Literal

from core.dydx.markets import Market
from core.dydx.protocol import Side

Kind = Literal["open", "add", "reduce", "close"]


class Refusal(Exception):
    """An intent is not carried out; nothing was sent. `code` is stable, `text` a sentence."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Missed(Refusal):
    """An intent came too late to act on."""


@dataclass(frozen=True)
class Held:
    """The open position in the market, as far as fills prove it. `size` is signed."""

    position_id: int
    size: Decimal
    enlarged_at: dt.datetime

    @property
    def side(self) -> Side:
        return Side.BUY if self.size > 0 else Side.SELL


@dataclass(frozen=True)
class Wish:
    """What is wanted, in one market. `size` None means: by `size_usd` or, for a close, all of it.

    `asked_at` is the alert's own time or when it was received.
    """

    action: Literal["buy", "sell", "close"]
    size: Decimal | None
    size_usd: Decimal | None
    fraction: Decimal | None
    asked_at: dt.datetime


@dataclass(frozen=True)
class Limits:
    """First risk limits of a strategy; a close passes them all."""

    max_position_usd: Decimal | None
    allowed_symbols: tuple[str, ...] | None
    max_alert_age_s: int


@dataclass(frozen=True)
class Decision:
    """One order to make. `size` is unsigned base units, before rounding to the step."""

    kind: Kind
    side: Side
    size: Decimal

    @property
    def reduce_only(self) -> bool:
        return self.kind in ("reduce", "close")


def decide(
    wish: Wish,
    held: Held | None,
    market: Market,
    price: Decimal,
    limits: Limits | None,
    now: dt.datetime,
) -> Decision:
    """The order that an intent asks for. Raises Refusal (or Missed) with the reason.

    buy and sell: flat → open; same side → add; other side → reduce, at most to flat. `limits` is
    None for what the trader himself or the monitor asks.
    """
    decision = _meaning(wish, held, market, price)
    if limits is not None:
        _check_age(wish, held, decision, limits, now)
    if not decision.reduce_only:
        _check_exposure(decision, held, market, price, limits)
    return decision


def _meaning(wish: Wish, held: Held | None, market: Market, price: Decimal) -> Decision:
    if wish.action == "close":
        if held is None:
            raise Refusal(
                "nothing_to_close", f"There is no open {market.ticker} position; nothing was sent."
            )
        size = abs(held.size)
        if wish.fraction is not None and wish.fraction < 1:
            return Decision("reduce", held.side.opposite, size * wish.fraction)
        asked = _size(wish, price) if wish.size is not None or wish.size_usd is not None else size
        if asked < size:
            return Decision("reduce", held.side.opposite, asked)
        return Decision("close", held.side.opposite, size)
    side = Side.BUY if wish.action == "buy" else Side.SELL
    size = _size(wish, price)
    if held is None:
        return Decision("open", side, size)
    if held.side is side:
        return Decision("add", side, size)
    if size >= abs(held.size):
        return Decision("close", side, abs(held.size))
    return Decision("reduce", side, size)


def _size(wish: Wish, price: Decimal) -> Decimal:
    if wish.size is not None:
        return wish.size
    if wish.size_usd is not None:
        with localcontext() as context:
            context.prec = 50
            return wish.size_usd / price
    raise Refusal(
        "size_missing",
        "The alert has no size and the strategy has no default size. "
        'Set one in /strategies or add "size" to the alert.',
    )


def _check_age(
    wish: Wish, held: Held | None, decision: Decision, limits: Limits, now: dt.datetime
) -> None:
    age = (now - wish.asked_at).total_seconds()
    if age <= limits.max_alert_age_s:
        return
    if decision.reduce_only and held is not None and held.enlarged_at <= wish.asked_at:
        return
    raise Missed(
        "stale",
        f"The alert was {int(age)} s old, older than your limit of {limits.max_alert_age_s} s.",
    )


def _check_exposure(
    decision: Decision, held: Held | None, market: Market, price: Decimal, limits: Limits | None
) -> None:
    if market.status != "ACTIVE":
        raise Refusal(
            "market_status",
            f"{market.ticker} is {market.status.lower().replace('_', ' ')} on dYdX; "
            "it takes no new positions.",
        )
    if market.market_type != "CROSS":
        raise Refusal(
            "market_isolated",
            f"{market.ticker} is an isolated market; only cross-margin markets can be traded.",
        )
    if limits is None:
        return
    if limits.allowed_symbols is not None and market.ticker not in limits.allowed_symbols:
        raise Refusal(
            "symbol_not_allowed",
            f"{market.ticker} is not among the markets of this strategy "
            f"({', '.join(limits.allowed_symbols) or 'none'}).",
        )
    if limits.max_position_usd is not None:
        with localcontext() as context:
            context.prec = 50
            worth = (decision.size + (abs(held.size) if held else 0)) * price
        if worth > limits.max_position_usd:
            raise Refusal(
                "max_position",
                f"The position would be worth {worth:.2f} USD, above the strategy's limit of "
                f"{limits.max_position_usd:f} USD.",
            )
