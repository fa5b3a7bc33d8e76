"""How the indexer writes numbers and times: decimals as plain strings, times as ISO with a Z."""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_HALF_UP, Context, Decimal

EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
_AVERAGE_STEP = Decimal(1).scaleb(-20)


def number(value: Decimal) -> str:
    """A decimal without exponent and without trailing zeros."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def optional(value: Decimal | None) -> str | None:
    """A decimal or null."""
    return None if value is None else number(value)


def average(total: Decimal, count: Decimal) -> Decimal:
    """A mean with 20 digits after the point, rounded half up, as the indexer keeps averages."""
    return EXACT.quantize(EXACT.divide(total, count), _AVERAGE_STEP)


def usdc(quote_quantums: int) -> Decimal:
    """USDC of quote quantums (millionths)."""
    return Decimal(quote_quantums).scaleb(-6, EXACT)


def ppm(parts: int) -> str:
    """Parts per million as a fraction."""
    return number(Decimal(parts).scaleb(-6, EXACT))


def iso(at: dt.datetime) -> str:
    """UTC time with milliseconds."""
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def from_unix(seconds: int) -> dt.datetime:
    """UTC time of unix seconds."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def milliseconds(at: dt.datetime) -> dt.datetime:
    """A time cut to milliseconds, which is all the indexer shows."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
