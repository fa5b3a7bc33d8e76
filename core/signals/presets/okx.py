"""OKX signal bots: a strategy's alert, or ENTER_LONG, EXIT_LONG, ENTER_SHORT, EXIT_SHORT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from core.signals.alert import Action, Alert, Force, OrderKind, Size, SizeUnit, Terms
from core.signals.presets.common import (
    LONG,
    SHORT,
    Content,
    Moment,
    Preset,
    check_exit_price,
    exit_that_waits,
    hint_of,
    plain,
    position_share,
    unsupported,
)
from core.signals.presets.reader import Fields, given_secret
from core.signals.presets.strategy import BUY_OR_SELL, entry, message, order, target_of

_SIGNALS: Final = {
    "enterlong": (LONG, True),
    "entershort": (SHORT, True),
    "exitlong": (LONG, False),
    "exitshort": (SHORT, False),
}
_KINDS: Final = {"market": OrderKind.MARKET, "limit": OrderKind.LIMIT}
_PERCENT: Final = {
    **dict.fromkeys(("percentagebalance", "percentageinvestment"), SizeUnit.EQUITY_PERCENT),
    "percentageposition": SizeUnit.POSITION_PERCENT,
}
_UNITS: Final = {"base": SizeUnit.BASE, "margin": SizeUnit.USD, "quote": SizeUnit.USD, **_PERCENT}


def _knows(content: Content) -> bool:
    if not isinstance(content, Mapping):
        return False
    names = {plain(name) for name in content}
    if "signaltoken" in names and names & {"instrument", "action"}:
        return "instrument" in names or not names & {"symbol", "pair", "market"}
    action = plain(str(content.get("action", "")))
    strategys = action in BUY_OR_SELL and bool(names & {"marketposition", "investmenttype"})
    return {"action", "instrument"} <= names and (action in _SIGNALS or strategys)


def _secret(content: Content) -> str | None:
    assert isinstance(content, Mapping)
    return given_secret(Fields(content), "signalToken")


def _alert(content: Content, moment: Moment) -> Alert:
    assert isinstance(content, Mapping)
    fields = Fields(content)
    symbol = fields.symbol("instrument", "ticker")
    time = fields.time(moment, "timestamp")
    wish = Alert(
        action=None,
        symbol=symbol,
        time=time,
        stale_after=fields.lag("maxLag"),
        id=fields.id("id"),
        hint=hint_of(time, moment),
    )
    action = plain(fields.text("action") or "")
    price = None if moment.price_of is None else moment.price_of(symbol)
    if action in BUY_OR_SELL:
        return replace(
            wish,
            action=order(BUY_OR_SELL[action]),
            size=_size(fields, contracts=True),
            target=target_of(
                fields,
                "marketPosition",
                size="marketPositionSize",
                previous="prevMarketPosition",
                previous_size="prevMarketPositionSize",
            ),
        )
    if action not in _SIGNALS:
        raise fields.fault(
            "action",
            "action_unknown",
            "The action is not one of OKX's signals.",
            "It is buy or sell of a strategy, or ENTER_LONG, EXIT_LONG, ENTER_SHORT, EXIT_SHORT.",
        )
    way, enters = _SIGNALS[action]
    size = _size(fields)
    if enters:
        terms = _terms(fields, price)
        return replace(wish, action=entry(way), size=size, terms=terms)
    _check_exit_is_now(fields, symbol, moment)
    if size is not None and size.unit in (SizeUnit.POSITION_PERCENT, SizeUnit.EQUITY_PERCENT):
        # Percent of an exit are percent of the position, whatever they are called.
        size = position_share(size.value)
    return replace(
        wish, action=Action.CLOSE if size is None else Action.REDUCE, size=size, only=way
    )


def _size(fields: Fields, *, contracts: bool = False) -> Size | None:
    kind = plain(fields.text("investmentType") or "base")
    if kind == "contract":
        raise unsupported(
            "investmentType contract counts OKX's contracts, whose size dYdX does not know.",
            'Use "base" with the amount in coins, or a percentage.',
            field="investmentType",
        )
    unit = _UNITS.get(kind)
    if unit is None:
        raise fields.fault(
            "investmentType",
            "investmenttype_unknown",
            "The investmentType is not known.",
            f"It is one of {', '.join(_UNITS)}.",
        )
    amount = fields.part("amount") if kind in _PERCENT else fields.quantity("amount")
    if amount is None:
        return None
    if kind == "margin":
        amount *= fields.amount("leverage", "lever") or Decimal(1)
    if contracts and unit is SizeUnit.BASE:
        unit = SizeUnit.CONTRACTS
    return Size(amount, unit)


def _check_exit_is_now(fields: Fields, symbol: str, moment: Moment) -> None:
    """Raises for an exit that waits: at a price, or a percent or more beside the market."""
    if fields.choice(_KINDS, "orderType") is not OrderKind.LIMIT:
        return
    check_exit_price(fields.amount("price", "limitPrice"), symbol, moment, "orderType")
    offset = fields.percent("orderPriceOffset")
    if offset is not None and offset > 1:
        raise exit_that_waits("orderPriceOffset")


def _terms(fields: Fields, price: Decimal | None) -> Terms:
    if fields.choice(_KINDS, "orderType") is not OrderKind.LIMIT:
        return Terms()
    given = fields.amount("price", "limitPrice")
    if given is None and fields.percent("orderPriceOffset") is not None:
        raise unsupported(
            "Whether orderPriceOffset lies above or below the market is not in the message.",
            'Use orderType "market", or give a price.',
            field="orderPriceOffset",
        )
    at = given or price
    if at is None:
        raise fields.fault(
            "orderType", "price_missing", "A limit order needs a price.", 'Add "price": 95000.'
        )
    return Terms(OrderKind.LIMIT, at, Force.GTT)


def _template(secret: str) -> str:
    return message(
        {
            "id": "{{strategy.order.id}}",
            "action": "{{strategy.order.action}}",
            "marketPosition": "{{strategy.market_position}}",
            "prevMarketPosition": "{{strategy.prev_market_position}}",
            "instrument": "{{ticker}}",
            "signalToken": secret,
            "timestamp": "{{timenow}}",
            "maxLag": "60",
            "investmentType": "base",
            "amount": "{{strategy.order.contracts}}",
        }
    )


PRESET: Final = Preset(
    name="okx",
    title="OKX signal bot",
    line="A strategy's alert, or ENTER_LONG, EXIT_LONG, ENTER_SHORT, EXIT_SHORT.",
    place='the field "signalToken"',
    knows=_knows,
    secret_of=_secret,
    alert_of=_alert,
    template=_template,
)
