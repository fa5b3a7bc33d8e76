"""Autoview: commands of key=value, one a line or between `|`."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
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
from core.signals.grammar import time_in
from core.signals.presets.common import (
    LONG,
    OPPOSITE,
    POSITIONS,
    SHORT,
    Content,
    Moment,
    Preset,
    check_exit_price,
    checked_symbol,
    checked_targets,
    checked_time,
    distance,
    exit_that_waits,
    fault,
    hint_of,
    position_share,
    several_orders,
    share,
    unsupported,
)
from core.signals.presets.markets import unit_of
from core.signals.presets.strategy import entry, order
from core.signals.presets.texts import decimal_of, filled, lines_of, text_secret, without_secret

_SIDES: Final = {
    "buy": LONG,
    "long": LONG,
    "bid": LONG,
    "sell": SHORT,
    "short": SHORT,
    "ask": SHORT,
}
_CLOSES: Final = {"order": "order", "orders": "order", "position": "position", "pos": "position"}
_KINDS: Final = ("market", "limit", "stop", "post", "postonly", "ioc", "fok")
_TOKEN = re.compile(r"(?<![A-Za-z])(?P<key>[A-Za-z]++)=(?P<value>[^\s&|]++)")
# What a command says of a plan.
_STOPS: Final = frozenset(("sl", "fsl"))
_LEVELS: Final = _STOPS | {"tp", "ftp", "ts", "fts"}
_COMMENT = re.compile(r"(?:^|(?<=\s))(?:#|//)[^\n]*")
_RANGE = re.compile(r"-?[0-9.]++%?-[0-9.]++%?")


@dataclass(frozen=True)
class _Command:
    """One command: its keys, each once."""

    keys: dict[str, str]

    def get(self, name: str) -> str | None:
        value = self.keys.get(name)
        return None if value is None else filled(value, name)

    @property
    def side(self) -> MarketPosition | None:
        text = self.get("b")
        if text is None:
            return None
        found = _SIDES.get(text.casefold())
        if found is None:
            raise fault("b_unknown", "b is neither long nor short.", "Write b=long.", field="b")
        return found

    @property
    def closes(self) -> str | None:
        text = self.get("c")
        if text is None:
            return None
        found = _CLOSES.get(text.casefold())
        if found is None:
            raise fault(
                "c_unknown", "c is neither order nor position.", "Write c=position.", field="c"
            )
        return found


def _knows(content: Content) -> bool:
    if not isinstance(content, str):
        return False
    keys = {match["key"].casefold() for match in _TOKEN.finditer(content)}
    return bool(keys & {"b", "c"}) and bool(keys & {"s", "e", "q", "t"})


def _secret(content: Content) -> str | None:
    assert isinstance(content, str)
    return text_secret(content)


def _alert(content: Content, moment: Moment) -> Alert:
    assert isinstance(content, str)
    commands = _commands(without_secret(content))
    symbol = _symbol(commands)
    commands, plan = _without_plan(commands)
    cancels = [command for command in commands if command.closes == "order"]
    exits = [command for command in commands if command.closes == "position"]
    orders = [command for command in commands if command.closes is None]
    if len(orders) > 1 or len(exits) > 2 or (exits and orders and commands[-1] is not orders[0]):
        raise several_orders(f"{len(commands)} commands that are not one order")
    time = next((time for command in commands if (time := _time(command, moment))), None)
    wish = Alert(
        action=Action.CANCEL,
        symbol=symbol,
        cancels=bool(cancels) and bool(exits or orders),
        time=time,
        hint=hint_of(time, moment),
    )
    if not exits and not orders:
        return wish
    price = None if moment.price_of is None else moment.price_of(symbol)
    for command in exits:
        _check_is_now(command, symbol, price, moment)
    if not orders:
        return _exit(exits, wish)
    wish = _ordered(orders[0], replace(wish, terms=_terms(orders[0], price)))
    wish = _with_plan(plan, wish) if plan else wish
    return wish if not exits else _after_exit(exits, orders[0], wish)


def _commands(text: str) -> list[_Command]:
    found = []
    for line in re.split(r"[\n|]", lines_of(text)):
        keys: dict[str, str] = {}
        for match in _TOKEN.finditer(_COMMENT.sub("", line)):
            key = match["key"].casefold()
            if key in keys and keys[key] != match["value"]:
                raise fault(
                    "duplicate_field",
                    f"{key} is there twice in one command.",
                    "Write each command on a line of its own.",
                    field=key,
                )
            keys[key] = match["value"]
        if keys.keys() & {"b", "c"}:
            found.append(_Command(keys))
    if found and all(command.keys.get("d") == "1" for command in found):
        raise unsupported("The command is disabled by d=1.", "Remove d=1.", field="d")
    found = [command for command in found if command.keys.get("d") != "1"]
    if not found:
        raise fault(
            "action_missing",
            "The body holds no command.",
            "Write like: s=BTCUSD b=long q=5% t=market",
        )
    return found


def _without_plan(commands: list[_Command]) -> tuple[list[_Command], list[_Command]]:
    """The commands up to the entry; and the closes of its own side behind it that wait for a stop
    or a target: they are its plan.
    """
    entries = [number for number, one in enumerate(commands) if one.closes is None]
    if len(entries) != 1:
        return commands, []
    entry_at = entries[0] + 1
    way, plan = commands[entry_at - 1].side, commands[entry_at:]
    waits = all(one.keys.keys() & (_LEVELS | {"p", "fp"}) for one in plan)
    if waits and all(one.closes == "position" and one.side is way for one in plan):
        return commands[:entry_at], plan
    return commands, []


def _with_plan(plan: list[_Command], wish: Alert) -> Alert:
    """The entry with what the closes behind it wait for. Beside a stop p is only its limit."""
    if wish.action not in (Action.BUY, Action.SELL):
        raise several_orders("an order that only reduces, and further closes")
    targets = list(wish.take_profit)
    for command in plan:
        wish = replace(
            wish,
            stop_loss=_level(command, "sl", "fsl", BELOW_STOP) or wish.stop_loss,
            trailing=_trailing(command) or wish.trailing,
        )
        names = ("tp", "ftp") if command.keys.keys() & _LEVELS else ("p", "fp")
        level = _level(command, *names, BELOW_TARGET)
        if level is not None:
            targets.append(TakeProfit(level, _share(command)))
    return replace(wish, take_profit=checked_targets(targets, "p"))


def _share(command: _Command) -> Decimal | None:
    text = command.get("cm") or command.get("q")
    if text is not None and not text.endswith("%"):
        raise several_orders("a close of its own size behind the entry")
    return None if text is None else share(decimal_of(text.removesuffix("%"), "q"), "q")


def _check_is_now(command: _Command, symbol: str, price: Decimal | None, moment: Moment) -> None:
    """Raises for a close that waits for a stop, a target or another price."""
    if command.keys.keys() & _LEVELS or command.get("t") == "stop":
        raise exit_that_waits("c")
    if command.get("t") != "market" and command.keys.keys() & {"p", "fp"}:
        check_exit_price(_price(command, price), symbol, moment, "p")


def _symbol(commands: list[_Command]) -> str:
    given = {symbol for command in commands if (symbol := command.get("s")) is not None}
    if len(given) > 1:
        raise several_orders("commands for more than one market")
    if not given:
        raise fault("symbol_missing", "The alert names no market.", "Add s={{ticker}}.", field="s")
    return checked_symbol(given.pop(), "s")


def _exit(exits: list[_Command], wish: Alert) -> Alert:
    if len(exits) > 1:
        if {command.side for command in exits} == {LONG, SHORT}:
            return replace(wish, action=Action.CLOSE)
        raise several_orders("more than one close")
    command = exits[0]
    size = _exit_size(command, wish.symbol)
    action = Action.CLOSE if size is None else Action.REDUCE
    return replace(wish, action=action, size=size, only=command.side)


def _exit_size(command: _Command, symbol: str) -> Size | None:
    text = command.get("cm") or command.get("q")
    if text is None:
        return None
    size = _size(text, symbol, command.get("e") or "", percent=SizeUnit.POSITION_PERCENT)
    return position_share(size.value) if size.unit is SizeUnit.POSITION_PERCENT else size


def _ordered(command: _Command, wish: Alert) -> Alert:
    """A plain order of the exchange: what goes past flat opens the other side. mp is ours:
    TradingView's position after the order.
    """
    way = command.side
    if way is None:
        raise fault("b_missing", "The command has no side.", "Add b=long or b=short.", field="b")
    quantity = command.get("q")
    size = None
    if quantity is not None:
        exchange = command.get("e") or ""
        size = _size(quantity, wish.symbol, exchange, percent=SizeUnit.EQUITY_PERCENT)
        of_equity = size.unit is SizeUnit.EQUITY_PERCENT
        if not of_equity and (command.get("u") or "").casefold() in ("currency", "quote", "usd"):
            size = Size(size.value, SizeUnit.USD)
    wish = replace(wish, action=order(way), size=size)
    if command.get("ro") == "1":
        action = Action.CLOSE if size is None else Action.REDUCE
        return replace(wish, action=action, only=OPPOSITE[way])
    wish = replace(
        wish,
        stop_loss=_level(command, "sl", "fsl", BELOW_STOP),
        take_profit=_targets(command),
        trailing=_trailing(command),
    )
    said = command.get("mp")
    position = None if said is None else POSITIONS.get(said.casefold())
    if position is not None:
        return _charted(wish, position, way)
    return wish if size is None else replace(wish, against=Against.NET)


def _charted(wish: Alert, position: MarketPosition, way: MarketPosition) -> Alert:
    size = wish.size
    if size is not None and size.unit is SizeUnit.BASE:
        size = Size(size.value, SizeUnit.CONTRACTS)
    wish = replace(wish, size=size, target=Target(position))
    if position is way:
        return wish
    return replace(wish, stop_loss=None, take_profit=(), trailing=None)


def _after_exit(exits: list[_Command], command: _Command, wish: Alert) -> Alert:
    """Closes and then opens: from the other side a reversal. From its own side only where the close
    names the other side; else the position would be closed and opened again.
    """
    way = command.side
    assert way is not None
    if wish.action not in (Action.BUY, Action.SELL):
        raise several_orders("a close and an order that only reduces")
    if any(_exit_size(one, wish.symbol) is not None for one in exits):
        raise several_orders("a part of a close and an order")
    sides = {one.side for one in exits}
    wish = replace(wish, action=entry(way), against=None)
    if sides == {OPPOSITE[way]}:
        return wish
    if sides == {way}:
        raise several_orders("a close and an order of the same side")
    # All is closed first, so that in the end there is what the order opens.
    return replace(wish, action=None, target=Target(way), sync=True)


def _size(text: str, symbol: str, exchange: str, *, percent: SizeUnit) -> Size:
    if _RANGE.fullmatch(text):
        raise unsupported("A random size cannot be had.", "Write one number.", field="q")
    number = decimal_of(text.removesuffix("%"), "q")
    if number <= 0:
        raise fault("q_not_positive", "The size is not above zero.", field="q")
    if text.endswith("%"):
        return Size(number, percent)
    return Size(number, unit_of(symbol, number, exchange))


def _terms(command: _Command, price: Decimal | None) -> Terms:
    """Without t a command of Autoview is a limit order at the market's price."""
    kind = (command.get("t") or "limit").casefold()
    if kind not in _KINDS:
        raise fault("t_unknown", "The order's type is not known.", "Write t=market.", field="t")
    if kind == "market":
        return Terms()
    if kind == "fok":
        raise unsupported("Fill or kill cannot be had.", "Write t=market.", field="t")
    at = _price(command, price)
    if kind == "stop":
        return Terms(OrderKind.STOP, at)
    force = {"post": Force.POST_ONLY, "postonly": Force.POST_ONLY, "ioc": Force.IOC}
    return Terms(OrderKind.LIMIT, at, force.get(kind, Force.GTT))


