"""One market's book: what traders left in it, and the ladder of the synthetic maker.

Price first, then time. The ladder stands around the oracle price and is quoted anew at every block,
so at one price an order that rests is older than the ladder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, localcontext

from core.dydx.protocol import Side
from core.dydx.quantums import Scale
from core.paper.happenings import OrderKey, PaperOrder


@dataclass(frozen=True)
class BookShape:
    """The synthetic maker's ladder: levels a side, USD a level, distance of levels in basis points
    of the oracle price. No levels: no synthetic maker.
    """

    levels: int = 6
    level_usd: Decimal = Decimal(20_000)
    spacing_bps: Decimal = Decimal(5)


@dataclass
class Resting:
    """A trader's order in the book."""

    order: PaperOrder
    remaining: int
    arrival: int


@dataclass
class Level:
    """One price of the synthetic ladder."""

    subticks: int
    remaining: int


@dataclass
class Book:
    """Both sides of one market."""

    bids: list[Resting] = field(default_factory=list)
    asks: list[Resting] = field(default_factory=list)
    ladder_bids: list[Level] = field(default_factory=list)
    ladder_asks: list[Level] = field(default_factory=list)
    _quoted: tuple[Decimal, BookShape] | None = None
    _template: dict[Side, list[tuple[int, int]]] = field(default_factory=dict)

    def rest(self, resting: Resting) -> None:
        """Put an order into its place."""
        side = self._traders(Side(resting.order.side))
        side.append(resting)
        sign = -1 if resting.order.side == "BUY" else 1
        side.sort(key=lambda entry: (sign * entry.order.subticks, entry.arrival))

    def take_out(self, key: OrderKey) -> Resting | None:
        """Remove a trader's order; None where it does not rest here."""
        for side in (self.bids, self.asks):
            for entry in side:
                if entry.order.key == key:
                    side.remove(entry)
                    return entry
        return None

    def find(self, key: OrderKey) -> Resting | None:
        """A trader's resting order."""
        return next((entry for entry in self.resting() if entry.order.key == key), None)

    def resting(self) -> Iterator[Resting]:
        """Every trader's order."""
        yield from self.bids
        yield from self.asks

    def best(self, side: Side) -> Resting | Level | None:
        """The best offer of a side, a trader's before the ladder's at the same price."""
        trader = next(iter(self._traders(side)), None)
        level = next((level for level in self.ladder(side) if level.remaining), None)
        if trader is None or level is None:
            return trader or level
        worse = (level.subticks - trader.order.subticks) * side.sign > 0
        return level if worse else trader

    def ladder(self, side: Side) -> list[Level]:
        """The synthetic maker's levels of a side, best first."""
        return self.ladder_bids if side is Side.BUY else self.ladder_asks

    def levels(self, side: Side) -> list[tuple[int, int]]:
        """(subticks, quantums) of a side, best first, traders and ladder together."""
        sums: dict[int, int] = {}
        for entry in self._traders(side):
            subticks = entry.order.subticks
            sums[subticks] = sums.get(subticks, 0) + entry.remaining
        for level in self.ladder(side):
            if level.remaining:
                sums[level.subticks] = sums.get(level.subticks, 0) + level.remaining
        return sorted(sums.items(), reverse=side is Side.BUY)

    def quote(self, scale: Scale, oracle_usd: Decimal, shape: BookShape) -> None:
        """Stand the synthetic ladder around an oracle price, at full size."""
        if self._quoted != (oracle_usd, shape):
            self._template = {side: _side(scale, oracle_usd, shape, side) for side in Side}
            self._quoted = (oracle_usd, shape)
        self.ladder_bids = [Level(*row) for row in self._template[Side.BUY]]
        self.ladder_asks = [Level(*row) for row in self._template[Side.SELL]]

    def _traders(self, side: Side) -> list[Resting]:
        return self.bids if side is Side.BUY else self.asks


def _side(scale: Scale, oracle_usd: Decimal, shape: BookShape, side: Side) -> list[tuple[int, int]]:
    """(subticks, quantums) away from the oracle, each at least a tick further than the last, sizes
    cut to whole steps.
    """
    tick = scale.subticks_per_tick
    levels: list[tuple[int, int]] = []
    for number in range(1, shape.levels + 1):
        with localcontext() as context:
            context.prec = 60
            offset = shape.spacing_bps * number / 10_000
            price = oracle_usd * (1 - side.sign * offset)
        if price <= 0:
            break
        subticks = scale.subticks_away(price, side.opposite)
        if levels:
            bound = levels[-1][0] - side.sign * tick
            subticks = min(subticks, bound) if side is Side.BUY else max(subticks, bound)
        if subticks <= 0:
            break
        size = scale.quantums_down(shape.level_usd / price)
        levels.append((subticks, max(size, scale.step_base_quantums)))
    return levels
