"""What a match does to the two subaccounts: funding settled, position and USDC moved, fees taken,
open interest counted. Either both sides change or neither.

Source: docs/protocol.md, market mathematics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from core.dydx.protocol import USDC_DENOM, Side
from core.paper.fees import Fees
from core.paper.funds import collect, insurance_fund
from core.paper.governance import Market
from core.paper.happenings import PaperOrder, SubaccountKey
from core.paper.margin import Growth, Margin, UpdateResult
from core.paper.settlement import Settled, current, store
from core.paper.state import State, Subaccount

SYNTHETIC_MAKER: Final = SubaccountKey("dydx1synthetic", 0)


@dataclass(frozen=True)
class Trade:
    """A match as volumes and rewards count it: owners, worth and fees in quote quantums."""

    taker: str
    maker: str
    quote_quantums: int
    taker_fee: int
    maker_fee: int


@dataclass(frozen=True)
class Leg:
    """One side of a match: the subaccount before and after it, and what it pays. A penalty goes to
    the insurance fund, negative where the fund pays; the builder's fee to the builder's wallet.
    """

    subaccount: SubaccountKey
    before: Settled
    after: Subaccount
    fee: int
    penalty: int
    builder_fee: int
    builder: str | None
    result: UpdateResult


@dataclass(frozen=True)
class Deal:
    """Both sides of a match that may or may not pass."""

    market: Market
    quote_quantums: int
    growth: int
    taker: Leg
    maker: Leg

    @property
    def passes(self) -> bool:
        """Whether both sides may go through with it."""
        return self.taker.result == self.maker.result == "Success"


@dataclass(frozen=True)
class Party:
    """One side of a match about to happen. Who is liquidated, or offset by another, has no order,
    nor has the synthetic maker.
    """

    subaccount: SubaccountKey
    order: PaperOrder | None
    side: Side
    liquidity: Literal["TAKER", "MAKER"]


class Clearing:
    """Prepares deals on the working state and carries them out. `trades` are those of the block in
    the making.
    """

    def __init__(self, state: State, margin: Margin, fees: Fees) -> None:
        self._state = state
        self._margin = margin
        self._fees = fees
        self.trades: list[Trade] = []

    def start_block(self) -> list[Trade]:
        """The trades since the last call; counting starts anew for the next block."""
        trades, self.trades = self.trades, []
        return trades

    def trade(self, taker: Party, maker: Party, market: Market, quantums: int, quote: int) -> Deal:
        """A match of two orders: both pay their fees."""
        return self._deal(
            taker, maker, market, quantums, quote, fees=(self._fee(taker, market, quote), None)
        )

    def liquidation(
        self, taker: Party, maker: Party, market: Market, quantums: int, quote: int, penalty: int
    ) -> Deal:
        """A match of a liquidation: the taker pays a penalty instead of a fee, the maker gets no
        rebate.
        """
        maker_fee = max(self._fee(maker, market, quote), 0)
        return self._deal(
            taker, maker, market, quantums, quote, fees=(0, maker_fee), penalty=penalty
        )

    def offset(self, taker: Party, maker: Party, market: Market, quantums: int, quote: int) -> Deal:
        """Two opposite positions closed against each other, without fees."""
        return self._deal(taker, maker, market, quantums, quote, fees=(0, 0))

    def execute(self, deal: Deal, *, counts: bool = True) -> None:
        """Carry out a deal that passes; `counts` says whether it is a trade."""
        for leg in (deal.taker, deal.maker):
            store(self._state, leg.subaccount, leg.before, leg.after)
            if leg.builder_fee and leg.builder is not None:
                self._state.know(leg.builder)
                self._state.pay(leg.builder, USDC_DENOM, leg.builder_fee)
        collect(self._state, deal.taker.fee + deal.maker.fee)
        if deal.taker.penalty:
            self._state.pay(insurance_fund(deal.market), USDC_DENOM, deal.taker.penalty)
        if deal.growth:
            held = self._state.interest.get(deal.market.id) or 0
            self._state.interest.put(deal.market.id, held + deal.growth)
        if counts:
            self.trades.append(
                Trade(
                    deal.taker.subaccount.owner,
                    deal.maker.subaccount.owner,
                    deal.quote_quantums,
                    deal.taker.fee,
                    deal.maker.fee,
                )
            )

    def _deal(
        self,
        taker: Party,
        maker: Party,
        market: Market,
        quantums: int,
        quote: int,
        *,
        fees: tuple[int, int | None],
        penalty: int = 0,
    ) -> Deal:
        maker_fee = self._fee(maker, market, quote) if fees[1] is None else fees[1]
        befores = [current(self._state, party.subaccount) for party in (taker, maker)]
        growth = sum(
            _long(held.subaccount.position(market.id) + party.side.sign * quantums)
            - _long(held.subaccount.position(market.id))
            for party, held in zip((taker, maker), befores, strict=True)
        )
        legs = [
            self._leg(party, before, market, quantums, quote, fee, paid, growth)
            for party, before, fee, paid in (
                (taker, befores[0], fees[0], penalty),
                (maker, befores[1], maker_fee, 0),
            )
        ]
        return Deal(market, quote, growth, *legs)

    def _leg(
        self,
        party: Party,
        before: Settled,
        market: Market,
        quantums: int,
        quote: int,
        fee: int,
        penalty: int,
        growth: int,
    ) -> Leg:
        builder, builder_fee = None, 0
        if party.order is not None and party.order.builder_fee_ppm:
            builder = party.order.builder_address
            builder_fee = self._fees.amount(quote, party.order.builder_fee_ppm)
        after = before.subaccount.changed(
            market.id,
            party.side.sign * quantums,
            -party.side.sign * quote - fee - penalty - builder_fee,
            self._state.funding.get(market.id) or 0,
        )
        result: UpdateResult = "Success"
        if party.subaccount != SYNTHETIC_MAKER:
            change = Growth(market.id, growth)
            result = self._margin.update(before.subaccount, after, change)
        return Leg(party.subaccount, before, after, fee, penalty, builder_fee, builder, result)

    def _fee(self, party: Party, market: Market, quote: int) -> int:
        ppm = self._fees.ppm(party.subaccount.owner, market.id, party.liquidity)
        return self._fees.amount(quote, ppm)


def _long(quantums: int) -> int:
    return max(quantums, 0)
