"""Rows as the indexer's REST and websocket write them: key order, nulls and strings as recorded.

Source: docs/protocol.md, indexer.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from core.dydx.quantums import Scale
from core.paper.governance import Market
from core.paper.happenings import PaperOrder, SubaccountKey
from core.paper.indexer.records import (
    CandleRow,
    FillRow,
    MemoryOrder,
    OrderRow,
    PositionRow,
    TradeRow,
    TransferRow,
    order_id_of,
    subaccount_id_of,
)
from core.paper.indexer.texts import EXACT, from_unix, iso, number, optional, usdc

Json = dict[str, Any]
REMOVAL_PREFIX = "ORDER_REMOVAL_REASON_"


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


def fill_ws(fill: FillRow, market: Market) -> Json:
    """Websocket: the whole database row of a fill."""
    return {
        "id": fill.id,
        "fee": number(fill.fee),
        "side": fill.side,
        "size": number(fill.size),
        "type": fill.kind,
        "price": number(fill.price),
        "eventId": fill.event_id,
        "orderId": fill.order_id,
        "createdAt": iso(fill.created_at),
        "liquidity": fill.liquidity,
        "builderFee": None,
        "clobPairId": str(fill.market),
        "quoteAmount": number(fill.quote_amount),
        "subaccountId": subaccount_id_of(fill.subaccount),
        "builderAddress": None,
        "clientMetadata": fill.client_metadata,
        "orderRouterFee": None,
        "createdAtHeight": str(fill.created_height),
        "transactionHash": fill.transaction_hash,
        "entryPriceBefore": optional(fill.entry_before),
        "affiliateRevShare": "0",
        "orderRouterAddress": None,
        "positionSideBefore": fill.side_before,
        "positionSizeBefore": number(fill.size_before),
        "ticker": market.ticker,
    }


def fill_rest(fill: FillRow, market: Market) -> Json:
    """REST: a fill; the entry price before it is left out where there was none."""
    before = {} if fill.entry_before is None else {"entryPriceBefore": number(fill.entry_before)}
    return {
        "id": fill.id,
        "side": fill.side,
        "liquidity": fill.liquidity,
        "type": fill.kind,
        "market": market.ticker,
        "marketType": "PERPETUAL",
        "price": number(fill.price),
        "size": number(fill.size),
        "fee": number(fill.fee),
        "affiliateRevShare": "0",
        "createdAt": iso(fill.created_at),
        "createdAtHeight": str(fill.created_height),
        "orderId": fill.order_id,
        "clientMetadata": fill.client_metadata,
        "subaccountNumber": fill.subaccount.number,
        "positionSizeBefore": number(fill.size_before),
        **before,
        "positionSideBefore": fill.side_before,
    }


def unrealized(row: PositionRow, oracle: Decimal) -> Decimal:
    """What the position would win at the oracle price."""
    return EXACT.multiply(row.size, EXACT.subtract(oracle, row.entry_price))


def realized(row: PositionRow) -> Decimal:
    """What closing brought, with funding and without fees: the websocket's figure."""
    if row.exit_price is None:
        return row.net_funding
    gain = EXACT.multiply(EXACT.subtract(row.exit_price, row.entry_price), row.sum_close)
    return EXACT.add(gain if row.side == "LONG" else -gain, row.net_funding)


def position_ws(row: PositionRow, ticker: str, oracle: Decimal) -> Json:
    """Websocket: a perpetual position."""
    return {
        "address": row.subaccount.owner,
        "subaccountNumber": row.subaccount.number,
        "positionId": row.id,
        "market": ticker,
        "side": row.side,
        "status": row.status,
        "size": number(row.size),
        "maxSize": number(row.max_size),
        "netFunding": number(row.net_funding),
        "entryPrice": number(row.entry_price),
        "exitPrice": optional(row.exit_price),
        "sumOpen": number(row.sum_open),
        "sumClose": number(row.sum_close),
        "realizedPnl": number(realized(row)),
        "unrealizedPnl": number(unrealized(row, oracle)),
    }


