"""Orders as the indexer's REST and websocket write them.

Key order, nulls and strings are as recorded. Source: docs/protocol.md, life of an order.
"""

from __future__ import annotations

from typing import Any, Final

from core.dydx.quantums import Scale
from core.paper.governance import Market
from core.paper.happenings import OrderKey, PaperOrder
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
    """Websocket: an order the node took, or a stateful order that was placed or triggered. A TWAP
    order is called LIMIT here.
    """
    return {
        **order_name(order),
        "side": order.side,
        "size": number(market.scale.size_of(order.quantums)),
        "price": number(market.scale.price_of(order.subticks)),
        "status": status,
        "type": order_type(order, in_memory=order.twap is not None),
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


def unknown_removal(
    key: OrderKey, status: str, reason: str, market: Market, row: OrderRow | None
) -> Json:
    """Websocket: the removal of an order that the cache does not hold, with what the database
    knows of it.
    """
    message: Json = {
        "id": order_id_of(key),
        "subaccountId": subaccount_id_of(key.subaccount),
        "clientId": str(key.client_id),
        "clobPairId": str(key.clob_pair_id),
        "status": status,
        "orderFlags": str(key.order_flags),
        "ticker": market.ticker,
        "removalReason": REMOVAL_PREFIX + reason,
    }
    if row is None:
        return message
    full = order_row_full(row, market)
    return {
        **message,
        **stamps(row),
        "price": full["price"],
        "size": full["size"],
        "clientMetadata": full["clientMetadata"],
        **({"reduceOnly": True} if row.order.reduce_only else {}),
        "side": full["side"],
        "timeInForce": full["timeInForce"],
        "totalFilled": full["totalFilled"],
        **expiry(row.order),
        **trigger(row.order, market.scale),
        "type": full["type"],
    }


def order_row_full(row: OrderRow, market: Market, part: PaperOrder | None = None) -> Json:
    """Websocket: the whole database row of an order, nulls included. After a fill of a TWAP order
    it carries the price, size, flags and expiry of the part that filled.
    """
    order, scale = part or row.order, market.scale
    terms = row.order.twap
    stateful = order.good_til_block_time is not None
    return {
        "id": row.id,
        "side": order.side,
        "size": number(scale.size_of(order.quantums)),
        "type": order_type(row.order),
        "price": number(scale.price_of(order.subticks)),
        "feePpm": None if order.builder_fee_ppm is None else str(order.builder_fee_ppm),
        "status": row.status,
        "clientId": str(order.key.client_id),
        "duration": None if terms is None else str(terms.duration_s),
        "interval": None if terms is None else str(terms.interval_s),
        "createdAt": iso(row.created_at),
        "updatedAt": iso(row.updated_at),
        "clobPairId": str(order.key.clob_pair_id),
        "orderFlags": str(256 if part is not None else order.key.order_flags),
        "reduceOnly": order.reduce_only,
        "timeInForce": time_in_force(order),
        "totalFilled": number(scale.size_of(row.total_filled)),
        "goodTilBlock": None if stateful else str(order.good_til_block),
        "subaccountId": subaccount_id_of(order.key.subaccount),
        "triggerPrice": trigger(order, scale).get("triggerPrice"),
        "builderAddress": order.builder_address,
        "clientMetadata": str(order.client_metadata),
        "priceTolerance": None if terms is None else str(terms.price_tolerance_ppm),
        "createdAtHeight": str(row.created_height),
        "updatedAtHeight": str(row.updated_height),
        "goodTilBlockTime": expiry(order).get("goodTilBlockTime"),
        "orderRouterAddress": order.order_router_address or "",
        "postOnly": order.time_in_force == 2,
        "ticker": market.ticker,
    }


def order_rest(row: OrderRow, market: Market, cached: PaperOrder | None = None) -> Json:
    """REST: an order of the database, without its nulls. What the cache holds of it is newer."""
    order, scale = cached or row.order, market.scale
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
        **_builder(order),
        **_spread(order),
        "orderRouterAddress": order.order_router_address or "",
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
        **_builder(order),
        "orderRouterAddress": order.order_router_address or "",
    }


def _builder(order: PaperOrder) -> Json:
    """REST: who built the order and for what fee, where the order says so."""
    if order.builder_address is None:
        return {}
    return {"builderAddress": order.builder_address, "feePpm": str(order.builder_fee_ppm or 0)}


def _spread(order: PaperOrder) -> Json:
    """REST: how a TWAP order is spread."""
    terms = order.twap
    if terms is None:
        return {}
    return {
        "duration": str(terms.duration_s),
        "interval": str(terms.interval_s),
        "priceTolerance": str(terms.price_tolerance_ppm),
    }
