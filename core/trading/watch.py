"""Which plans are to be watched, kept in memory so that a price costs no query."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from core.ledger.models import Account, Position, Protection
from core.trading.plan import Breach, breach


@dataclass
class WatchedPlan:
    """An armed plan. `fired` keeps one price from triggering twice before the ledger says so;
    `on_chain` names the levels for which an order rests there.
    """

    position_id: int
    ticker: str
    long: bool
    take_profit: Decimal | None
    stop_loss: Decimal | None
    on_chain: frozenset[Breach] = field(default=frozenset(), compare=False)
    fired: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Met:
    """A plan that a price has met. `on_chain`: an order rests there for it."""

    position_id: int
    breach: Breach
    on_chain: bool = False


class PlanWatch:
    """The armed plans of one account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._plans: dict[int, WatchedPlan] = {}

    def replace(
        self,
        held: list[Position],
        plans: Mapping[int, Protection],
        resting: Collection[tuple[int, Breach]] = (),
    ) -> None:
        """Takes over what the ledger holds now; `resting` are the levels that an order on chain
        holds, by position.
        """
        before = self._plans
        self._plans = {}
        for position in held:
            plan = plans.get(position.id)
            if plan is None or plan.state != "armed":
                continue
            watched = WatchedPlan(
                position.id,
                position.ticker,
                position.side == "LONG",
                plan.take_profit,
                plan.stop_loss,
                frozenset(what for row, what in resting if row == position.id),
            )
            earlier = before.get(position.id)
            if earlier is not None and earlier == watched:
                watched.fired = earlier.fired
            self._plans[position.id] = watched

    def tickers(self) -> set[str]:
        """The markets whose price matters here."""
        return {plan.ticker for plan in self._plans.values()}

    def positions(self) -> set[int]:
        """The positions that are watched here."""
        return set(self._plans)

    def met(self, prices: Mapping[str, Decimal]) -> list[Met]:
        """Plans that these prices meet, each told once."""
        found = []
        for plan in self._plans.values():
            price = prices.get(plan.ticker)
            if price is None or plan.fired:
                continue
            hit = breach(
                long=plan.long,
                price=price,
                take_profit=plan.take_profit,
                stop_loss=plan.stop_loss,
            )
            if hit is not None:
                plan.fired = True
                found.append(Met(plan.position_id, hit, hit in plan.on_chain))
        return found
