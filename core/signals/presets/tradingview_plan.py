"""Size, plan, order type and time in an object of TradingView's placeholders, as our own fields."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any, Final

from core.signals.alert import OrderKind, SizeUnit, Terms
from core.signals.faults import AlertFault
from core.signals.fields_reader import number_in
from core.signals.grammar import time_in
from core.signals.presets import tradingview_words as words
from core.signals.presets.common import (
    Moment,
    check_exit_price,
    fault,
    is_near,
    plain,
    unsupported,
)
from core.signals.presets.markets import unit_of
from core.signals.presets.reader import Fields

_A_TENTH: Final = Decimal("0.1")
_PLAUSIBLE: Final = (Decimal("0.2"), Decimal(5))
_KINDS: Final = {"market": "market", "limit": "limit", "stop": "stop", "stopmarket": "stop"}
_INTERVAL = re.compile(r"(?P<count>\d{1,4})?\s*(?P<unit>[smhdw]?)", re.IGNORECASE)
_SECONDS: Final = {"": 60, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_ALL: Final = Decimal(100)
_WHOLE: Final = {"size": "100%"}
_SIZE = re.compile(words.OTHER_SIZES)
_NO_SIZE: Final = frozenset(
    (*words.POSITION_SIZE, *words.SIGNED_SIZE, *words.PREVIOUS_SIZE, *words.COUNTS)
)
_READ: Final = frozenset(
    (
        *(*words.STOPS, *words.STOP_PERCENTS, *words.TARGETS, *words.TARGET_PERCENTS),
        *words.TRIGGERS,
    )
)


@dataclass(frozen=True)
class FoundSize:
    """A size in a field of our own grammar. `either`: the coins may be those of the whole order or
    those of the position that it opens.
    """

    given: Mapping[str, Any]
    either: bool = False


def size_in(fields: Fields, symbol: str, *, exits: bool, of_all: bool) -> FoundSize:
    """How much. Where several fields say it, coins count before dollars, these before percent."""
    if of_all:
        return FoundSize({})
    contracts = fields.quantity(*words.CONTRACTS)
    if contracts is not None:
        field = "contracts" if _in_coins(fields, symbol, contracts) else "size_usd"
        return FoundSize(_unless_zero(field, contracts, exits=exits))
    name = fields.first(*words.COUNTS)
    text = None if name is None else fields.text(name)
    if name is not None and text is not None:
        return _counted(fields, name, text, symbol, exits=exits)
    dollars = fields.amount(*words.DOLLARS)
    if dollars is not None:
        return FoundSize({"size_usd": dollars})
    name = fields.first(*words.PERCENTS, *(words.PARTS if exits else ()))
    if name is not None and not (exits and plain(name) in words.OF_BALANCE):
        return FoundSize(_percent(fields, name, exits=exits))
    name = fields.first(*words.SIGNED_SIZE)
    if name is not None and (fields.text(name) or "").endswith("%"):
        return FoundSize(_percent(fields, name, exits=exits))
    risk = fields.percent(*words.RISKS)
    if risk is not None and not exits:
        return FoundSize({"risk_percent": risk})
    if not exits:
        _check_no_size_is_left(fields)
    charted = fields.first(*words.POSITION_SIZE, *words.SIGNED_SIZE, *words.BAR)
    if words.VOLUME in fields and charted is None:
        if exits or _is_krakens(fields):
            volume = fields.quantity(words.VOLUME)
            return FoundSize(_unless_zero("size", volume or Decimal(0), exits=exits))
        raise fault(
            "size_ambiguous",
            "volume may be the size of the order or the volume of the bar.",
            'Write the size as "quantity", and leave the volume out.',
            field=words.VOLUME,
        )
    return FoundSize({})


def _check_no_size_is_left(fields: Fields) -> None:
    """Raises where a field looks like the size of the order: another would be taken instead."""
    for given in fields:
        name, value = plain(given), fields.raw(given)
        number = number_in(value.strip(" $%@")) if isinstance(value, str) else value
        if not isinstance(number, Decimal) or number <= 0:
            continue
        if name.startswith(words.NO_SIZES) or name in _NO_SIZE or not _SIZE.fullmatch(name[:40]):
            continue
        raise fault(
            "size_unknown",
            "A field looks like the size of the order, but cannot be read.",
            'Write "quantity" in coins, "size_usd" in dollars or "percent" of the equity.',
            field=given,
        )


def _is_krakens(fields: Fields) -> bool:
    """Whether these are the fields of an order of Kraken, whose size is called volume."""
    side = plain(str(fields.raw("type")))
    return side in ("buy", "sell") and "pair" in fields and "ordertype" in fields


def _in_coins(fields: Fields, symbol: str, number: Decimal) -> bool:
    """Whether a number counts coins, and not contracts of one dollar. Raises `size_ambiguous`."""
    exchange = fields.raw("exchange")
    said = exchange if isinstance(exchange, str) else ""
    return unit_of(symbol, number, said or symbol.partition(":")[0]) is SizeUnit.BASE


def _counted(fields: Fields, name: str, text: str, symbol: str, *, exits: bool) -> FoundSize:
    unit = fields.choice(words.UNIT_WORDS, *words.UNITS) or ("percent" if "%" in text else "coins")
    if unit == "percent":
        return FoundSize(_percent(fields, name, exits=exits, said=True))
    if text.startswith("$") or text.endswith("$"):
        dollars = Fields({name: text.strip("$ ")}).quantity(name) or Decimal(0)
        return FoundSize(_unless_zero("size_usd", dollars, exits=exits))
    number = fields.quantity(name)
    assert number is not None
    # This connector counts its sizes in dollars (thibaultyou's alerts processor).
    if unit == "dollars" or "stub" in fields or not _in_coins(fields, symbol, number):
        return FoundSize(_unless_zero("size_usd", number, exits=exits))
    return FoundSize(_unless_zero("size", number, exits=exits), either=True)


def _unless_zero(name: str, number: Decimal, *, exits: bool) -> Mapping[str, Any]:
    """An exit of zero is one of all; an entry of zero stays, to be refused."""
    return _WHOLE if exits and number == 0 else {name: number}


def _percent(fields: Fields, name: str, *, exits: bool, said: bool = False) -> Mapping[str, Any]:
    text = fields.text(name) or ""
    number = Fields({name: text.removeprefix("%") or text}).percent(name)
    if number is None:
        return {}
    if number <= 1 and not said and "%" not in text:
        raise fault(
            "size_ambiguous",
            f"{name} may be a part of one or percent.",
            'Write it with the sign of percent, like "25%".',
            field=name,
        )
    if exits:
        return _WHOLE if number >= _ALL else {"size": f"{number:f}%"}
    return {"size_percent": number}


def terms_in(fields: Fields) -> dict[str, Any]:
    """The kind of order. A price alone is what the chart showed."""
    kind = _kind(fields)
    if kind == "market":
        return {}
    price = fields.amount(*(words.LIMITS if kind == "limit" else words.TRIGGERS))
    made: dict[str, Any] = {"type": kind}
    if price is not None:
        made["price"] = price
    force = fields.text("time_in_force", "tif")
    if kind == "limit" and force is not None:
        made["time_in_force"] = force
    return made


def _kind(fields: Fields) -> str:
    """market, limit or stop. A limit's price without a word for it makes a limit."""
    for name in words.KINDS:
        text = fields.text(name) if name in fields else None
        if text is None or plain(text) in words.WORDS:
            continue
        known = _KINDS.get(plain(text))
        if known is None and name == "type":
            continue
        if known is None:
            raise unsupported(
                f"An order of type {text[:20]} cannot be placed.",
                "Use market, limit or stop.",
                field=name,
            )
        return known
    return "limit" if "limitprice" in fields else "market"


