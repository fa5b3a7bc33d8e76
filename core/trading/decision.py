"""What an intent means against the open position, and whether it may be carried out. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from core.dydx.markets import Market
from core.dydx.protocol import Side
from core.signals.alert import Action, Alert, Size
from core.signals.meaning import Effect, Situation, Unmeant, meaning_of
from core.trading.course import Course


class Refusal(Exception):
    """An intent is not carried out; nothing was sent. `code` is stable, `text` a sentence."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Crowded(Refusal):
    """The chain takes no such order in these blocks; in one of the next it may."""


class Missed(Refusal):
    """An intent came too late to act on."""


@dataclass(frozen=True)
class Held:
    """The open position in the market, as far as fills prove it, or the strategy's share of it.
    `size` is signed.
    """

    position_id: int
    size: Decimal
    enlarged_at: dt.datetime


@dataclass(frozen=True)
class Wish:
    """What is wanted of one market. `asked_at` is the alert's own time or when it was received;
    `equity` (USD) is known where the size needs it.
    """

    alert: Alert
    asked_at: dt.datetime
    default_size: Size | None = None
    sync: bool = False
    equity: Decimal | None = None


def decide(
    wish: Wish,
    held: Held | None,
    market: Market,
    price: Decimal,
    max_age_s: int | None,
    now: dt.datetime,
) -> Course:
    """What an intent does. Raises Refusal (or Missed) with the reason.

    `max_age_s` is None for what the trader himself or the monitor asks. Limits are checked when
    something is to be opened: a reversal whose second half is not allowed still closes.
    """
    course = _course(wish, held, market, price)
    if max_age_s is not None:
        check_age(wish.asked_at, held if course.closing else None, max_age_s, now)
    return course


def _course(wish: Wish, held: Held | None, market: Market, price: Decimal) -> Course:
    position = held.size if held is not None else Decimal(0)
    if wish.alert.action is Action.CLOSE and held is None and not wish.alert.sync:
        raise Refusal(
            "nothing_to_close", f"There is no open {market.ticker} position; nothing was sent."
        )
    try:
        meaning = meaning_of(
            wish.alert,
            Situation(
                position=position,
                price=price,
                equity=wish.equity,
                default_size=wish.default_size,
                sync=wish.sync,
            ),
        )
    except Unmeant as unmeant:
        raise Refusal(unmeant.code, unmeant.text) from None
    if meaning.effect is Effect.NONE:
        raise Refusal(
            "nothing_to_do",
            f"The {market.ticker} position is already what the alert asks for; nothing was sent.",
        )
    if meaning.effect is Effect.CANCEL:
        return Course(Effect.CANCEL, Side.SELL)
    if meaning.side is None or meaning.size is None:
        raise Refusal(
            "size_missing",
            "The alert has no size and the strategy has no default size. "
            'Set one in /strategies or add "size" to the alert.',
        )
    side = Side(meaning.side)
    if meaning.effect in (Effect.OPEN, Effect.ADD):
        return Course(meaning.effect, side, opening=meaning.size)
    if meaning.effect is Effect.REVERSE:
        closing = abs(position)
        return Course(meaning.effect, side, closing, meaning.size - closing)
    return Course(meaning.effect, side, closing=min(meaning.size, abs(position)))


def check_age(
    asked_at: dt.datetime, closing: Held | None, max_age_s: int, now: dt.datetime
) -> None:
    """Raises Missed where an alert is too old. A close acts whatever its age while its position
    was not opened or enlarged since.
    """
    age = (now - asked_at).total_seconds()
    if age <= max_age_s:
        return
    if closing is not None and closing.enlarged_at <= asked_at:
        return
    raise Missed(
        "stale", f"The alert was {int(age)} s old, older than your limit of {max_age_s} s."
    )


def check_market(market: Market) -> None:
    """Raises Refusal where a market takes no new positions."""
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
