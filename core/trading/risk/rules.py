"""Whether one scope's limits and mode allow an order that opens something. Pure.

Every refusal names the figure, the limit and, where there is one, the time at which it is free
again. What only reduces is not brought here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final

from core.trading.decision import Missed, Refusal
from core.trading.risk.ask import PRECISION, Ask
from core.trading.risk.days import UTC, Day, Zone, inside, local, opens_at
from core.trading.risk.limits import Limits, Mode, ScopeKind
from core.trading.risk.liquidity import Liquidity

REFUSALS: Final = frozenset(
    {
        "cool_down",
        "daily_loss",
        "drawdown",
        "halted",
        "max_leverage",
        "max_open_positions",
        "max_order",
        "max_position",
        "outside_hours",
        "price_band",
        "reducing",
        "thin_market",
        "too_many_orders",
        "wide_spread",
    }
)
"""Codes of refusals that /limits explains."""

SINCE: Final = {
    "by_hand": "by hand",
    "panic": "by panic",
    "drawdown": "by the drawdown limit",
}


@dataclass(frozen=True)
class Figures:
    """What one scope has and would have after the order. Amounts in USD; None: not known.

    `positions` counts the markets that would be open. `order_free_at`: when the next order of this
    minute may go.
    """

    position: Decimal
    account_notional: Decimal
    equity: Decimal | None
    positions: int
    orders_in_minute: int
    order_free_at: dt.datetime
    day: Day
    day_pnl: Decimal | None
    day_waived: bool
    drawdown: Decimal | None
    cooling_until: dt.datetime | None
    liquidity: Liquidity | None
    zone: Zone = UTC


@dataclass(frozen=True)
class Case:
    """One order against one scope."""

    kind: ScopeKind
    limits: Limits
    mode: Mode
    mode_reason: str | None
    ask: Ask
    figures: Figures

    @property
    def whose(self) -> str:
        """The scope as a sentence names its limit."""
        return {
            ScopeKind.BOT: "the operator's limit for the whole bot",
            ScopeKind.ACCOUNT: "the account's limit",
            ScopeKind.STRATEGY: "the strategy's limit",
        }[self.kind]

    @property
    def who(self) -> str:
        return {
            ScopeKind.BOT: "The whole bot",
            ScopeKind.ACCOUNT: "This account",
            ScopeKind.STRATEGY: "This strategy",
        }[self.kind]


def check(case: Case) -> None:
    """Raises Refusal, or Missed for an alert that is too old."""
    for rule in _RULES:
        rule(case)


def check_mode(case: Case) -> None:
    """reducing and halted let nothing new through."""
    if case.mode is Mode.ACTIVE:
        return
    reason = SINCE.get(case.mode_reason or "", "by hand")
    word = "is halted" if case.mode is Mode.HALTED else "only reduces positions"
    raise Refusal(
        case.mode.value,
        f"{case.who} {word}, set {reason}. Nothing new is opened until it is resumed; closing "
        "still works.",
    )


def check_markets(case: Case) -> None:
    allowed = case.limits.markets
    if allowed is None or case.ask.ticker in allowed:
        return
    whose = {
        ScopeKind.BOT: "the operator allows",
        ScopeKind.ACCOUNT: "of this account",
        ScopeKind.STRATEGY: "of this strategy",
    }[case.kind]
    raise Refusal(
        "symbol_not_allowed",
        f"{case.ask.ticker} is not among the markets {whose} ({', '.join(allowed) or 'none'}).",
    )


def check_age(case: Case) -> None:
    """The age of what opens something; the alert's own limit wins over the strategy's."""
    most, ask = case.limits.max_alert_age_s, case.ask
    if ask.stale_after is not None and case.kind is ScopeKind.STRATEGY:
        most = int(ask.stale_after.total_seconds())
    if most is None or ask.asked_at is None:
        return
    age_s = (ask.now - ask.asked_at).total_seconds()
    if age_s > most:
        raise Missed(
            "stale", f"The alert was {int(age_s)} s old, older than your limit of {most} s."
        )


def check_hours(case: Case) -> None:
    windows, zone, now = case.limits.hours, case.figures.zone, case.ask.now
    if not windows or inside(now, windows, zone):
        return
    named = ", ".join(str(window) for window in windows)
    raise Refusal(
        "outside_hours",
        f"It is {local(now, zone):%H:%M} ({zone.at(now)}), outside of {named}. New entries are off "
        f"until {clock(opens_at(now, windows, zone), now, zone)}; closing still works.",
    )


def check_band(case: Case) -> None:
    """How far the price of a limit or the trigger of a stop lies from the oracle price."""
    band, ask = case.limits.price_band, case.ask
    if band is None or ask.price is None or ask.oracle is None:
        return
    with localcontext() as context:
        context.prec = PRECISION
        far = abs(ask.price - ask.oracle) / ask.oracle * 100
    if far > band:
        raise Refusal(
            "price_band",
            f"The price {ask.price.normalize():f} lies {far:.2f} % from the oracle price "
            f"{ask.oracle.normalize():f}; {case.whose} is {_plain(band)} %.",
        )


def check_order(case: Case) -> None:
    most, worth = case.limits.max_order, case.ask.worth
    if most is not None and worth > most:
        raise Refusal(
            "max_order",
            f"The order is worth {_usd(worth)} USD, above {case.whose} of {_plain(most)} USD.",
        )


def check_position(case: Case) -> None:
    most, worth = case.limits.max_position, case.figures.position
    if most is not None and worth > most:
        if case.kind is ScopeKind.BOT:  # what others hold is nobody's business
            raise Refusal(
                "max_position",
                f"The whole bot would hold more of {case.ask.ticker} than the operator's limit of "
                f"{_plain(most)} USD. Nothing was sent.",
            )
        raise Refusal(
            "max_position",
            f"The position would be worth {_usd(worth)} USD, above {case.whose} of "
            f"{_plain(most)} USD.",
        )


def check_leverage(case: Case) -> None:
    most, figures = case.limits.max_leverage, case.figures
    if most is None:
        return
    if figures.equity is None:
        raise Refusal(
            "equity_unknown",
            "The account's equity cannot be read from dYdX at the moment, and a limit depends on "
            "it. Nothing was sent.",
        )
    after = figures.account_notional
    if after <= most * figures.equity:
        return
    if case.kind is ScopeKind.BOT:
        raise Refusal(
            "max_leverage",
            f"All accounts of the bot together would be above the operator's limit of "
            f"{_plain(most)} times their equity. Nothing was sent.",
        )
    with localcontext() as context:
        context.prec = PRECISION
        leverage = f"{after / figures.equity:.2f} times" if figures.equity > 0 else "more than"
    raise Refusal(
        "max_leverage",
        f"All positions would be worth {_usd(after)} USD, {leverage} the equity of "
        f"{_usd(figures.equity)} USD; {case.whose} is {_plain(most)} times.",
    )


def check_positions(case: Case) -> None:
    most, count = case.limits.max_positions, case.figures.positions
    if most is not None and count > most:
        raise Refusal(
            "max_open_positions",
            f"That would be position number {count}; {case.whose} is {most} at once. It is free "
            "again when one closes.",
        )


def check_pace(case: Case) -> None:
    most, figures = case.limits.max_orders_per_minute, case.figures
    if most is None or figures.orders_in_minute < most:
        return
    raise Refusal(
        "too_many_orders",
        f"{figures.orders_in_minute} orders that open something went out within a minute; "
        f"{case.whose} is {most}. The next one may go at "
        f"{local(figures.order_free_at, figures.zone):%H:%M:%S} ({figures.zone.at(case.ask.now)}).",
    )


def check_daily_loss(case: Case) -> None:
    most, figures = case.limits.daily_loss, case.figures
    if most is None or figures.day_waived:
        return
    if figures.day_pnl is None:
        raise Refusal(
            "figures_missing",
            "What today made or lost cannot be computed yet: a price of the day's begin is being "
            "read. Nothing was sent; try again shortly.",
        )
    if figures.day_pnl <= -most:
        raise Refusal(
            "daily_loss",
            daily_loss_text(
                case.kind, most, figures.day_pnl, figures.day.end, case.ask.now, figures.zone
            ),
        )


def daily_loss_text(
    kind: ScopeKind, most: Decimal, pnl: Decimal, ends: dt.datetime, now: dt.datetime, zone: Zone
) -> str:
    """What a reached daily loss means, for its trader. `ends`: when the day does."""
    head = {
        ScopeKind.BOT: "daily loss limit of the whole bot",
        ScopeKind.ACCOUNT: "daily loss limit of the account",
        ScopeKind.STRATEGY: "daily loss limit of the strategy",
    }[kind]
    until = clock(ends, now, zone)
    if kind is ScopeKind.BOT:  # other traders' money is nobody's business
        return f"{head}. New entries are off until {until}; closing still works."
    return (
        f"{head}. Today {_signed(pnl)} of {_signed(-most)} USDC. New entries are off until "
        f"{until}; closing still works."
    )


def check_drawdown(case: Case) -> None:
    most, figures = case.limits.drawdown, case.figures
    if most is None:
        return
    if figures.drawdown is None:
        raise Refusal(
            "equity_unknown",
            "The account's equity cannot be read from dYdX at the moment, and a limit depends on "
            "it. Nothing was sent.",
        )
    if figures.drawdown >= most:
        raise Refusal("drawdown", drawdown_text(case.kind, most, figures.drawdown))


def drawdown_text(kind: ScopeKind, most: Decimal, found: Decimal) -> str:
    """What a reached drawdown means, for its trader."""
    if kind is ScopeKind.BOT:
        return (
            "drawdown limit of the whole bot. Nothing new is opened until the operator resumes it; "
            "closing still works."
        )
    whose = "account" if kind is ScopeKind.ACCOUNT else "strategy"
    return (
        f"drawdown limit of the {whose}. {found:.2f} % below the peak, of {_plain(most)} % "
        "allowed. Nothing new is opened until it is resumed by hand; closing still works."
    )


def check_cool_down(case: Case) -> None:
    until, now = case.figures.cooling_until, case.ask.now
    if case.limits.losses is None or until is None or now >= until:
        return
    raise Refusal(
        "cool_down",
        f"{case.limits.losses} losses in a row, {case.whose}. New entries are off until "
        f"{clock(until, now, case.figures.zone)}; closing still works.",
    )


def check_liquidity(case: Case) -> None:
    limits, liquidity, ask = case.limits, case.figures.liquidity, case.ask
    if not limits.needs_book:
        return
    if liquidity is None:
        raise Refusal(
            "thin_market",
            f"The order book of {ask.ticker} cannot be read or has an empty side, and a limit "
            "depends on it. Nothing was sent.",
        )
    if limits.max_spread is not None and liquidity.spread > limits.max_spread:
        raise Refusal(
            "wide_spread",
            f"The spread of {ask.ticker} is {liquidity.spread:.3f} %; {case.whose} is "
            f"{_plain(limits.max_spread)} %.",
        )
    if limits.depth_usd is None or limits.depth_percent is None:
        return
    depth = liquidity.depth(ask.side, limits.depth_percent)
    if depth < limits.depth_usd:
        raise Refusal(
            "thin_market",
            f"The book of {ask.ticker} holds {_usd(depth)} USD within "
            f"{_plain(limits.depth_percent)} % on the side to be taken; {case.whose} is at least "
            f"{_plain(limits.depth_usd)} USD.",
        )


_RULES: Final[tuple[Callable[[Case], None], ...]] = (
    check_mode,
    check_markets,
    check_age,
    check_hours,
    check_band,
    check_order,
    check_position,
    check_leverage,
    check_positions,
    check_pace,
    check_daily_loss,
    check_drawdown,
    check_cool_down,
    check_liquidity,
)


# words


def clock(moment: dt.datetime, now: dt.datetime, zone: Zone) -> str:
    """A moment by the clocks of a zone: 00:00 (Europe/Berlin), with the date where it is far."""
    at = local(moment, zone)
    near = moment - now <= dt.timedelta(hours=26)
    return f"{at:%H:%M}" + (f" ({zone.at(now)})" if near else f" on {at:%d %B} ({zone.at(now)})")


def _usd(value: Decimal) -> str:
    return f"{value:,.2f}"


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _signed(value: Decimal) -> str:
    return f"{'−' if value < 0 else '+'}{abs(value):,.2f}"
