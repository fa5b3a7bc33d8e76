"""Stops on chain that somebody else cancelled: placed again once, then asked about."""

from __future__ import annotations

from decimal import Decimal

from core.events import StopRemoved
from core.ledger import plans
from core.trading.plan_book import PlanBook
from core.trading.workbench import Workbench


async def note_removed_stops(bench: Workbench, book: PlanBook) -> None:
    """Counts stops that somebody else cancelled, and says so. The caller holds the lock."""
    held = {row.position.id: row for row in book.rows()}
    removed = await plans.stops_removed(list(held)) if held else []
    for order in removed:
        assert order.position_id is not None
        row = held[order.position_id]
        if order.id <= (row.plan.row.stop_gone_order or 0):
            continue
        market = book.market(order.ticker)
        price = market.oracle_price if market is not None else None
        if price is None or order.trigger_price is None:
            continue
        if is_met("stop_loss", order.trigger_price, row.long, price):
            continue  # the chain removed it when it found no match; nobody cancelled it
        count = row.plan.row.stop_gone + 1
        async with bench.parts.ledger.executing():
            await plans.change(row.plan.row, stop_gone=count, stop_gone_order=order.id)
            await bench.tell(
                StopRemoved(row.position.id, count),
                f"stop_removed:{order.id}",
                row.position.signal_id,
            )
        bench.parts.outbox_bell.ring()


def is_met(purpose: str, trigger: Decimal, long: bool, price: Decimal) -> bool:
    """Whether a level would be carried out at this price."""
    rising = (purpose == "take_profit") is long
    return price >= trigger if rising else price <= trigger
