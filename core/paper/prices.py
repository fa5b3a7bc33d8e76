"""Oracle prices: a seeded walk or standing still, and prices set by hand.

Everything is integers and every block draws from a generator seeded by (seed, height), so that the
same seed gives the same prices whether or not the network was restarted in between.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from core.paper.governance import Governance, Market

PriceMode = Literal["walk", "still"]

# Finer than the oracle's own integers, so that small steps add up.
_FINE: Final = 10_000


@dataclass
class PriceSettings:
    """`volatility` is the standard deviation of one minute's move as a fraction of the price."""

    mode: PriceMode = "walk"
    seed: int = 1
    volatility: Decimal = Decimal("0.002")
    block_s: Decimal = Decimal(1)


class Prices:
    """Where the next block's oracle prices come from."""

    def __init__(self, governance: Governance, settings: PriceSettings) -> None:
        self._governance = governance
        self.settings = settings
        self._fine: dict[int, int] = {}
        self._set: dict[int, int] = {}

    def set(self, ticker: str, usd: Decimal) -> None:
        """Set a price by hand; it applies at the next block whatever the size of the move. Raises
        KeyError for an unknown market, ValueError for a price that is not positive or too large.
        """
        market = self._governance.by_ticker(ticker)
        if not usd.is_finite():
            raise ValueError("the price was not a number")
        integer = market.price_integer(usd)
        if integer >= 2**63:
            raise ValueError("the price was too large")
        self._set[market.id] = integer

    def next(self, market: Market, current: int, height: int) -> int:
        """The oracle's integer for the block of this height."""
        by_hand = self._set.pop(market.id, None)
        if by_hand is not None:
            self._fine[market.id] = by_hand * _FINE
            return by_hand
        if self.settings.mode == "still":
            self._fine.pop(market.id, None)
            return current
        fine = self._fine.get(market.id, current * _FINE)
        fine += fine * self._step_ppb(market, height) // 1_000_000_000
        self._fine[market.id] = max(fine, _FINE)
        proposed = self._fine[market.id] // _FINE
        if abs(proposed - current) * 1_000_000 < current * market.min_price_change_ppm:
            return current
        return proposed

    def _step_ppb(self, market: Market, height: int) -> int:
        """This block's move in parts per billion: near enough to a normal distribution, the sum of
        twelve uniform draws.
        """
        minute_ppb = self.settings.volatility * 1_000_000_000
        deviation = int(minute_ppb * (self.settings.block_s / 60).sqrt())
        draws = random.Random(f"{self.settings.seed}:{height}:{market.id}")  # noqa: S311
        unit = sum(draws.randrange(1_000_001) for _ in range(12)) - 6_000_000
        return deviation * unit // 1_000_000
