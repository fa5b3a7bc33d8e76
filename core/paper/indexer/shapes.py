"""Fills, positions, money, trades and candles as the indexer writes them.

Key order, nulls and strings are as recorded. Source: docs/protocol.md, indexer.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from core.paper.governance import Market
from core.paper.happenings import SubaccountKey
from core.paper.indexer.records import (
    CandleRow,
    FillRow,
    PositionRow,
    TradeRow,
    TransferRow,
    subaccount_id_of,
)
from core.paper.indexer.texts import EXACT, iso, number, optional, usdc

Json = dict[str, Any]


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
        "builderFee": optional(fill.builder_fee),
        "clobPairId": str(fill.market),
        "quoteAmount": number(fill.quote_amount),
        "subaccountId": subaccount_id_of(fill.subaccount),
        "builderAddress": fill.builder_address,
        "clientMetadata": fill.client_metadata,
        "orderRouterFee": None,
        "createdAtHeight": str(fill.created_height),
        "transactionHash": fill.transaction_hash,
        "entryPriceBefore": optional(fill.entry_before),
        "affiliateRevShare": "0",
        "orderRouterAddress": fill.order_router_address,
        "positionSideBefore": fill.side_before,
        "positionSizeBefore": optional(fill.size_before),
        "ticker": market.ticker,
    }


def fill_rest(fill: FillRow, market: Market) -> Json:
    """REST: a fill; what is not known of it is left out."""
    known: Json = {}
    if fill.builder_fee is not None:
        known["builderFee"] = number(fill.builder_fee)
        known["builderAddress"] = fill.builder_address
    if fill.order_router_address is not None:
        known["orderRouterAddress"] = fill.order_router_address
    if fill.size_before is not None:
        known["positionSizeBefore"] = number(fill.size_before)
    if fill.entry_before is not None:
        known["entryPriceBefore"] = number(fill.entry_before)
    if fill.side_before is not None:
        known["positionSideBefore"] = fill.side_before
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
        **known,
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
    """REST: a perpetual position; realizedPnl is net of fees, without funding and liquidations, and
    netFunding holds what is not settled yet.
    """
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
        "netFunding": number(EXACT.add(row.net_funding, row.unsettled)),
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


def asset_rest(key: SubaccountKey, held: Decimal) -> Json:
    """REST: the USDC of a subaccount, funding that is not settled yet included."""
    return {
        "size": number(abs(held)),
        "symbol": "USDC",
        "side": "LONG" if held >= 0 else "SHORT",
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
