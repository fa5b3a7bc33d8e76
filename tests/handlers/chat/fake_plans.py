"""Plans of the fake desk: one change at a time, with the checks that a trader can meet."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from core.signals.alert import Level
from core.trading.plan import level_price
from core.trading.plan_change import (
    EvenAt,
    PlanChange,
    StopTo,
    TargetTo,
    ToEntry,
    TrailBy,
)
from core.trading.views import DeskError, PositionView, TargetView

A_TARGET = TargetView(
    id=71,
    number=1,
    price=Decimal(66138),
    fraction=Decimal(1),
    size=Decimal("0.015"),
    state="waiting",
    on_chain=False,
)


def changed_plan(view: PositionView, change: PlanChange) -> PositionView:
    """The position with its plan changed. Raises DeskError as the desk does."""
    if isinstance(change, StopTo):
        price = _price(view, change.level, above=False)
        return replace(view, stop_loss=price, at_break_even=False)
    if isinstance(change, TargetTo):
        return _with_target(view, change)
    if isinstance(change, TrailBy):
        return replace(view, trailing=change.trailing)
    if isinstance(change, EvenAt):
        return replace(view, break_even=change.rule)
    if isinstance(change, ToEntry):
        return replace(view, stop_loss=view.entry_price, at_break_even=True)
    return replace(view, stop_asks=False)


def _with_target(view: PositionView, change: TargetTo) -> PositionView:
    price = _price(view, change.level, above=True)
    share = change.fraction or Decimal(1)
    if price is None:
        left = [row for row in view.targets if row.id != change.target_id]
    elif change.target_id is None:
        number = len(view.targets) + 1
        fresh = TargetView(70 + number, number, price, share, view.size * share, "waiting", False)
        left = [*view.targets, fresh]
    else:
        left = [
            replace(row, price=price) if row.id == change.target_id else row for row in view.targets
        ]
    nearest = left[0].price if left else None
    return replace(view, targets=tuple(left), take_profit=nearest)


def _price(view: PositionView, level: Level | None, *, above: bool) -> Decimal | None:
    price = level_price(
        level,
        long=view.side == "LONG",
        above=above,
        entry=view.entry_price,
        tick=view.tick_size,
    )
    if price is None:
        return None
    assert view.mark_price is not None
    if (price > view.mark_price) != (above is (view.side == "LONG")):
        raise DeskError("price_side", "That price would close the position at once.")
    if price % view.tick_size:
        raise DeskError("price_tick", f"Prices here move in steps of {view.tick_size}.")
    return price
