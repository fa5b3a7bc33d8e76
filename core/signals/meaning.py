"""What an alert means for a position: its effect, before limits and rounding. Pure; the lane, the
chat's lab and `python -m bot alert` all ask here. The rules stand in docs/webhook.md as a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import Final, Literal

from core.signals import sizing
from core.signals.alert import Action, Against, Alert, MarketPosition, OrderKind, SizeUnit
from core.signals.situation import Situation, Unmeant, opposite, way_of

__all__ = ["Effect", "Meaning", "Situation", "TradeSide", "Unmeant", "meaning_of"]

TradeSide = Literal["BUY", "SELL"]

_LONG, _SHORT, _FLAT = MarketPosition.LONG, MarketPosition.SHORT, MarketPosition.FLAT
_ZERO: Final = Decimal(0)
_PRECISION: Final = 100
# Which way the order of an action goes; the others' follows from the position.
_WAYS: Final = {
    Action.BUY: _LONG,
    Action.LONG: _LONG,
    Action.SELL: _SHORT,
    Action.SHORT: _SHORT,
}


class Effect(StrEnum):
    """What becomes of the position."""

    OPEN = "open"
    ADD = "add"
    REDUCE = "reduce"
    CLOSE = "close"
    REVERSE = "reverse"
    CANCEL = "cancel"
    NONE = "none"


@dataclass(frozen=True)
class Meaning:
    """`side` and `size` (coins, unsigned, not rounded) of the whole trade: a reversal's size closes
    the old position and opens the new one. `position_after` is signed. None where nothing given
    determines it. For cancel and none there is no trade.
    """

    effect: Effect
    side: TradeSide | None
    size: Decimal | None
    position_after: Decimal | None


def meaning_of(alert: Alert, situation: Situation) -> Meaning:
    """The effect of an alert. Raises Unmeant."""
    with localcontext() as context:
        context.prec = _PRECISION
        meaning = _meaning(alert, situation)
    _check_kind(alert, meaning.effect)
    return meaning


def _meaning(alert: Alert, at: Situation) -> Meaning:
    action, held = alert.action, way_of(at.position)
    if action is Action.CANCEL:
        return Meaning(Effect.CANCEL, None, None, at.position)
    if alert.only is not None and held is not alert.only:
        opens = action in _WAYS or action is None
        if not (opens and held is _FLAT):
            return _nothing(at)
    if alert.unless is not None and held is alert.unless:
        return _nothing(at)
    if alert.target is not None and (alert.sync or at.sync or action is None):
        return _synced(alert, at)
    return _acted(alert, at)


def _acted(alert: Alert, at: Situation) -> Meaning:
    """What the action itself asks for."""
    action, target, held = alert.action, alert.target, way_of(at.position)
    match action:
        case Action.BUY | Action.SELL:
            return _order(alert, at, _WAYS[action])
        case Action.LONG | Action.SHORT:
            return _enter(alert, at, _WAYS[action])
        case Action.ADD:
            if held is _FLAT:
                raise Unmeant(
                    "nothing_to_add_to",
                    "There is no open position to add to; buy, sell, long or short open one.",
                )
            if target is not None and target.position is not held:
                raise _contradiction(action, target.position, held)
            return _enter(alert, at, held)
        case Action.REDUCE:
            if alert.against is not None and held is not _FLAT:
                return _against(alert, at, opposite(held))
            if target is not None and target.position is _FLAT:
                return _exit(at, abs(at.position))
            return _exit(at, sizing.exit_size(alert, at))
        case Action.CLOSE:
            return _close(alert, at)
        case Action.REVERSE:
            return _reverse(alert, at)
        case _:
            raise Unmeant("action_missing", "The alert names neither an action nor a position.")


def _order(alert: Alert, at: Situation, way: MarketPosition) -> Meaning:
    """buy and sell. The position that TradingView has after its order tells an entry from an exit;
    without it, an order against the position only reduces it.
    """
    held, target = way_of(at.position), alert.target
    if held is opposite(way) and alert.against is not None:
        return _against(alert, at, way)
    if target is None:
        if held is opposite(way):
            return _exit(at, sizing.exit_size(alert, at))
        return _enter(alert, at, way)
    if target.position is way:
        return _enter(alert, at, way)
    if held is not opposite(way):
        # The order closed or reduced a position of the other way, which is not held here.
        return _nothing(at)
    if target.position is _FLAT:
        return _exit(at, abs(at.position))
    return _exit(at, sizing.exit_size(alert, at))


def _against(alert: Alert, at: Situation, way: MarketPosition) -> Meaning:
    """What a platform's own grammar says of an order against the position."""
    held = abs(at.position)
    if alert.against is Against.CLOSE:
        return _exit(at, held)
    size = sizing.order_size(alert, at, way)
    if alert.against is Against.TURN and size is not None and size >= held:
        return _flip(at, size)
    if size is None or size <= held:
        return _exit(at, size)
    return _flip(at, size - held)


def _enter(alert: Alert, at: Situation, way: MarketPosition) -> Meaning:
    """Opens, adds or, against the position, reverses."""
    size = sizing.entry_size(alert, at, way)
    if way_of(at.position) is opposite(way):
        return _flip(at, size)
    if size == 0:
        return _nothing(at)
    return _sized(at, Effect.ADD if at.position else Effect.OPEN, way, size)


