"""The plans of one account in memory: what is held, where its stops stand, which prices matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from core.dydx.markets import Market
from core.ledger import positions
from core.ledger.models import Position
from core.trading.plan import level_price
from core.trading.plan_rows import Plan, grid, is_settled, load, settle
from core.trading.protection import STOP, GuardOrder, HeldPosition, HeldTarget, in_hand
from core.trading.slots import Key
from core.trading.trailing import (
    PLENTY,
    Stop,
    ahead,
    chain_step,
    distance_at,
    in_force,
    next_best,
    worth_moving,
)
from core.trading.watch import Mark, Met, Told
from core.trading.workbench import Workbench

ROOM_TO_AIM: Final = 10
"""With fewer placements left the stop of a position that an entry is still filling stays where it
is, if it covers enough: its level moves with each part.
"""


@dataclass
class Held:
    """An open position and its plan."""

    position: Position
    plan: Plan

    @property
    def long(self) -> bool:
        return self.position.side == "LONG"


class PlanBook:
    """The plans of an account. Whoever refreshes it holds the bench's lock."""

    def __init__(self, bench: Workbench, told: Told) -> None:
        self._bench = bench
        self._told = told
        self._held: dict[int, Held] = {}
        self._hand: dict[Key, list[Decimal]] = {}

    # what is held

    async def refresh(self, orders: Sequence[GuardOrder]) -> None:
        """Reads positions and plans anew. `orders`: those of plans that may live."""
        held = await positions.open_of([self._bench.account.id])
        found = await load(held) if held else {}
        fresh: dict[int, Held] = {}
        for position in held:
            plan = found.get(position.id)
            if plan is None:
                continue
            if not is_settled(position, plan):
                plan = await self._settled(position)
            row = Held(position, plan)
            self._take_best(row)
            fresh[position.id] = row
        watch = self._bench.parts.venue.watch
        for position_id in self._held.keys() - fresh.keys():
            watch.drop(position_id)
        self._held = fresh
        self.take_orders(orders)

    def take_orders(self, orders: Sequence[GuardOrder]) -> None:
        """Takes over which levels orders rest for. `orders`: those of plans that may live."""
        self._hand = in_hand(orders)
        for row in self._held.values():
            self.mark(row)

    async def _settled(self, position: Position) -> Plan:
        """A plan brought up to date; read again, as its trader may have changed it meanwhile."""
        _, step = grid(self.market(position.ticker))
        async with self._bench.parts.ledger.executing():
            plan = (await load([position]))[position.id]
            await settle(position, plan, step)
        return plan

    def _take_best(self, row: Held) -> None:
        """Prices of the last moments, which the ledger does not have yet, count too."""
        before = self._held.get(row.position.id)
        known, kept = row.plan.best, before.plan.best if before else None
        if before is None or kept is None:
            return
        if before.plan.levels.get("trailing") != row.plan.levels.get("trailing"):
            return
        if known is None or ahead(kept, known, long=row.long):
            row.plan.best = kept

    def close(self) -> None:
        """Nothing of this account is watched any more."""
        for position_id in self._held:
            self._bench.parts.venue.watch.drop(position_id)
        self._held = {}

    def get(self, position_id: int) -> Held | None:
        return self._held.get(position_id)

    def rows(self) -> list[Held]:
        """What is held with a plan, oldest first."""
        return [self._held[key] for key in sorted(self._held)]

    def market(self, ticker: str) -> Market | None:
        return self._bench.parts.venue.stream.markets.get(ticker)

    def stop_price(self, row: Held) -> Decimal | None:
        """Where a position's stop stands now."""
        tick, _ = grid(self.market(row.position.ticker))
        return row.plan.stop_price(row.position, tick)

    # what the chain is to hold

    def wanted(
        self, row: Held, orders: Sequence[GuardOrder], room: int, filling: Decimal = Decimal(0)
    ) -> HeldPosition:
        """A position with the levels that are to rest on chain. `room`: placements that a stop may
        use which only moves; `filling`: what an entry may still add.
        """
        plan = row.plan
        busy = {target.id for target in plan.targets if target.state == "closing"}
        stop = None
        if plan.row.state == "closing":
            busy |= {STOP} | {target.id for target in plan.targets}
        elif plan.armed and not plan.asks:
            stop = self._stop_on_chain(row, orders, room)
            if filling and room < ROOM_TO_AIM:
                covering = [
                    order.trigger
                    for order in _stops(row, orders)
                    if order.left >= row.position.size + filling
                ]
                stop = covering[-1] if covering else stop
        return HeldPosition(
            id=row.position.id,
            ticker=row.position.ticker,
            long=row.long,
            size=row.position.size,
            stop_loss=stop,
            targets=tuple(
                HeldTarget(target.id, target.price, plan.left(target))
                for target in plan.open_targets()
                if plan.armed and target.state == "waiting"
            ),
            busy=frozenset(busy),
            filling=filling,
        )

    def _stop_on_chain(self, row: Held, orders: Sequence[GuardOrder], room: int) -> Decimal | None:
        """Where the stop is to rest: one that trails stays a step behind, to save placements."""
        tick, _ = grid(self.market(row.position.ticker))
        stop = row.plan.stop(row.position, tick)
        price = in_force(stop, tick)
        if price is None or stop.best is None or stop.distance is None:
            return price
        resting = [order.trigger for order in _stops(row, orders)]
        if not resting:
            return price
        fixed = in_force(Stop(stop.long, stop.fixed, even=stop.even), tick)
        if fixed is not None and ahead(fixed, resting[-1], long=stop.long):
            return price
        step = chain_step(distance_at(stop.best, stop.distance), room, tick)
        return price if worth_moving(resting[-1], price, step, long=stop.long) else resting[-1]

    # which prices matter

    def mark(self, row: Held) -> None:
        """Has the watch wait for the prices of a position."""
        watch = self._bench.parts.venue.watch
        marks = self.marks(row)
        if marks:
            watch.set(row.position.id, row.position.ticker, marks, self._told)
        else:
            watch.drop(row.position.id)

    def marks(self, row: Held) -> list[Mark]:
        """The prices at which something is to be done for a position."""
        plan, position, long = row.plan, row.position, row.long
        if not plan.armed:
            return []
        tick, _ = grid(self.market(position.ticker))
        stop = plan.stop(position, tick)
        found = []
        price = in_force(stop, tick)
        if price is not None:
            resting = self._hand.get((position.id, STOP), [])
            rests = any(not ahead(price, trigger, long=long) for trigger in resting)
            found.append(Mark("stop", price, above=not long, on_chain=rests))
        for target in plan.open_targets():
            if target.state == "waiting":
                rests = target.price in self._hand.get((position.id, target.id), [])
                found.append(
                    Mark("target", target.price, above=long, target_id=target.id, on_chain=rests)
                )
        trailing = plan.trailing
        if trailing is not None and plan.best is not None:
            best = next_best(plan.best, trailing.distance, long=long, tick=tick)
            found.append(Mark("best", best, above=long))
        elif trailing is not None:
            begins = level_price(
                trailing.activation, long=long, above=True, entry=position.entry_price, tick=tick
            )
            assert begins is not None
            found.append(Mark("best", begins, above=long))
        rule = plan.break_even
        if rule is not None and rule.at is not None and not plan.row.even:
            even = level_price(
                rule.at, long=long, above=True, entry=position.entry_price, tick=tick
            )
            assert even is not None
            found.append(Mark("even", even, above=long))
        return found

    def follow(self, met: Met) -> bool:
        """A trailing stop follows the price; True where its order on chain may have to move."""
        row = self._held.get(met.position_id)
        if row is None or row.plan.trailing is None:
            return False
        best = row.plan.best
        if best is None or ahead(met.price, best, long=row.long):
            row.plan.best = met.price
        self.mark(row)
        return best is None or self._is_behind(row)

    def _is_behind(self, row: Held) -> bool:
        """Whether the stop on chain lies a step behind, were there placements enough."""
        tick, _ = grid(self.market(row.position.ticker))
        stop = row.plan.stop(row.position, tick)
        price = in_force(stop, tick)
        resting = self._hand.get((row.position.id, STOP), [])
        if price is None or not resting or stop.best is None or stop.distance is None:
            return False
        step = chain_step(distance_at(stop.best, stop.distance), PLENTY, tick)
        return worth_moving(resting[-1], price, step, long=stop.long)


def _stops(row: Held, orders: Sequence[GuardOrder]) -> list[GuardOrder]:
    """The stops of a position that rest or are on their way, oldest first."""
    return [
        order
        for order in orders
        if order.position_id == row.position.id and order.target_id == STOP and order.living
    ]
