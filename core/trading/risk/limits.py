"""The limits of a scope, and how the ledger and a person write them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from core.trading.risk.days import HoursUnreadable, Window, read_hours


class Mode(StrEnum):
    """What a scope lets through. Closes, reductions and cancels pass every mode.

    reducing: nothing new is opened; what rests in the book stays. halted: the same, and what rests
    and would open something is cancelled.
    """

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


class ScopeKind(StrEnum):
    """What limits and modes belong to. The whole bot is counted network by network: play money and
    real money are never added up.
    """

    BOT = "bot"
    ACCOUNT = "account"
    STRATEGY = "strategy"


@dataclass(frozen=True, order=True)
class ScopeKey:
    """One strategy or account by its id, or the whole bot (0)."""

    kind: ScopeKind
    ref: int = 0


BOT: Final = ScopeKey(ScopeKind.BOT)


def account_scope(account_id: int) -> ScopeKey:
    return ScopeKey(ScopeKind.ACCOUNT, account_id)


def strategy_scope(strategy_id: int) -> ScopeKey:
    return ScopeKey(ScopeKind.STRATEGY, strategy_id)


@dataclass(frozen=True)
class Limits:
    """What one scope may do; None is no limit. Amounts in USD (USDC), percents of 100.

    `max_position`, `max_order`: notional at the oracle price. `max_leverage`: the account's whole
    notional afterwards in multiples of its equity. `max_positions`: how many at once.
    `max_orders_per_minute`: those that may open something. `daily_loss`: realised and open P&L less
    fees, with funding, since the day began. `drawdown`: in percent, from the equity's peak without
    transfers. `losses`: closed trades in a row, after which nothing opens for `cool_down_min`
    minutes. `depth_usd`: the least that the side to be taken holds within `depth_percent` of the
    middle. `max_spread`: in percent of the middle. `price_band`: how far in percent a limit or a
    trigger may lie from the oracle price.
    """

    max_position: Decimal | None = None
    max_order: Decimal | None = None
    max_leverage: Decimal | None = None
    max_positions: int | None = None
    max_orders_per_minute: int | None = None
    daily_loss: Decimal | None = None
    drawdown: Decimal | None = None
    losses: int | None = None
    cool_down_min: int | None = None
    markets: tuple[str, ...] | None = None
    hours: tuple[Window, ...] | None = None
    depth_usd: Decimal | None = None
    depth_percent: Decimal | None = None
    max_spread: Decimal | None = None
    price_band: Decimal | None = None
    max_alert_age_s: int | None = None

    @property
    def needs_book(self) -> bool:
        """Whether the order book has to be looked at."""
        return self.depth_usd is not None or self.max_spread is not None

    @property
    def needs_equity(self) -> bool:
        return self.max_leverage is not None or self.drawdown is not None


NONE: Final = Limits()
_AMOUNTS: Final = frozenset(
    {
        "max_position",
        "max_order",
        "max_leverage",
        "daily_loss",
        "drawdown",
        "depth_usd",
        "depth_percent",
        "max_spread",
        "price_band",
    }
)


def to_json(limits: Limits) -> dict[str, Any]:
    """As the ledger keeps them; what is not limited is left out."""
    told: dict[str, Any] = {}
    for field in fields(limits):
        value = getattr(limits, field.name)
        if value is None:
            continue
        if field.name in _AMOUNTS:
            told[field.name] = format(value, "f")
        elif field.name == "hours":
            told[field.name] = [[window.start, window.end] for window in value]
        else:
            told[field.name] = list(value) if isinstance(value, tuple) else value
    return told


def from_json(told: dict[str, Any] | None) -> Limits:
    """As they were before the ledger kept them."""
    values: dict[str, Any] = {}
    for name, value in (told or {}).items():
        if name in _AMOUNTS:
            values[name] = Decimal(value)
        elif name == "hours":
            values[name] = tuple(Window(start, end) for start, end in value)
        else:
            values[name] = tuple(value) if isinstance(value, list) else value
    return Limits(**values)


# what a person writes


class LimitUnreadable(Exception):
    """What was written cannot be a limit; the text is a sentence for its writer."""


@dataclass(frozen=True)
class Field:
    """One limit that a person may set: its name, its label and the values it sets."""

    name: str
    label: str
    question: str
    read: Callable[[str], dict[str, Any]]
    sets: tuple[str, ...]


_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,8})?")
_NOTHING: Final = frozenset({"none", "no", "off", "-", "–"})
_TICKER = re.compile(r"[A-Z0-9,._-]{1,28}-USD")


def _number(text: str) -> Decimal:
    bare = re.sub(r"\s*(?:USDC?|%|x|\$)$", "", text.strip(), flags=re.IGNORECASE).lstrip("$-−")
    if not bare.isascii() or not _NUMBER.fullmatch(bare):
        raise LimitUnreadable("That is not a plain number, like 500 or 2.5.")
    value = Decimal(bare)
    if value <= 0:
        raise LimitUnreadable("The number must be above zero.")
    return value


def _amount(name: str, most: Decimal | None = None) -> Callable[[str], dict[str, Any]]:
    def read(text: str) -> dict[str, Any]:
        value = _number(text)
        if most is not None and value > most:
            raise LimitUnreadable(f"At most {most:f}.")
        return {name: value}

    return read


def _count(name: str, most: int) -> Callable[[str], dict[str, Any]]:
    def read(text: str) -> dict[str, Any]:
        bare = text.strip()
        if not bare.isascii() or not bare.isdigit() or not 0 < int(bare) <= most:
            raise LimitUnreadable(f"Send a whole number from 1 to {most}.")
        return {name: int(bare)}

    return read


def _losses(text: str) -> dict[str, Any]:
    found = re.fullmatch(r"(\d{1,3})\D+(\d{1,5})\s*(?:m|min|minutes)?", text.strip())
    if found is None or not int(found.group(1)) or not 0 < int(found.group(2)) <= 10_080:
        raise LimitUnreadable("Send how many losses and how many minutes, like 3, 60.")
    return {"losses": int(found.group(1)), "cool_down_min": int(found.group(2))}


def _depth(text: str) -> dict[str, Any]:
    parts = [part for part in re.split(r"[,;/]|\s+within\s+", text.strip()) if part.strip()]
    if len(parts) != 2:
        raise LimitUnreadable("Send the amount and the distance in percent, like 50000, 0.5.")
    amount, percent = _number(parts[0]), _number(parts[1])
    if percent > 50:
        raise LimitUnreadable("The distance is at most 50 %.")
    return {"depth_usd": amount, "depth_percent": percent}


def _hours(text: str) -> dict[str, Any]:
    try:
        return {"hours": read_hours(text)}
    except HoursUnreadable as error:
        raise LimitUnreadable(str(error)) from None


def _markets(text: str) -> dict[str, Any]:
    found = [
        part.upper() for part in re.split(r"[\s;]+|,\s+|,(?=[A-Z0-9]+-)", text.strip()) if part
    ]
    if not found or len(found) > 100 or not all(_TICKER.fullmatch(one) for one in found):
        raise LimitUnreadable("Send up to 100 markets with spaces between, like BTC-USD ETH-USD.")
    return {"markets": tuple(dict.fromkeys(found))}


_HUNDRED: Final = Decimal(100)
FIELDS: Final[dict[str, Field]] = {
    field.name: field
    for field in (
        Field(
            "daily_loss",
            "Daily loss",
            "Send the loss in USD at which nothing new is opened until the day ends, like 100.",
            _amount("daily_loss"),
            ("daily_loss",),
        ),
        Field(
            "drawdown",
            "Drawdown",
            "Send how far in percent the equity may fall from its peak (transfers do not count) "
            "before everything new is halted, like 10.",
            _amount("drawdown", _HUNDRED),
            ("drawdown",),
        ),
        Field(
            "losses",
            "Losses in a row",
            "Send how many losses in a row, and for how many minutes nothing is opened then, "
            "like 3, 60.",
            _losses,
            ("losses", "cool_down_min"),
        ),
        Field(
            "max_position",
            "Position",
            "Send the largest position in USD, like 500.",
            _amount("max_position"),
            ("max_position",),
        ),
        Field(
            "max_order",
            "Order",
            "Send the largest order in USD, like 250.",
            _amount("max_order"),
            ("max_order",),
        ),
        Field(
            "max_leverage",
            "Leverage",
            "Send the largest leverage of the whole account, like 3.",
            _amount("max_leverage", _HUNDRED),
            ("max_leverage",),
        ),
        Field(
            "max_positions",
            "Positions",
            "Send how many positions may be open at once, like 4.",
            _count("max_positions", 1000),
            ("max_positions",),
        ),
        Field(
            "max_orders_per_minute",
            "Orders a minute",
            "Send how many orders a minute may open something, like 6.",
            _count("max_orders_per_minute", 1000),
            ("max_orders_per_minute",),
        ),
        Field(
            "markets",
            "Markets",
            "Send the markets that may be traded, like BTC-USD ETH-USD.",
            _markets,
            ("markets",),
        ),
        Field(
            "hours",
            "Hours",
            "Send the hours in which positions may be opened, like 09:00-17:30, or 22:00-02:00 "
            "over midnight.",
            _hours,
            ("hours",),
        ),
        Field(
            "depth",
            "Depth",
            "Send how much in USD the book must hold within how many percent of its middle, "
            "like 50000, 0.5.",
            _depth,
            ("depth_usd", "depth_percent"),
        ),
        Field(
            "max_spread",
            "Spread",
            "Send the widest spread in percent, like 0.1.",
            _amount("max_spread", _HUNDRED),
            ("max_spread",),
        ),
        Field(
            "price_band",
            "Price band",
            "Send how far in percent the price of a limit or stop order may lie from the oracle "
            "price, like 5.",
            _amount("price_band", _HUNDRED),
            ("price_band",),
        ),
    )
}


def changed(limits: Limits, name: str, text: str) -> Limits:
    """The limits after a person's answer to the question of a field. Raises LimitUnreadable."""
    field = FIELDS[name]
    if text.strip().lower() in _NOTHING:
        return replace(limits, **dict.fromkeys(field.sets))
    return replace(limits, **field.read(text))
