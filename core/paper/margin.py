"""Collateral of a subaccount: its worth, what its positions need, whether an update may pass.

Amounts are quote quantums. Source: docs/protocol.md, market mathematics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from core.paper.governance import Market
from core.paper.state import Subaccount

UpdateResult = Literal[
    "Success",
    "NewlyUndercollateralized",
    "StillUndercollateralized",
    "ViolatesIsolatedSubaccountConstraints",
]


@dataclass(frozen=True)
class Growth:
    """How much more of a perpetual is held long after a match, in quantums."""

    perpetual_id: int
    quantums: int


@dataclass(frozen=True)
class Collateral:
    """Net collateral, initial and maintenance requirement."""

    net: int
    initial: int
    maintenance: int


class Margin:
    """Collateral at the oracle's prices. `price_of` gives the integer of a market; `open_interest`
    the quantums held long in it.
    """

    def __init__(
        self,
        markets: dict[int, Market],
        price_of: Callable[[Market], int],
        open_interest: Callable[[Market], int],
    ) -> None:
        self.markets = markets
        self._price_of = price_of
        self._open_interest = open_interest

    def collateral(self, subaccount: Subaccount, growth: Growth | None = None) -> Collateral:
        """What a settled subaccount is worth and needs now, or once open interest has grown."""
        net, initial, maintenance = subaccount.usdc, 0, 0
        for perpetual_id, quantums in subaccount.positions:
            market = self.markets[perpetual_id]
            notional = market.notional(quantums, self._price_of(market))
            net += notional
            chosen = dict(subaccount.leverage).get(perpetual_id, 0)
            initial += _up(abs(notional) * max(self.initial_ppm(market, growth), chosen))
            maintenance += self.maintenance(market, notional)
        return Collateral(net, initial, maintenance)

    def is_liquidatable(self, subaccount: Subaccount) -> bool:
        """Whether a settled subaccount's positions need more than it is worth to stay."""
        net, maintenance = subaccount.usdc, 0
        for perpetual_id, quantums in subaccount.positions:
            market = self.markets[perpetual_id]
            notional = market.notional(quantums, self._price_of(market))
            net += notional
            maintenance += self.maintenance(market, notional)
        return maintenance > max(net, 0)

    def maintenance(self, market: Market, notional: int) -> int:
        """What a position of this worth needs to stay: a fraction of the base initial margin, each
        rounded up. Neither open interest nor a chosen leverage raises it.
        """
        tier = market.tier
        return _up(_up(abs(notional) * tier.initial_margin_ppm) * tier.maintenance_fraction_ppm)

    def notional(self, market: Market, quantums: int) -> int:
        """What quantums are worth at the oracle's price, in quote quantums; keeps the sign."""
        return market.notional(quantums, self._price_of(market))

    def initial_ppm(self, market: Market, growth: Growth | None = None) -> int:
        """Initial margin in parts per million; it rises with open interest between the caps."""
        tier = market.tier
        lower, upper = tier.open_interest_lower_cap, tier.open_interest_upper_cap
        if upper <= lower:
            return tier.initial_margin_ppm
        interest = self._open_interest(market)
        if growth is not None and growth.perpetual_id == market.id:
            interest += growth.quantums
        held = market.notional(interest, self._price_of(market))
        if held <= lower:
            return tier.initial_margin_ppm
        if held >= upper:
            return 1_000_000
        rise = (1_000_000 - tier.initial_margin_ppm) * (held - lower)
        return tier.initial_margin_ppm + rise // (upper - lower)

    def update(
        self, before: Subaccount, after: Subaccount, growth: Growth | None = None
    ) -> UpdateResult:
        """Whether a settled subaccount may go from one state to the other, by a match that lets
        open interest grow so. Below the initial requirement only updates pass that do not raise the
        maintenance requirement and do not worsen the ratio of net collateral to it.
        """
        if self._breaks_isolation(before, after):
            return "ViolatesIsolatedSubaccountConstraints"
        new = self.collateral(after, growth)
        if new.net >= new.initial:
            return "Success"
        old = self.collateral(before, growth)
        failure: UpdateResult = (
            "NewlyUndercollateralized" if old.net >= old.initial else "StillUndercollateralized"
        )
        if not new.maintenance and not old.maintenance and new.net > old.net:
            return "Success"
        if new.maintenance > old.maintenance or not new.maintenance or not old.maintenance:
            return failure
        if old.net * new.maintenance > new.net * old.maintenance:
            return failure
        return "Success"

    def _breaks_isolation(self, before: Subaccount, after: Subaccount) -> bool:
        held = [market_id for market_id, _ in after.positions]
        isolated = [key for key in held if self.markets[key].market_type == "ISOLATED"]
        return bool(isolated) and len(held) > 1 and before.positions != after.positions


def _up(product: int) -> int:
    """Parts per million, rounded up."""
    return -(-product // 1_000_000)
