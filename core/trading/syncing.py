"""A sync is a target: where the decision could not know of a fill it is made once more."""

from __future__ import annotations

from collections.abc import Sequence

from core.ledger import intents, orders
from core.ledger.models import Intent, Order
from core.trading import states
from core.trading.course import Course
from core.trading.wishes import wish_of


def is_sync(intent: Intent) -> bool:
    """Whether what is wanted is the position on the chart, whatever is held."""
    wish = wish_of(intent)
    asked = wish.sync or bool(intent.payload.get("sync")) or wish.action is None
    return wish.target is not None and asked


async def was_overtaken(intent: Intent, course: Course, made: Sequence[Order]) -> bool:
    """Whether an earlier alert of the same strategy traded without the decision's knowledge, and
    the orders of a sync, all in `made`, missed the target for that. Never twice for one intent.

    What a plan or a person did meanwhile is no reason: that is meant to differ from the chart.
    """
    if course.after or not made or not is_sync(intent):
        return False
    if any(row.state not in states.TERMINAL for row in made):
        return False
    first = made[0]
    late = await orders.filled_since(first.account_id, first.ticker, course.booked)
    earlier = {row.intent_id for row in late if row.intent_id is not None and row.id < first.id}
    found = await intents.strategies_of(earlier - {intent.id}, source="signal")
    return intent.payload.get("strategy_id") in found.values()
