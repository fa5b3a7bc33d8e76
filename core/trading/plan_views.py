"""What a plan looks like from outside: its levels, and which of them rest on chain."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TypedDict

from core.dydx.markets import Market
from core.ledger.models import Position, Target
from core.ledger.plans import OPEN_TARGETS
from core.signals.alert import BreakEven, Trailing
from core.trading.plan_rows import Plan, grid
from core.trading.protection import GuardOrder, rests_for
from core.trading.trailing import ahead
from core.trading.views import TargetView


class PlanFields(TypedDict):
    """The part of a position's view that its plan fills."""

    take_profit: Decimal | None
    stop_loss: Decimal | None
    stop_on_chain: bool
    target_on_chain: bool
    targets: tuple[TargetView, ...]
    trailing: Trailing | None
    break_even: BreakEven | None
    at_break_even: bool
    stop_asks: bool


def plan_fields(
    row: Position, plan: Plan | None, market: Market | None, guards: Sequence[GuardOrder]
) -> PlanFields:
    """A position's plan for its view; empty without one."""
    if plan is None:
        return PlanFields(
            take_profit=None,
            stop_loss=None,
            stop_on_chain=False,
            target_on_chain=False,
            targets=(),
            trailing=None,
            break_even=None,
            at_break_even=False,
            stop_asks=False,
        )
    tick, _ = grid(market)
    stop = plan.stop_price(row, tick)
    targets = tuple(_target(target, row, plan, guards) for target in plan.targets)
    waiting = [target for target in targets if target.state in OPEN_TARGETS]
    return PlanFields(
        take_profit=waiting[0].price if waiting else None,
        stop_loss=stop,
        stop_on_chain=stop is not None
        and rests_for(row.id, row.size, guards, stop, trails=plan.trailing),
        target_on_chain=bool(waiting) and all(target.on_chain for target in waiting),
        targets=targets,
        trailing=plan.trailing,
        break_even=plan.break_even,
        at_break_even=plan.row.even and not _trails_ahead(row, plan, tick),
        stop_asks=plan.asks and stop is not None,
    )


def _trails_ahead(row: Position, plan: Plan, tick: Decimal) -> bool:
    """Whether the stop went on from break-even."""
    stop = plan.stop(row, tick)
    now = plan.stop_price(row, tick)
    return now is not None and stop.even is not None and ahead(now, stop.even, long=stop.long)


def _target(target: Target, row: Position, plan: Plan, guards: Sequence[GuardOrder]) -> TargetView:
    left = plan.left(target)
    state: str = target.state
    if state == "waiting" and left == 0:
        state = "done" if target.size > 0 else "merged"
    return TargetView(
        id=target.id,
        number=target.number,
        price=target.price,
        fraction=target.fraction,
        size=left,
        state=state,
        on_chain=state == "waiting"
        and rests_for(row.id, left, guards, target.price, target_id=target.id),
    )
