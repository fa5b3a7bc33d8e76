"""Orders as the indexer's REST and websocket write them.

Key order, nulls and strings are as recorded. Source: docs/protocol.md, life of an order.
"""

from __future__ import annotations

from typing import Any, Final

from core.dydx.quantums import Scale
from core.paper.governance import Market
from core.paper.happenings import PaperOrder
from core.paper.indexer.records import MemoryOrder, OrderRow, order_id_of, subaccount_id_of
from core.paper.indexer.texts import from_unix, iso, number

Json = dict[str, Any]
REMOVAL_PREFIX: Final = "ORDER_REMOVAL_REASON_"


def time_in_force(order: PaperOrder) -> str:
    """GTT, IOC or FOK; post-only is told by a flag of its own."""
    return {1: "IOC", 3: "FOK"}.get(order.time_in_force, "GTT")


def order_type(order: PaperOrder, *, in_memory: bool = False) -> str:
    """The type, which follows from flags and condition; a memory row always says LIMIT."""
    if in_memory:
        return "LIMIT"
    if order.key.order_flags == 32:
        return "TAKE_PROFIT" if order.condition_type == 2 else "STOP_LIMIT"
    return "TWAP" if order.key.order_flags == 128 else "LIMIT"


def expiry(order: PaperOrder) -> Json:
    """The one expiry field that the order has."""
    if order.good_til_block_time is not None:
        return {"goodTilBlockTime": iso(from_unix(order.good_til_block_time))}
    return {"goodTilBlock": str(order.good_til_block)}


def trigger(order: PaperOrder, scale: Scale) -> Json:
    """The trigger price of a conditional order."""
    if order.key.order_flags != 32:
        return {}
    return {"triggerPrice": number(scale.price_of(order.trigger_subticks))}


def order_name(order: PaperOrder) -> Json:
    """The ids with which every order message begins."""
    return {
        "id": order_id_of(order.key),
        "subaccountId": subaccount_id_of(order.key.subaccount),
        "clientId": str(order.key.client_id),
        "clobPairId": str(order.key.clob_pair_id),
    }


def stamps(row: OrderRow | None) -> Json:
    """When the database row was made and changed, where there is one."""
    if row is None:
        return {}
    return {
        "createdAtHeight": str(row.created_height),
        "updatedAt": iso(row.updated_at),
        "updatedAtHeight": str(row.updated_height),
    }


def opened_order(order: PaperOrder, status: str, market: Market, row: OrderRow | None) -> Json:
    """Websocket: an order the node took, or a stateful order that was placed or triggered."""
    return {
        **order_name(order),
        "side": order.side,
        "size": number(market.scale.size_of(order.quantums)),
        "price": number(market.scale.price_of(order.subticks)),
        "status": status,
        "type": order_type(order),
        "timeInForce": time_in_force(order),
        "postOnly": order.time_in_force == 2,
        "reduceOnly": order.reduce_only,
        "orderFlags": str(order.key.order_flags),
        **expiry(order),
        "ticker": market.ticker,
        **stamps(row),
        "clientMetadata": str(order.client_metadata),
        **trigger(order, market.scale),
    }


def removed_order(
    order: PaperOrder, status: str, reason: str, market: Market, row: OrderRow | None, filled: Json
) -> Json:
    """Websocket: an order that was dropped. `filled` is totalOptimisticFilled (from memory) or
    totalFilled (from the database).
    """
    return {
        **order_name(order),
        "side": order.side,
        "size": number(market.scale.size_of(order.quantums)),
        **filled,
        "price": number(market.scale.price_of(order.subticks)),
        "type": order_type(order),
        "status": status,
        "timeInForce": time_in_force(order),
        "postOnly": order.time_in_force == 2,
        "reduceOnly": order.reduce_only,
        "orderFlags": str(order.key.order_flags),
        **expiry(order),
        "ticker": market.ticker,
        "removalReason": REMOVAL_PREFIX + reason,
        **stamps(row),
        "clientMetadata": str(order.client_metadata),
        **trigger(order, market.scale),
    }


def order_row_full(row: OrderRow, market: Market) -> Json:
    """Websocket: the whole database row of an order, nulls included."""
    order, scale = row.order, market.scale
    stateful = order.good_til_block_time is not None
    return {
        "id": row.id,
        "side": order.side,
        "size": number(scale.size_of(order.quantums)),
        "type": order_type(order),
        "price": number(scale.price_of(order.subticks)),
        "feePpm": None,
        "status": row.status,
        "clientId": str(order.key.client_id),
        "duration": None,
        "interval": None,
        "createdAt": iso(row.created_at),
        "updatedAt": iso(row.updated_at),
        "clobPairId": str(order.key.clob_pair_id),
        "orderFlags": str(order.key.order_flags),
        "reduceOnly": order.reduce_only,
        "timeInForce": time_in_force(order),
        "totalFilled": number(scale.size_of(row.total_filled)),
        "goodTilBlock": None if stateful else str(order.good_til_block),
        "subaccountId": subaccount_id_of(order.key.subaccount),
        "triggerPrice": trigger(order, scale).get("triggerPrice"),
        "builderAddress": None,
        "clientMetadata": str(order.client_metadata),
        "priceTolerance": None,
        "createdAtHeight": str(row.created_height),
        "updatedAtHeight": str(row.updated_height),
        "goodTilBlockTime": expiry(order).get("goodTilBlockTime"),
        "orderRouterAddress": "",
        "postOnly": order.time_in_force == 2,
        "ticker": market.ticker,
    }


def order_rest(row: OrderRow, market: Market) -> Json:
    """REST: an order of the database, without its nulls."""
    order, scale = row.order, market.scale
    return {
        **order_name(order),
        "side": order.side,
        "size": number(scale.size_of(order.quantums)),
        "totalFilled": number(scale.size_of(row.total_filled)),
        "price": number(scale.price_of(order.subticks)),
        "type": order_type(order),
        "status": row.status,
        "timeInForce": time_in_force(order),
        "reduceOnly": order.reduce_only,
        "orderFlags": str(order.key.order_flags),
        **expiry(order),
        "createdAtHeight": str(row.created_height),
        "clientMetadata": str(order.client_metadata),
        **trigger(order, scale),
        "updatedAt": iso(row.updated_at),
        "updatedAtHeight": str(row.updated_height),
        "orderRouterAddress": "",
        "createdAt": iso(row.created_at),
        "postOnly": order.time_in_force == 2,
        "ticker": market.ticker,
        "subaccountNumber": order.key.subaccount.number,
    }


def order_memory(memory: MemoryOrder, market: Market) -> Json:
    """REST: an order that only the node's memory knows."""
    order = memory.order
    return {
        **order_name(order),
        "side": order.side,
        "size": number(market.scale.size_of(order.quantums)),
        "totalFilled": "0",
        "price": number(market.scale.price_of(order.subticks)),
        "type": order_type(order, in_memory=True),
        "status": memory.status,
        "timeInForce": time_in_force(order),
        "postOnly": order.time_in_force == 2,
        "reduceOnly": order.reduce_only,
        **expiry(order),
        "ticker": market.ticker,
        "orderFlags": str(order.key.order_flags),
        "clientMetadata": str(order.client_metadata),
        "subaccountNumber": order.key.subaccount.number,
        "orderRouterAddress": "",
    }
