"""How many coins a size means: of an entry, of an exit, of a target. Pure; None where what is known
does not determine it.
"""

from __future__ import annotations

from decimal import Decimal

from core.signals.alert import Alert, Level, MarketPosition, OrderKind, Size, SizeUnit
from core.signals.situation import Situation, Unmeant, opposite, way_of

_RISKS = (SizeUnit.RISK_PERCENT, SizeUnit.RISK_USD)
_COINS = (SizeUnit.BASE, SizeUnit.CONTRACTS, SizeUnit.EITHER)


def entry_size(alert: Alert, at: Situation, way: MarketPosition) -> Decimal | None:
    """Coins of the exposure that an entry adds on its own side; zero where its order only closed.

    The alert's own size counts, else the strategy's default, else TradingView's position after the
    order. On a reversal, TradingView's or ours, the new position is not larger than that position:
    `{{strategy.order.contracts}}`, in whatever field, counts the closing part too.
    """
    if alert.size is None:
        if at.default_size is not None:
            return coins_of(at.default_size, alert, at, way)
        return _charted(alert, way)
    if alert.size.unit is SizeUnit.CONTRACTS:
        return _of_contracts(alert.size.value, alert, at, way)
    if alert.size.unit is SizeUnit.EITHER:
        return _of_either(alert.size.value, alert, at, way)
    coins = coins_of(alert.size, alert, at, way)
    charted = _charted(alert, way)
    if alert.size.unit is SizeUnit.BASE and charted is not None and _reverses(alert, at, way):
        return min(alert.size.value, charted)
    return coins


def exit_size(alert: Alert, at: Situation) -> Decimal | None:
    """Coins by which an exit reduces the position. A size that follows from a risk has no meaning
    for an exit: all of the position is meant.
    """
    held = way_of(at.position)
    size = alert.size or at.default_size
    if size is not None:
        return abs(at.position) if size.unit in _RISKS else coins_of(size, alert, at, held)
    target = alert.target
    if target is None or not target.position is target.previous is held:
        return None
    if target.size is None or target.previous_size is None:
        return None
    return max(target.previous_size - target.size, Decimal(0)) or None


def order_size(alert: Alert, at: Situation, way: MarketPosition) -> Decimal | None:
    """Coins of one order, whatever it closes or opens."""
    size = alert.size or at.default_size
    return None if size is None else coins_of(size, alert, at, way)


def target_size(alert: Alert, at: Situation) -> Decimal | None:
    """Coins of the position that a target asks for; None where it says only which way."""
    target = alert.target
    assert target is not None
    if target.size is not None:
        if alert.size is not None and alert.size.unit not in _COINS:
            raise Unmeant(
                "size_twice",
                "With sync the alert has two sizes to be in: market_position_size and its own. "
                "Keep one of them.",
            )
        return target.size
    if alert.size is None and way_of(at.position) is target.position:
        return None
    return entry_size(alert, at, target.position)


def coins_of(size: Size, alert: Alert, at: Situation, way: MarketPosition) -> Decimal | None:
    """A size in coins, at the price at which the alert would trade."""
    if size.unit in _COINS:
        return size.value
    if size.unit is SizeUnit.POSITION_PERCENT:
        return abs(at.position) * size.value / 100
    if size.unit in _RISKS:
        return _of_risk(size, alert, at, way)
    price = entry_price(alert, at)
    usd = size.value if size.unit is SizeUnit.USD else _share(at.equity, size.value)
    if usd is None or price is None:
        return None
    return usd / price


def entry_price(alert: Alert, at: Situation) -> Decimal | None:
    """Where the alert's order would fill: at its own price, else at the market's."""
    return at.price if alert.terms.kind is OrderKind.MARKET else alert.terms.price


def stop_of(alert: Alert, at: Situation) -> Level | None:
    """The stop with which a position would begin."""
    if alert.stop_loss is not None:
        return alert.stop_loss
    if alert.trailing is not None and alert.trailing.activation is None:
        return alert.trailing.distance
    return at.stop_loss


def _charted(alert: Alert, way: MarketPosition) -> Decimal | None:
    """TradingView's position after its order, where it lies this way."""
    target = alert.target
    return target.size if target is not None and target.position is way else None


def _reverses(alert: Alert, at: Situation, way: MarketPosition) -> bool:
    """Whether TradingView's order reversed its position, or this one reverses ours."""
    other = opposite(way)
    charted = alert.target.previous if alert.target is not None else None
    return other in (charted, way_of(at.position))


def _of_contracts(
    contracts: Decimal, alert: Alert, at: Situation, way: MarketPosition
) -> Decimal | None:
    """The part of TradingView's order that opens."""
    target, other = alert.target, opposite(way)
    charted = _charted(alert, way)
    if charted is not None:
        return min(contracts, charted)
    previous = target.previous if target is not None else None
    if previous is other and target is not None and target.previous_size is not None:
        return max(contracts - target.previous_size, Decimal(0))
    if previous in (way, MarketPosition.FLAT):
        return contracts
    if way_of(at.position) is other:
        return max(contracts - abs(at.position), Decimal(0))
    if previous is other:
        raise Unmeant(
            "contracts_unclear",
            f"TradingView's order of {contracts:f} also closed a position that is not held here, "
            "so that its size is not known. Add market_position_size, or use size.",
        )
    return contracts


def _of_either(coins: Decimal, alert: Alert, at: Situation, way: MarketPosition) -> Decimal | None:
    """The part that opens, of coins that may be those of the whole order or those of the position.

    Where TradingView says how large its position is, that decides. Else, against a position, they
    are the whole order if that leaves something to open: what is wrong by that is too small, while
    the other reading would double. Without TradingView's position nothing speaks for an order that
    turns, and the coins are the position's.
    """
    if alert.target is None:
        return coins
    opens = _of_contracts(coins, alert, at, way)
    return coins if opens == 0 else opens


def _of_risk(size: Size, alert: Alert, at: Situation, way: MarketPosition) -> Decimal | None:
    """Coins that lose the risked amount between entry and stop."""
    stop = stop_of(alert, at)
    if stop is None:
        raise Unmeant(
            "risk_without_stop",
            "A size by risk needs a stop_loss, in the alert or in the strategy.",
        )
    usd = size.value if size.unit is SizeUnit.RISK_USD else _share(at.equity, size.value)
    distance = _distance(stop, entry_price(alert, at), way)
    return None if usd is None or distance is None else usd / distance


def _distance(stop: Level, entry: Decimal | None, way: MarketPosition) -> Decimal | None:
    if stop.offset is not None:
        return stop.offset
    if entry is None:
        return None
    if stop.percent is not None:
        return entry * stop.percent / 100
    assert stop.price is not None
    distance = entry - stop.price if way is MarketPosition.LONG else stop.price - entry
    if distance <= 0:
        where = "below" if way is MarketPosition.LONG else "above"
        raise Unmeant(
            "stop_loss_wrong_side",
            f"The stop loss of a {way.value} must lie {where} its entry of {entry:f}.",
        )
    return distance


def _share(equity: Decimal | None, percent: Decimal) -> Decimal | None:
    """Percent of the equity in dollars; nothing can be had of what is not above zero."""
    if equity is None:
        return None
    if equity <= 0:
        raise Unmeant("no_equity", "The account has no equity of which to take a share.")
    return equity * percent / 100
