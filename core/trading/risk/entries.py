"""The orders of an account that rest in the book and would open something."""

from __future__ import annotations

from core.ledger import intents, orders
from core.ledger.models import Order
from core.trading import states
from core.trading.guard_rows import is_guard
from core.trading.lane_port import LanesPort


async def resting_entries(account_id: int, strategy_id: int | None = None) -> list[Order]:
    """Those of the bot, or of one strategy."""
    rows = await orders.stateful_in_states(account_id, states.WORKING)
    found = [row for row in rows if not row.reduce_only and not is_guard(row)]
    if strategy_id is None:
        return found
    owners = await intents.strategies_of({row.intent_id for row in found if row.intent_id})
    return [row for row in found if owners.get(row.intent_id or 0) == strategy_id]


async def cancel_entries(lanes: LanesPort, account_id: int, strategy_id: int | None = None) -> int:
    """Has them cancelled; how many. None is while the account's lane is not there."""
    lane = lanes.get(account_id)
    if lane is None:
        return 0
    rows = await resting_entries(account_id, strategy_id)
    for row in rows:
        await lane.cancel_resting(row.order_uuid)
    return len(rows)
