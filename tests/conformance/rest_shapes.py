"""The shape of every REST body of the indexer. Source: docs/protocol.md, indexer REST."""

from __future__ import annotations

import re
from typing import Any, Final

from tests.conformance.shapes import (
    ADDRESS,
    ANY,
    BOOL,
    FLOAT,
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
    maybe,
    words,
)

Shape = Any
SIDE: Final = words("BUY", "SELL")
POSITION_SIDE: Final = words("LONG", "SHORT")
ORDER_STATUS: Final = words(
    "OPEN", "FILLED", "CANCELED", "BEST_EFFORT_CANCELED", "BEST_EFFORT_OPENED", "UNTRIGGERED"
)
ORDER_TYPE: Final = words("LIMIT", "STOP_LIMIT", "TAKE_PROFIT", "TWAP", "TWAP_SUBORDER")
FILL_TYPE: Final = words(
    "LIMIT", "LIQUIDATED", "LIQUIDATION", "DELEVERAGED", "OFFSETTING", "TWAP_SUBORDER"
)
TRADE_TYPE: Final = words("LIMIT", "LIQUIDATED", "DELEVERAGED", "TWAP_SUBORDER")
TRANSFER_TYPE: Final = words("TRANSFER_IN", "TRANSFER_OUT", "DEPOSIT", "WITHDRAWAL")
MARKET_STATUS: Final = words(
    "ACTIVE", "PAUSED", "CANCEL_ONLY", "POST_ONLY", "INITIALIZING", "FINAL_SETTLEMENT"
)

MARKET: Final[Shape] = {
    "clobPairId": WHOLE,
    "ticker": TEXT,
    "status": MARKET_STATUS,
    "oraclePrice": maybe(NUMBER),
    "priceChange24H": NUMBER,
    "volume24H": NUMBER,
    "trades24H": INT,
    "nextFundingRate": NUMBER,
    "initialMarginFraction": NUMBER,
    "maintenanceMarginFraction": NUMBER,
    "openInterest": NUMBER,
    "atomicResolution": INT,
    "quantumConversionExponent": INT,
    "tickSize": NUMBER,
    "stepSize": NUMBER,
    "stepBaseQuantums": INT,
    "subticksPerTick": INT,
    "marketType": words("CROSS", "ISOLATED"),
    "openInterestLowerCap": NUMBER,
    "openInterestUpperCap": NUMBER,
    "baseOpenInterest": NUMBER,
    "defaultFundingRate1H": NUMBER,
}
POSITION: Final[Shape] = {
    "market": TEXT,
    "status": words("OPEN", "CLOSED", "LIQUIDATED"),
    "side": POSITION_SIDE,
    "size": NUMBER,
    "maxSize": NUMBER,
    "entryPrice": NUMBER,
    "exitPrice": maybe(NUMBER),
    "realizedPnl": NUMBER,
    "unrealizedPnl": NUMBER,
    "createdAt": MOMENT,
    "createdAtHeight": WHOLE,
    "closedAt": maybe(MOMENT),
    "sumOpen": NUMBER,
    "sumClose": NUMBER,
    "netFunding": NUMBER,
    "subaccountNumber": INT,
}
ASSET: Final[Shape] = {
    "symbol": words("USDC"),
    "side": POSITION_SIDE,
    "size": NUMBER,
    "assetId": WHOLE,
    "subaccountNumber": INT,
}
SUBACCOUNT: Final[Shape] = {
    "address": ADDRESS,
    "subaccountNumber": INT,
    "equity": NUMBER,
    "freeCollateral": NUMBER,
    "openPerpetualPositions": Each(POSITION),
    "assetPositions": Each(ASSET),
    "marginEnabled": BOOL,
    "updatedAtHeight": WHOLE,
    "latestProcessedBlockHeight": WHOLE,
}
PARENT: Final[Shape] = {
    "address": ADDRESS,
    "parentSubaccountNumber": INT,
    "equity": NUMBER,
    "freeCollateral": NUMBER,
    "childSubaccounts": [SUBACCOUNT],
}
ORDER: Final[Shape] = {
    "id": UUID,
    "subaccountId": UUID,
    "clientId": WHOLE,
    "clobPairId": WHOLE,
    "side": SIDE,
    "size": NUMBER,
    "totalFilled": NUMBER,
    "price": NUMBER,
    "type": ORDER_TYPE,
    "status": ORDER_STATUS,
    "timeInForce": words("GTT", "IOC", "FOK"),
    "reduceOnly": BOOL,
    "orderFlags": WHOLE,
    "goodTilBlock?": WHOLE,
    "goodTilBlockTime?": MOMENT,
    "createdAtHeight?": WHOLE,
    "createdAt?": MOMENT,
    "updatedAt?": MOMENT,
    "updatedAtHeight?": WHOLE,
    "clientMetadata": WHOLE,
    "orderRouterAddress": TEXT,
    "postOnly": BOOL,
    "ticker": TEXT,
    "subaccountNumber": INT,
    "triggerPrice?": NUMBER,
    "duration?": WHOLE,
    "interval?": WHOLE,
    "priceTolerance?": WHOLE,
    "builderAddress?": ADDRESS,
    "feePpm?": WHOLE,
}
FILL: Final[Shape] = {
    "id": UUID,
    "side": SIDE,
    "liquidity": words("MAKER", "TAKER"),
    "type": FILL_TYPE,
    "market": TEXT,
    "marketType": words("PERPETUAL"),
    "price": NUMBER,
    "size": NUMBER,
    "fee": NUMBER,
    "affiliateRevShare": NUMBER,
    "createdAt": MOMENT,
    "createdAtHeight": WHOLE,
    "orderId": maybe(UUID),
    "clientMetadata": maybe(WHOLE),
    "subaccountNumber": INT,
    "positionSizeBefore?": NUMBER,
    "entryPriceBefore?": NUMBER,
    "positionSideBefore?": POSITION_SIDE,
    "builderFee?": NUMBER,
    "builderAddress?": ADDRESS,
    "orderRouterAddress?": ADDRESS,
    "orderRouterFee?": NUMBER,
}
PAGED: Final[Shape] = {"pageSize?": INT, "totalResults?": INT, "offset?": INT}
PARTY: Final[Shape] = {"address": ADDRESS, "subaccountNumber?": INT}
PARENT_PARTY: Final[Shape] = {"address": ADDRESS, "parentSubaccountNumber?": INT}


