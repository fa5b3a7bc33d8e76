"""How much an alert wants, and the position that TradingView's strategy stands in."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Final

from core.signals.alert import Action, MarketPosition, Size, SizeUnit, Target
from core.signals.fields import MAX_LEVERAGE, POSITIONS, SIZES, ZERO_WHEN_FLAT
from core.signals.fields_reader import Fields, number_in

_ALL: Final = Decimal(100)
_EXITS: Final = (Action.CLOSE, Action.REDUCE)
_LONG, _SHORT, _FLAT = MarketPosition.LONG, MarketPosition.SHORT, MarketPosition.FLAT
# What an action excludes as the position after it.
_CONTRADICTIONS: Final = {
    Action.LONG: (_SHORT, _FLAT),
    Action.SHORT: (_LONG, _FLAT),
    Action.ADD: (_FLAT,),
    Action.REVERSE: (_FLAT,),
}


def size(fields: Fields, action: Action | None, target: Target | None) -> Size | None:
    """The alert's own size. Raises where it has two, or one that cannot be meant.

    TradingView sends zero for the size of a position that is flat; to be flat needs no size.
    """
    given = [name for name in SIZES if name in fields]
    flat = target is not None and target.position is _FLAT and "leverage" not in fields
    if flat and len(given) == 1 and _zero(fields, given[0]):
        return None
    if len(given) > 1:
        raise fields.fault(
            given[1],
            "size_twice",
            f"The alert has both {given[0]} and {given[1]}.",
            f"Keep one of {', '.join(SIZES)}.",
        )
    found = _size(fields, action)
    leverage = _leverage(fields)
    if action is Action.CANCEL:
        return None
    if leverage is None:
        return found
    if action in _EXITS:
        return _exit_with_leverage(fields, action, found)
    if found is None:
        return Size(leverage * 100, SizeUnit.EQUITY_PERCENT)
    if found.unit is SizeUnit.EQUITY_PERCENT:
        with localcontext() as context:
            context.prec = 100
            return Size(found.value * leverage, found.unit)
    raise fields.fault(
        "leverage",
        "leverage_with_size",
        f"leverage and {given[0]} contradict each other.",
        "leverage stands alone (times the equity) or with size_percent; leave one of them out.",
    )


def target(fields: Fields, action: Action | None) -> Target | None:
    """Where the strategy stands on its chart. Raises where its fields contradict each other."""
    position = fields.choice("market_position", POSITIONS)
    previous = fields.choice("prev_market_position", POSITIONS)
    after = _signed(fields, "market_position_size", position)
    before = _signed(fields, "prev_market_position_size", previous)
    if position is None:
        for name in ("market_position_size", "prev_market_position", "prev_market_position_size"):
            if name in fields:
                raise fields.fault(
                    name,
                    "market_position_missing",
                    f"{name} is given without market_position.",
                    'Add "market_position": "{{strategy.market_position}}", or leave it out.',
                )
        return None
    if action is not None and position in _CONTRADICTIONS.get(action, ()):
        raise fields.fault(
            "market_position",
            "contradiction",
            f"The action {action.value} and the market_position {position.value} contradict "
            "each other.",
            "Use buy and sell with market_position, or leave market_position out.",
        )
    return Target(position, after, previous, before)


def _zero(fields: Fields, name: str) -> bool:
    return name in ZERO_WHEN_FLAT and number_in(fields.get(name)) == 0


def _size(fields: Fields, action: Action | None) -> Size | None:
    exits = action in _EXITS
    if "size_percent" in fields:
        percent = fields.percent("size_percent", most=_ALL if exits else None)
        unit = SizeUnit.POSITION_PERCENT if exits else SizeUnit.EQUITY_PERCENT
        return None if percent is None else Size(percent, unit)
    if "risk_percent" in fields:
        return _risk(fields, action)
    for name, unit in (
        ("size_usd", SizeUnit.USD),
        ("contracts", SizeUnit.CONTRACTS),
    ):
        value = fields.amount(name)
        if value is not None:
            return Size(value, unit)
    return _coins(fields, exits=exits)


def _coins(fields: Fields, *, exits: bool) -> Size | None:
    value = fields.get("size")
    if not isinstance(value, str) or not value.strip().endswith("%"):
        coins = fields.amount("size")
        return None if coins is None else Size(coins, SizeUnit.BASE)
    if not exits:
        raise fields.fault(
            "size",
            "size_invalid",
            "size is not a number of coins.",
            "For a share of the equity write size_percent; a share of the position is closed with "
            "close or reduce.",
        )
    percent = number_in(value.strip()[:-1])
    if percent is None or not 0 < percent <= _ALL:
        raise fields.fault(
            "size",
            "size_invalid",
            "size is not a share of the position above 0 % and at most 100 %.",
            'Write it like "50%".',
        )
    return Size(percent, SizeUnit.POSITION_PERCENT)


def _risk(fields: Fields, action: Action | None) -> Size | None:
    percent = fields.percent("risk_percent", most=_ALL)
    if action is Action.REDUCE:
        raise fields.fault(
            "risk_percent",
            "size_of_exit",
            "A reduce has no risk from which its size could follow.",
            'Write size, size_usd or a share like "size": "50%".',
        )
    if percent is None or action is Action.CLOSE:
        return None
    return Size(percent, SizeUnit.RISK_PERCENT)


def _leverage(fields: Fields) -> Decimal | None:
    leverage = fields.amount("leverage")
    if leverage is not None and leverage > MAX_LEVERAGE:
        raise fields.fault(
            "leverage",
            "leverage_invalid",
            f"leverage is above {MAX_LEVERAGE}.",
            "Write how many times the equity the position is to be worth.",
        )
    return leverage


def _exit_with_leverage(fields: Fields, action: Action | None, found: Size | None) -> Size | None:
    """A close of the whole position is the same at any leverage."""
    if found is None and action is Action.CLOSE:
        return None
    raise fields.fault(
        "leverage",
        "size_of_exit",
        "The size of an exit cannot follow from a leverage.",
        'Leave leverage out; write size, size_usd or a share like "size": "50%".',
    )


def _signed(fields: Fields, name: str, position: MarketPosition | None) -> Decimal | None:
    """An unsigned size; a short's may be written below zero, as TradingView's position_size is."""
    number = fields.number(name)
    if number is None or position is None:
        return None
    fits = {
        _FLAT: number == 0,
        _LONG: number > 0,
        _SHORT: number != 0,
    }[position]
    if not fits:
        raise fields.fault(
            name,
            "contradiction",
            f"{name} does not fit a position that is {position.value}.",
            "Take both from TradingView's placeholders, or leave it out.",
        )
    return abs(number)
