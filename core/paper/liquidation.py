"""Liquidation: whose equity is below the maintenance margin has a part of a position closed against
the book, block after block, until he is safe; a penalty goes to the insurance fund. What the book
or the fund cannot take is deleveraged once the account is below zero.

It happens where the real chain prepares the next block: after the orders of the last one are on the
book. Source: docs/protocol.md, market mathematics.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from core.dydx.protocol import USDC_DENOM, Side
from core.paper.bankruptcy import bankruptcy_quote, fillable_subticks
from core.paper.book import Book, Level, Resting
from core.paper.clearing import SYNTHETIC_MAKER, Party
from core.paper.deleveraging import Deleverager
from core.paper.funds import insurance_fund, pool_suffix
from core.paper.governance import Governance, Market
from core.paper.happenings import SubaccountKey
from core.paper.margin import Margin
from core.paper.matching import Matcher, consume
from core.paper.settlement import current
from core.paper.state import State, Subaccount

_PPM: Final = 1_000_000
_LIQUIDATIONS_PER_BLOCK: Final = 50
_DELEVERAGINGS_PER_BLOCK: Final = 10


@dataclass(frozen=True)
class LiquidationRules:
    """What governance says about liquidations. Amounts are quote quantums and, but for the least
    part of a position, hold for one subaccount in one block.
    """

    max_penalty_ppm: int
    min_position_notional: int
    max_portion_ppm: int
    max_notional: int
    max_insurance_lost: int
    bankruptcy_adjustment_ppm: int
    spread_ppm: int


@dataclass(frozen=True)
class LiquidationOrder:
    """A part of a position that has to go, at this price or a better one."""

    subaccount: SubaccountKey
    market: Market
    side: Side
    quantums: int
    subticks: int


class Liquidator:
    """Looks after the subaccounts whose markets moved or that changed, and after those it could not
    make safe yet.
    """

    def __init__(
        self,
        governance: Governance,
        state: State,
        margin: Margin,
        matcher: Matcher,
        books: dict[int, Book],
    ) -> None:
        self._markets = governance.markets
        self._rules = liquidation_rules(governance.answers)
        self._state = state
        self._margin = margin
        self._matcher = matcher
        self._books = books
        self._deleverager = Deleverager(governance.markets, state, margin, matcher)
        self._unsafe: set[SubaccountKey] = set()
        self.pool_below_zero: str | None = None

    def run(self, looked_at: Iterable[SubaccountKey], height: int) -> None:
        """Liquidate and deleverage who needs it among these and the unsafe ones of the last time.
        `pool_below_zero` then names (by its suffix) the collateral pool of somebody who is still
        below zero.
        """
        self.pool_below_zero = None
        keys = sorted({*looked_at, *self._unsafe}, key=lambda key: (key.owner, key.number))
        unsafe = [key for key in keys if self._is_liquidatable(key)]
        self._unsafe = set(unsafe)
        if not unsafe:
            return
        chance = random.Random(height)  # noqa: S311
        first = chance.randrange(len(unsafe))
        chosen = (unsafe[first:] + unsafe[:first])[:_LIQUIDATIONS_PER_BLOCK]
        orders = [self._order(key, height) for key in chosen]
        stuck: list[LiquidationOrder] = []
        for planned in sorted(orders, key=self._urgency):
            if self._is_liquidatable(planned.subaccount):
                order = self._order(planned.subaccount, height)
                if not self._place(order):
                    stuck.append(order)
        for order in stuck[:_DELEVERAGINGS_PER_BLOCK]:
            self._deleverager.run(order.subaccount, order.market)
        self._look_below_zero(unsafe)

    def _look_below_zero(self, keys: list[SubaccountKey]) -> None:
        for key in keys:
            held = self._held(key)
            if held.positions and self._margin.collateral(held).net < 0:
                self.pool_below_zero = pool_suffix(self._markets, held)
                return

    def _held(self, key: SubaccountKey) -> Subaccount:
        return current(self._state, key).subaccount

    def _is_liquidatable(self, key: SubaccountKey) -> bool:
        return key != SYNTHETIC_MAKER and self._margin.is_liquidatable(self._held(key))

    def _order(self, key: SubaccountKey, height: int) -> LiquidationOrder:
        """The order for one of the positions, drawn as the chain draws it: anew in each block."""
        held = self._held(key)
        number = random.Random(height).randrange(len(held.positions))  # noqa: S311
        perpetual_id, quantums = held.positions[number]
        market = self._markets[perpetual_id]
        subticks = fillable_subticks(
            self._margin,
            market,
            held,
            bankruptcy_adjustment_ppm=self._rules.bankruptcy_adjustment_ppm,
            spread_ppm=self._rules.spread_ppm,
        )
        side = Side.SELL if quantums > 0 else Side.BUY
        return LiquidationOrder(key, market, side, self._part(market, abs(quantums)), subticks)

    def _part(self, market: Market, quantums: int) -> int:
        """How much of a position goes in one block, in whole steps."""
        rules, step = self._rules, market.scale.step_base_quantums
        worth = self._margin.notional(market, quantums)
        least = min(rules.min_position_notional, worth)
        most = min(max(least, worth * rules.max_portion_ppm // _PPM), rules.max_notional)
        if worth <= most or quantums <= step:
            return quantums
        price = self._state.prices.working[market.market_id]
        part = market.quantums(most, price) // step * step
        return min(max(part, step), quantums)

    def _urgency(self, order: LiquidationOrder) -> tuple[Any, ...]:
        """Furthest from the oracle first, then the largest."""
        market = order.market
        price = market.price_usd(self._state.prices.working[market.market_id])
        distance = abs(market.scale.price_of(order.subticks) - price) / price
        worth = self._margin.notional(market, order.quantums)
        return (-distance, -worth, order.subaccount.owner, order.subaccount.number)

    def _place(self, order: LiquidationOrder) -> int:
        """Match an order against the book; how much it filled."""
        book = self._books[order.market.id]
        filled = notional = lost = 0
        for maker in offers(book, order.side.opposite):
            subticks = maker.subticks if isinstance(maker, Level) else maker.order.subticks
            if filled == order.quantums or (subticks - order.subticks) * order.side.sign > 0:
                break
            quantums = min(order.quantums - filled, maker.remaining)
            if isinstance(maker, Resting):
                reason, quantums = self._usable(maker, order, quantums)
                if reason is not None:
                    self._matcher.drop(book, maker.order, reason)
                    continue
            quote = order.market.scale.quote_quantums(quantums, subticks)
            penalty = self._penalty(order, quantums, quote)
            worth = self._margin.notional(order.market, quantums)
            if not self._fund_lasts(order.market, penalty) or (
                notional + worth > self._rules.max_notional
                or lost - min(penalty, 0) > self._rules.max_insurance_lost
            ):
                break
            if not self._match(order, maker, book, quantums, penalty):
                continue
            filled += quantums
            notional += worth
            lost -= min(penalty, 0)
        return filled

    def _usable(
        self, maker: Resting, order: LiquidationOrder, quantums: int
    ) -> tuple[str | None, int]:
        """Why a trader's order cannot be matched, or how much of it can."""
        if maker.order.key.subaccount == order.subaccount:
            return "SELF_TRADE_ERROR", 0
        if not maker.order.reduce_only:
            return None, quantums
        reducible = self._matcher.reducible(maker.order, order.market)
        return (None, min(quantums, reducible)) if reducible else ("REDUCE_ONLY_RESIZE", 0)

    def _match(
        self,
        order: LiquidationOrder,
        maker: Resting | Level,
        book: Book,
        quantums: int,
        penalty: int,
    ) -> bool:
        market, side = order.market, order.side
        taker = Party(order.subaccount, None, side, "TAKER")
        if isinstance(maker, Level):
            other, subticks = Party(SYNTHETIC_MAKER, None, side.opposite, "MAKER"), maker.subticks
        else:
            other = Party(maker.order.key.subaccount, maker.order, side.opposite, "MAKER")
            subticks = maker.order.subticks
        quote = market.scale.quote_quantums(quantums, subticks)
        deal = self._matcher.clearing.liquidation(taker, other, market, quantums, quote, penalty)
        if not deal.passes:
            if isinstance(maker, Resting) and deal.maker.result != "Success":
                self._matcher.drop(book, maker.order, "UNDERCOLLATERALIZED")
            return False
        self._matcher.execute(deal, taker, other, quantums, subticks, ("LIQUIDATED", "LIQUIDATION"))
        consume(book, maker, quantums)
        return True

    def _penalty(self, order: LiquidationOrder, quantums: int, quote: int) -> int:
        """What the insurance fund gets of a match, or pays (negative) where the price is beyond the
        bankruptcy price.
        """
        delta = order.side.sign * quantums
        bankrupt = bankruptcy_quote(self._margin, order.market, self._held(order.subaccount), delta)
        left = -order.side.sign * quote - bankrupt
        if left <= 0:
            return left
        return min(quote * self._rules.max_penalty_ppm // _PPM, left)

    def _fund_lasts(self, market: Market, penalty: int) -> bool:
        fund = self._state.balance(insurance_fund(market), USDC_DENOM)
        return penalty >= 0 or fund + penalty >= 0


def offers(book: Book, side: Side) -> list[Resting | Level]:
    """What a side of a book offers, best first: at one price traders in order of arrival, then the
    synthetic maker.
    """
    ranked: list[tuple[tuple[int, int, int], Resting | Level]] = [
        ((-side.sign * entry.order.subticks, 0, entry.arrival), entry)
        for entry in book.resting()
        if entry.order.side == side.value
    ]
    ranked += [
        ((-side.sign * level.subticks, 1, 0), level)
        for level in book.ladder(side)
        if level.remaining
    ]
    return [offer for _, offer in sorted(ranked, key=lambda row: row[0])]


def liquidation_rules(answers: dict[str, dict[str, Any]]) -> LiquidationRules:
    """The rules as the node's answer has them."""
    config = answers["/dydxprotocol.clob.Query/LiquidationsConfiguration"]["liquidations_config"]
    position, subaccount = config["position_block_limits"], config["subaccount_block_limits"]
    price = config["fillable_price_config"]
    return LiquidationRules(
        max_penalty_ppm=config["max_liquidation_fee_ppm"],
        min_position_notional=int(position["min_position_notional_liquidated"]),
        max_portion_ppm=position["max_position_portion_liquidated_ppm"],
        max_notional=int(subaccount["max_notional_liquidated"]),
        max_insurance_lost=int(subaccount["max_quantums_insurance_lost"]),
        bankruptcy_adjustment_ppm=price["bankruptcy_adjustment_ppm"],
        spread_ppm=price["spread_to_maintenance_margin_ratio_ppm"],
    )
