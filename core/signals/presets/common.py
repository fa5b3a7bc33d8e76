"""What the presets share: what a preset is, its faults, and checks of what it read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Any, Final

from core.signals.alert import Action, Alert, Level, MarketPosition, Size, SizeUnit, TakeProfit
from core.signals.faults import AlertFault
from core.signals.fields import BELOW_STOP, BELOW_TARGET, MAX_SYMBOL
from core.signals.grammar import MAX_AHEAD, bar_time_hint
from core.signals.masking import safe_name

Content = Mapping[str, Any] | str
PriceOf = Callable[[str], Decimal | None]

SECRET: Final = "secret"  # noqa: S105 - a field's name
LONG, SHORT, FLAT = MarketPosition.LONG, MarketPosition.SHORT, MarketPosition.FLAT
OPPOSITE: Final = {LONG: SHORT, SHORT: LONG, FLAT: FLAT}
POSITIONS: Final[Mapping[str, MarketPosition]] = {
    **dict.fromkeys(("long", "bullish", "bull"), LONG),
    **dict.fromkeys(("short", "bearish", "bear"), SHORT),
    **dict.fromkeys(("flat", "neutral", "none"), FLAT),
}
SIDES: Final[Mapping[str, MarketPosition]] = {
    **dict.fromkeys(("buy", "long"), LONG),
    **dict.fromkeys(("sell", "short"), SHORT),
}
_ALL: Final = Decimal(100)
_NEAR: Final = Decimal("0.01")
_SHORT: Final = 40


@dataclass(frozen=True)
class Moment:
    """When a body is read, and what the markets cost now where that is known."""

    now: dt.datetime
    price_of: PriceOf | None = None


@dataclass(frozen=True)
class Preset:
    """The grammar of another platform.

    `title`, `line` and `place` (of the secret) are for the chat and the documents. `knows` tells
    whether a body has its unmistakable shape. `secret_of` and `alert_of` read a body's content: an
    object where `json` says so and the body is one, else its text without surrounding space.
    """

    name: str
    title: str
    line: str
    place: str
    knows: Callable[[Content], bool]
    secret_of: Callable[[Content], str | None]
    alert_of: Callable[[Content, Moment], Alert]
    template: Callable[[str], str]
    json: bool = True
    text: bool = False


def plain(name: str) -> str:
    """A name without case and separators."""
    return _plain(name) if len(name) <= _SHORT else _stripped(name)


@lru_cache(maxsize=2048)
def _plain(name: str) -> str:
    return _stripped(name)


def _stripped(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "").replace(" ", "")


def fault(code: str, text: str, cure: str | None = None, *, field: str | None = None) -> AlertFault:
    """A fault, with the field it is about."""
    return AlertFault(code, text, cure, field=None if field is None else safe_name(field))


def several_orders(what: str) -> AlertFault:
    """One body, one order: which of several was executed could not be told."""
    return fault(
        "several_orders",
        f"The body has {what}.",
        "Send one alert for each order.",
    )


def unsupported(what: str, cure: str, *, field: str | None = None) -> AlertFault:
    """The platform can do this, dYdX or the bot cannot."""
    return fault("unsupported", what, cure, field=field)


def checked_symbol(text: str, field: str) -> str:
    """The same symbol, if it can be one."""
    text = text.strip()
    if not 1 <= len(text) <= MAX_SYMBOL or not text.isprintable():
        raise fault(
            "symbol_invalid",
            f"The market is empty, longer than {MAX_SYMBOL} characters or not printable.",
            'Write it like "BTC-USD" or "{{ticker}}".',
            field=field,
        )
    return text


def checked_time(time: dt.datetime, moment: Moment, field: str) -> dt.datetime:
    """The same time, if it is not ahead of ours by more than two minutes."""
    if time - moment.now > MAX_AHEAD:
        raise fault(
            "time_ahead",
            "The alert's time is more than two minutes ahead.",
            "A time without zone is taken as UTC. If it is right, this machine's clock is not.",
            field=field,
        )
    return time


def is_near(price: Decimal, symbol: str, moment: Moment) -> bool:
    """Whether a price is the market's, give or take one percent."""
    now = None if moment.price_of is None else moment.price_of(symbol)
    return now is not None and abs(price / now - 1) <= _NEAR


