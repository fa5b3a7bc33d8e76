"""The money side of a block, in the order in which the chain does it: clocks and fees when it
begins, premiums and funding, volumes, rewards and outages when it ends, liquidations before the
next.
"""

from __future__ import annotations

from core.paper.book import Book, Resting
from core.paper.clearing import Clearing, Trade
from core.paper.epochs import tick
from core.paper.fees import Fees
from core.paper.funding import Funding
from core.paper.funds import fill_treasury, sweep_fees
from core.paper.gates import outage_lengths_s, watch_outages
from core.paper.governance import Governance, Market
from core.paper.happenings import BlockEvent, FundingIndexed, OracleMoved, SubaccountKey
from core.paper.liquidation import Liquidator
from core.paper.margin import Margin
from core.paper.matching import Matcher
from core.paper.rewards import Rewards
from core.paper.settlement import current
from core.paper.state import Changes, State, Subaccount
from core.paper.volumes import Volumes


class Economy:
    """Everything about money that happens by itself."""

    def __init__(
        self,
        governance: Governance,
        state: State,
        margin: Margin,
        clearing: Clearing,
        fees: Fees,
        matcher: Matcher,
        books: dict[int, Book],
    ) -> None:
        self._governance = governance
        self._state = state
        self._margin = margin
        self._clearing = clearing
        self._fees = fees
        self._rewards = Rewards(governance, state, fees)
        self._funding = Funding(governance, state, books, self._affords)
        self._volumes = Volumes(governance, state)
        self._liquidator = Liquidator(governance, state, margin, matcher, books)
        self._outage_lengths_s = outage_lengths_s(governance)
        self._holders: dict[int, set[SubaccountKey]] = {}
        self._trades: list[Trade] = []
        self._elapsed_us = 0

    def genesis(self) -> None:
        """What a new chain begins with besides the accounts."""
        fill_treasury(self._state, self._rewards.treasury_account, self._rewards.denom)

    def open_block(self) -> None:
        """Before anything happens for the next block."""
        sweep_fees(self._state)

    def restored(self) -> None:
        """Look at every subaccount anew after the state was loaded."""
        self._holders = {}
        for key, held in self._state.subaccounts.working.items():
            self._note(key, held)
        self._liquidator.run(self._everybody(), self._state.height)

    def begin_block(self, height: int, time_us: int, previous_us: int) -> None:
        """Before the block's matches and transactions."""
        self._elapsed_us = time_us - previous_us
        self._trades = self._clearing.start_block()
        self._funding.vote()
        tick(self._state, height, time_us // 1_000_000)
        suffix = self._liquidator.pool_below_zero
        if suffix is not None:
            self._state.negative.put(suffix, height)

    def end_block(self, height: int, time_us: int) -> list[BlockEvent]:
        """After the block's transactions and prices; what it tells comes last in the block."""
        events = self._funding.end_block(height)
        events += self._rewards.pay(self._trades)
        self._volumes.end_block(self._trades, time_us // 1_000_000)
        watch_outages(self._state, self._outage_lengths_s, self._elapsed_us)
        return events

    def take_settled(self) -> dict[SubaccountKey, tuple[tuple[int, int], ...]]:
        """The funding that was paid in this block, by subaccount; forgotten with this call."""
        paid = dict(self._state.settled.working)
        for key in paid:
            self._state.settled.drop(key)
        return paid

    def prepare(self, changes: Changes, events: list[BlockEvent]) -> None:
        """Before the next block, once the last one's orders are on the book: liquidate where prices
        moved, funding fell due or a subaccount changed.
        """
        looked_at: set[SubaccountKey] = set()
        for key, held in changes["subaccounts"].items():
            if isinstance(key, SubaccountKey) and isinstance(held, Subaccount):
                self._note(key, held)
                looked_at.add(key)
        moved = {event.market_id for event in events if isinstance(event, OracleMoved)}
        for market in self._governance.markets.values():
            if market.market_id in moved:
                looked_at |= self._holders.get(market.id, set())
        if any(isinstance(event, FundingIndexed) for event in events):
            looked_at = self._everybody()
        self._liquidator.run(looked_at, self._state.height)

    def _everybody(self) -> set[SubaccountKey]:
        return set().union(*self._holders.values())

    def _note(self, key: SubaccountKey, held: Subaccount) -> None:
        """Keep the index of who holds what up to date."""
        perpetuals = {perpetual_id for perpetual_id, _ in held.positions}
        for perpetual_id in perpetuals:
            self._holders.setdefault(perpetual_id, set()).add(key)
        for perpetual_id, keys in self._holders.items():
            if perpetual_id not in perpetuals:
                keys.discard(key)

    def _affords(self, maker: Resting, market: Market) -> bool:
        """Whether a trader's resting order, by itself, has the collateral to fill."""
        order = maker.order
        held = current(self._state, order.key.subaccount).subaccount
        sign = 1 if order.side == "BUY" else -1
        quote = market.scale.quote_quantums(maker.remaining, order.subticks)
        fee = self._fees.amount(
            quote, self._fees.ppm(order.key.subaccount.owner, market.id, "MAKER")
        )
        after = held.changed(market.id, sign * maker.remaining, -sign * quote - fee)
        return self._margin.update(held, after) == "Success"
