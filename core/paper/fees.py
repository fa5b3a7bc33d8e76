"""Trading fees by tier. A tier follows from what an owner and everybody traded in the last thirty
days; discounts of markets and of stakers come on top. Source: docs/protocol.md, market mathematics.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from core.paper.governance import Governance
from core.paper.state import State, Volume

_PPM: Final = 1_000_000
EVERYBODY: Final = ""
Liquidity = Literal["TAKER", "MAKER"]


@dataclass(frozen=True)
class FeeTier:
    """A tier and what it takes to be in it: quote quantums, and shares of the whole in ppm."""

    name: str
    taker_fee_ppm: int
    maker_fee_ppm: int
    volume: int
    total_share_ppm: int
    maker_share_ppm: int


@dataclass(frozen=True)
class _Discount:
    """While it lasts a market charges this part (ppm) of its fees. Unix seconds."""

    begins_s: int
    ends_s: int
    charge_ppm: int


class Fees:
    """What a match costs its two sides."""

    def __init__(self, governance: Governance, state: State) -> None:
        answers = governance.answers
        params = answers["/dydxprotocol.feetiers.Query/PerpetualFeeParams"]["params"]
        self.tiers = [_tier(row) for row in params["tiers"]]
        self._discounts = _discounts(answers)
        self._staking = _staking(answers)
        self._state = state

    @property
    def lowest_maker_ppm(self) -> int:
        """The lowest maker fee of any tier."""
        return min(tier.maker_fee_ppm for tier in self.tiers)

    def tier(self, owner: str, volumes: Mapping[str, Volume]) -> tuple[int, FeeTier]:
        """The last tier whose requirements, and those of all before it, an owner meets."""
        own = volumes.get(owner, Volume())
        everybody = volumes.get(EVERYBODY, Volume()).taker
        reached = 0
        for index, tier in enumerate(self.tiers):
            total = own.taker + own.maker
            if (
                total < tier.volume
                or total < everybody * tier.total_share_ppm // _PPM
                or own.maker < everybody * tier.maker_share_ppm // _PPM
            ):
                break
            reached = index
        return reached, self.tiers[reached]

    def ppm(self, owner: str, clob_pair_id: int, liquidity: Liquidity) -> int:
        """The fee of one side in parts per million; negative for a rebate."""
        _, tier = self.tier(owner, self._state.volumes.working)
        base = tier.taker_fee_ppm if liquidity == "TAKER" else tier.maker_fee_ppm
        fee = _toward_zero(base * self._charge(clob_pair_id))
        if fee > 0:
            fee = _toward_zero(fee * (_PPM - self.staking_discount_ppm(tier.name)))
        return fee

    def amount(self, quote_quantums: int, ppm: int) -> int:
        """A fee in quote quantums: rounded up, rebates too."""
        return -(-quote_quantums * ppm // _PPM)

    def staking_discount_ppm(self, tier: str) -> int:
        """The discount of a tier for who stakes nothing, as everybody here."""
        return self._staking.get(tier, 0)

    def _charge(self, clob_pair_id: int) -> int:
        discount = self._discounts.get(clob_pair_id)
        now_s = self._state.header.working["last"].time_us // 1_000_000
        if discount is None or not discount.begins_s <= now_s < discount.ends_s:
            return _PPM
        return discount.charge_ppm


def _tier(row: dict[str, Any]) -> FeeTier:
    return FeeTier(
        row["name"],
        row["taker_fee_ppm"],
        row["maker_fee_ppm"],
        int(row["absolute_volume_requirement"]),
        row["total_volume_share_requirement_ppm"],
        row["maker_volume_share_requirement_ppm"],
    )


def _discounts(answers: dict[str, dict[str, Any]]) -> dict[int, _Discount]:
    rows = answers.get("/dydxprotocol.feetiers.Query/AllMarketFeeDiscountParams", {})
    return {
        row["clob_pair_id"]: _Discount(
            _seconds(row["start_time"]), _seconds(row["end_time"]), row["charge_ppm"]
        )
        for row in rows.get("params", [])
    }


def _staking(answers: dict[str, dict[str, Any]]) -> dict[str, int]:
    """The discount for nothing staked, by tier: that of the last level which asks for nothing."""
    rows = answers.get("/dydxprotocol.feetiers.Query/StakingTiers", {})
    return {
        row["fee_tier_name"]: level["fee_discount_ppm"]
        for row in rows.get("staking_tiers", [])
        for level in row["levels"]
        if level["min_staked_base_tokens"] in ("", "Ag==")
    }


def _seconds(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp())


def _toward_zero(product: int) -> int:
    """Parts per million of what was multiplied, cut toward zero."""
    return product // _PPM if product >= 0 else -(-product // _PPM)
