"""How an order's row and its messages follow what the chain and its nodes say.

The real indexer keeps a cache of the orders on the book beside its database. What it says of a
removed order depends on where it finds it: the cache, the database, both or neither. Source:
docs/protocol.md, life of an order.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from core.paper.happenings import Filled, OrderOpened, OrderRemoved, PaperOrder, StatefulChanged
from core.paper.indexer import order_shapes
from core.paper.indexer.records import MemoryOrder, OrderRow, order_id_of
from core.paper.indexer.texts import number
from core.paper.indexer.updates import Update

if TYPE_CHECKING:
    from core.paper.indexer.blocks import BlockWork
    from core.paper.indexer.rows import Rows

Json = dict[str, Any]
CONDITIONAL: Final = 32
LONG_TERM: Final = 64
TWAP: Final = 128
TWAP_PART: Final = 256
_TOLD_AS: Final = {"PERMISSIONED_KEY_EXPIRED": "EXPIRED"}
"""Reasons of the chain that the indexer has no word for."""


# -- what a node's memory says -----------------------------------------------------------------


def opened(rows: Rows, happening: OrderOpened) -> list[Update]:
    """A short-term order that the node took. Stateful ones are told by their block alone."""
    order = happening.order
    if order.key.order_flags:
        return []
    row_id = order_id_of(order.key)
    rows.canceled.pop(row_id, None)
    rows.memory.pop(row_id, None)
    rows.memory[row_id] = MemoryOrder(row_id, order, "BEST_EFFORT_OPENED")
    market = rows.markets[order.key.clob_pair_id]
    message = order_shapes.opened_order(
        order, "BEST_EFFORT_OPENED", market, rows.orders.get(row_id)
    )
    return [rows.order_update(order.key.subaccount, message)]


def removed(rows: Rows, happening: OrderRemoved) -> list[Update]:
    """An order that the node dropped from its book. The end of a stateful one is told by its
    block.
    """
    key = happening.key
    if key.order_flags and happening.status == "CANCELED":
        return []
    row_id = order_id_of(key)
    row = rows.orders.get(row_id)
    if key.order_flags == CONDITIONAL and row is None:
        rows.early[row_id] = happening
        return []
    cached = _forget(rows, row_id, happening)
    is_done = row is not None and row.status in ("FILLED", "CANCELED")
    if row is not None and not is_done and (cached or not key.order_flags):
        row.status = happening.status
    market, reason = rows.markets[key.clob_pair_id], happening.reason
    reason = _TOLD_AS.get(reason, reason)
    if happening.order is None or (key.order_flags and not cached):
        message = order_shapes.unknown_removal(key, happening.status, happening.reason, market, row)
    else:
        quantums = happening.optimistic_filled_quantums
        if row is not None and key.order_flags:
            quantums = row.total_filled
        filled = {"totalOptimisticFilled": number(market.scale.size_of(quantums))}
        message = order_shapes.removed_order(
            happening.order, happening.status, reason, market, row, filled
        )
    return [rows.order_update(key.subaccount, message)]


def _forget(rows: Rows, row_id: str, happening: OrderRemoved) -> bool:
    """Take an order out of the cache; answers whether it was there. A short-term one lingers as
    canceled for the snapshot until its good-til-block is well past.
    """
    cached = rows.memory.pop(row_id, None)
    order = happening.order or (cached.order if cached else None)
    if order is not None and order.good_til_block is not None:
        rows.canceled[row_id] = (happening.status, order.good_til_block)
    return cached is not None


# -- what a block says -------------------------------------------------------------------------


def stateful(work: BlockWork, event: StatefulChanged) -> None:
    """A stateful order that was placed, triggered, cancelled, expired or removed. The parts of a
    TWAP order are not told.
    """
    rows, order = work.rows, event.order
    if order.key.order_flags == TWAP_PART:
        return
    row_id = order_id_of(order.key)
    known = rows.orders.get(row_id)
    is_gone = known is not None and known.status in ("CANCELED", "FILLED")
    if is_gone and event.status != "CANCELED" and not event.triggered:
        rows.orders.pop(row_id)
        rows.order_ids[order.key.subaccount].remove(row_id)
    row = work.row_of(order, row_id, event.status)
    row.updated_at, row.updated_height = work.at, work.block.height
    if event.status == "CANCELED":
        _canceled(work, row, event.reason or "USER_CANCELED")
        return
    row.status = event.status
    if event.status == "UNTRIGGERED":
        market = rows.markets[order.key.clob_pair_id]
        message = order_shapes.order_row_full(row, market)
        work.tell(order.key.subaccount, {"orders": [message]})
        return
    _early(work, row)
    rows.memory[row_id] = MemoryOrder(row_id, order, "OPEN")
    market = rows.markets[order.key.clob_pair_id]
    stamped = None if order.key.order_flags == TWAP else row
    work.tell_late(order.key.subaccount, order_shapes.opened_order(order, "OPEN", market, stamped))


def _early(work: BlockWork, row: OrderRow) -> None:
    """What the node's memory said of a conditional order before its block was seen."""
    happening = work.rows.early.pop(row.id, None)
    if happening is not None:
        work.late.extend(removed(work.rows, happening))


