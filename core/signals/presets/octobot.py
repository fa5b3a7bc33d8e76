"""OctoBot: lines (or parts between `;`) of KEY=value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import Final

from core.signals.alert import (
    Action,
    Against,
    Alert,
    BreakEven,
    Force,
    Level,
    MarketPosition,
    OrderKind,
    Size,
    SizeUnit,
    TakeProfit,
    Terms,
)
from core.signals.presets.common import (
    FLAT,
    LONG,
    OPPOSITE,
    SHORT,
    Content,
    Moment,
    Preset,
    fault,
    hint_of,
    plain,
    position_share,
    stop_distance,
    target_distance,
)
from core.signals.presets.reader import Fields, given_secret
from core.signals.presets.strategy import order, target_of
from core.signals.presets.texts import decimal_of, filled, lines_of, text_secret, without_secret

_SIGNALS: Final = {"buy": LONG, "sell": SHORT, "cancel": FLAT}
_KINDS: Final = {"market": OrderKind.MARKET, "limit": OrderKind.LIMIT, "stop": OrderKind.STOP}
_PART = re.compile(r"[;\n]")
_KEY = re.compile(r"\s*[A-Za-z][A-Za-z0-9_]*\s*=")
_AMOUNT = re.compile(r"(?P<number>[0-9.eE+]+)\s*(?P<unit>[a-z]?%|[a-z@]?)", re.IGNORECASE)
_OFFSET = re.compile(r"(?P<sign>[+-]?)(?P<number>[0-9.]+)\s*(?P<unit>%|d|@|q)?", re.IGNORECASE)
_NUMBER = re.compile(r"[1-9][0-9]{0,2}")
_UNITS: Final = {
    **dict.fromkeys(("", "b", "@"), SizeUnit.BASE),
    "q": SizeUnit.USD,
    # Free funds are not told apart from all: without other positions they are the same.
    **dict.fromkeys(("%", "a%", "s%", "t%"), SizeUnit.EQUITY_PERCENT),
    "p%": SizeUnit.POSITION_PERCENT,
}
_FIRST_FILLED: Final = "filledtakeprofit"


@dataclass(frozen=True)
class _Offset:
    """A price, or a signed distance from the current one in percent or dollars."""

    number: Decimal
    unit: str


def _knows(content: Content) -> bool:
    if isinstance(content, Mapping):
        return {"SIGNAL", "SYMBOL"} <= set(content)
    names = {plain(part.partition("=")[0].strip()) for part in _PART.split(lines_of(content))}
    return {"signal", "symbol"} <= names


def _secret(content: Content) -> str | None:
    if isinstance(content, Mapping):
        return given_secret(Fields(content), "TOKEN")
    return text_secret(content) or given_secret(_fields(content), "TOKEN")


def _fields(content: Content) -> Fields:
    if isinstance(content, Mapping):
        return Fields(content)
    given: dict[str, str] = {}
    for part in _PART.split(lines_of(content)):
        if not part.strip():
            continue
        name, sign, value = part.partition("=")
        name = name.strip()
        if not sign or _KEY.match(part) is None:
            raise fault(
                "line_invalid",
                "A line is not of the form KEY=value.",
                "Write one KEY=value a line, or separate them by ;",
            )
        if name in given and given[name] != value.strip():
            raise fault(
                "duplicate_field",
                "A key is there twice, with different values.",
                "Keep one of them.",
                field=name,
            )
        given[name] = value.strip()
    return Fields(given)


def _alert(content: Content, moment: Moment) -> Alert:
    if isinstance(content, str):
        content = without_secret(content)
    fields = _fields(content)
    signal = fields.choice(_SIGNALS, "SIGNAL")
    if signal is None:
        raise fields.fault(
            "SIGNAL", "action_missing", "The alert has no SIGNAL.", "It is BUY, SELL or CANCEL."
        )
    symbol = fields.symbol("SYMBOL")
    time = fields.time(moment, "TIME", "TIMESTAMP")
    wish = Alert(
        action=Action.CANCEL,
        symbol=symbol,
        time=time,
        id=fields.id("TAG"),
        hint=hint_of(time, moment),
    )
    if signal is FLAT:
        return wish
    wish = _ordered(fields, signal, replace(wish, cancels=True))
    reduces = wish.action in (Action.REDUCE, Action.CLOSE)
    price = None if moment.price_of is None else moment.price_of(symbol)
    wish = replace(wish, terms=_terms(fields, price))
    if reduces or (wish.target is not None and wish.target.position is not signal):
        return wish
    stop = None if wish.terms.kind is OrderKind.STOP else _level(fields, "STOP_PRICE", signal)
    profile = plain(fields.text("TRAILING_PROFILE") or "")
    return replace(
        wish,
        take_profit=_targets(fields, signal),
        stop_loss=stop,
        break_even=BreakEven() if profile == _FIRST_FILLED else None,
    )


def _ordered(fields: Fields, way: MarketPosition, wish: Alert) -> Alert:
    """An order of OctoBot's on futures: what goes past flat opens the other side, unless it only
    reduces. MARKET_POSITION is ours: TradingView's position after the order.
    """
    size = _size(fields)
    if fields.flag("REDUCE_ONLY"):
        if size is not None and size.unit in (SizeUnit.POSITION_PERCENT, SizeUnit.EQUITY_PERCENT):
            # What can be sold of a position is the position.
            size = position_share(size.value)
        action = Action.CLOSE if size is None else Action.REDUCE
        return replace(wish, action=action, size=size, only=OPPOSITE[way])
    wish = replace(wish, action=order(way), size=size)
    target = target_of(fields, "MARKET_POSITION", size="MARKET_POSITION_SIZE")
    if target is not None:
        if size is not None and size.unit is SizeUnit.BASE:
            size = Size(size.value, SizeUnit.CONTRACTS)
        return replace(wish, size=size, target=target)
    return wish if size is None else replace(wish, against=Against.NET)


def _size(fields: Fields) -> Size | None:
    text = fields.text("VOLUME")
    if text is None:
        return None
    match = _AMOUNT.fullmatch(filled(text, "VOLUME").strip())
    unit = None if match is None else _UNITS.get(match["unit"].casefold())
    if match is None or unit is None:
        raise fields.fault(
            "VOLUME",
            "volume_invalid",
            "VOLUME is not an amount that can be read.",
            "Write coins (0.1), dollars (100q) or percent (5%).",
        )
    number = decimal_of(match["number"], "VOLUME")
    return None if number == 0 else Size(number, unit)


def _terms(fields: Fields, price: Decimal | None) -> Terms:
    kind = fields.choice(_KINDS, "ORDER_TYPE")
    given = _offset(fields, "STOP_PRICE" if kind is OrderKind.STOP else "PRICE")
    if kind is OrderKind.MARKET or (kind is None and given is None):
        return Terms()
    if given is None and kind is OrderKind.LIMIT and price is not None:
        return Terms(kind, price, Force.GTT)
    if given is None:
        name = "STOP_PRICE" if kind is OrderKind.STOP else "PRICE"
        raise fields.fault(name, "price_missing", "The order needs a price.", f"Add {name}=95000.")
    at = given.number
    if given.unit in ("%", "d"):
        if price is None:
            raise fields.fault(
                "PRICE",
                "price_unknown",
                "The price is relative, and the market's price is not known.",
                "Write an absolute price.",
            )
        with localcontext() as context:
            context.prec = 50
            at = price + given.number if given.unit == "d" else price * (1 + given.number / 100)
        if at <= 0:
            raise fields.fault("PRICE", "price_not_positive", "The price is not above zero.")
    if kind is OrderKind.STOP:
        return Terms(OrderKind.STOP, at)
    return Terms(OrderKind.LIMIT, at, Force.GTT)


def _offset(fields: Fields, name: str) -> _Offset | None:
    text = fields.text(name)
    if text is None:
        return None
    match = _OFFSET.fullmatch(filled(text, name).strip())
    if match is None:
        raise fields.fault(
            name,
            f"{plain(name)}_invalid",
            f"{name} is neither a price nor a distance.",
            "Write a price (42000), percent (-5%) or dollars (-10d) from the current one.",
        )
    number = decimal_of(match["number"], name)
    if number == 0:
        return None
    unit = (match["unit"] or "").casefold()
    if unit in ("%", "d"):
        return _Offset(-number if match["sign"] == "-" else number, unit)
    if match["sign"] == "-":
        raise fields.fault(
            name, f"{plain(name)}_not_positive", f"{name} is below zero.", "Write a price."
        )
    return _Offset(number, "")


def _level(fields: Fields, name: str, way: MarketPosition, *, wins: bool = False) -> Level | None:
    """A level of the plan. A distance must lie on its side of the entry."""
    given = _offset(fields, name)
    if given is None:
        return None
    if given.unit == "":
        return Level(price=given.number)
    above = given.number > 0
    if above is not ((way is LONG) is wins):
        raise fields.fault(
            name,
            "level_wrong_side",
            f"{name} lies on the wrong side of the entry.",
            "A stop of a long is below its entry (-5%), its target above (5%); for a short the "
            "other way round.",
        )
    if given.unit == "d":
        return Level(offset=abs(given.number))
    return (target_distance if wins else stop_distance)(given.number, name)


def _targets(fields: Fields, way: MarketPosition) -> tuple[TakeProfit, ...]:
    """TAKE_PROFIT_PRICE and …_1, …_2, and in the same order ratios of their shares."""
    found = (
        _level(fields, name, way, wins=True) for name in _numbered(fields, "TAKE_PROFIT_PRICE")
    )
    levels = [level for level in found if level is not None]
    names = _numbered(fields, "TAKE_PROFIT_VOLUME_RATIO")
    ratios = [ratio for name in names if (ratio := fields.amount(name)) is not None]
    if not ratios or len(levels) < 2:
        return tuple(TakeProfit(level) for level in levels)
    if len(ratios) != len(levels):
        raise fault(
            "targets_invalid",
            f"There are {len(levels)} targets, but {len(ratios)} TAKE_PROFIT_VOLUME_RATIO.",
            "Give one for each target, or none.",
        )
    return _by_ratio(levels, ratios)


def _numbered(fields: Fields, name: str) -> list[str]:
    """The names NAME, NAME_1, NAME_2 … that are there, in order."""
    known = plain(name)
    tails = [plain(given).removeprefix(known) for given in fields if plain(given).startswith(known)]
    numbers = sorted(int(tail or 0) for tail in tails if tail == "" or _NUMBER.fullmatch(tail))
    return [f"{name}_{number}" if number else name for number in numbers]


def _by_ratio(levels: list[Level], ratios: list[Decimal]) -> tuple[TakeProfit, ...]:
    """Shares of the whole; the last target takes what rounding leaves."""
    with localcontext() as context:
        context.prec = 28
        total = sum(ratios, Decimal(0))
        shares = [ratio / total for ratio in ratios[:-1]]
        shares.append(1 - sum(shares, Decimal(0)))
    return tuple(TakeProfit(level, part) for level, part in zip(levels, shares, strict=True))


def _template(secret: str) -> str:
    return "\n".join(
        (
            "EXCHANGE=dydx",
            "SYMBOL={{ticker}}",
            "SIGNAL={{strategy.order.action}}",
            "ORDER_TYPE=MARKET",
            "VOLUME={{strategy.order.contracts}}",
            "MARKET_POSITION={{strategy.market_position}}",
            "TIME={{timenow}}",
            f"TOKEN={secret}",
        )
    )


PRESET: Final = Preset(
    name="octobot",
    title="OctoBot",
    line="Lines of KEY=value: SYMBOL, SIGNAL, VOLUME, STOP_PRICE, TAKE_PROFIT_PRICE.",
    place="the line TOKEN=",
    knows=_knows,
    secret_of=_secret,
    alert_of=_alert,
    template=_template,
    text=True,
)
