"""WunderTrading: codes like ENTER-LONG_BINANCE_BTCUSDT_bot_1H_…, alone or in an object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from core.signals.alert import (
    Action,
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
    Trailing,
)
from core.signals.fields import BELOW_STOP, BELOW_TARGET, MAX_EXPIRES, MIN_EXPIRES
from core.signals.presets.common import (
    LONG,
    SHORT,
    Content,
    Moment,
    Preset,
    check_exit_price,
    checked_symbol,
    checked_targets,
    distance,
    fault,
    hint_of,
    position_share,
)
from core.signals.presets.reader import Fields, given_secret
from core.signals.presets.strategy import entry, message
from core.signals.presets.texts import filled, text_secret, without_secret

_CODE = re.compile(
    r"\s*(?P<verb>ENTER|EXIT)[-_ ](?P<side>LONG|SHORT|ALL)(?:_(?P<rest>\S.*))?\s*",
    re.IGNORECASE | re.DOTALL,
)
_FIELD = re.compile(r"(?:^|\s)(?P<name>symbol|pair|ticker)=(?P<value>\S+)", re.IGNORECASE)
_NO_PAIR: Final = ("NONE", "MULTIPLE-PAIRS", "MULTI-PAIRS", "MULTIPAIRS", "ALL")
_SIDES: Final = {"long": LONG, "short": SHORT, "all": None}
_KINDS: Final = {"market": OrderKind.MARKET, "limit": OrderKind.LIMIT}
_UNITS: Final = {
    "base": SizeUnit.BASE,
    "quote": SizeUnit.USD,
    "$": SizeUnit.USD,
    "usd": SizeUnit.USD,
    "percents": SizeUnit.EQUITY_PERCENT,
    "percent": SizeUnit.EQUITY_PERCENT,
    "contracts": SizeUnit.BASE,
}


@dataclass(frozen=True)
class _Code:
    """A code: whether it enters, which side (None: all), and the pair in it."""

    enters: bool
    side: MarketPosition | None
    pair: str | None


def _knows(content: Content) -> bool:
    if isinstance(content, Mapping):
        code = content.get("code")
        return isinstance(code, str) and _CODE.fullmatch(code) is not None
    return _CODE.match(content) is not None


def _secret(content: Content) -> str | None:
    if isinstance(content, Mapping):
        return given_secret(Fields(content))
    return text_secret(content)


def _alert(content: Content, moment: Moment) -> Alert:
    fields = Fields(content) if isinstance(content, Mapping) else _of_text(content)
    given = fields.text("code")
    if given is None:
        raise fields.fault(
            "code", "action_missing", "The alert has no code.", 'Add "code": "ENTER-LONG".'
        )
    code = _code(given)
    named = fields.first("symbol", "pair", "ticker")
    if named is not None:
        symbol = fields.symbol(named)
    elif code.pair is not None:
        symbol = checked_symbol(code.pair, "code")
    else:
        raise fault(
            "symbol_missing",
            "Neither the code nor a field names the market.",
            'Add "symbol": "{{ticker}}"; to a code alone add a space and symbol={{ticker}}.',
            field="code",
        )
    time = fields.time(moment, "time", "timestamp")
    wish = Alert(
        action=Action.CLOSE,
        symbol=symbol,
        only=code.side,
        time=time,
        hint=hint_of(time, moment),
    )
    if not code.enters:
        check_exit_price(_terms(fields).price, symbol, moment, "price")
        return _exit(fields, wish)
    assert code.side is not None
    return replace(
        wish,
        action=entry(code.side),
        only=None,
        size=_size(fields),
        terms=_terms(fields),
        take_profit=_targets(fields),
        stop_loss=_level(fields.child("stopLoss"), "stopLoss"),
        trailing=_trailing(fields.child("trailingStop")),
        break_even=_break_even(fields.child("moveToBreakeven", "breakeven")),
    )


def _of_text(text: str) -> Fields:
    """A code alone, with symbol=… beside it where it names no pair."""
    text = filled(without_secret(text), "code")
    match = _FIELD.search(text)
    given = {"code": _FIELD.sub("", text).strip()}
    if match is not None:
        given["symbol"] = match["value"]
    return Fields(given)


def _code(text: str) -> _Code:
    match = _CODE.fullmatch(text)
    side = "" if match is None else match["side"].casefold()
    enters = match is not None and match["verb"].casefold() == "enter"
    if match is None or (enters and side == "all"):
        raise fault(
            "code_unknown",
            "The code is not one of WunderTrading's.",
            "It begins with ENTER-LONG, ENTER-SHORT, EXIT-LONG, EXIT-SHORT or EXIT-ALL.",
            field="code",
        )
    # ACTION_EXCHANGE_PAIR_NAME_INTERVAL_ID, where the name may hold anything.
    parts = (match["rest"] or "").split("_")
    pair = parts[1].strip() if len(parts) >= 3 else ""
    return _Code(enters, _SIDES[side], None if pair.upper() in ("", *_NO_PAIR) else pair)


def _exit(fields: Fields, wish: Alert) -> Alert:
    """A part where percent or coins are given. Dollars are those of the entry, which its exit often
    repeats; and all is all.
    """
    size = _size(fields)
    if wish.only is None or (size is not None and size.unit is SizeUnit.USD):
        return wish
    if size is not None and size.unit is SizeUnit.EQUITY_PERCENT:
        size = position_share(size.value)
    return wish if size is None else replace(wish, action=Action.REDUCE, size=size)


def _size(fields: Fields) -> Size | None:
    unit = fields.choice(_UNITS, "amountPerTradeType") or SizeUnit.USD
    if unit is not SizeUnit.EQUITY_PERCENT:
        amount = fields.quantity("amountPerTrade")
        return None if amount is None else Size(amount, unit)
    text = fields.text("amountPerTrade")
    percent = fields.part("amountPerTrade")
    if text is None or percent is None:
        return None
    # A ratio up to one, unless the sign of percent says otherwise.
    ratio = not text.endswith("%") and percent <= 1
    return Size(percent * 100 if ratio else percent, unit)


def _terms(fields: Fields) -> Terms:
    if fields.choice(_KINDS, "orderType") is not OrderKind.LIMIT:
        return Terms()
    price = fields.amount("price")
    if price is None:
        raise fields.fault(
            "price", "price_missing", "A limit order needs a price.", 'Add "price": 95000.'
        )
    minutes = fields.amount("timeToLive")
    expires = None if minutes is None else MIN_EXPIRES * float(min(minutes, Decimal(10**6)))
    if expires is not None:
        expires = min(max(expires, MIN_EXPIRES), MAX_EXPIRES)
    return Terms(OrderKind.LIMIT, price, Force.GTT, expires)


def _level(inner: Fields | None, name: str, *, wins: bool = False) -> Level | None:
    """priceDeviation is a ratio of the entry (0.02 is 2 %), price an absolute price."""
    if inner is None:
        return None
    ratio, price = inner.amount("priceDeviation"), inner.amount("price")
    if ratio is not None:
        return distance(ratio * 100, BELOW_TARGET if wins else BELOW_STOP, f"{name}.priceDeviation")
    return None if price is None else Level(price=price)


def _targets(fields: Fields) -> tuple[TakeProfit, ...]:
    targets = []
    for inner in fields.children("takeProfits"):
        level = _level(inner, "takeProfits", wins=True)
        if level is None:
            continue
        part = inner.amount("portfolio")
        if part is not None and part > 1:
            raise inner.fault(
                "portfolio",
                "share_invalid",
                "portfolio is above 1.",
                "Write half of the position as 0.5.",
            )
        targets.append(TakeProfit(level, part))
    return checked_targets(targets, "takeProfits")


def _trailing(inner: Fields | None) -> Trailing | None:
    if inner is None:
        return None
    activation = inner.amount("activation", "activationPriceDeviation")
    execution = inner.amount("execution", "executionPriceDeviation", "priceDeviation")
    if execution is None:
        return None
    return Trailing(
        distance(execution * 100, BELOW_STOP, "trailingStop.execution"),
        None
        if activation is None
        else distance(activation * 100, BELOW_TARGET, "trailingStop.activation"),
    )


def _break_even(inner: Fields | None) -> BreakEven | None:
    if inner is None:
        return None
    at = inner.amount("activation", "activationPriceDeviation")
    beyond = inner.amount("execution", "executionPriceDeviation")
    if at is None:
        return None
    return BreakEven(
        distance(at * 100, BELOW_TARGET, "breakeven.activation"),
        None if beyond is None else distance(beyond * 100, BELOW_STOP, "breakeven.execution"),
    )


def _template(secret: str) -> str:
    return message(
        {
            "code": "{{strategy.order.comment}}",
            "symbol": "{{ticker}}",
            "orderType": "market",
            "time": "{{timenow}}",
            "secret": secret,
        }
    )


PRESET: Final = Preset(
    name="wundertrading",
    title="WunderTrading",
    line="Codes ENTER-LONG, ENTER-SHORT, EXIT-LONG, EXIT-SHORT, EXIT-ALL, alone or in an object.",
    place='a field "secret" beside "code"; behind a code alone secret=…',
    knows=_knows,
    secret_of=_secret,
    alert_of=_alert,
    template=_template,
    text=True,
)