def transfer(party: Shape) -> Shape:
    """A transfer's row with the parties that its route shows."""
    return {
        "id": UUID,
        "sender": party,
        "recipient": party,
        "size": NUMBER,
        "createdAt": MOMENT,
        "createdAtHeight": WHOLE,
        "symbol": words("USDC"),
        "type": TRANSFER_TYPE,
        "transactionHash": HASH,
    }


TRADE: Final[Shape] = {
    "id": HEX,
    "side": SIDE,
    "size": NUMBER,
    "price": NUMBER,
    "type": TRADE_TYPE,
    "createdAt": MOMENT,
    "createdAtHeight": WHOLE,
}
CANDLE: Final[Shape] = {
    "startedAt": MOMENT,
    "ticker": TEXT,
    "resolution": words("1MIN", "5MINS", "15MINS", "30MINS", "1HOUR", "4HOURS", "1DAY"),
    "low": NUMBER,
    "high": NUMBER,
    "open": NUMBER,
    "close": NUMBER,
    "baseTokenVolume": NUMBER,
    "usdVolume": NUMBER,
    "trades": INT,
    "startingOpenInterest": NUMBER,
    # Missing where no book was seen on both sides.
    "orderbookMidPriceOpen?": maybe(NUMBER),
    "orderbookMidPriceClose?": maybe(NUMBER),
}
LEVEL: Final[Shape] = {"price": NUMBER, "size": NUMBER}
BOOK: Final[Shape] = {"bids": [LEVEL], "asks": [LEVEL]}
HEIGHT: Final[Shape] = {"height": WHOLE, "time": MOMENT}
TICK: Final[Shape] = {
    "equity": NUMBER,
    "totalPnl": NUMBER,
    "netTransfers": NUMBER,
    "createdAt": MOMENT,
    "blockHeight": WHOLE,
    "blockTime": MOMENT,
}
PNL: Final[Shape] = {
    "equity": NUMBER,
    "totalPnl": NUMBER,
    "netTransfers": NUMBER,
    "createdAt": MOMENT,
    "createdAtHeight": WHOLE,
}
PAYMENT: Final[Shape] = {
    "subaccountNumber": WHOLE,
    "createdAt": MOMENT,
    "createdAtHeight": WHOLE,
    "perpetualId": WHOLE,
    "ticker": TEXT,
    "oraclePrice": NUMBER,
    "size": NUMBER,
    "side": POSITION_SIDE,
    "rate": NUMBER,
    "payment": NUMBER,
    "fundingIndex": NUMBER,
}
HISTORY: Final[Shape] = {
    "id": TEXT,
    "subaccountNumber": INT,
    "action": words("OPEN", "EXTEND", "PARTIAL_CLOSE", "CLOSE"),
    "executionPrice": NUMBER,
    "entryPrice": maybe(NUMBER),
    "side": SIDE,
    "positionSide": maybe(POSITION_SIDE),
    "prevSize": NUMBER,
    "additionalSize": NUMBER,
    "value": NUMBER,
    "orderType": maybe(TEXT),
    "netFee": NUMBER,
    "netRealizedPnl": NUMBER,
    "netRealizedPnlPercent": maybe(NUMBER),
    "time": MOMENT,
    "orderId": maybe(UUID),
    "marketId": TEXT,
    "marginMode": words("CROSS", "ISOLATED"),
}
COMPLIANCE: Final[Shape] = {
    "status": words(
        "COMPLIANT", "FIRST_STRIKE", "FIRST_STRIKE_CLOSE_ONLY", "CLOSE_ONLY", "BLOCKED"
    ),
    "reason?": maybe(TEXT),
    "updatedAt?": MOMENT,
}
REWARD: Final[Shape] = {"tradingReward": NUMBER, "createdAt": MOMENT, "createdAtHeight": WHOLE}
AGGREGATE: Final[Shape] = {
    "tradingReward": NUMBER,
    "startedAt": MOMENT,
    "startedAtHeight": WHOLE,
    "endedAt": maybe(MOMENT),
    "endedAtHeight": maybe(WHOLE),
    "period": words("DAILY", "WEEKLY", "MONTHLY"),
}
VAULT_POSITION: Final[Shape] = {
    "ticker": TEXT,
    "assetPosition": ASSET,
    "perpetualPosition?": POSITION,
    "equity": NUMBER,
}
FAULTS: Final[Shape] = OneOf(
    (
        {
            "errors": [
                {"msg": TEXT, "code?": TEXT, "location?": TEXT, "param?": TEXT, "value?": ANY}
            ]
        },
        {"error": TEXT, "errorCode?": INT, "message?": TEXT},
    )
)