def position_rest(row: PositionRow, ticker: str, oracle: Decimal) -> Json:
    """REST: a perpetual position; realizedPnl is net of fees, without funding and liquidations."""
    return {
        "market": ticker,
        "status": row.status,
        "side": row.side,
        "size": number(row.size),
        "maxSize": number(row.max_size),
        "entryPrice": number(row.entry_price),
        "exitPrice": optional(row.exit_price),
        "realizedPnl": number(EXACT.subtract(row.own_pnl, row.fees)),
        "unrealizedPnl": number(unrealized(row, oracle)),
        "createdAt": iso(row.created_at),
        "createdAtHeight": str(row.created_height),
        "closedAt": None if row.closed_at is None else iso(row.closed_at),
        "sumOpen": number(row.sum_open),
        "sumClose": number(row.sum_close),
        "netFunding": number(row.net_funding),
        "subaccountNumber": row.subaccount.number,
    }


def asset_ws(key: SubaccountKey, position_id: str, quote_quantums: int) -> Json:
    """Websocket: the USDC of a subaccount."""
    return {
        "address": key.owner,
        "subaccountNumber": key.number,
        "positionId": position_id,
        "assetId": "0",
        "symbol": "USDC",
        "side": "LONG" if quote_quantums >= 0 else "SHORT",
        "size": number(abs(usdc(quote_quantums))),
    }


def asset_rest(key: SubaccountKey, quote_quantums: int) -> Json:
    """REST: the USDC of a subaccount."""
    return {
        "size": number(abs(usdc(quote_quantums))),
        "symbol": "USDC",
        "side": "LONG" if quote_quantums >= 0 else "SHORT",
        "assetId": "0",
        "subaccountNumber": key.number,
    }


def transfer_side(address: str, n: int | None, name: str = "subaccountNumber") -> Json:
    """One end of a transfer; a wallet has no number."""
    return {"address": address} if n is None else {"address": address, name: n}


def transfer_type(row: TransferRow, *, incoming: bool) -> str:
    """What the transfer is, seen from one of its ends."""
    if row.sender_number is None:
        return "DEPOSIT"
    if row.recipient_number is None:
        return "WITHDRAWAL"
    return "TRANSFER_IN" if incoming else "TRANSFER_OUT"


def transfer_ws(row: TransferRow, *, incoming: bool) -> Json:
    """Websocket: a transfer."""
    return {
        "sender": transfer_side(row.sender, row.sender_number),
        "recipient": transfer_side(row.recipient, row.recipient_number),
        "symbol": "USDC",
        "size": number(row.size),
        "type": transfer_type(row, incoming=incoming),
        "createdAt": iso(row.created_at),
        "createdAtHeight": str(row.created_height),
        "transactionHash": row.transaction_hash,
    }


def transfer_rest(row: TransferRow, *, incoming: bool, parent: bool = False) -> Json:
    """REST: a transfer; the parent route names parents instead of subaccounts."""
    name = "parentSubaccountNumber" if parent else "subaccountNumber"
    sender, recipient = row.sender_number, row.recipient_number
    if parent:
        sender = None if sender is None else sender % 128
        recipient = None if recipient is None else recipient % 128
    return {
        "id": row.id,
        "sender": transfer_side(row.sender, sender, name),
        "recipient": transfer_side(row.recipient, recipient, name),
        "size": number(row.size),
        "createdAt": iso(row.created_at),
        "createdAtHeight": str(row.created_height),
        "symbol": "USDC",
        "type": transfer_type(row, incoming=incoming),
        "transactionHash": row.transaction_hash,
    }


def trade_ws(row: TradeRow) -> Json:
    """Websocket: a trade."""
    return {
        "id": row.id,
        "size": number(row.size),
        "price": number(row.price),
        "side": row.side,
        "createdAt": iso(row.created_at),
        "type": row.kind,
    }


def trade_rest(row: TradeRow) -> Json:
    """REST: a trade."""
    return {
        "id": row.id,
        "side": row.side,
        "size": number(row.size),
        "price": number(row.price),
        "type": row.kind,
        "createdAt": iso(row.created_at),
        "createdAtHeight": str(row.created_height),
    }


def candle(row: CandleRow, ticker: str) -> Json:
    """A candle, the same in REST and websocket."""
    return {
        "startedAt": iso(row.started_at),
        "ticker": ticker,
        "resolution": row.resolution,
        "low": number(row.low),
        "high": number(row.high),
        "open": number(row.open),
        "close": number(row.close),
        "baseTokenVolume": number(row.base_volume),
        "usdVolume": number(row.usd_volume),
        "trades": row.trades,
        "startingOpenInterest": number(row.starting_open_interest),
        "orderbookMidPriceOpen": optional(row.mid_open),
        "orderbookMidPriceClose": optional(row.mid_close),
    }
