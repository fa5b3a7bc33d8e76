"""A position's plan between the ledger's rows and the rules: set, sized, brought up to date.

Levels given as a distance are of the average entry and follow it when a position grows; absolute
ones stay. What targets have closed counts as theirs, everything else splits what is left of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from core.dydx.markets import Market
from core.ledger import plans
from core.ledger.models import Position, Protection, Target
from core.signals.alert import BreakEven, TakeProfit, Trailing
from core.trading.ladder import Rung, fractions, spread
from core.trading.plan import (
    break_even_from_json,
    level_from_json,
    level_price,
    targets_from_json,
    trailing_from_json,
)
from core.trading.trailing import Stop, beyond, in_force

FINEST: Final = Decimal("0.000001")
ASKS_AFTER: Final = 2
"""So often a stop may be cancelled by hand before the bot asks what is meant."""


@dataclass
class Plan:
    """The rows of a plan. `filled`: what the orders of each target have closed, by its id; `best`
    is ahead of the ledger's while a trailing stop follows the price.
    """

    row: Protection
    targets: list[Target] = field(default_factory=list)
    filled: dict[int, Decimal] = field(default_factory=dict)
    best: Decimal | None = None

    @property
    def levels(self) -> dict[str, Any]:
        return self.row.levels or {}

    @property
    def trailing(self) -> Trailing | None:
        return trailing_from_json(self.levels.get("trailing"))

    @property
    def break_even(self) -> BreakEven | None:
        return break_even_from_json(self.levels.get("break_even"))

    @property
    def armed(self) -> bool:
        """Whether its stop is waited for, and not being carried out by the bot."""
        return self.row.state == "armed"

    @property
    def asks(self) -> bool:
        """Whether its trader is asked if the stop that he cancelled shall rest on chain again."""
        return self.row.stop_gone >= ASKS_AFTER

    def open_targets(self) -> list[Target]:
        """What is still to be carried out; merged ones are not."""
        return [
            row for row in self.targets if row.state in plans.OPEN_TARGETS and self.left(row) > 0
        ]

    def left(self, target: Target) -> Decimal:
        """What a target is still to close, in base units."""
        return max(target.size - self.filled.get(target.id, Decimal(0)), Decimal(0))

    def stop(self, position: Position, tick: Decimal) -> Stop:
        """All that decides where the stop stands."""
        long = position.side == "LONG"
        even = None
        if self.row.even:
            rule = self.break_even
            even = beyond(position.entry_price, rule.beyond if rule else None, long=long, tick=tick)
        trailing = self.trailing
        return Stop(
            long=long,
            fixed=self.row.stop_loss,
            best=self.best if trailing else None,
            distance=trailing.distance if trailing else None,
            even=even,
        )

    def stop_price(self, position: Position, tick: Decimal) -> Decimal | None:
        """The price of the stop in force; None where the plan has none."""
        return in_force(self.stop(position, tick), tick)


async def load(held: Sequence[Position]) -> dict[int, Plan]:
    """The plans of these positions, by position."""
    rows = await plans.protections([row.id for row in held])
    if not rows:
        return {}
    targets = await plans.targets(list(rows))
    filled = await plans.filled_by_target(list(targets)) if targets else {}
    return {
        position_id: Plan(row, targets.get(position_id, []), filled, row.best)
        for position_id, row in rows.items()
    }


def is_plan(plan_json: dict[str, Any] | None) -> bool:
    """Whether an intent's plan has a level at all."""
    return any(
        (plan_json or {}).get(name)
        for name in ("take_profit", "stop_loss", "trailing", "break_even")
    )


async def set_plan(
    position: Position,
    plan_json: dict[str, Any] | None,
    market: Market | None,
    source: int | None = None,
) -> None:
    """The plan of a position that was opened or enlarged, in the caller's transaction.

    `plan_json` is the plan of the intent `source`; the newest replaces the one before. Without
    levels the position keeps its plan, whose distances follow the new average entry.
    """
    plan = (await load([position])).get(position.id)
    fresh = is_plan(plan_json)
    if plan is None and not fresh:
        return
    levels = dict(plan_json or {}) if fresh else (plan.row.levels if plan else None)
    again = plan is not None and (not fresh or plan.row.source == source is not None)
    await write_plan(position, plan, levels, market, source=source if fresh else None, again=again)


async def write_plan(
    position: Position,
    plan: Plan | None,
    levels: dict[str, Any] | None,
    market: Market | None,
    *,
    source: int | None,
    again: bool,
) -> None:
    """Stores a plan's levels as prices. `again`: it is the same plan, and what its targets did
    stays done; else the ladder begins anew.
    """
    tick, step = grid(market)
    long = position.side == "LONG"
    values: dict[str, Any] = {}
    if levels is not None:
        stop = level_from_json(levels.get("stop_loss"))
        values["levels"] = levels
        values["stop_loss"] = level_price(
            stop, long=long, above=False, entry=position.entry_price, tick=tick
        )
    if source is not None:
        values["source"] = source
    values["best"] = _best(position, plan, levels, market)
    if plan is None:
        plan = Plan(await plans.add(position.id, **values))
    else:
        await plans.change(plan.row, **values, base=None)
    plan.best = plan.row.best
    if levels is not None:
        wanted = targets_from_json(levels.get("take_profit"))
        await _set_targets(position, plan, wanted, tick, again=again)
    await settle(position, plan, step)


