"""What an alert would do in a given situation: the whole way from the body to the order, without a
setting, a ledger or a network. One JSON object in, one out; `python -m bot alert` answers with it.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any, Final, NoReturn

from core.signals.alert import Alert, Level, Size, SizeUnit
from core.signals.body import AUTO, NAMES, open_body
from core.signals.entry_plan import PlanSide, check_sides, fractions, priced
from core.signals.faults import AlertFault
from core.signals.grammar import time_in
from core.signals.identity import alert_age
from core.signals.markets import TICKERS
from core.signals.masking import safe_name
from core.signals.meaning import Effect, Meaning, Situation, Unmeant, meaning_of
from core.signals.reading import number_of
from core.signals.sizing import entry_price
from core.signals.symbols import SymbolUnknown, listing_of, placed

STALE_AFTER_S: Final = Decimal(60)
LONGEST_LIMIT_S: Final = Decimal(10**9)
# Later than any alert's time, where a line does not say when its alert arrived.
_UNKNOWN_NOW: Final = dt.datetime(9000, 1, 1, tzinfo=dt.UTC)
_OPENING: Final = (Effect.OPEN, Effect.ADD, Effect.REVERSE)
_EXITS: Final = (Effect.REDUCE, Effect.CLOSE)
_TRADELESS: Final = (Effect.CANCEL, Effect.NONE)
_EXACT_PLACES: Final = 40
_SECONDS: Final = re.compile(r"[0-9]{10}\.[0-9]{1,9}")
_SHOWN_PLACE: Final = Decimal("1e-18")

Answer = dict[str, Any]


class _InputFault(Exception):
    """The line itself, not the alert in it, cannot be used."""


@dataclass
class _Asked:
    """What is known of a line so far; a rejection shows it too."""

    position: Decimal | None = None
    symbol: str | None = None


def answer(line: bytes) -> Answer:
    """The answer to one line of input: whatever it holds, an answer and not an exception."""
    asked = _Asked()
    try:
        return _answer(_object(line), asked)
    except (_InputFault, AlertFault, SymbolUnknown, Unmeant, PlanSide) as reason:
        return rejected(*_reason(reason), asked.symbol, asked.position)


def _reason(reason: Exception) -> tuple[str, str]:
    match reason:
        case AlertFault() | Unmeant():
            return reason.code, reason.text
        case SymbolUnknown():
            near = f" The nearest are {', '.join(reason.nearest)}." if reason.nearest else ""
            return (
                "symbol_unknown",
                f"{safe_name(reason.symbol)} names no market that is listed.{near}",
            )
        case PlanSide():
            return "plan_side", str(reason)
    return "input_invalid", str(reason)


def _answer(given: Mapping[str, Any], asked: _Asked) -> Answer:
    asked.position = position = _number(given, "position") or Decimal(0)
    received_at = _moment(given)
    now = received_at or _UNKNOWN_NOW
    stale_after_s = _positive(given, "stale_after_s") or STALE_AFTER_S
    if stale_after_s > LONGEST_LIMIT_S:
        raise _InputFault(f"stale_after_s is above {LONGEST_LIMIT_S}.")
    default_size = _positive(given, "default_size")
    situation = Situation(
        position=position,
        price=_positive(given, "oracle_price"),
        equity=_number(given, "equity"),
        default_size=None if default_size is None else Size(default_size, SizeUnit.BASE),
        sync=_flag(given, "sync"),
    )
    tickers = _tickers(given)
    body = _text(given, "body", None).encode("utf-8", "surrogatepass")
    opened = open_body(body, _preset(given))

    def price_of(symbol: str) -> Decimal | None:
        return _price_of(symbol, situation.price, tickers)

    alert = opened.alert(now, price_of)
    if received_at is None:
        # Without a moment of receipt no age can be judged: it came when it was made.
        now = alert.time or now
        alert = opened.alert(now, price_of)
    asked.symbol, alert = placed(alert, tickers)
    limit = alert.stale_after or dt.timedelta(seconds=float(stale_after_s))
    age = alert_age(alert, now)
    if age > limit:
        raise Unmeant(
            "stale",
            f"The alert was {int(age.total_seconds())} s old, older than the limit of "
            f"{int(limit.total_seconds())} s.",
        )
    return _told(alert, situation, meaning_of(alert, situation), asked)


def _price_of(symbol: str, price: Decimal | None, tickers: Collection[str]) -> Decimal | None:
    """What one coin of a symbol, as the alert writes it, costs."""
    try:
        return None if price is None else price * listing_of(symbol, tickers).factor
    except SymbolUnknown:
        return None


def _told(alert: Alert, situation: Situation, meaning: Meaning, asked: _Asked) -> Answer:
    told: Answer = {
        "intent": meaning.effect.value,
        "symbol": asked.symbol,
        "side": meaning.side,
        "size": _shown(meaning.size),
        "order": None,
        "take_profit": [],
        "stop_loss": None,
        "position_after": _shown(meaning.position_after),
        "error": None,
    }
    if meaning.effect in _TRADELESS:
        return told
    terms = alert.terms
    told["order"] = {
        "type": terms.kind.value,
        "price": _shown(terms.price),
        "time_in_force": terms.force.value if terms.force is not None else None,
        "reduce_only": meaning.effect in _EXITS,
    }
    if meaning.effect in _OPENING:
        long, entry = meaning.side == "BUY", entry_price(alert, situation)
        targets = [priced(row.level, entry, up=long) for row in alert.take_profit]
        stop = priced(alert.stop_loss, entry, up=not long) if alert.stop_loss else None
        check_sides(targets, stop, entry, long=long)
        told["take_profit"] = [
            {**_level(target), "fraction": _shown(fraction)}
            for target, fraction in zip(targets, fractions(alert.take_profit), strict=True)
        ]
        told["stop_loss"] = None if stop is None else _level(stop)
    return told


def _level(level: Level) -> dict[str, str | None]:
    name = next(name for name in ("price", "percent", "offset") if getattr(level, name) is not None)
    return {name: _shown(getattr(level, name))}


def rejected(
    code: str, text: str, symbol: str | None = None, position: Decimal | None = None
) -> Answer:
    """The answer where nothing would be sent."""
    return {
        "intent": "reject",
        "symbol": symbol,
        "side": None,
        "size": None,
        "order": None,
        "take_profit": [],
        "stop_loss": None,
        "position_after": _shown(position),
        "error": {"code": code, "text": text},
    }


def _shown(value: Decimal | None) -> str | None:
    """A number without an exponent. One that a division left without end is cut at 18 places."""
    if value is None:
        return None
    with localcontext() as context:
        context.prec = 200
        exponent = value.normalize().as_tuple().exponent
        if isinstance(exponent, int) and exponent < -_EXACT_PLACES:
            value = value.quantize(_SHOWN_PLACE)
        return format(value.normalize() if value else Decimal(0), "f")


# the line's own fields


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        given = json.loads(
            line.decode("utf-8-sig"),
            parse_float=Decimal,
            parse_int=Decimal,
            parse_constant=_no_number,
        )
    except (ValueError, RecursionError):
        raise _InputFault("The line is not a JSON object.") from None
    if not isinstance(given, dict):
        raise _InputFault("The line is not a JSON object.")
    return given


def _no_number(constant: str) -> NoReturn:
    raise ValueError(constant)


def _text(given: Mapping[str, Any], name: str, default: str | None) -> str:
    value = given.get(name)
    if value is None:
        value = default
    if not isinstance(value, str):
        raise _InputFault(f"{name} is not a text.")
    return value


def _flag(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name)
    if value is not None and not isinstance(value, bool):
        raise _InputFault(f"{name} is neither true nor false.")
    return bool(value)


def _number(given: Mapping[str, Any], name: str) -> Decimal | None:
    value = given.get(name)
    if value is None:
        return None
    number = number_of(str(value).strip()) if isinstance(value, Decimal | str) else None
    if number is None:
        raise _InputFault(f"{name} is not a number between 1e-30 and 1e30.")
    return number


def _positive(given: Mapping[str, Any], name: str) -> Decimal | None:
    number = _number(given, name)
    if number is not None and number <= 0:
        raise _InputFault(f"{name} is not above zero.")
    return number


def _preset(given: Mapping[str, Any]) -> str:
    name = _text(given, "preset", AUTO).strip().casefold()
    if name not in NAMES:
        raise _InputFault(f"preset is none of {', '.join(NAMES)}.")
    return name


def _moment(given: Mapping[str, Any]) -> dt.datetime | None:
    value = given.get("received_at")
    if value is None:
        return None
    if isinstance(value, Decimal) and _SECONDS.fullmatch(str(value)):
        value = value.scaleb(3).to_integral_value()
    moment = time_in(value)
    if moment is None:
        raise _InputFault("received_at is not a moment like 2026-01-31T12:00:00Z.")
    return moment


def _tickers(given: Mapping[str, Any]) -> Collection[str]:
    value = given.get("markets")
    if value is None:
        return TICKERS
    if not isinstance(value, list) or not all(isinstance(ticker, str) for ticker in value):
        raise _InputFault("markets is not a list of tickers.")
    return tuple(value)
