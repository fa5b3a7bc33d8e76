"""The two prices of a liquidation. The bankruptcy price is that at which a part of a position can
be closed without changing how well the rest is covered; the fillable price is the worst one the
chain offers, the further from the oracle the worse the account stands.

Source: docs/protocol.md, market mathematics.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from core.dydx.protocol import Side
from core.paper.governance import Market
from core.paper.margin import Margin
from core.paper.state import Subaccount

_PPM: Final = 1_000_000
_MOST_SUBTICKS: Final = 2**64 - 1


def bankruptcy_quote(margin: Margin, market: Market, held: Subaccount, delta: int) -> int:
    """What a settled subaccount gets (negative: pays) for changing a position by `delta` quantums
    at its bankruptcy price, in quote quantums, rounded up in its favour.
    """
    total = margin.collateral(held)
    before = held.position(market.id)
    old, new = margin.notional(market, before), margin.notional(market, before + delta)
    released = margin.maintenance(market, old) - margin.maintenance(market, new)
    return old - new - total.net * released // total.maintenance


def fillable_subticks(
    margin: Margin,
    market: Market,
    held: Subaccount,
    *,
    bankruptcy_adjustment_ppm: int,
    spread_ppm: int,
) -> int:
    """The limit of a settled subaccount's liquidation, rounded to a whole tick toward the better
    price for it.
    """
    total = margin.collateral(held)
    quantums = held.position(market.id)
    worth = margin.notional(market, quantums)
    short_of = 1 - Fraction(total.net, total.maintenance)
    rating = min(max(short_of * bankruptcy_adjustment_ppm / _PPM, Fraction(0)), Fraction(1))
    spread = rating * margin.maintenance(market, worth) * spread_ppm / _PPM
    price = (worth - spread) / quantums
    subticks = price / Fraction(10) ** market.scale.quantum_conversion_exponent
    ticks = subticks / market.scale.subticks_per_tick
    side = Side.SELL if quantums > 0 else Side.BUY
    whole = -(-ticks.numerator // ticks.denominator) if side is Side.SELL else int(ticks)
    most = _MOST_SUBTICKS // market.scale.subticks_per_tick
    return min(max(whole, 1), most) * market.scale.subticks_per_tick
