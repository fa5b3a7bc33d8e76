"""The stops and targets that a script of Alertatron places behind its entry."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final

from core.signals.alert import Level, MarketPosition, TakeProfit, Trailing
from core.signals.presets.alertatron_script import Command, Value
from core.signals.presets.common import (
    LONG,
    OPPOSITE,
    checked_targets,
    fault,
    several_orders,
    stop_distance,
    target_distance,
    unsupported,
)
from core.signals.presets.strategy import BUY_OR_SELL

_ALL: Final = Decimal(100)


@dataclass(frozen=True)
class Plan:
    """The plan of a position."""

    take_profit: tuple[TakeProfit, ...] = ()
    stop_loss: Level | None = None
    trailing: Trailing | None = None


def plan_of(commands: list[Command], way: MarketPosition, entry: Value | None) -> Plan:
    """The plan in the commands after an entry of this way. Raises AlertFault for others."""
    targets: list[TakeProfit] = []
    stop: Level | None = None
    trailing: Trailing | None = None
    left = _ALL
    for command in commands:
        _check_side(command, way)
        if command.name in ("limit", "take_profit"):
            level = _level(command, way, "offset", "price", wins=True)
            part, left = _part(command, entry, left)
            targets.append(TakeProfit(level, part))
        elif command.name == "stoportakeprofit":
            targets.append(TakeProfit(_level(command, way, "tp", wins=True)))
            stop = _once(stop, _level(command, way, "sl"))
        elif command.name == "stop_loss":
            stop = _once(stop, _level(command, way, "offset", "stop", "trigger", "price"))
        elif command.name == "trailingstop":
            trailing = Trailing(_trail(command, way))
        else:
            raise several_orders("a second order")
    if len(targets) == 1 and targets[0].fraction == 1:
        targets = [TakeProfit(targets[0].level)]
    return Plan(checked_targets(targets, "limit"), stop, trailing)


def _once(stop: Level | None, found: Level) -> Level:
    if stop is not None:
        raise several_orders("more than one stop")
    return found


def _check_side(command: Command, way: MarketPosition) -> None:
    """What follows an entry must close it."""
    side, position = command.text("side"), command.value("position")
    if side is not None and BUY_OR_SELL.get(side) is not OPPOSITE[way]:
        raise several_orders("a second order of the same side")
    # Without side an amount is bought.
    if side is None and position is None and way is LONG and command.text("amount") is not None:
        raise several_orders("a second order of the same side")
    if position is None or position.number == 0:
        return
    if (position.number > 0) is not (way is LONG) or position.unit != "%p":
        raise several_orders("a second order with a position of its own")


def _part(command: Command, entry: Value | None, left: Decimal) -> tuple[Decimal | None, Decimal]:
    """The share of the position that a target closes, and what is left in percent after it."""
    position = command.value("position")
    if position is not None:
        rest = abs(position.number)
        if rest >= left:
            raise several_orders("targets that do not reduce the position step by step")
        return (left - rest) / 100, rest
    amount = command.value("amount")
    if amount is None:
        return None, left
    if amount.unit == "%p":
        percent = amount.number
    elif entry is not None and entry.unit == amount.unit and entry.number:
        with localcontext() as context:
            context.prec = 28
            percent = abs(amount.number / entry.number) * 100
    else:
        raise unsupported(
            "A target's amount cannot be compared with the entry's.",
            "Write it in percent of the position, like amount=50%p.",
            field="amount",
        )
    if not 0 < percent <= _ALL:
        raise fault(
            "share_invalid", "A target closes more than the whole position.", field="amount"
        )
    return percent / 100, left


def _level(command: Command, way: MarketPosition, *names: str, wins: bool = False) -> Level:
    """A price (@), or a distance that must lie on its side of the entry."""
    value = command.value(*names)
    if value is None:
        raise fault(
            "level_missing",
            f"{command.name} has no {names[0]}.",
            f"Add {names[0]}=1% or {names[0]}=@42000.",
            field=command.name,
        )
    if value.absolute or (
        names[-1] == "price" and command.text("offset", "stop", "trigger") is None
    ):
        if value.number <= 0:
            raise fault("level_invalid", "A price is not above zero.", field=command.name)
        return Level(price=value.number)
    number = value.number
    above = (way is LONG) is wins
    # e1% is above the entry and e-1% below it; without e the usual side is meant.
    wrong = (number > 0) is not above if value.entry else number < 0
    if wrong or number == 0:
        raise fault(
            "level_wrong_side",
            f"{command.name} lies on the wrong side of the entry.",
            "A stop loses, a target wins: e-1% and e1% for a long.",
            field=command.name,
        )
    if value.unit != "%":
        return Level(offset=abs(number))
    return (target_distance if wins else stop_distance)(number, command.name)


def _trail(command: Command, way: MarketPosition) -> Level:
    level = _level(command, way, "offset")
    if level.price is not None:
        raise fault(
            "level_invalid", "A trailing stop needs a distance.", "Write offset=1%.", field="offset"
        )
    return level