def _canceled(work: BlockWork, row: OrderRow, reason: str) -> None:
    """A stateful order that the block ended. An expired one is told twice, as the node's memory
    drops it too.
    """
    rows, order = work.rows, row.order
    if row.status != "FILLED" or order.key.order_flags == TWAP:
        row.status = "CANCELED"
    market = rows.markets[order.key.clob_pair_id]
    cached = rows.memory.pop(row.id, None)
    filled = number(market.scale.size_of(row.total_filled))
    key = order.key.subaccount
    unknown = order_shapes.unknown_removal(order.key, "CANCELED", reason, market, row)
    if reason == "USER_CANCELED":
        message = order_shapes.removed_order(
            order, "CANCELED", reason, market, row, {"totalFilled": filled}
        )
    elif cached is not None:
        message = order_shapes.removed_order(
            order, "CANCELED", reason, market, row, {"totalOptimisticFilled": filled}
        )
    else:
        message = unknown
    work.tell_late(key, message)
    if reason == "EXPIRED":
        work.tell_late(key, unknown)


def row_id_of(event: Filled) -> str:
    """The id of the order row into which a fill counts: for a part of a TWAP order, the order's."""
    assert event.order is not None
    key = event.order.key
    return order_id_of(replace(key, order_flags=TWAP) if key.order_flags == TWAP_PART else key)


def after_fill(work: BlockWork, event: Filled, order: PaperOrder) -> tuple[OrderRow, Json]:
    """The order's row after a fill, and how the message with the fills shows it. The parts of a
    TWAP order count into its own row.
    """
    rows = work.rows
    market = rows.markets[event.clob_pair_id]
    is_part = order.key.order_flags in (TWAP, TWAP_PART)
    row_id = row_id_of(event)
    row = work.row_of(order, row_id)
    if is_part:
        row.total_filled += event.quantums
    else:
        row.order = order
        row.total_filled = event.total_filled_quantums
    row.status = _status_after(work, row, order.quantums if is_part else row.order.quantums)
    row.updated_at, row.updated_height = work.at, work.block.height
    if row.status == "FILLED" and not is_part:
        rows.memory.pop(row_id, None)
    return row, order_shapes.order_row_full(row, market, part=order if is_part else None)


def _status_after(work: BlockWork, row: OrderRow, quantums: int) -> str:
    """A TWAP order's sum is held against the size of the part that filled."""
    order = row.order
    if row.total_filled >= quantums:
        return "FILLED"
    if order.time_in_force == 1:
        return "CANCELED"
    if order.good_til_block_time is None and row.id in work.rows.canceled:
        return work.rows.canceled[row.id][0]
    return "OPEN"