_A: Final = r"/addresses/[^/]+"
_ROUTES: Final[tuple[tuple[str, Shape], ...]] = (
    (r"/height", HEIGHT),
    (r"/time", {"iso": MOMENT, "epoch": FLOAT}),
    (r"/health", {"ok": BOOL}),
    (r"/perpetualMarkets", {"markets": Each(MARKET)}),
    (_A, {"subaccounts": [SUBACCOUNT], "totalTradingRewards": NUMBER}),
    (_A + r"/subaccountNumber/\d+", {"subaccount": SUBACCOUNT}),
    (_A + r"/parentSubaccountNumber/\d+", {"subaccount": PARENT}),
    (r"/perpetualPositions(/parentSubaccountNumber)?", {"positions": [POSITION]}),
    (r"/assetPositions(/parentSubaccountNumber)?", {"positions": [ASSET]}),
    (r"/orders(/parentSubaccountNumber)?", [ORDER]),
    (r"/orders/[0-9a-f-]{36}", ORDER),
    (r"/fills(/parentSubaccountNumber)?", {"fills": [FILL], **PAGED}),
    (r"/transfers", {"transfers": [transfer(PARTY)], **PAGED}),
    (r"/transfers/parentSubaccountNumber", {"transfers": [transfer(PARENT_PARTY)], **PAGED}),
    (
        r"/transfers/between",
        {"transfersSubset": [transfer(PARTY)], "totalNetTransfers": NUMBER},
    ),
    (r"/fundingPayments(/parentSubaccount)?", {"fundingPayments": [PAYMENT], **PAGED}),
    (
        r"/historicalFunding/[^/]+",
        {
            "historicalFunding": [
                {
                    "ticker": TEXT,
                    "rate": NUMBER,
                    "price": NUMBER,
                    "effectiveAt": MOMENT,
                    "effectiveAtHeight": WHOLE,
                }
            ]
        },
    ),
    (r"/candles/perpetualMarkets/[^/]+", {"candles": [CANDLE]}),
    (r"/orderbooks/perpetualMarket/[^/]+", BOOK),
    (r"/trades/perpetualMarket/[^/]+", {"trades": [TRADE], **PAGED}),
    (r"/compliance/screen/[^/]+", COMPLIANCE),
    (r"/screen", {"restricted": BOOL, "reason?": maybe(TEXT)}),
    (r"/historical-pnl(/parentSubaccountNumber)?", {"historicalPnl": [TICK], **PAGED}),
    (r"/pnl(/parentSubaccountNumber)?", {"pnl": [PNL], **PAGED}),
    (r"/tradeHistory(/parentSubaccountNumber)?", {"tradeHistory": [HISTORY], **PAGED}),
    (r"/historicalBlockTradingRewards/[^/]+", {"rewards": [REWARD]}),
    (r"/historicalTradingRewardAggregations/[^/]+", {"rewards": [AGGREGATE]}),
    (r"/sparklines", Each([NUMBER])),
    (
        r"/trader/search",
        {
            "result": {
                "address": ADDRESS,
                "subaccountNumber": INT,
                "subaccountId": UUID,
                "username": TEXT,
            }
        },
    ),
    (
        r"/affiliates/metadata",
        {"referralCode": maybe(TEXT), "isVolumeEligible": BOOL, "isAffiliate": BOOL},
    ),
    (r"/affiliates/address", {"address": ADDRESS}),
    (
        r"/affiliates/snapshot",
        {"affiliateList": [ANY], "currentOffset": INT, "total": INT},
    ),
    (r"/affiliates/total_volume", {"totalVolume": OneOf((NULL, FLOAT))}),
    (r"/vault/v1/megavault/historicalPnl", {"megavaultPnl": [TICK]}),
    (r"/vault/v1/megavault/positions", {"positions": [VAULT_POSITION]}),
    (
        r"/vault/v1/vaults/historicalPnl",
        {"vaultsPnl": [{"ticker": TEXT, "historicalPnl": [TICK]}]},
    ),
)


def shape_of(path: str, status: int) -> Shape | None:
    """The shape of an answer; `path` below /v4. None for an unknown route."""
    if status >= 400:
        return FAULTS
    return next((shape for pattern, shape in _ROUTES if re.fullmatch(pattern, path)), None)
