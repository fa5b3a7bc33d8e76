"""Protection plans: the stop of a position and its targets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from decimal import Decimal
from typing import Any

from core.ledger.models import Intent, Order, OrderTransition, Protection, Target

OPEN_TARGETS = ("waiting", "closing")


async def protection(position_id: int) -> Protection | None:
    return await Protection.get_or_none(position_id=position_id)


async def protections(position_ids: Collection[int]) -> dict[int, Protection]:
    """The plans of these positions, by position."""
    rows = await Protection.filter(position_id__in=list(position_ids))
    return {row.position_id: row for row in rows}


async def add(position_id: int, **values: Any) -> Protection:
    """A plan that is armed from now on."""
    return await Protection.create(position_id=position_id, state="armed", **values)


async def change(row: Protection, **values: Any) -> None:
    """Updates the row and the value in hand."""
    await Protection.filter(id=row.id).update(**values)
    for name, value in values.items():
        setattr(row, name, value)


async def set_state(position_id: int, state: str, attempts: int | None = None) -> None:
    """What becomes of a plan's stop: armed, closing, done."""
    values: dict[str, Any] = {"state": state}
    if attempts is not None:
        values["attempts"] = attempts
    await Protection.filter(position_id=position_id).update(**values)


async def targets(position_ids: Collection[int]) -> dict[int, list[Target]]:
    """The targets of these positions, nearest first, without those that were dropped."""
    rows = await Target.filter(position_id__in=list(position_ids)).exclude(state="dropped")
    found: dict[int, list[Target]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.number, row.id)):
        found[row.position_id].append(row)
    return dict(found)


async def target(target_id: int) -> Target | None:
    return await Target.get_or_none(id=target_id)


async def add_target(**values: Any) -> Target:
    return await Target.create(state="waiting", **values)


async def change_target(row: Target, **values: Any) -> None:
    """Updates the row and the value in hand."""
    await Target.filter(id=row.id).update(**values)
    for name, value in values.items():
        setattr(row, name, value)


async def filled_by_target(position_ids: Collection[int]) -> dict[int, Decimal]:
    """What the orders of each target have closed: those on chain and those that the watch sent."""
    rows = await Order.filter(
        position_id__in=list(position_ids), purpose="take_profit", filled_size__not="0"
    )
    unnamed = [row.intent_id for row in rows if row.target_id is None and row.intent_id]
    asked = {row.id: row.payload.get("target") for row in await Intent.filter(id__in=unnamed)}
    found: dict[int, Decimal] = defaultdict(Decimal)
    for row in rows:
        target_id = row.target_id if row.target_id is not None else asked.get(row.intent_id or 0)
        if target_id is not None:
            found[int(target_id)] += row.filled_size
    return dict(found)


async def stops_removed(position_ids: Collection[int]) -> list[Order]:
    """Stops that the chain held and that ended cancelled without our asking, never triggered,
    oldest first.
    """
    rows = await Order.filter(
        position_id__in=list(position_ids),
        purpose="stop_loss",
        state="canceled",
        cancel_asked_at__isnull=True,
        included_height__isnull=False,
        filled_size="0",
    ).order_by("id")
    steps = await OrderTransition.filter(
        order_id__in=[row.id for row in rows], to_state="triggered"
    )
    met = {step.order_id for step in steps}
    return [row for row in rows if row.order_flags and row.id not in met]