def _best(
    position: Position, plan: Plan | None, levels: dict[str, Any] | None, market: Market | None
) -> Decimal | None:
    """The best price that a trailing stop begins with: the present one, unless it waits for its
    activation; one that goes on keeps its own.
    """
    trails = (levels or {}).get("trailing")
    if not trails:
        return None
    if plan is not None and plan.levels.get("trailing") == trails:
        return plan.best
    if trails.get("activation"):
        return None
    price = market.oracle_price if market is not None else None
    return price or position.entry_price


async def _set_targets(
    position: Position,
    plan: Plan,
    wanted: Sequence[TakeProfit],
    tick: Decimal,
    *,
    again: bool,
) -> None:
    """The rows of the targets, nearest first. Those that go on keep their id, so their orders."""
    long = position.side == "LONG"
    priced = []
    for target in wanted:
        price = level_price(
            target.level, long=long, above=True, entry=position.entry_price, tick=tick
        )
        assert price is not None
        priced.append((price, target.fraction))
    priced.sort(key=lambda pair: pair[0] if long else -pair[0])
    shares = fractions([fraction for _, fraction in priced])
    if not again:
        for row in plan.targets:
            if row.state == "done":
                await plans.change_target(row, state="dropped")
    rows = _matched(plan.targets, [price for price, _ in priced], again=again)
    kept: list[Target] = []
    for number, ((price, _), share) in enumerate(zip(priced, shares, strict=True), start=1):
        known = rows.pop(number, None)
        if known is None:
            known = await plans.add_target(
                position_id=position.id,
                number=number,
                price=price,
                fraction=share,
                size=Decimal(0),
            )
        elif known.state != "done":
            await plans.change_target(known, number=number, price=price, fraction=share)
        kept.append(known)
    for row in plan.targets:
        if row not in kept and row.state != "dropped":
            await plans.change_target(row, state="dropped")
    plan.targets = kept


def _matched(
    rows: Sequence[Target], prices: Sequence[Decimal], *, again: bool
) -> dict[int, Target]:
    """Which rows go on as which numbers of a ladder: by number where it is the same plan, else the
    open ones with the same price, then the others in their order.
    """
    if again:
        return {row.number: row for row in rows if row.state != "dropped"}
    open_rows = [row for row in rows if row.state in plans.OPEN_TARGETS]
    found: dict[int, Target] = {}
    for number, price in enumerate(prices, start=1):
        same = next((row for row in open_rows if row.price == price), None)
        if same is not None:
            open_rows.remove(same)
            found[number] = same
    for number in range(1, len(prices) + 1):
        if number not in found and open_rows:
            found[number] = open_rows.pop(0)
    return found


async def settle(position: Position, plan: Plan, step: Decimal) -> bool:
    """Brings the targets up to date with what was filled and with the position's size, in the
    caller's transaction; True when something changed.
    """
    changed = False
    for row in plan.targets:
        filled = plan.filled.get(row.id, Decimal(0))
        if row.state in plans.OPEN_TARGETS and row.size > 0 and filled >= row.size:
            await plans.change_target(row, state="done")
            changed = True
    last_done = max((row.number for row in plan.targets if row.state == "done"), default=0)
    for row in plan.targets:
        # what was merged into a target went with it
        if row.state == "waiting" and row.size == 0 and row.number < last_done:
            await plans.change_target(row, state="done")
            changed = True
    rule = plan.break_even
    first = rule is not None and rule.at is None
    if first and last_done and not plan.row.even:
        await plans.change(plan.row, even=True)
        changed = True
    return await _resize(position, plan, step) or changed


def is_settled(position: Position, plan: Plan) -> bool:
    """Whether `settle` would change nothing."""
    over = any(
        row.state in plans.OPEN_TARGETS and row.size > 0 and plan.left(row) == 0
        for row in plan.targets
    )
    return not over and (not plan.targets or plan.row.base == _whole(position, plan))


def _whole(position: Position, plan: Plan) -> Decimal:
    filled = sum((plan.filled.get(row.id, Decimal(0)) for row in plan.targets), Decimal(0))
    return position.size + filled


async def _resize(position: Position, plan: Plan, step: Decimal) -> bool:
    """Splits what is left of the position anew where others than the targets changed it."""
    whole = _whole(position, plan)
    if not plan.targets or plan.row.base == whole:
        return False
    waiting = [row for row in plan.targets if row.state in plans.OPEN_TARGETS]
    done = sum((row.fraction for row in plan.targets if row.state == "done"), Decimal(0))
    rungs = [Rung(row.fraction, row.size, plan.filled.get(row.id, Decimal(0))) for row in waiting]
    for row, left in zip(waiting, spread(position.size, rungs, done, step), strict=True):
        size = plan.filled.get(row.id, Decimal(0)) + left
        if size != row.size:
            await plans.change_target(row, size=size)
    await plans.change(plan.row, base=whole)
    return True


def grid(market: Market | None) -> tuple[Decimal, Decimal]:
    """Tick and step of a market; the finest where it is not known."""
    return (market.tick_size, market.step_size) if market is not None else (FINEST, FINEST)


async def adopt_old_target(position: Position, row: Protection) -> None:
    """A plan made before targets had rows gets one for its take profit, in the caller's
    transaction.
    """
    if row.take_profit is None:
        return
    price, stop = row.take_profit, row.stop_loss
    await plans.add_target(
        position_id=position.id, number=1, price=price, fraction=Decimal(1), size=position.size
    )
    levels = {
        "take_profit": [{"price": format(price, "f"), "fraction": None}],
        "stop_loss": None if stop is None else {"price": format(stop, "f")},
    }
    await plans.change(row, take_profit=None, levels=levels, base=position.size)
