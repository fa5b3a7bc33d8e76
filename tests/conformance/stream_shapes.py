"""The shape of every websocket message. Source: docs/protocol.md, indexer websocket."""

from __future__ import annotations

from typing import Any, Final

from tests.conformance.rest_shapes import (
    BOOK,
    CANDLE,
    FILL_TYPE,
    HEIGHT,
    MARKET,
    MARKET_STATUS,
    ORDER,
    ORDER_STATUS,
    ORDER_TYPE,
    PARENT,
    PARTY,
    POSITION_SIDE,
    REWARD,
    SIDE,
    SUBACCOUNT,
    TRADE,
    TRADE_TYPE,
    TRANSFER_TYPE,
)
from tests.conformance.shapes import (
    ADDRESS,
    BOOL,
    HASH,
    HEX,
    INT,
    MOMENT,
    NULL,
    NUMBER,
    TEXT,
    UUID,
    WHOLE,
    Each,
    OneOf,
    faults,
    maybe,
    words,
)

Shape = Any
_NAMED: Final[Shape] = {
    "id": UUID,
    "subaccountId": UUID,
    "clientId": WHOLE,
    "clobPairId": WHOLE,
    "orderFlags": WHOLE,
    "ticker": TEXT,
    "status": ORDER_STATUS,
}
_TERMS: Final[Shape] = {
    "side": SIDE,
    "size": NUMBER,
    "price": NUMBER,
    "type": ORDER_TYPE,
    "timeInForce": words("GTT", "IOC", "FOK"),
    "clientMetadata": WHOLE,
}
_WHEN: Final[Shape] = {"goodTilBlock?": maybe(WHOLE), "goodTilBlockTime?": maybe(MOMENT)}
_REMOVAL: Final = words(
    *(
        f"ORDER_REMOVAL_REASON_{reason}"
        for reason in (
            "EXPIRED",
            "USER_CANCELED",
            "UNDERCOLLATERALIZED",
            "INTERNAL_ERROR",
            "SELF_TRADE_ERROR",
            "POST_ONLY_WOULD_CROSS_MAKER_ORDER",
            "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK",
            "FOK_ORDER_COULD_NOT_BE_FULLY_FULLED",
            "REDUCE_ONLY_RESIZE",
            "INDEXER_EXPIRED",
            "REPLACED",
            "FULLY_FILLED",
            "EQUITY_TIER",
            "FINAL_SETTLEMENT",
            "VIOLATES_ISOLATED_SUBACCOUNT_CONSTRAINTS",
        )
    )
)
# Of an order in the book, of one that was removed, of one in the database, and the reduced object
# of a removed one that the indexer never saw.
STREAM_ORDER: Final[Shape] = OneOf(
    (
        {
            **_NAMED,
            **_TERMS,
            **_WHEN,
            "postOnly?": BOOL,
            "reduceOnly?": BOOL,
            "triggerPrice?": maybe(NUMBER),
            "totalFilled?": NUMBER,
            "totalOptimisticFilled?": NUMBER,
            "removalReason?": _REMOVAL,
            "createdAt?": MOMENT,
            "createdAtHeight?": WHOLE,
            "updatedAt?": MOMENT,
            "updatedAtHeight?": WHOLE,
            "builderAddress?": maybe(ADDRESS),
            "feePpm?": maybe(WHOLE),
            "orderRouterAddress?": TEXT,
            "duration?": maybe(WHOLE),
            "interval?": maybe(WHOLE),
            "priceTolerance?": maybe(WHOLE),
        },
        {**_NAMED, "removalReason": _REMOVAL},
    )
)
STREAM_FILL: Final[Shape] = {
    "id": UUID,
    "subaccountId": UUID,
    "side": SIDE,
    "liquidity": words("MAKER", "TAKER"),
    "type": FILL_TYPE,
    "clobPairId": WHOLE,
    "orderId": maybe(UUID),
    "size": NUMBER,
    "price": NUMBER,
    "quoteAmount": NUMBER,
    "eventId": HEX,
    "transactionHash": HASH,
    "createdAt": MOMENT,
    "createdAtHeight": WHOLE,
    "clientMetadata": maybe(WHOLE),
    "fee": NUMBER,
    "affiliateRevShare": NUMBER,
    "builderFee": maybe(NUMBER),
    "builderAddress": maybe(ADDRESS),
    "orderRouterAddress": maybe(TEXT),
    "orderRouterFee": maybe(NUMBER),
    "positionSizeBefore": maybe(NUMBER),
    "entryPriceBefore": maybe(NUMBER),
    "positionSideBefore": maybe(POSITION_SIDE),
    "ticker": TEXT,
}
STREAM_POSITION: Final[Shape] = {
    "address": ADDRESS,
    "subaccountNumber": INT,
    "positionId": UUID,
    "market": TEXT,
    "side": POSITION_SIDE,
    "status": words("OPEN", "CLOSED", "LIQUIDATED"),
    "size": NUMBER,
    "maxSize": NUMBER,
    "netFunding": NUMBER,
    "entryPrice": NUMBER,
    "exitPrice": maybe(NUMBER),
    "sumOpen": NUMBER,
    "sumClose": NUMBER,
    "realizedPnl": NUMBER,
    "unrealizedPnl": NUMBER,
}
STREAM_ASSET: Final[Shape] = {
    "address": ADDRESS,
    "subaccountNumber": INT,
    "positionId": UUID,
    "assetId": WHOLE,
    "symbol": words("USDC"),
    "side": POSITION_SIDE,
    "size": NUMBER,
}
STREAM_TRANSFER: Final[Shape] = {
    "sender": PARTY,
    "recipient": PARTY,
    "symbol": words("USDC"),
    "size": NUMBER,
    "type": TRANSFER_TYPE,
    "createdAt": MOMENT,
    "createdAtHeight": WHOLE,
    "transactionHash": HASH,
}
ACCOUNT_UPDATE: Final[Shape] = {
    "perpetualPositions?": [STREAM_POSITION],
    "assetPositions?": [STREAM_ASSET],
    "orders?": [STREAM_ORDER],
    "fills?": [STREAM_FILL],
    "transfers?": STREAM_TRANSFER,
    "tradingReward?": REWARD,
    "blockHeight": WHOLE,
}
_PRICE: Final[Shape] = {
    "oraclePrice": NUMBER,
    "effectiveAt": MOMENT,
    "effectiveAtHeight": WHOLE,
    "marketId": INT,
}
_CHANGE: Final[Shape] = {
    **{f"{key}?": shape for key, shape in MARKET.items()},
    "id?": OneOf((WHOLE, INT)),
    "status?": MARKET_STATUS,
    "marketId?": INT,
}
_LEVELS: Final[Shape] = [(NUMBER, NUMBER)]
_TRADE: Final[Shape] = {
    "id": HEX,
    "size": NUMBER,
    "price": NUMBER,
    "side": SIDE,
    "createdAt": MOMENT,
    "type": TRADE_TYPE,
}
SNAPSHOTS: Final[dict[str, Shape]] = {
    "v4_subaccounts": OneOf(
        ({"subaccount": SUBACCOUNT, "orders": [ORDER], "blockHeight": WHOLE}, {})
    ),
    "v4_parent_subaccounts": OneOf(
        ({"subaccount": PARENT, "orders": [ORDER], "blockHeight": WHOLE}, {})
    ),
    "v4_markets": {"markets": Each(MARKET)},
    "v4_orderbook": BOOK,
    "v4_trades": {"trades": [TRADE]},
    "v4_candles": {"candles": [CANDLE]},
    "v4_block_height": HEIGHT,
}
UPDATES: Final[dict[str, Shape]] = {
    "v4_subaccounts": ACCOUNT_UPDATE,
    "v4_parent_subaccounts": ACCOUNT_UPDATE,
    "v4_markets": {"trading?": Each(_CHANGE), "oraclePrices?": Each(_PRICE)},
    "v4_orderbook": {"bids?": _LEVELS, "asks?": _LEVELS},
    "v4_trades": {"trades": [_TRADE]},
    "v4_candles": CANDLE,
    "v4_block_height": {"blockHeight": WHOLE, "time": MOMENT},
}
_HEAD: Final[Shape] = {"type": TEXT, "connection_id": UUID, "message_id": INT}


def frame_faults(frame: Any) -> list[str]:
    """What is wrong with a message that the server sent."""
    if not isinstance(frame, dict):
        return ["a message was no object"]
    kind, channel = frame.get("type"), frame.get("channel")
    if kind == "connected":
        return list(faults(_HEAD, frame))
    if kind == "error":
        return list(faults({**_HEAD, "message": TEXT, "channel?": TEXT, "id?": TEXT}, frame))
    named = {**_HEAD, "channel": words(*SNAPSHOTS)}
    named["id?" if channel == "v4_markets" else "id"] = TEXT
    if kind == "unsubscribed":
        return list(faults(named, frame))
    shapes = SNAPSHOTS if kind == "subscribed" else UPDATES
    contents = shapes.get(str(channel), NULL)
    if kind == "subscribed":
        return list(faults({**named, "contents": contents}, frame))
    data = {**named, "version": TEXT, "contents": contents}
    if channel == "v4_parent_subaccounts":
        data["subaccountNumber"] = INT
    if kind == "channel_batch_data":
        data["contents"] = [contents]
    elif kind != "channel_data":
        return [f"a message had the unknown type {kind!r}"]
    return list(faults(data, frame))
