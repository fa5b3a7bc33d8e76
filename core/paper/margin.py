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
        self._markets = markets
        self._price_of = price_of
        self._open_interest = open_interest

    def collateral(self, subaccount: Subaccount) -> Collateral:
        """What a subaccount is worth and needs now."""
        net, initial, maintenance = subaccount.usdc, 0, 0
        for perpetual_id, quantums in subaccount.positions:
            market = self._markets[perpetual_id]
            notional = market.notional(quantums, self._price_of(market))
            net += notional
            initial += _up(abs(notional) * self.initial_ppm(market))
            maintenance += _up(abs(notional) * market.tier.maintenance_margin_ppm)
        return Collateral(net, initial, maintenance)

    def initial_ppm(self, market: Market) -> int:
        """Initial margin in parts per million; it rises with open interest between the caps."""
        tier = market.tier
        lower, upper = tier.open_interest_lower_cap, tier.open_interest_upper_cap
        if upper <= lower:
            return tier.initial_margin_ppm
        held = market.notional(self._open_interest(market), self._price_of(market))
        if held <= lower:
            return tier.initial_margin_ppm
        if held >= upper:
            return 1_000_000
        rise = (1_000_000 - tier.initial_margin_ppm) * (held - lower)
        return tier.initial_margin_ppm + rise // (upper - lower)

    def update(self, before: Subaccount, after: Subaccount) -> UpdateResult:
        """Whether a subaccount may go from one state to the other. Below the initial requirement
        only updates pass that do not raise the maintenance requirement and do not worsen the ratio
        of net collateral to it.
        """
        if self._breaks_isolation(before, after):
            return "ViolatesIsolatedSubaccountConstraints"
        new = self.collateral(after)
        if new.net >= new.initial:
            return "Success"
        old = self.collateral(before)
        failure: UpdateResult = (
            "NewlyUndercollateralized" if old.net >= old.initial else "StillUndercollateralized"
        )
        if new.maintenance > old.maintenance or not old.maintenance:
            return failure
        if old.net * new.maintenance > new.net * old.maintenance:
            return failure
        return "Success"

    def _breaks_isolation(self, before: Subaccount, after: Subaccount) -> bool:
        held = [market_id for market_id, _ in after.positions]
        isolated = [key for key in held if self._markets[key].market_type == "ISOLATED"]
        return bool(isolated) and len(held) > 1 and before.positions != after.positions


def _up(product: int) -> int:
    """Parts per million, rounded up."""
    return -(-product // 1_000_000)
