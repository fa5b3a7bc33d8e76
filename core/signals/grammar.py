"""The alert grammar: which fields an alert has, and what their values mean."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

from core.signals.alert import Action, Alert, Force, Level, OrderKind, Terms
from core.signals.faults import AlertFault
from core.signals.masking import safe_name
from core.signals.placeholders import cure_of, placeholder_in
from core.signals.reading import AlertObject, number_of

_T = TypeVar("_T")

MAX_SYMBOL = 64
MAX_ID = 64
MAX_AHEAD = dt.timedelta(seconds=120)
BAR_HINT_AGE = dt.timedelta(seconds=60)
MIN_EXPIRES = dt.timedelta(minutes=1)
MAX_EXPIRES = dt.timedelta(days=90)
FIELDS = (
    "symbol",
    "action",
    "type",
    "price",
    "time_in_force",
    "expires",
    "size",
    "size_usd",
    "take_profit",
    "stop_loss",
    "time",
    "id",
)
SECRET_FIELD = "secret"  # noqa: S105 - the field's name

_ALIASES = {
    "ticker": "symbol",
    "market": "symbol",
    "pair": "symbol",
    "instrument": "symbol",
    "side": "action",
    "order": "action",
    "signal": "action",
    "direction": "action",
    "quantity": "size",
    "qty": "size",
    "contracts": "size",
    "amount": "size",
    "volume": "size",
    "sizeusd": "size_usd",
    "usd": "size_usd",
    "notional": "size_usd",
    "tp": "take_profit",
    "takeprofit": "take_profit",
    "sl": "stop_loss",
    "stop": "stop_loss",
    "stoploss": "stop_loss",
    "order_type": "type",
    "ordertype": "type",
    "kind": "type",
    "limit_price": "price",
    "limitprice": "price",
    "stop_price": "price",
    "trigger_price": "price",
    "tif": "time_in_force",
    "timeinforce": "time_in_force",
    "expiry": "expires",
    "expiration": "expires",
    "ttl": "expires",
    "timenow": "time",
    "timestamp": "time",
    "order_id": "id",
    "passphrase": "secret",
    "password": "secret",
    "token": "secret",
    "key": "secret",
}
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)\s?(Z|z|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
_EPOCH = re.compile(r"\d{10}|\d{13}", re.ASCII)
_DURATION = re.compile(r"(\d{1,8})\s?([smhd]?)", re.ASCII)
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_EARLIEST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


_ACTIONS = {
    "buy": Action.BUY,
    "sell": Action.SELL,
    "close": Action.CLOSE,
    "exit": Action.CLOSE,
    "flat": Action.CLOSE,
}


_FORCES = {
    "gtt": Force.GTT,
    "gtc": Force.GTT,
    "gtd": Force.GTT,
    "ioc": Force.IOC,
    "post_only": Force.POST_ONLY,
    "postonly": Force.POST_ONLY,
}


def secret_of(obj: Mapping[str, Any]) -> str | None:
    """The secret that a body gives, if it gives one as a text."""
    given = obj.get(SECRET_FIELD)
    return given if isinstance(given, str) and given else None


def parse_alert(obj: Mapping[str, Any], now: dt.datetime) -> Alert:
    """The alert in a body's fields; `secret` is passed over. Raises AlertFault.

    A field that is null counts as absent. `now` bounds the alert's time, which may be at most two
    minutes ahead.
    """
    fields = _Fields(obj)
    fields.check_names()
    fields.check_secret_is_nowhere_else()
    fields.check_placeholders()
    symbol, action = fields.symbol(), fields.action()
    size, size_usd = fields.amount("size"), fields.amount("size_usd")
    if size is not None and size_usd is not None:
        raise fields.fault(
            "size_usd",
            "size_twice",
            "The alert has both size and size_usd.",
            "Keep one: size in coins, or size_usd in dollars.",
        )
    time = fields.time(now)
    return Alert(
        action=action,
        symbol=symbol,
        size=size,
        size_usd=size_usd,
        take_profit=fields.level("take_profit", below=Decimal(1000)),
        stop_loss=fields.level("stop_loss", below=Decimal(100)),
        time=time,
        id=fields.id(),
        hint=_bar_time_hint(time, now),
        terms=fields.terms(action),
    )


def _bar_time_hint(time: dt.datetime | None, now: dt.datetime) -> str | None:
    if time is None or time.second or time.microsecond or now - time < BAR_HINT_AGE:
        return None
    return (
        "Its time looks like the time of a bar: use {{timenow}} in the message, "
        "not {{time}}, which is when the bar opened."
    )


class _Fields:
    """A body's fields, read one by one; null counts as absent."""

    def __init__(self, obj: Mapping[str, Any]) -> None:
        self._obj = obj
        self._given = {name: value for name, value in obj.items() if value is not None}

    def fault(self, field: str, code: str, text: str, cure: str | None = None) -> AlertFault:
        """A fault at a field, with its place where the body is known."""
        place, excerpt = None, ""
        if isinstance(self._obj, AlertObject):
            place, excerpt = self._obj.places.get(field), self._obj.excerpt(field)
        return AlertFault(
            code,
            text,
            cure,
            line=place.line if place else None,
            column=place.column if place else None,
            field=safe_name(field),
            excerpt=excerpt,
        )

    def check_names(self) -> None:
        for name in self._obj:
            if name in FIELDS or name == SECRET_FIELD:
                continue
            near = _nearest_field(name)
            raise self.fault(
                name,
                "unknown_field",
                f"An alert has no field {safe_name(name)}.",
                f"Did you mean {near}? " * bool(near) + f"The fields are {', '.join(FIELDS)}.",
            )

    def check_secret_is_nowhere_else(self) -> None:
        secret = secret_of(self._obj)
        if secret is None or len(secret) < 8:
            return
        for name, value in self._given.items():
            if name != SECRET_FIELD and secret in str(value):
                raise self.fault(
                    name,
                    "secret_elsewhere",
                    f"The secret stands in the field {name} too.",
                    "Keep it in the field secret only; elsewhere it would be shown and stored.",
                )

    def check_placeholders(self) -> None:
        for name in FIELDS:
            value = self._given.get(name)
            texts = value.values() if isinstance(value, dict) else [value]
            for text in texts:
                left = placeholder_in(text) if isinstance(text, str) else None
                if left is not None:
                    raise self.fault(
                        name,
                        "placeholder_left",
                        f"{safe_name(left)} was not replaced by TradingView.",
                        cure_of(left),
                    )

    def symbol(self) -> str:
        value = self._required("symbol", '"{{ticker}}", or a market like "BTC-USD"')
        if not isinstance(value, str):
            raise self.fault(
                "symbol", "symbol_invalid", "symbol is not a text.", 'Write it like "BTC-USD".'
            )
        value = value.strip()
        if not 1 <= len(value) <= MAX_SYMBOL or not value.isprintable():
            raise self.fault(
                "symbol",
                "symbol_invalid",
                f"symbol is empty, longer than {MAX_SYMBOL} characters or not printable.",
                'Write it like "BTC-USD" or "{{ticker}}".',
            )
        return value

    def action(self) -> Action:
        value = self._required("action", '"buy", "sell", "close" or "{{strategy.order.action}}"')
        known = _ACTIONS.get(value.strip().lower()) if isinstance(value, str) else None
        if known is not None:
            return known
        shown = safe_name(value) if isinstance(value, str) else "This"
        raise self.fault(
            "action",
            "action_unknown",
            f"{shown or 'An empty text'} is not an action.",
            "The actions are buy, sell and close (also exit or flat).",
        )

    def amount(self, name: str) -> Decimal | None:
        """A positive number, as a number or in quotes."""
        value = self._given.get(name)
        if value is None:
            return None
        number = _number(value)
        if number is None:
            cure = 'Write a number like 0.05 or "0.05".'
            if isinstance(value, str) and value.strip().endswith("%"):
                cure = "A share of the equity cannot be given; write size in coins or size_usd."
            raise self.fault(name, f"{name}_invalid", f"{name} is not a number.", cure)
        if number <= 0:
            raise self.fault(
                name,
                f"{name}_not_positive",
                f"{name} is not above zero.",
                "The side comes from action; write a size above zero or leave it out.",
            )
        return number

    def terms(self, action: Action) -> Terms:
        """The kind of order; without `type` it is a market order."""
        kind = self._choice("type", {kind.value: kind for kind in OrderKind}) or OrderKind.MARKET
        price = self.amount("price")
        force = self._choice("time_in_force", _FORCES)
        expires = self._expires()
        if kind is OrderKind.MARKET:
            for name, value in (("price", price), ("time_in_force", force), ("expires", expires)):
                if value is not None:
                    raise self.fault(
                        name,
                        f"{name}_without_type",
                        f"{name} is given, but a market order has none.",
                        'Add "type": "limit" (or "stop"), or leave it out.',
                    )
            return Terms()
        if action is Action.CLOSE:
            raise self.fault(
                "type",
                "type_of_close",
                f"A close cannot be a {kind.value} order.",
                "It is sent at market; leave type out, or give the position a take_profit.",
            )
        if price is None:
            raise self.fault(
                "type",
                "price_missing",
                f"A {kind.value} order needs a price.",
                'Add "price": 95000.',
            )
        if kind is OrderKind.STOP and force is not None:
            raise self.fault(
                "time_in_force",
                "time_in_force_of_stop",
                "A stop order has no time_in_force.",
                "It waits for its price and then trades at market; leave time_in_force out.",
            )
        if kind is OrderKind.LIMIT:
            force = force or Force.GTT
            if force is Force.IOC and expires is not None:
                raise self.fault(
                    "expires",
                    "expires_of_ioc",
                    "An IOC order does not wait, so that it cannot expire.",
                    "Leave expires out, or use gtt or post_only.",
                )
        return Terms(kind, price, force, expires)

    def _choice(self, name: str, known: Mapping[str, _T]) -> _T | None:
        value = self._given.get(name)
        if value is None:
            return None
        plain = (
            value.strip().lower().replace("-", "_").replace(" ", "_")
            if (isinstance(value, str))
            else None
        )
        found = known.get(plain) if plain is not None else None
        if found is None:
            shown = safe_name(value) if isinstance(value, str) else "This"
            raise self.fault(
                name,
                f"{name}_unknown",
                f"{shown or 'An empty text'} is no {name}.",
                f"It is one of {', '.join(dict.fromkeys(str(item) for item in known.values()))}.",
            )
        return found

    def _expires(self) -> dt.timedelta | None:
        value = self._given.get("expires")
        if value is None:
            return None
        text = format(value, "f") if isinstance(value, Decimal) else value
        match = _DURATION.fullmatch(text.strip().lower()) if isinstance(text, str) else None
        length = (
            dt.timedelta(seconds=int(match[1]) * _UNITS[match[2]])
            if match is not None and int(match[1]) * _UNITS[match[2]] <= 10**9
            else None
        )
        if length is None or not MIN_EXPIRES <= length <= MAX_EXPIRES:
            raise self.fault(
                "expires",
                "expires_invalid",
                "expires is no duration between one minute and 90 days.",
                'Write seconds, or like "30m", "12h" or "7d".',
            )
        return length

    def level(self, name: str, *, below: Decimal) -> Level | None:
        value = self._given.get(name)
        if value is None:
            return None
        if isinstance(value, dict):
            return self._level_of_object(name, value, below)
        if isinstance(value, str) and value.strip().endswith("%"):
            return self._percent(name, value.strip()[:-1].strip(), below)
        return self._price(name, value)

    def time(self, now: dt.datetime) -> dt.datetime | None:
        value = self._given.get("time")
        if value is None:
            return None
        time = _time(value)
        if time is None:
            raise self.fault(
                "time",
                "time_invalid",
                "time is not a moment.",
                'Write "{{timenow}}", or like "2026-01-31T12:00:00Z"; without a zone it is UTC.',
            )
        if time - now > MAX_AHEAD:
            raise self.fault(
                "time",
                "time_ahead",
                "The alert's time is more than two minutes ahead.",
                "A time without zone is taken as UTC. If it is right, this machine's clock is not.",
            )
        return time

    def id(self) -> str | None:
        value = self._given.get("id")
        if value is None:
            return None
        text = format(value, "f") if isinstance(value, Decimal) else value
        if not isinstance(text, str):
            raise self.fault("id", "id_invalid", "id is not a text.", "Put it in double quotes.")
        text = text.strip()
        if len(text) > MAX_ID or not text.isprintable():
            raise self.fault(
                "id",
                "id_invalid",
                f"id is longer than {MAX_ID} characters or not printable.",
                "Give the order a shorter name in your strategy.",
            )
        return text or None

    def _required(self, name: str, example: str) -> Any:
        value = self._given.get(name)
        if value is None:
            raise self.fault(
                name, f"{name}_missing", f"The alert has no {name}.", f"Add {name}: {example}."
            )
        return value

    def _level_of_object(self, name: str, value: dict[str, Any], below: Decimal) -> Level:
        given = {key: item for key, item in value.items() if item is not None}
        if set(given) == {"price"}:
            return self._price(name, given["price"])
        if set(given) == {"percent"}:
            percent = given["percent"]
            if isinstance(percent, str):
                percent = percent.strip().removesuffix("%").strip()
            return self._percent(name, percent, below)
        raise self.fault(
            name,
            f"{name}_invalid",
            f"{name} needs either price or percent, and nothing else.",
            'Write {"price": 100} or {"percent": 2}.',
        )

    def _price(self, name: str, value: Any) -> Level:
        price = _number(value)
        if price is None or price <= 0:
            raise self.fault(
                name,
                f"{name}_invalid",
                f"{name} is neither a price above zero nor a percentage.",
                'Write a price like 95000, or a distance like "2%".',
            )
        return Level(price=price, percent=None)

    def _percent(self, name: str, value: Any, below: Decimal) -> Level:
        percent = _number(value)
        if percent is None or not 0 < percent < below:
            raise self.fault(
                name,
                f"{name}_invalid",
                f"{name} is not a distance above 0 % and below {below} %.",
                'Write it without a sign, like "2%"; the side follows from the position.',
            )
        return Level(price=None, percent=percent)


def _nearest_field(name: str) -> str | None:
    plain = name.strip().lower().replace("-", "_").replace(" ", "_")
    names = [*FIELDS, SECRET_FIELD]
    if plain in names:
        return plain
    alias = _ALIASES.get(plain) or _ALIASES.get(plain.replace("_", ""))
    if alias is not None:
        return alias
    near = difflib.get_close_matches(plain[:32], names, 1)
    return near[0] if near else None


def _number(value: Any) -> Decimal | None:
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    return number_of(value.strip()) if isinstance(value, str) else None


def _time(value: Any) -> dt.datetime | None:
    """ISO 8601 with date and time (without zone: UTC), or Unix time of 10 (s) or 13 (ms) digits."""
    text = format(value, "f") if isinstance(value, Decimal) else value
    if not isinstance(text, str):
        return None
    text = text.strip()
    if _EPOCH.fullmatch(text):
        milliseconds = int(text) if len(text) == 13 else int(text) * 1000
        return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=milliseconds)
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    day, clock, zone = match.groups()
    try:
        time = dt.datetime.fromisoformat(f"{day}T{clock}{(zone or 'Z').upper()}").astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None
    return time if time >= _EARLIEST else None
