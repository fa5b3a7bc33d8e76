"""Bodies that REST answers and websocket snapshots share: lists of rows, chosen and ordered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.paper.happenings import SubaccountKey
from core.paper.indexer import funding, order_shapes, shapes
from core.paper.indexer.records import MemoryOrder, OrderRow, PositionRow, SubaccountRow
from core.paper.indexer.rows import Rows
from core.paper.indexer.texts import EXACT, iso, number, usdc

Json = dict[str, Any]
LIVING = ("OPEN", "UNTRIGGERED", "BEST_EFFORT_OPENED")


def height(rows: Rows) -> Json:
    """The indexer's height and that block's time."""
    return {
        "height": str(rows.height),
        "time": iso(rows.time) if rows.time is not None else None,
    }


def subaccount(rows: Rows, row: SubaccountRow) -> Json:
    """A subaccount with its open positions and USDC."""
    equity, free = rows.equity(row)
    positions = {
        rows.markets[each.market].ticker: position(rows, each)
        for each in rows.open_positions(row.key)
    }
    held = asset(rows, row)
    assets = {} if held is None else {"USDC": held}
    return {
        "address": row.key.owner,
        "subaccountNumber": row.key.number,
        "equity": number(equity),
        "freeCollateral": number(free),
        "openPerpetualPositions": positions,
        "assetPositions": assets,
        "marginEnabled": True,
        "updatedAtHeight": str(row.updated_height),
        "latestProcessedBlockHeight": str(rows.height),
    }


def asset(rows: Rows, row: SubaccountRow) -> Json | None:
    """The USDC of a subaccount; None where there is none."""
    held = EXACT.add(usdc(row.usdc), funding.unsettled(rows, row))
    return shapes.asset_rest(row.key, held) if held else None


def children(rows: Rows, address: str, parent: int) -> list[SubaccountRow]:
    """Subaccounts of a parent, by number."""
    found = [
        row
        for key, row in rows.subaccounts.items()
        if key.owner == address and key.number % 128 == parent
    ]
    return sorted(found, key=lambda row: row.key.number)


def parent_subaccount(rows: Rows, address: str, parent: int) -> Json | None:
    """A parent with its children; None where there are none."""
    found = children(rows, address, parent)
    if not found:
        return None
    equity = free = EXACT.create_decimal(0)
    for row in found:
        own, own_free = rows.equity(row)
        equity, free = EXACT.add(equity, own), EXACT.add(free, own_free)
    return {
        "address": address,
        "parentSubaccountNumber": parent,
        "equity": number(equity),
        "freeCollateral": number(free),
        "childSubaccounts": [subaccount(rows, row) for row in found],
    }


def position(rows: Rows, row: PositionRow) -> Json:
    """A perpetual position at the present oracle price."""
    return shapes.position_rest(row, rows.markets[row.market].ticker, rows.price(row.market))


def positions(rows: Rows, keys: Iterable[SubaccountKey]) -> list[PositionRow]:
    """Position rows of some subaccounts, one after the other, newest first."""
    return [row for key in keys for row in reversed(rows.positions.get(key, []))]


def orders(
    rows: Rows, keys: Iterable[SubaccountKey], *, oldest_first: bool = False
) -> list[OrderRow | MemoryOrder]:
    """Orders of some subaccounts: what only the node's memory knows, and the database's.

    Stateful ones first, then by good-til-block or its time, latest first; or the other way round.
    """
    wanted = dict.fromkeys(keys)
    found: list[OrderRow | MemoryOrder] = [
        memory
        for memory in rows.memory.values()
        if memory.order.key.subaccount in wanted and memory.id not in rows.orders
    ]
    found += [rows.orders[row_id] for key in wanted for row_id in rows.order_ids.get(key, [])]
    return sorted(found, key=_expiry, reverse=not oldest_first)


def _expiry(row: OrderRow | MemoryOrder) -> tuple[bool, int]:
    order = row.order
    if order.good_til_block_time is not None:
        return (True, order.good_til_block_time)
    return (False, order.good_til_block or 0)


def order(rows: Rows, row: OrderRow | MemoryOrder) -> Json:
    """An order as REST shows it: the database's row, with price, size and expiry of the cache."""
    market = rows.markets[row.order.key.clob_pair_id]
    if not isinstance(row, OrderRow):
        return order_shapes.order_memory(row, market)
    cached = rows.memory.get(row.id)
    return order_shapes.order_rest(row, market, None if cached is None else cached.order)


def snapshot_orders(rows: Rows, keys: Iterable[SubaccountKey]) -> list[Json]:
    """Orders in the snapshot of a subaccount: the living ones and those just canceled."""
    return [
        order(rows, row)
        for row in orders(rows, keys)
        if row.status in LIVING or _just_canceled(rows, row)
    ]


def _just_canceled(rows: Rows, row: OrderRow | MemoryOrder) -> bool:
    if row.status != "BEST_EFFORT_CANCELED" or row.order.good_til_block is None:
        return False
    return row.order.good_til_block > rows.height - 20


def subaccount_snapshot(rows: Rows, address: str, n: int) -> Json:
    """Contents of a v4_subaccounts subscription; empty for an unknown subaccount."""
    key = SubaccountKey(address, n)
    row = rows.subaccounts.get(key)
    if row is None:
        return {}
    return {
        "subaccount": subaccount(rows, row),
        "orders": snapshot_orders(rows, [key]),
        "blockHeight": str(rows.height),
    }


def parent_snapshot(rows: Rows, address: str, parent: int) -> Json:
    """Contents of a v4_parent_subaccounts subscription; empty for an unknown parent."""
    found = parent_subaccount(rows, address, parent)
    if found is None:
        return {}
    keys = [row.key for row in children(rows, address, parent)]
    return {
        "subaccount": found,
        "orders": snapshot_orders(rows, keys),
        "blockHeight": str(rows.height),
    }
