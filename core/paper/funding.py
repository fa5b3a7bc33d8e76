"""Funding: a premium is measured in every block, its median becomes the minute's sample, and every
hour the mean of the samples plus the market's default interest moves the funding index.

Source: docs/protocol.md, market mathematics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Final

from core.dydx.protocol import Side
from core.paper.book import Book, Level, Resting
from core.paper.epochs import FUNDING_SAMPLE, FUNDING_TICK, epoch, ticked
from core.paper.governance import Governance, LiquidityTier, Market
from core.paper.happenings import BlockEvent, FundingIndexed, PremiumSampled
from core.paper.liquidation import offers
from core.paper.state import Premiums, State

_PPM: Final = 1_000_000
_PERIOD_S: Final = 8 * 3_600
VOTES: Final = "votes"
SAMPLES: Final = "samples"


class Funding:
    """Keeps premiums and funding indices. `affords` says whether a trader's resting order has the
    collateral that it would need to fill.
    """

    def __init__(
        self,
        governance: Governance,
        state: State,
        books: dict[int, Book],
        affords: Callable[[Resting, Market], bool],
    ) -> None:
        self._markets = governance.markets
        params = governance.answers["/dydxprotocol.perpetuals.Query/Params"]["params"]
        self._rate_clamp_ppm: Final[int] = params["funding_rate_clamp_factor_ppm"]
        self._vote_clamp_ppm: Final[int] = params["premium_vote_clamp_factor_ppm"]
        self._votes_needed: Final[int] = params["min_num_votes_per_sample"]
        self._state = state
        self._books = books
        self._affords = affords

    def vote(self) -> None:
        """Measure the premium of every market as the books stand."""
        votes = {}
        for market in self._markets.values():
            book = self._books[market.id]
            if book.bids or book.asks:  # the ladder alone stands around the oracle
                premium = self._premium(market, book)
                if premium:
                    votes[market.id] = premium
        self._add(VOTES, votes)

    def end_block(self, height: int) -> list[BlockEvent]:
        """The minute's samples and the hour's funding, where this block is the first of either."""
        events: list[BlockEvent] = []
        if ticked(self._state, FUNDING_SAMPLE, height):
            events += self._sample()
        if ticked(self._state, FUNDING_TICK, height):
            events += self._move_indices()
        return events

    def _sample(self) -> Iterable[BlockEvent]:
        votes = self._combined(VOTES, self._votes_needed, _median)
        self._add(SAMPLES, {key: value for key, value in votes.items() if value})
        self._state.premiums.put(VOTES, Premiums())
        for market_id in self._markets:
            yield PremiumSampled(market_id, votes.get(market_id, 0))

    def _move_indices(self) -> Iterable[BlockEvent]:
        hour_s = epoch(self._state, FUNDING_TICK).duration_s
        needed = -(-hour_s // epoch(self._state, FUNDING_SAMPLE).duration_s)
        premiums = self._combined(SAMPLES, needed, _mean)
        self._state.premiums.put(SAMPLES, Premiums())
        for market in self._markets.values():
            bound = _clamp_ppm(market.tier, self._rate_clamp_ppm)
            wanted = premiums.get(market.id, 0) + market.default_funding_ppm
            rate = min(max(wanted, -bound), bound)
            price = self._state.prices.working[market.market_id]
            index = self._state.funding.get(market.id) or 0
            if rate:
                index += _toward_zero(market.notional(rate * hour_s, price), _PERIOD_S)
                self._state.funding.put(market.id, index)
            yield FundingIndexed(market.id, rate, index, price)

    def _premium(self, market: Market, book: Book) -> int:
        """How far (ppm) the book stands on one side of the oracle, at the impact notional."""
        price = market.price_usd(self._state.prices.working[market.market_id])
        per_subtick = Fraction(market.scale.price_of(1))
        oracle = Fraction(price) / per_subtick
        bids, asks = offers(book, Side.BUY), offers(book, Side.SELL)
        if bids and oracle < _subticks(bids[0]):
            impact = self._impact(market, bids)
            beyond = impact is not None and impact > oracle
        elif asks and oracle > _subticks(asks[0]):
            impact = self._impact(market, asks)
            beyond = impact is not None and impact < oracle
        else:
            return 0
        if impact is None or not beyond:
            return 0
        bound = _clamp_ppm(market.tier, self._vote_clamp_ppm)
        return min(max(int(impact * _PPM / oracle - _PPM), -bound), bound)

    def _impact(self, market: Market, makers: list[Resting | Level]) -> Fraction | None:
        """Average price in subticks of an order of the impact notional; None where the side is too
        thin. What a trader could not pay for does not count.
        """
        notional = market.tier.impact_notional
        left, base = notional, Fraction(0)
        for maker in makers:
            if left <= 0:
                break
            if isinstance(maker, Resting) and not self._affords(maker, market):
                continue
            quote = market.scale.quote_quantums(maker.remaining, _subticks(maker))
            base += Fraction(maker.remaining) * (Fraction(left, quote) if left <= quote else 1)
            left -= quote
        if left > 0 or not base:
            return None if notional else Fraction(_subticks(makers[0]))
        exponent = Fraction(10) ** market.scale.quantum_conversion_exponent
        return Fraction(notional) / -(-base.numerator // base.denominator) / exponent

    def _combined(
        self, name: str, needed: int, combine: Callable[[list[int]], int]
    ) -> dict[int, int]:
        """One value of each market's premiums, filled up with zeros to at least so many."""
        stored = self._state.premiums.get(name) or Premiums()
        length = max(stored.count, needed)
        return {
            market_id: combine([*values, *[0] * (length - len(values))])
            for market_id, values in stored.values
        }

    def _add(self, name: str, premiums: dict[int, int]) -> None:
        stored = self._state.premiums.get(name) or Premiums()
        values = dict(stored.values)
        for market_id, premium in premiums.items():
            values[market_id] = (*values.get(market_id, ()), premium)
        self._state.premiums.put(name, Premiums(stored.count + 1, tuple(sorted(values.items()))))


def _subticks(maker: Resting | Level) -> int:
    return maker.subticks if isinstance(maker, Level) else maker.order.subticks


def _clamp_ppm(tier: LiquidityTier, factor_ppm: int) -> int:
    return factor_ppm * (tier.initial_margin_ppm - tier.maintenance_margin_ppm) // _PPM


def _median(values: list[int]) -> int:
    """The middle value; of two, their mean rounded away from zero."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    total = ordered[middle - 1] + ordered[middle]
    return -(-total // 2) if total > 0 else total // 2


def _mean(values: list[int]) -> int:
    return _toward_zero(sum(values), len(values))


def _toward_zero(dividend: int, divisor: int) -> int:
    return dividend // divisor if dividend >= 0 else -(-dividend // divisor)