def exit_that_waits(field: str) -> AlertFault:
    """An exit is at market: one that is to wait for a price must not be carried out at once."""
    return fault(
        "type_of_close",
        "An exit is at market and does not wait for a price.",
        "Put the stop and the targets into the alert of the entry.",
        field=field,
    )


def check_exit_price(price: Decimal | None, symbol: str, moment: Moment, field: str) -> None:
    """Raises for an exit at a price that is not the market's."""
    if price is not None and not is_near(price, symbol, moment):
        raise exit_that_waits(field)


def hint_of(time: dt.datetime | None, moment: Moment) -> str | None:
    """What may be wrong with an alert's time."""
    return bar_time_hint(time, moment.now)


def one_line(text: str, most: int) -> str | None:
    """A text for people: printable, one line, not longer than it may be; None where empty."""
    shown = "".join(c if c.isprintable() else " " for c in text).strip()
    return (shown if len(shown) <= most else f"{shown[: most - 1]}…") or None


def distance(percent: Decimal, below: Decimal, field: str) -> Level:
    """A distance from the entry in percent."""
    if not 0 < percent < below:
        raise fault(
            "level_invalid",
            f"A distance is not above 0 % and below {below} %.",
            "Write it in percent of the entry, without a sign.",
            field=field,
        )
    return Level(percent=percent)


def stop_distance(percent: Decimal, field: str) -> Level:
    """How far a stop is from the entry, in percent."""
    return distance(abs(percent), BELOW_STOP, field)


def target_distance(percent: Decimal, field: str) -> Level:
    """How far a target is from the entry, in percent."""
    return distance(abs(percent), BELOW_TARGET, field)


def share(percent: Decimal | None, field: str) -> Decimal | None:
    """A share of the position from percent of it."""
    if percent is None:
        return None
    if not 0 < percent <= _ALL:
        raise fault(
            "share_invalid",
            "A target's share of the position is not above 0 % and at most 100 %.",
            "Write it in percent of the position.",
            field=field,
        )
    return percent / 100


def checked_targets(targets: list[TakeProfit], field: str) -> tuple[TakeProfit, ...]:
    """The same targets, if they do not close more than there is."""
    shares = [target.fraction for target in targets]
    with localcontext() as context:
        context.prec = 50
        named = sum((part for part in shares if part is not None), Decimal(0))
    # Thirds written in percent may sum up to a hair more than the whole.
    if named > Decimal("1.0001") or (named >= 1 and None in shares):
        raise fault(
            "targets_invalid",
            "The targets close more than the whole position.",
            "Let their shares sum up to at most 100 %.",
            field=field,
        )
    if named > 1:
        last = targets[-1]
        assert last.fraction is not None
        targets = [*targets[:-1], TakeProfit(last.level, last.fraction - (named - 1))]
    return tuple(targets)


def position_share(percent: Decimal) -> Size | None:
    """A size in percent of the position; all of it is no size but a close."""
    return None if percent >= _ALL else Size(percent, SizeUnit.POSITION_PERCENT)


def checked_size(alert: Alert) -> Alert:
    """The same alert, if its size is not zero. An exit of zero is one without a size: of all."""
    if alert.size is None or alert.size.value > 0:
        return alert
    flat = alert.target is not None and alert.target.position is FLAT
    if alert.action in (Action.CLOSE, Action.REDUCE) or flat:
        action = Action.CLOSE if alert.action is Action.REDUCE else alert.action
        return replace(alert, action=action, size=None)
    raise fault(
        "size_zero",
        "The size of the order is zero.",
        "Write a number above zero, or leave the size out for the strategy's own.",
    )