def _price(command: _Command, price: Decimal | None) -> Decimal:
    fixed = command.get("fp")
    if fixed is not None:
        number = decimal_of(fixed, "fp")
        if number <= 0:
            raise fault("fp_not_positive", "fp is not above zero.", field="fp")
        return number
    if price is None:
        raise fault(
            "price_unknown",
            "The price is relative, and the market's price is not known.",
            "Write t=market, or fp= with a price.",
            field="p",
        )
    text = command.get("p")
    if text is None:
        return price
    if _RANGE.fullmatch(text):
        raise unsupported("A random price cannot be had.", "Write one number.", field="p")
    number = decimal_of(text.removesuffix("%"), "p")
    with localcontext() as context:
        context.prec = 50
        at = price * (1 + number / 100) if text.endswith("%") else price + number
    if at <= 0:
        raise fault("p_not_positive", "The price is not above zero.", field="p")
    return at


def _level(command: _Command, offset: str, fixed: str, below: Decimal) -> Level | None:
    """A distance from the entry, whose side follows from the position, or a price."""
    text = command.get(fixed)
    if text is not None:
        number = decimal_of(text, fixed)
        if number <= 0:
            raise fault(f"{fixed}_not_positive", f"{fixed} is not above zero.", field=fixed)
        return Level(price=number)
    text = command.get(offset)
    if text is None:
        return None
    number = abs(decimal_of(text.removesuffix("%"), offset))
    if number == 0:
        return None
    return distance(number, below, offset) if text.endswith("%") else Level(offset=number)


def _targets(command: _Command) -> tuple[TakeProfit, ...]:
    level = _level(command, "tp", "ftp", BELOW_TARGET)
    return () if level is None else (TakeProfit(level),)


def _trailing(command: _Command) -> Trailing | None:
    level = _level(command, "ts", "fts", BELOW_STOP)
    return None if level is None or level.price is not None else Trailing(level)


def _time(command: _Command, moment: Moment) -> dt.datetime | None:
    text = command.get("time")
    time = None if text is None else time_in(text)
    return None if time is None else checked_time(time, moment, "time")


def _template(secret: str) -> str:
    return (
        "a=perpgram e=dydx s={{ticker}} b={{strategy.order.action}} "
        "q={{strategy.order.contracts}} t=market mp={{strategy.market_position}} "
        f"time={{{{timenow}}}} secret={secret}"
    )


PRESET: Final = Preset(
    name="autoview",
    title="Autoview",
    line="Commands like s=BTCUSD b=long q=5% t=market, with sl, tp, ts and c=position.",
    place="behind the command: secret=…",
    knows=_knows,
    secret_of=_secret,
    alert_of=_alert,
    template=_template,
    json=False,
    text=True,
)
