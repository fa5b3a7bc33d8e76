"""Oracle prices: following another network, a seeded walk, standing still, and set by hand.

Everything is integers and every block draws from a generator seeded by (seed, height), so that the
same seed gives the same prices whether or not the network was restarted in between.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, Protocol

from core.paper.governance import Governance, Market

PriceMode = Literal["walk", "still", "mainnet"]

# Finer than the oracle's own integers, so that small steps add up.
_FINE: Final = 10_000
# How much of a price a gap to the followed one may shrink in a block, beside that one's own moves.
_GLIDE_PPM: Final = 1_000


@dataclass
class PriceSettings:
    """`volatility` is the standard deviation of one minute's move as a fraction of the price. In
    the mode `mainnet` prices walk while there is nothing to follow.
    """

    mode: PriceMode = "walk"
    seed: int = 1
    volatility: Decimal = Decimal("0.002")
    block_s: Decimal = Decimal(1)


class PriceSource(Protocol):
    """Prices of another network. `epoch` grows when there was a gap before the latest ones."""

    @property
    def is_followed(self) -> bool: ...

    @property
    def epoch(self) -> int: ...

    def price(self, ticker: str) -> Decimal | None: ...


class Prices:
    """Where the next block's oracle prices come from."""

    def __init__(
        self, governance: Governance, settings: PriceSettings, source: PriceSource | None = None
    ) -> None:
        self._governance = governance
        self.settings = settings
        self.source = source
        self._gaps: dict[int, int] = {}
        self._epoch = 0
        self._fine: dict[int, int] = {}
        self._set: dict[int, int] = {}

    @property
    def mode(self) -> PriceMode:
        """What the prices do now: the wanted mode, or walk where there is nothing to follow."""
        if self.settings.mode != "mainnet":
            return self.settings.mode
        return "mainnet" if self.source is not None and self.source.is_followed else "walk"

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
            self._gaps.pop(market.id, None)
            return by_hand
        mode = self.mode
        if mode == "mainnet":
            self._fine.pop(market.id, None)
            return self._followed(market, current)
        if mode == "still":
            self._fine.pop(market.id, None)
            return current
        fine = self._fine.get(market.id, current * _FINE)
        fine += fine * self._step_ppb(market, height) // 1_000_000_000
        self._fine[market.id] = max(fine, _FINE)
        return _worth_it(market, current, self._fine[market.id] // _FINE)

    def _followed(self, market: Market, current: int) -> int:
        """The followed price, and what is left of the gap to it that there was at the beginning: a
        price moves with the followed one and glides towards it, and never jumps.
        """
        assert self.source is not None
        usd = self.source.price(market.ticker)
        if usd is None:
            return current
        if self.source.epoch != self._epoch:
            self._epoch = self.source.epoch
            self._gaps = {}
        real = max(int(usd.scaleb(-market.price_exponent)), 1)
        gap = self._gaps.get(market.id, current - real)
        step = max(current * _GLIDE_PPM // 1_000_000, 1)
        left = max(gap - step, 0) if gap > 0 else min(gap + step, 0)
        self._gaps[market.id] = left
        return max(real + left, 1)

    def _step_ppb(self, market: Market, height: int) -> int:
        """This block's move in parts per billion: near enough to a normal distribution, the sum of
        twelve uniform draws.
        """
        minute_ppb = self.settings.volatility * 1_000_000_000
        deviation = int(minute_ppb * (self.settings.block_s / 60).sqrt())
        draws = random.Random(f"{self.settings.seed}:{height}:{market.id}")  # noqa: S311
        unit = sum(draws.randrange(1_000_001) for _ in range(12)) - 6_000_000
        return deviation * unit // 1_000_000


def _worth_it(market: Market, current: int, proposed: int) -> int:
    """The proposed price, where the move is large enough for the oracle to take it over."""
    if abs(proposed - current) * 1_000_000 < current * market.min_price_change_ppm:
        return current
    return proposed