def reduce_only_stop(fields: Fields) -> Terms | None:
    """The terms of an exit that waits as a stop, which dYdX has too."""
    if not any(_KINDS.get(plain(str(fields.raw(name)))) == "stop" for name in words.KINDS):
        return None
    price = fields.amount(*words.TRIGGERS)
    return None if price is None else Terms(OrderKind.STOP, price)


def check_is_now(fields: Fields) -> None:
    """Raises for an order that waits for a stop or a target: it must not be carried out at once.
    In `type` such a word may also say which one was met, where no price to wait for is given.
    """
    waits = fields.first(*words.WAITING_FOR) is not None
    for name in words.KINDS:
        value = fields.raw(name)
        kind = plain(value) if isinstance(value, str) else ""
        if name == "type" and not waits and not kind.endswith(("market", "limit")):
            continue
        if kind.startswith(words.CONDITIONAL):
            raise unsupported(
                f"An order of type {kind[:20]} cannot be placed by itself.",
                'Put "stop_loss" and "take_profit" into the alert of the entry.',
                field=name,
            )


def check_exit_is_now(fields: Fields, symbol: str, moment: Moment) -> None:
    """Raises for an exit that waits for a price: an exit is at market."""
    waits: tuple[str, ...] = ("limitprice", "triggerprice")
    for name in words.KINDS:
        value = fields.raw(name)
        kind = plain(value) if isinstance(value, str) else "market"
        if kind == "market" or kind in words.WORDS:
            continue
        known = {"limit": words.LIMITS, "stop": words.TRIGGERS}
        waits = known.get(_KINDS.get(kind, ""), ("stopprice", "triggerprice", "limitprice"))
        break
    if plain(fields.text("time_in_force", "tif") or "") != "ioc":
        check_exit_price(fields.amount(*waits), symbol, moment, "price")


