"""Deleveraging: the position of somebody below zero, which neither the book nor the insurance fund
takes, is closed against others who hold the opposite, at his bankruptcy price and without fees.

The chain begins with a holder drawn by chance; here the largest comes first. Source:
docs/protocol.md, market mathematics.
"""

from __future__ import annotations

from typing import Final

from core.dydx.protocol import Side
from core.paper.bankruptcy import bankruptcy_quote
from core.paper.clearing import Party
from core.paper.governance import Market
from core.paper.happenings import SubaccountKey
from core.paper.margin import Margin
from core.paper.matching import Matcher
from core.paper.settlement import current
from core.paper.state import State

_MOST_TRIED: Final = 500


class Deleverager:
    """Closes positions against each other on the working state."""

    def __init__(
        self, markets: dict[int, Market], state: State, margin: Margin, matcher: Matcher
    ) -> None:
        self._markets = markets
        self._state = state
        self._margin = margin
        self._matcher = matcher

    def run(self, key: SubaccountKey, market: Market) -> None:
        """Close a subaccount's position as far as others can be found; nothing where it is not
        below zero.
        """
        held = current(self._state, key).subaccount
        quantums = held.position(market.id)
        if self._margin.collateral(held).net >= 0:
            return
        for other, size in self._opposite(market, quantums)[:_MOST_TRIED]:
            amount = min(abs(quantums), size)
            if not amount:
                return
            if self._offset(key, other, market, -amount if quantums > 0 else amount):
                quantums -= amount if quantums > 0 else -amount

    def _opposite(self, market: Market, quantums: int) -> list[tuple[SubaccountKey, int]]:
        """Who holds the other side, and how much, the largest first."""
        found = [
            (key, abs(held.position(market.id)))
            for key, held in self._state.subaccounts.working.items()
            if held.position(market.id) * quantums < 0
        ]
        return sorted(found, key=lambda row: (-row[1], row[0].owner, row[0].number))

    def _offset(self, key: SubaccountKey, other: SubaccountKey, market: Market, delta: int) -> bool:
        side = Side.BUY if delta > 0 else Side.SELL
        held = current(self._state, key).subaccount
        quote = -side.sign * bankruptcy_quote(self._margin, market, held, delta)
        taker = Party(key, None, side, "TAKER")
        maker = Party(other, None, side.opposite, "MAKER")
        amount = abs(delta)
        deal = self._matcher.clearing.offset(taker, maker, market, amount, quote)
        if not deal.passes:
            return False
        exponent = market.scale.quantum_conversion_exponent
        scaled = quote * 10**-exponent if exponent < 0 else quote // 10**exponent
        subticks = int(scaled // amount)
        self._matcher.execute(deal, taker, maker, amount, subticks, ("DELEVERAGED", "OFFSETTING"))
        return True
