"""Exact conversions between human amounts and the chain's integers. Source: docs/protocol.md,
market mathematics.

Sizes are Decimal base units, prices Decimal USD; quantums and subticks are integers. Nothing here
is a float, and each function names the direction in which it rounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal, localcontext

from core.dydx.protocol import QUOTE_RESOLUTION, Side

_EXACT = Context(prec=96, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True)
class Scale:
    """The integers of a market from which tick, step and all conversions follow."""

    atomic_resolution: int
    quantum_conversion_exponent: int
    step_base_quantums: int
    subticks_per_tick: int

    @property
    def step_size(self) -> Decimal:
        """Smallest size and its increment, in base units."""
        return Decimal(self.step_base_quantums).scaleb(self.atomic_resolution, _EXACT)

    @property
    def tick_size(self) -> Decimal:
        """Smallest price increment, in USD."""
        return Decimal(self.subticks_per_tick).scaleb(-self._subtick_exponent, _EXACT)

    @property
    def _subtick_exponent(self) -> int:
        return self.atomic_resolution - self.quantum_conversion_exponent - QUOTE_RESOLUTION

    def quantums_down(self, size: Decimal) -> int:
        """Quantums of a size, rounded toward zero to whole steps; 0 when the size is below one
        step.
        """
        exact = size.copy_abs().scaleb(-self.atomic_resolution, _EXACT)
        return int(exact) // self.step_base_quantums * self.step_base_quantums

    def size_of(self, quantums: int) -> Decimal:
        """Base units of quantums, exact; keeps the sign."""
        return Decimal(quantums).scaleb(self.atomic_resolution, _EXACT)

    def subticks_away(self, price: Decimal, side: Side) -> int:
        """Subticks of a protective limit: a BUY is rounded up and a SELL down to a whole tick,
        never below one tick.
        """
        rounding = ROUND_CEILING if side is Side.BUY else ROUND_FLOOR
        with localcontext(_EXACT):
            ticks = (
                price.scaleb(self._subtick_exponent) / self.subticks_per_tick
            ).to_integral_value(rounding)
        return max(int(ticks), 1) * self.subticks_per_tick

    def subticks_within(self, price: Decimal, side: Side) -> int:
        """Subticks of a price that must be kept: a BUY is rounded down and a SELL up to a whole
        tick, so that the order never trades at a worse price; 0 when a BUY's is below one tick.
        """
        rounding = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
        with localcontext(_EXACT):
            ticks = (
                price.scaleb(self._subtick_exponent) / self.subticks_per_tick
            ).to_integral_value(rounding)
        return int(ticks) * self.subticks_per_tick

    def price_of(self, subticks: int) -> Decimal:
        """USD price of subticks, exact."""
        return Decimal(subticks).scaleb(-self._subtick_exponent, _EXACT)

    def quote_quantums(self, quantums: int, subticks: int) -> int:
        """Millionths of USDC that a fill is worth, rounded down as the chain does."""
        product = quantums * subticks
        exponent = self.quantum_conversion_exponent
        return product * int(10**exponent) if exponent >= 0 else product // int(10**-exponent)

    @staticmethod
    def fee_quantums(quote_quantums: int, ppm: int) -> int:
        """Fee of a fill in millionths of USDC, rounded up as the chain does; negative for a
        rebate, then toward zero.
        """
        return -(-quote_quantums * ppm // 1_000_000)


def market_limit(side: Side, oracle_price: Decimal, slippage_bps: int, scale: Scale) -> int:
    """Subticks of the worst price of a market order: an IOC at oracle ± slippage, rounded away from
    the oracle to a whole tick.

    A market order does not exist on chain; subticks of 0 are refused (clob code 6). Raises
    ValueError for an oracle price that is not positive and for a slippage of 100 % or more.
    """
    if oracle_price <= 0:
        raise ValueError("the oracle price was not positive")
    if not 0 <= slippage_bps < 10_000:
        raise ValueError("slippage must be less than 100 %")
    with localcontext(_EXACT):
        bound = oracle_price * (10_000 + side.sign * slippage_bps) / 10_000
    return scale.subticks_away(bound, side)
