"""HyperTrade: TradingView's placeholders in four groups, general, currency, order and market."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from core.signals.alert import Alert, Size, SizeUnit, Target
from core.signals.presets.common import (
    FLAT,
    LONG,
    OPPOSITE,
    SHORT,
    Content,
    Moment,
    Preset,
    hint_of,
)
from core.signals.presets.reader import Fields, given_secret
from core.signals.presets.strategy import BUY_OR_SELL, contradiction, message, order, target_of

_GROUPS: Final = ("general", "order", "market")


def _knows(content: Content) -> bool:
    return isinstance(content, Mapping) and all(
        isinstance(content.get(name), Mapping) for name in _GROUPS
    )


def _secret(content: Content) -> str | None:
    assert isinstance(content, Mapping)
    fields = Fields(content)
    top = given_secret(fields)
    if top is not None or not isinstance(fields.raw("general"), Mapping):
        return top
    return given_secret(Fields(fields.raw("general")))


def _alert(content: Content, moment: Moment) -> Alert:
    assert isinstance(content, Mapping)
    fields = Fields(content)
    general, order_given = _group(fields, "general"), _group(fields, "order")
    market = _group(fields, "market")
    currency = fields.child("currency")
    if currency is not None and "base" in currency:
        symbol = f"{currency.symbol('base').upper()}-USD"
    else:
        symbol = general.symbol("ticker")
    way = order_given.choice(BUY_OR_SELL, "action")
    target = target_of(
        market,
        "position",
        size="position_size",
        previous="previous_position",
        previous_size="previous_position_size",
    )
    if way is None or target is None:
        raise order_given.fault(
            "action",
            "action_missing",
            "The alert has no order.action or no market.position.",
            "Paste the whole message of HyperTrade.",
        )
    # A reversal is told by the positions alone.
    if target.position in (LONG, SHORT) and target.previous is OPPOSITE[target.position]:
        way = target.position
    _check(target, bought=way is LONG)
    contracts = order_given.quantity("contracts")
    time = general.time(moment, "timenow")
    return Alert(
        action=order(way),
        symbol=symbol,
        size=None if contracts is None else Size(contracts, SizeUnit.CONTRACTS),
        target=target,
        time=time,
        id=order_given.id("id") or general.id("nonce"),
        comment=order_given.comment("comment"),
        hint=hint_of(time, moment),
    )


def _group(fields: Fields, name: str) -> Fields:
    group = fields.child(name)
    if group is None:
        raise fields.fault(
            name,
            f"{name}_missing",
            f"The alert has no {name}.",
            "Paste the whole message of HyperTrade.",
        )
    return group


def _check(target: Target, *, bought: bool) -> None:
    """Transitions that HyperTrade itself passes over."""
    before, after = target.previous, target.position
    if before is None:
        return
    said = "buy" if bought else "sell"
    if before is FLAT and after is not (LONG if bought else SHORT):
        raise contradiction(said, after.value)
    if after is FLAT and before is not (SHORT if bought else LONG):
        raise contradiction(said, after.value)


def _template(secret: str) -> str:
    return message(
        {
            "general": {
                "strategy": "perpgram",
                "ticker": "{{ticker}}",
                "interval": "{{interval}}",
                "time": "{{time}}",
                "timenow": "{{timenow}}",
                "secret": secret,
            },
            "currency": {"quote": "{{syminfo.currency}}", "base": "{{syminfo.basecurrency}}"},
            "order": {
                "action": "{{strategy.order.action}}",
                "contracts": "{{strategy.order.contracts}}",
                "price": "{{strategy.order.price}}",
                "id": "{{strategy.order.id}}",
                "comment": "{{strategy.order.comment}}",
            },
            "market": {
                "position": "{{strategy.market_position}}",
                "position_size": "{{strategy.market_position_size}}",
                "previous_position": "{{strategy.prev_market_position}}",
                "previous_position_size": "{{strategy.prev_market_position_size}}",
            },
        }
    )


PRESET: Final = Preset(
    name="hypertrade",
    title="HyperTrade",
    line="general, currency, order and market: what TradingView's strategy did.",
    place='the field "secret" in general',
    knows=_knows,
    secret_of=_secret,
    alert_of=_alert,
    template=_template,
)