def _flip(at: Situation, size: Decimal | None) -> Meaning:
    """Closes the position and opens one of `size` the other way; nothing is opened for a size of
    zero.
    """
    way = opposite(way_of(at.position))
    if size is None:
        return Meaning(Effect.REVERSE, _side(way), None, None)
    if size == 0:
        return _exit(at, abs(at.position))
    return Meaning(Effect.REVERSE, _side(way), abs(at.position) + size, _sign(way) * size)


def _exit(at: Situation, size: Decimal | None) -> Meaning:
    """Reduces the position, at most to flat."""
    if at.position == 0:
        return _nothing(at)
    side = _side(opposite(way_of(at.position)))
    if size is None:
        return Meaning(Effect.REDUCE, side, None, None)
    if size >= abs(at.position):
        return Meaning(Effect.CLOSE, side, abs(at.position), _ZERO)
    after = at.position - _sign(way_of(at.position)) * size
    return Meaning(Effect.REDUCE, side, size, after)


def _close(alert: Alert, at: Situation) -> Meaning:
    """All of the position, or as much as the alert itself says."""
    held, target = way_of(at.position), alert.target
    if held is _FLAT:
        return _nothing(at)
    if target is not None and target.position is _FLAT:
        return _exit(at, abs(at.position))
    if alert.size is not None:
        return _exit(at, sizing.exit_size(alert, at))
    if target is not None and target.position is held and alert.only is None:
        raise Unmeant(
            "contradiction",
            f"The alert closes, but its market_position is still {held.value}; "
            "it does not say how much of the position is meant.",
        )
    return _exit(at, abs(at.position))


def _reverse(alert: Alert, at: Situation) -> Meaning:
    """The other way, by default in the same size. From flat only market_position can say which."""
    held, target = way_of(at.position), alert.target
    if target is not None and target.position is held:
        return _nothing(at)
    if held is not _FLAT:
        if alert.size is not None:
            return _flip(at, sizing.entry_size(alert, at, opposite(held)))
        charted = target.size if target is not None else None
        return _flip(at, abs(at.position) if charted is None else charted)
    if target is None or target.position is _FLAT:
        raise Unmeant(
            "nothing_to_reverse",
            "There is no open position to reverse; buy, sell, long or short open one.",
        )
    return _enter(alert, at, target.position)


def _synced(alert: Alert, at: Situation) -> Meaning:
    """The position that TradingView has is the wish, whatever is held."""
    target, held = alert.target, way_of(at.position)
    assert target is not None
    if target.position is _FLAT:
        return _exit(at, abs(at.position))
    if held is target.position and alert.action is not None and target.size is None:
        against = _WAYS.get(alert.action) is opposite(target.position)
        counts_orders = alert.size is not None and alert.size.unit is SizeUnit.CONTRACTS
        if against or counts_orders or alert.action in (Action.ADD, Action.REDUCE):
            return _acted(alert, at)
    size = sizing.target_size(alert, at)
    if held is target.position:
        return _nothing(at) if size is None else _resized(at, size)
    if held is not _FLAT:
        return _flip(at, size)
    return _nothing(at) if size == 0 else _sized(at, Effect.OPEN, target.position, size)


def _sized(at: Situation, effect: Effect, way: MarketPosition, size: Decimal | None) -> Meaning:
    after = None if size is None else at.position + _sign(way) * size
    return Meaning(effect, _side(way), size, after)


def _resized(at: Situation, size: Decimal) -> Meaning:
    missing = size - abs(at.position)
    if missing < 0:
        return _exit(at, -missing)
    if missing == 0:
        return _nothing(at)
    return _sized(at, Effect.ADD, way_of(at.position), missing)


def _check_kind(alert: Alert, effect: Effect) -> None:
    """Orders that wait cannot do everything. Source: docs/protocol.md, order flags."""
    kind = alert.terms.kind
    if effect is Effect.REVERSE and kind is not OrderKind.MARKET:
        raise Unmeant(
            "type_of_reversal",
            f"A reversal cannot be a {kind.value} order: it closes first and opens once that is "
            "proved. Send it at market.",
        )
    exits = effect in (Effect.REDUCE, Effect.CLOSE)
    if exits and kind is OrderKind.LIMIT and alert.terms.rests:
        raise Unmeant(
            "resting_reduce",
            "dYdX has no limit order that only reduces a position and waits. Use the position's "
            "take profit, or time_in_force ioc.",
        )


def _contradiction(action: Action, wanted: MarketPosition, held: MarketPosition) -> Unmeant:
    return Unmeant(
        "contradiction",
        f"The alert says {action.value} with market_position {wanted.value}, but the position "
        f"held is {held.value}.",
    )


def _nothing(at: Situation) -> Meaning:
    return Meaning(Effect.NONE, None, None, at.position)


def _sign(way: MarketPosition) -> int:
    return 1 if way is _LONG else -1


def _side(way: MarketPosition) -> TradeSide:
    return "BUY" if way is _LONG else "SELL"