def check_trigger(fields: Fields, symbol: str, moment: Moment) -> None:
    """Raises where a price that triggers stands beside an order that does not wait for it."""
    price = fields.amount("triggerprice")
    if price is not None and _kind(fields) != "stop" and not is_near(price, symbol, moment):
        raise _without_type("triggerprice")


def check_is_market(fields: Fields, symbol: str, moment: Moment) -> None:
    """Raises where a price without a type is not the market's: it may be a limit."""
    price = fields.amount("price")
    if price is not None and not is_near(price, symbol, moment):
        raise _without_type("price")


def _without_type(field: str) -> AlertFault:
    return fault(
        "price_without_type",
        f"{field} is given, but a market order has none.",
        'Add "type": "limit" (or "stop"), or leave it out.',
        field=field,
    )


def plan_in(fields: Fields, symbol: str, moment: Moment) -> dict[str, Any]:
    """The stop and the targets. What looks like a part of a plan and cannot be read is refused: no
    position may be left without the stop that its alert names.
    """
    price = None if moment.price_of is None else moment.price_of(symbol)
    if price is None:
        shown = fields.first(*words.PRICES)
        price = None if shown is None else number_in(fields.text(shown))
    made: dict[str, Any] = {}
    used = set()
    # Beside an order that waits for it stopprice is its trigger, else the stop loss.
    further = () if _kind(fields) == "stop" else ("stopprice",)
    name = _filled(fields, (*words.STOPS, *further))
    if name is not None:
        used.add(name)
        made["stop_loss"] = _level(fields, name, price)
    else:
        name = _filled(fields, words.STOP_PERCENTS)
        if name is not None:
            used.add(name)
            made["stop_loss"] = _distance(fields, name)
    targets = _targets(fields, price, used)
    if targets:
        made["take_profit"] = targets
    for field, names in (("trailing", words.TRAILS), ("break_even", ("break_even",))):
        name = _filled(fields, names)
        if name is not None:
            made[field] = fields.raw(name)
            used.add(name)
    name = _filled(fields, words.TRAIL_PERCENTS)
    if name is not None and "trailing" not in made:
        made["trailing"] = {"percent": fields.percent(name)}
        used.add(name)
    _check_nothing_is_left(fields, used)
    return made


def _targets(fields: Fields, price: Decimal | None, used: set[str]) -> list[Any]:
    name = _filled(fields, words.TARGETS)
    if name is not None:
        used.add(name)
        value = fields.raw(name)
        if not isinstance(value, list):
            return [_level(fields, name, price)]
        return [_listed(fields, name, item, price) for item in value]
    numbered = [_numbered(fields, number, price, used) for number in range(1, 10)]
    found = [target for target in numbered if target is not None]
    if found:
        return found
    name = _filled(fields, words.TARGET_PERCENTS)
    if name is None:
        return []
    used.add(name)
    return [_distance(fields, name)]


def _listed(fields: Fields, name: str, value: Any, price: Decimal | None) -> Any:
    """One of several targets: a level, or an object, whose percent beside a price is its share."""
    if not isinstance(value, Mapping):
        return _checked_level(fields, name, value, price)
    given = {plain(key): item for key, item in value.items() if item is not None}
    share = next((key for key in words.SHARES if key in given), None)
    if share is None or set(given) != {"price", share}:
        return value
    return {
        "price": given["price"],
        "fraction": f"{Fields(given).percent(share) or Decimal(0):f}%",
    }


