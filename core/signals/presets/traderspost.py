"""TradersPost: `ticker`, `action`, and `sentiment` for the position after the order."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from core.signals.alert import (
    Action,
    Against,
    Alert,
    Force,
    Level,
    MarketPosition,
    OrderKind,
    Size,
    SizeUnit,
    TakeProfit,
    Target,
    Terms,
    Trailing,
)
from core.signals.fields import BELOW_STOP, BELOW_TARGET
from core.signals.presets.common import (
    FLAT,
    LONG,
    OPPOSITE,
    POSITIONS,
    SHORT,
    Content,
    Moment,
    Preset,
    check_exit_price,
    distance,
    exit_that_waits,
    hint_of,
    plain,
    position_share,
    unsupported,
)
from core.signals.presets.reader import Fields, given_secret
from core.signals.presets.strategy import entry, message, order

_ACTIONS: Final = {
    **dict.fromkeys(("buy", "long", "bullish"), "buy"),
    **dict.fromkeys(("sell", "short", "bearish"), "sell"),
    **dict.fromkeys(("exit", "close", "flat"), "exit"),
    "cancel": "cancel",
    "add": "add",
    "reverse": "reverse",
    "breakeven": "breakeven",
}
_KINDS: Final = {
    **{kind.value: kind.value for kind in OrderKind},
    "stoplimit": "stop_limit",
    "trailingstop": "trailing_stop",
}
_FORCES: Final = {
    "gtc": "gtc",
    "day": "day",
    "ioc": "ioc",
    "fok": "fok",
    "opg": "opg",
    "cls": "cls",
}
_UNITS: Final = {
    "fixedquantity": SizeUnit.BASE,
    "dollaramount": SizeUnit.USD,
    "riskdollaramount": SizeUnit.RISK_USD,
    "riskpercent": SizeUnit.RISK_PERCENT,
    "percentofequity": SizeUnit.EQUITY_PERCENT,
    "percentofposition": SizeUnit.POSITION_PERCENT,
}
_OTHERS: Final = ("pointer", "prevposition", "code", "signaltoken", "botuuid", "apisecret")
# With these beside ticker and action a message says more than TradersPost reads.
_FOREIGN: Final = frozenset(
    (
        *("contracts", "marketposition", "marketpositionsize", "prevmarketposition", "position"),
        *("positionsize", "side", "direction", "orderid", "size", "qty", "amount", "sl", "tp"),
        *("slprice", "tpprice", "ordercontracts", "passphrase", "password", "lots", "volume"),
        *("amountpercent", "percent", "sizeusd", "reduceonly", "tp1", "target", "stop"),
    )
)
# What TradersPost alone has; and what its messages may have beside ticker and action.
_OWN: Final = frozenset(("signalprice", "quantitytype", "extras", "cancelordertype"))
_MEANT: Final = _OWN | frozenset(
    (
        *("ticker", "action", "price", "quantity", "ordertype", "limitprice", "stopprice"),
        *("trailprice", "trailpercent", "timeinforce", "takeprofit", "stoploss", "cancel", "delay"),
        *("time", "interval", "test", "secret", "expiration", "optiontype", "strikeprice"),
        "intrinsicvalue",
    )
)


def _knows(content: Content) -> bool:
    if not isinstance(content, Mapping):
        return False
    given = {plain(name): value for name, value in content.items()}
    if not {"ticker", "action"} <= given.keys() or given.keys() & set(_OTHERS):
        return False
    levels = (given.get("takeprofit"), given.get("stoploss"))
    if any(level is not None and not isinstance(level, Mapping) for level in levels):
        return False
    if "sentiment" in given:
        return True
    action = given["action"]
    known = not isinstance(action, str) or plain(action) in _ACTIONS or "{{" in action
    if not known or given.keys() & _FOREIGN:
        return False
    # Without sentiment a sell turns a long into a short here, which no other message may do.
    own = given.keys() & _OWN or any(isinstance(level, Mapping) for level in levels)
    return bool(own) or given.keys() <= _MEANT


def _secret(content: Content) -> str | None:
    assert isinstance(content, Mapping)
    return given_secret(Fields(content))


def _alert(content: Content, moment: Moment) -> Alert:
    assert isinstance(content, Mapping)
    fields = Fields(content)
    action = fields.choice(_ACTIONS, "action")
    if action is None:
        raise fields.fault(
            "action",
            "action_missing",
            "The alert has no action.",
            "It is one of buy, sell, exit, reverse, cancel and add.",
        )
    if action == "breakeven":
        raise unsupported(
            "A stop that is already placed is not moved by an alert.",
            "Set break even in the plan of the strategy.",
            field="action",
        )
    time = fields.time(moment, "time")
    wish = _wish(fields, action)
    opens = wish.action not in (Action.CLOSE, Action.REDUCE, Action.CANCEL)
    if wish.action in (Action.CLOSE, Action.REDUCE):
        _check_exit_is_now(fields, moment)
    return replace(
        wish,
        symbol=fields.symbol("ticker", "symbol"),
        cancels=wish.action is not Action.CANCEL and fields.flag("cancel") is not False,
        terms=_terms(fields, moment) if opens else Terms(),
        take_profit=_take_profit(fields) if opens else (),
        stop_loss=_stop_loss(fields) if opens else None,
        trailing=_trailing(fields) if opens else None,
        time=time,
        hint=hint_of(time, moment),
    )


def _wish(fields: Fields, action: str) -> Alert:
    """What is to become of the position. A buy while long and a sell while short do nothing; adding
    is an action of its own. Without sentiment a sell while long closes it and opens a short, but a
    quantity smaller than the position is a part of it.
    """
    sentiment = fields.choice(POSITIONS, "sentiment", "market_position")
    size = _size(fields)
    wish = Alert(action=None, symbol="", target=None if sentiment is None else Target(sentiment))
    if action == "cancel":
        return replace(wish, action=Action.CANCEL)
    if action == "add":
        only = sentiment if sentiment in (LONG, SHORT) else None
        return replace(wish, action=Action.ADD, size=size, only=only, target=None)
    if action == "reverse" and sentiment is not FLAT:
        return replace(wish, action=Action.REVERSE, size=size)
    if action in ("exit", "reverse"):
        part = None if sentiment is FLAT else size
        return _exit(replace(wish, target=None), part, None)
    way = LONG if action == "buy" else SHORT
    if sentiment is FLAT:
        return replace(wish, action=Action.CLOSE, only=OPPOSITE[way])
    of_position = size is not None and size.unit is SizeUnit.POSITION_PERCENT
    if sentiment is OPPOSITE[way] or (sentiment is None and of_position):
        # Percent of a position can only be of the one that the order goes against.
        return _exit(wish, size, OPPOSITE[way])
    in_coins = size is not None and size.unit is SizeUnit.BASE
    if sentiment is None and in_coins:
        return replace(wish, action=order(way), size=size, unless=way, against=Against.TURN)
    if size is not None and in_coins:
        # A strategy's message: most put TradingView's whole order into quantity.
        size = replace(size, unit=SizeUnit.EITHER)
    return replace(wish, action=entry(way), size=size, unless=way)


def _exit(wish: Alert, size: Size | None, only: MarketPosition | None) -> Alert:
    """A part where a quantity is given, else all."""
    if size is not None and size.unit in (SizeUnit.RISK_USD, SizeUnit.RISK_PERCENT):
        size = None
    if size is not None and size.unit is SizeUnit.POSITION_PERCENT:
        size = position_share(size.value)
    action = Action.CLOSE if size is None else Action.REDUCE
    return replace(wish, action=action, size=size, only=only)


def _size(fields: Fields) -> Size | None:
    quantity = fields.quantity("quantity")
    unit = fields.choice(_UNITS, "quantityType") or SizeUnit.BASE
    return None if quantity is None else Size(quantity, unit)


def _terms(fields: Fields, moment: Moment) -> Terms:
    kind = fields.choice(_KINDS, "orderType") or "market"
    if kind == "market":
        return Terms()
    if kind not in ("limit", "stop"):
        raise unsupported(
            f"An order of type {kind} cannot be placed.",
            "Use market, limit or stop.",
            field="orderType",
        )
    price = fields.amount("limitPrice" if kind == "limit" else "stopPrice")
    if price is None and kind == "limit":
        price = fields.amount("price", "signalPrice")
    if price is None and kind == "limit" and moment.price_of is not None:
        # Without a price TradersPost's limit is the market's.
        price = moment.price_of(fields.symbol("ticker", "symbol"))
    if price is None:
        raise fields.fault(
            "orderType", "price_missing", f"A {kind} order needs a price.", f"Add {kind}Price."
        )
    force = fields.choice(_FORCES, "timeInForce")
    if force in ("fok", "opg", "cls"):
        raise unsupported(
            f"The timeInForce {force} cannot be had.",
            "Use gtc, day or ioc.",
            field="timeInForce",
        )
    expires = _rest_of_day(moment.now) if force == "day" else None
    if kind == "stop":
        return Terms(OrderKind.STOP, price, None, expires)
    if force == "ioc":
        return Terms(OrderKind.LIMIT, price, Force.IOC)
    return Terms(OrderKind.LIMIT, price, Force.GTT, expires)


def _check_exit_is_now(fields: Fields, moment: Moment) -> None:
    """Raises for an exit that waits as a limit or a stop."""
    kind = fields.choice(_KINDS, "orderType") or "market"
    if kind == "market":
        return
    names = ("limitPrice", "price", "signalPrice") if kind == "limit" else ("stopPrice",)
    price = fields.amount(*names)
    if kind not in ("limit", "stop") or (price is None and kind == "stop"):
        raise exit_that_waits("orderType")
    check_exit_price(price, fields.symbol("ticker", "symbol"), moment, "orderType")


def _rest_of_day(now: dt.datetime) -> dt.timedelta:
    """Until midnight in UTC, and at least a minute: markets here have no closing time."""
    today = now.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return max(today + dt.timedelta(days=1) - now, dt.timedelta(minutes=1))


def _take_profit(fields: Fields) -> tuple[TakeProfit, ...]:
    inner = fields.child("takeProfit")
    if inner is None:
        return ()
    level = inner.level(BELOW_TARGET, price="limitPrice", percent="percent", offset="amount")
    return () if level is None else (TakeProfit(level),)


def _stop_loss(fields: Fields) -> Level | None:
    inner = fields.child("stopLoss")
    if inner is None or plain(inner.text("type") or "") == "trailingstop":
        return None
    return inner.level(BELOW_STOP, price="stopPrice", percent="percent", offset="amount")


def _trailing(fields: Fields) -> Trailing | None:
    inner = fields.child("stopLoss")
    if inner is None or plain(inner.text("type") or "") != "trailingstop":
        return None
    percent = inner.percent("trailPercent", "percent")
    if percent is not None:
        return Trailing(distance(percent, BELOW_STOP, "stopLoss.trailPercent"))
    offset = inner.amount("trailAmount", "trailPrice", "amount")
    if offset is None:
        raise inner.fault(
            "type",
            "level_missing",
            "A trailing stop has no distance.",
            "Add trailPercent or trailAmount.",
        )
    return Trailing(Level(offset=offset))


def _template(secret: str) -> str:
    return message(
        {
            "secret": secret,
            "ticker": "{{ticker}}",
            "action": "{{strategy.order.action}}",
            "sentiment": "{{strategy.market_position}}",
            "time": "{{timenow}}",
        }
    )


PRESET: Final = Preset(
    name="traderspost",
    title="TradersPost",
    line="ticker, action and sentiment; takeProfit and stopLoss inside.",
    place='a field "secret" beside ticker and action (TradersPost itself has it in the address)',
    knows=_knows,
    secret_of=_secret,
    alert_of=_alert,
    template=_template,
)
