"""How numbers, times and spans look in the chat: sign and unit, the market's tick and step, UTC."""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal, localcontext

from aiogram.utils.formatting import DateTime, Text

MINUS = "−"
DIGITS = 80


def decimals_of(unit: Decimal) -> int:
    """How many decimals a tick or step has: 0.0050 → 3, 10 → 0."""
    with localcontext() as context:
        context.prec = DIGITS
        exponent = unit.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _fixed(value: Decimal, decimals: int, rounding: str = ROUND_HALF_EVEN) -> str:
    with localcontext() as context:
        context.prec = DIGITS
        rounded = value.quantize(Decimal(1).scaleb(-decimals), rounding=rounding)
    text = f"{rounded.copy_abs():,f}"
    return f"{MINUS}{text}" if rounded < 0 else text


def price(value: Decimal, tick: Decimal | None = None) -> str:
    """A price with the decimals of its market's tick; without a tick, with those it has."""
    return plain(value) if tick is None else _fixed(value, decimals_of(tick))


def size(value: Decimal, step: Decimal | None = None) -> str:
    """An amount of the base asset with the decimals of its step; what is finer is cut, not rounded
    up.
    """
    return plain(value) if step is None else _fixed(value, decimals_of(step), ROUND_DOWN)


def plain(value: Decimal) -> str:
    """All the digits a number has, without an exponent."""
    return _fixed(value, decimals_of(value) if value else 0)


def amount(value: Decimal) -> str:
    """USDC to the cent, without the unit: 1,204.11."""
    return _fixed(value, 2)


def usdc(value: Decimal) -> str:
    """An amount of money: 1,204.11 USDC."""
    return f"{amount(value)} USDC"


def signed(value: Decimal) -> str:
    """USDC to the cent with its sign, without the unit: +12.30, −3.10, 0.00."""
    text = amount(value)
    return text if text.startswith(MINUS) or text == "0.00" else f"+{text}"


def signed_usdc(value: Decimal) -> str:
    """Money won or lost: +12.30 USDC."""
    return f"{signed(value)} USDC"


def percent(value: Decimal, decimals: int = 1) -> str:
    """A change with its sign: +3.0 %."""
    text = _fixed(value, decimals)
    zero = not text.strip("0.,") or text.strip("0.,") == MINUS
    return f"{text.lstrip(MINUS)} %" if zero else f"{text if value < 0 else '+' + text} %"


def change_percent(of: Decimal, to: Decimal) -> Decimal:
    """How far `to` lies from `of`, in percent of `of`."""
    return (to - of) / of * 100 if of else Decimal(0)


def latency(span: dt.timedelta) -> str:
    """How long a step took: +12 ms, +1.1 s, +2 min."""
    milliseconds = span // dt.timedelta(milliseconds=1)
    if milliseconds < 1000:
        return f"+{max(0, milliseconds)} ms"
    if milliseconds < 100_000:
        return f"+{milliseconds // 1000}.{milliseconds % 1000 // 100} s"
    return f"+{milliseconds // 60_000} min"


def duration(span: dt.timedelta) -> str:
    """How long something lasted, in its two largest units: 2 h 14 min."""
    seconds = max(0, span // dt.timedelta(seconds=1))
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60 % 60, seconds // 3600 % 24, seconds // 86400
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s"


def clock_time(at: dt.datetime) -> Text:
    """A time of day; clients that can, show it in the reader's own zone."""
    moment = at.astimezone(dt.UTC)
    return DateTime(f"{moment:%H:%M:%S} UTC", unix_time=moment, date_time_format="T")


def date_time(at: dt.datetime) -> Text:
    """A day and time; clients that can, show it in the reader's own zone."""
    moment = at.astimezone(dt.UTC)
    return DateTime(f"{moment:%Y-%m-%d %H:%M} UTC", unix_time=moment, date_time_format="dt")
