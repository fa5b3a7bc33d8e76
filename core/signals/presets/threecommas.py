"""3Commas: signal bots (a strategy's or a custom signal) and DCA bots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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
from core.signals.fields import BELOW_STOP, BELOW_TARGET
from core.signals.presets.common import (
    LONG,
    SHORT,
    SIDES,
    Content,
    Moment,
    Preset,
    check_exit_price,
    checked_targets,
    distance,
    hint_of,
    plain,
    position_share,
    share,
    unsupported,
)
from core.signals.presets.markets import quote_first
from core.signals.presets.reader import Fields, given_secret
from core.signals.presets.strategy import BUY_OR_SELL, entry, message, order, target_of

_UNITS: Final = {
    "base": SizeUnit.BASE,
    "quote": SizeUnit.USD,
    "marginpercent": SizeUnit.EQUITY_PERCENT,
    "positionpercent": SizeUnit.POSITION_PERCENT,
}
_KINDS: Final = {"market": OrderKind.MARKET, "limit": OrderKind.LIMIT}
_SIGNALS: Final = {
    "enterlong": (LONG, True),
    "entershort": (SHORT, True),
    "exitlong": (LONG, False),
    "exitshort": (SHORT, False),
}
_MARKS: Final = frozenset(("botuuid", "tvinstrument", "emailtoken"))


def _knows(content: Content) -> bool:
    if not isinstance(content, Mapping):
        return False
    names = {plain(name) for name in content}
    return bool(names & _MARKS) or {"strategyinfo", "action"} <= names


def _secret(content: Content) -> str | None:
    assert isinstance(content, Mapping)
    return given_secret(Fields(content), "email_token")


def _alert(content: Content, moment: Moment) -> Alert:
    assert isinstance(content, Mapping)
    fields = Fields(content)
    time = fields.time(moment, "timestamp")
    deal = plain(fields.text("message_type") or "") == "bot" or "email_token" in fields
    wish = _deal(fields) if deal else _signal(fields, moment)
    return replace(wish, time=time, stale_after=fields.lag("max_lag"), hint=hint_of(time, moment))


def _signal(fields: Fields, moment: Moment) -> Alert:
    action = plain(fields.text("action") or "")
    symbol = fields.symbol("tv_instrument", "pair")
    wish = Alert(action=None, symbol=symbol)
    if action in BUY_OR_SELL:
        way = BUY_OR_SELL[action]
        wish = replace(wish, action=order(way), size=_size(fields, contracts=True))
        inner = fields.child("strategy_info")
        if inner is not None:
            wish = replace(
                wish,
                target=target_of(
                    inner,
                    "market_position",
                    size="market_position_size",
                    previous="prev_market_position",
                    previous_size="prev_market_position_size",
                ),
            )
        return _with_plan(fields, wish)
    if action in _SIGNALS:
        way, enters = _SIGNALS[action]
        if enters:
            terms = _terms(fields)
            return _with_plan(
                fields,
                replace(wish, action=entry(way), size=_size(fields), terms=terms),
            )
        check_exit_price(_terms(fields).price, symbol, moment, "order_type")
        return _exit(fields, wish, way)
    if action == "disable" and plain(fields.text("positions_sub_action") or "") == "marketclose":
        return replace(wish, action=Action.CLOSE)
    if action in ("disable", "enable"):
        raise _not_trading(action)
    raise fields.fault(
        "action",
        "action_unknown",
        "The action is not one of 3Commas' signals.",
        "It is a strategy's buy or sell, or enter_long, exit_long, enter_short or exit_short.",
    )


def _exit(fields: Fields, wish: Alert, way: MarketPosition) -> Alert:
    size = _size(fields)
    if size is not None and size.unit is SizeUnit.POSITION_PERCENT:
        size = position_share(size.value)
    return replace(
        wish, action=Action.CLOSE if size is None else Action.REDUCE, size=size, only=way
    )


def _size(fields: Fields, *, contracts: bool = False) -> Size | None:
    inner = fields.child("order")
    amount = None if inner is None else inner.quantity("amount")
    if inner is None or amount is None:
        return None
    unit = inner.choice(_UNITS, "currency_type") or SizeUnit.BASE
    if contracts and unit is SizeUnit.BASE:
        unit = SizeUnit.CONTRACTS
    return Size(amount, unit)


def _terms(fields: Fields) -> Terms:
    inner = fields.child("order")
    if inner is None or inner.choice(_KINDS, "order_type") is not OrderKind.LIMIT:
        return Terms()
    price = inner.amount("price", "limit_price")
    if price is None:
        price = fields.amount("trigger_price")
    if price is None:
        raise inner.fault(
            "order_type", "price_missing", "A limit order needs a price.", "Add order.price."
        )
    return Terms(OrderKind.LIMIT, price, Force.GTT)


def _with_plan(fields: Fields, wish: Alert) -> Alert:
    profit, stop = fields.child("take_profit"), fields.child("stop_loss")
    buys = wish.action in (Action.LONG, Action.BUY)
    stop_level = None
    trailing = None
    if stop is not None and stop.flag("enabled") is not False:
        percent = _percent(stop, "trigger_price_percent", "price_percent", falls=buys)
        price = stop.amount("trigger_price", "price")
        if percent is not None:
            stop_level = distance(percent, BELOW_STOP, "stop_loss.trigger_price_percent")
        elif price is not None:
            stop_level = Level(price=price)
        if stop.flag("trailing") and stop_level is not None and stop_level.percent is not None:
            trailing, stop_level = Trailing(stop_level), None
    even = stop is not None and stop.flag("enabled") is not False and stop.flag("breakeven")
    return replace(
        wish,
        take_profit=_targets(profit, falls=not buys),
        stop_loss=stop_level,
        trailing=trailing,
        break_even=BreakEven() if even else None,
    )


def _percent(fields: Fields, *names: str, falls: bool) -> Decimal | None:
    """A distance; where the level lies below the entry (`falls`), some write it with a minus."""
    text = fields.text(*names)
    if text is None or not falls or not text.startswith("-"):
        return fields.percent(*names)
    return Fields({names[0]: text.removeprefix("-")}).percent(names[0])


def _targets(profit: Fields | None, *, falls: bool) -> tuple[TakeProfit, ...]:
    if profit is None or profit.flag("enabled") is False:
        return ()
    targets = []
    for step in profit.children("steps"):
        percent = _percent(step, "price_percent", falls=falls)
        price = step.amount("price", "trigger_price")
        if percent is not None:
            level = distance(percent, BELOW_TARGET, "take_profit.price_percent")
        elif price is not None:
            level = Level(price=price)
        else:
            continue
        part = share(step.percent("volume_percent"), "take_profit.volume_percent")
        targets.append(TakeProfit(level, part))
    return checked_targets(targets, "take_profit")


def _deal(fields: Fields) -> Alert:
    """A message to a DCA bot. Which way the bot trades is not in it."""
    action = plain(fields.text("action") or "startdeal")
    way = fields.choice(SIDES, "strategy", "side")
    if action in ("startbot", "stopbot", "starttrailing", "enable", "disable"):
        raise _not_trading(fields.text("action") or "")
    symbol = quote_first(fields.symbol("pair"))
    wish = Alert(action=None, symbol=symbol)
    if action.startswith("closeatmarketprice"):
        return replace(wish, action=Action.CLOSE, only=way)
    if action in ("cancel", "cancelall", "cancelallandstopbot"):
        return replace(wish, action=Action.CANCEL)
    if action in ("addfundsinquote", "addfunds"):
        volume = fields.amount("volume")
        size = None if volume is None else Size(volume, SizeUnit.USD)
        return replace(wish, action=Action.ADD, size=size, only=way)
    if action not in ("startdeal", "startbotandstartdeal"):
        raise fields.fault(
            "action", "action_unknown", "The action is not one of 3Commas' DCA bots.", None
        )
    if way is None:
        raise fields.fault(
            "strategy",
            "side_missing",
            "The message starts a deal, but whether the bot is long or short stands only in the "
            "settings of 3Commas.",
            'Add "strategy": "long" or "strategy": "short".',
        )
    return replace(wish, action=entry(way), unless=way)


def _not_trading(action: str) -> Exception:
    return unsupported(
        f"{action} switches a bot of 3Commas and trades nothing.",
        "Pause and resume the strategy in the chat.",
        field="action",
    )


def _template(secret: str) -> str:
    return message(
        {
            "secret": secret,
            "max_lag": "300",
            "timestamp": "{{timenow}}",
            "trigger_price": "{{close}}",
            "tv_exchange": "{{exchange}}",
            "tv_instrument": "{{ticker}}",
            "action": "{{strategy.order.action}}",
            "bot_uuid": "perpgram",
            "strategy_info": {
                "market_position": "{{strategy.market_position}}",
                "market_position_size": "{{strategy.market_position_size}}",
                "prev_market_position": "{{strategy.prev_market_position}}",
                "prev_market_position_size": "{{strategy.prev_market_position_size}}",
            },
            "order": {"amount": "{{strategy.order.contracts}}", "currency_type": "base"},
        }
    )


PRESET: Final = Preset(
    name="3commas",
    title="3Commas",
    line="Signal bots, strategies and custom signals; closes and adds of DCA bots.",
    place='the field "secret" (in messages to DCA bots "email_token")',
    knows=_knows,
    secret_of=_secret,
    alert_of=_alert,
    template=_template,
)
