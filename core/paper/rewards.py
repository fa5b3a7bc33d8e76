"""Trading rewards: at the end of a block the treasury pays every owner a part of the fees that his
trades of the block left to the protocol, in the native coin at its oracle price.

From a taker's fee the highest rebate a maker can get and the highest share an affiliate can get are
taken off first, whether or not anybody gets them; makers count with fees above zero. The recorded
rewards follow from this to the last digit.
"""

from __future__ import annotations

from typing import Final

from core.paper.clearing import SYNTHETIC_MAKER, Trade
from core.paper.fees import Fees
from core.paper.funds import module_address
from core.paper.governance import Governance
from core.paper.happenings import Rewarded
from core.paper.state import State, Volume

_PPM: Final = 1_000_000
_AFFILIATE_SHARE_PPM: Final = 500_000
# Takers above this volume (quote quantums in thirty days) give affiliates nothing.
_AFFILIATE_VOLUME: Final = 50_000_000_000_000
_QUOTE_RESOLUTION: Final = -6


class Rewards:
    """Weighs the trades of a block and pays for them."""

    def __init__(self, governance: Governance, state: State, fees: Fees) -> None:
        params = governance.answers["/dydxprotocol.rewards.Query/Params"]["params"]
        self.denom: Final[str] = params["denom"]
        self.treasury_account: Final[str] = params["treasury_account"]
        self._treasury = module_address(self.treasury_account)
        self._denom_exponent: Final[int] = params["denom_exponent"]
        self._multiplier_ppm: Final[int] = params["fee_multiplier_ppm"]
        self._market = next(
            (row for row in governance.markets.values() if row.market_id == params["market_id"]),
            None,
        )
        self._state = state
        self._fees = fees

    def pay(self, trades: list[Trade]) -> list[Rewarded]:
        """Pay for a block's trades; volumes are still those before the block. Without a price of
        the coin or without a treasury nobody gets anything.
        """
        weights = self._weights(trades)
        total = sum(weights.values())
        if self._market is None or not total:
            return []
        held = self._state.balance(self._treasury, self.denom)
        budget = min(held, self._coins(total * self._multiplier_ppm) // _PPM)
        rewarded: list[Rewarded] = []
        for owner, weight in sorted(weights.items()):
            amount = budget * weight // total
            if amount and owner != SYNTHETIC_MAKER.owner:
                self._state.know(owner)
                self._state.pay(self._treasury, self.denom, -amount)
                self._state.pay(owner, self.denom, amount)
                rewarded.append(Rewarded(owner, amount))
        return rewarded

    def _weights(self, trades: list[Trade]) -> dict[str, int]:
        weights: dict[str, int] = {}
        rebate_ppm = min(0, self._fees.lowest_maker_ppm)
        for trade in trades:
            share = 0
            volume = self._state.volumes.get(trade.taker) or Volume()
            if volume.taker < _AFFILIATE_VOLUME:
                share = trade.taker_fee * _AFFILIATE_SHARE_PPM // _PPM
            rebate = trade.quote_quantums * rebate_ppm // _PPM
            for owner, weight in (
                (trade.taker, trade.taker_fee + rebate - share),
                (trade.maker, trade.maker_fee),
            ):
                if weight > 0:
                    weights[owner] = weights.get(owner, 0) + weight
        return weights

    def _coins(self, quote_quantums: int) -> int:
        """The smallest units of the coin that are worth quote quantums, cut."""
        assert self._market is not None
        price = self._state.prices.working[self._market.market_id]
        exponent = self._market.price_exponent + self._denom_exponent - _QUOTE_RESOLUTION
        if exponent < 0:
            return int(quote_quantums * 10**-exponent // price)
        return int(quote_quantums // 10**exponent // price)