def _numbered(
    fields: Fields, number: int, price: Decimal | None, used: set[str]
) -> dict[str, Any] | None:
    """A target like tp1: its level, and the share that tp1_percent or tp1_qty gives it; without a
    price of its own tp1_percent is its distance.
    """
    base = next((f"{name}{number}" for name in words.NUMBERED if f"{name}{number}" in fields), "")
    if base and _filled(fields, (base,)) is None:
        return None
    if not base:
        names = tuple(
            f"{name}{number}{tail}" for name in words.NUMBERED for tail in words.IN_PERCENT
        )
        given = _filled(fields, names)
        return None if given is None else _distance(fields, given)
    used.add(base)
    value = fields.raw(base)
    if isinstance(value, Mapping):
        return dict(value)
    level = _level(fields, base, price)
    target: dict[str, Any] = {"price": level} if isinstance(level, Decimal) else {"percent": level}
    share = _filled(fields, tuple(f"{base}{tail}" for tail in words.SHARES))
    coins = _filled(fields, tuple(f"{base}{tail}" for tail in words.COINS_OF_TARGET))
    size = fields.quantity(*words.CONTRACTS, *words.COUNTS) if coins is not None else None
    if share is not None:
        target["fraction"] = f"{fields.percent(share):f}%"
    elif coins is not None and size:
        with localcontext() as context:
            context.prec = 28
            target["fraction"] = (fields.quantity(coins) or Decimal(0)) / size
    return target


def _filled(fields: Fields, names: tuple[str, ...]) -> str | None:
    """The first of these fields that says something: not zero, false or nothing."""
    for name in names:
        value = fields.raw(name)
        if value in (None, False) or (isinstance(value, str) and number_in(value) == 0):
            continue
        if isinstance(value, Decimal) and value == 0:
            continue
        return plain(name)
    return None


def _distance(fields: Fields, name: str) -> dict[str, Any]:
    """A distance in percent. One below a tenth may be a part of one: 0.02 for 2 %."""
    percent = fields.percent(name)
    if percent is not None and abs(percent) < _A_TENTH and "%" not in (fields.text(name) or ""):
        raise fault(
            "level_ambiguous",
            f"{name} may be a part of one or percent.",
            'Write it with the sign of percent, like "2%".',
            field=name,
        )
    return {"percent": percent}


def _level(fields: Fields, name: str, price: Decimal | None) -> Any:
    """A price, a distance like "2%" or an object of our own. A number far from the market's price
    may be percent or points and is refused.
    """
    value = fields.raw(name)
    return value if isinstance(value, list) else _checked_level(fields, name, value, price)


def _checked_level(fields: Fields, name: str, value: Any, price: Decimal | None) -> Any:
    if isinstance(value, Mapping):
        given = {plain(key): item for key, item in value.items() if item is not None}
        if not given or not given.keys() <= {"stopprice", "limitprice"}:
            return value
        value = given.get("stopprice", given.get("limitprice"))
    if isinstance(value, list):
        return value
    text = Fields({name: value}).text(name) or ""
    number = number_in(text)
    low, high = _PLAUSIBLE
    if number is not None and price and not low <= number / price <= high:
        raise fault(
            "level_ambiguous",
            f"{name} lies far from the market's price; it may be percent or points.",
            'Write a price, or a distance like "2%".',
            field=name,
        )
    return text if number is None else number


def _check_nothing_is_left(fields: Fields, used: set[str]) -> None:
    for given in fields:
        name = plain(given)
        looks = any(part in name for part in words.PLAN_NAMES)
        looks = looks or re.fullmatch(words.PLAN_DISTANCES, name) is not None
        value = fields.raw(given)
        looks = looks and not (isinstance(value, str) and plain(value) in words.HARMLESS)
        if not looks or name in used or name in _READ or _filled(fields, (given,)) is None:
            continue
        raise fault(
            "unknown_field",
            "A field looks like a part of the plan, but cannot be read.",
            'Write "stop_loss" and "take_profit", as prices or like "2%".',
            field=given,
        )


def time_in_body(fields: Fields, moment: Moment) -> dt.datetime | None:
    """When the alert was made. The time of a bar, on a whole minute and with the bar's interval
    beside it, is when the bar opened; its alert is due when the bar ends.
    """
    name = next((name for name in words.TIMES if name in fields), None)
    if name is None:
        return None
    fields.text(name)
    time = time_in(fields.raw(name))
    if time is None or name == "timenow" or time.second or time.microsecond:
        return time
    text = fields.first(*words.INTERVALS)
    match = None if text is None else _INTERVAL.fullmatch((fields.text(text) or "").strip())
    if match is None or not (match["count"] or match["unit"]):
        return time
    span = dt.timedelta(seconds=int(match["count"] or 1) * _SECONDS[match["unit"].casefold()])
    return min(time + span, max(moment.now, time))
