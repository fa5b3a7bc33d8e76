"""Every error code of the chain's order book: name, reaction, what it says to a trader.

Source: docs/protocol.md, codes. A sentence of None stands for the general one.
"""

from __future__ import annotations

from typing import Final

from core.dydx.reactions import Reaction

CLOB: Final[dict[int, tuple[str, Reaction, str | None]]] = {
    2: ("MemClobOrderDoesNotExist", Reaction.IGNORE, "The order is not in the node's book."),
    3: (
        "InvalidOrderSide",
        Reaction.BUG,
        "dYdX did not accept the side of the order; this is a fault of this program.",
    ),
    4: (
        "InvalidOrderQuantums",
        Reaction.BUG,
        "dYdX did not accept the size of the order; this is a fault of this program.",
    ),
    5: (
        "InvalidOrderGoodTilBlock",
        Reaction.BUG,
        "dYdX did not accept the lifetime of the order; this is a fault of this program.",
    ),
    6: (
        "InvalidOrderSubticks",
        Reaction.BUG,
        "dYdX did not accept the price of the order; this is a fault of this program.",
    ),
    7: ("OrderIsCanceled", Reaction.NEW_CLIENT_ID, "This order was canceled before it arrived."),
    8: ("InvalidClob", Reaction.REFRESH_MARKETS, "dYdX does not know this market any more."),
    9: (
        "MemClobCancelAlreadyExists",
        Reaction.ALREADY_CANCELED,
        "The order is being canceled already.",
    ),
    10: (
        "HeightExceedsGoodTilBlock",
        Reaction.REFRESH_HEIGHT,
        "The order came too late: its last block had passed.",
    ),
    11: (
        "GoodTilBlockExceedsShortBlockWindow",
        Reaction.OTHER_NODE,
        "The node lags behind the chain and did not take the order.",
    ),
    12: (
        "InvalidPlaceOrder",
        Reaction.REFRESH_MARKETS,
        "Size or price does not fit the market's steps, which may have changed.",
    ),
    13: ("InvalidMsgProposedMatchOrders", Reaction.BUG, None),
    14: ("StateFilledAmountNoChange", Reaction.BUG, None),
    15: ("StateFilledAmountDecreasing", Reaction.BUG, None),
    16: ("InvalidPruneStateFilledAmount", Reaction.BUG, None),
    17: (
        "OrderWouldExceedMaxOpenOrdersPerClobAndSide",
        Reaction.FREE_ORDERS,
        "There are too many open orders in this market.",
    ),
    18: ("FillAmountNotDivisibleByStepSize", Reaction.BUG, None),
    19: (
        "NoClobPairForPerpetual",
        Reaction.REFRESH_MARKETS,
        "dYdX does not know this market any more.",
    ),
    20: (
        "InvalidReplacement",
        Reaction.NEW_CLIENT_ID,
        "dYdX holds an order of this identity already.",
    ),
    21: ("ClobPairAndPerpetualDoNotMatch", Reaction.BUG, None),
    22: ("MatchedOrderNegativeFee", Reaction.BUG, None),
    23: ("SubaccountFeeTransferFailed", Reaction.BUG, None),
    24: ("OrderFullyFilled", Reaction.RECONCILE, "This order is filled completely already."),
    25: ("PremiumWithNonPerpetualClobPair", Reaction.BUG, None),
    26: ("ZeroIndexPriceForPremiumCalculation", Reaction.BUG, None),
    27: ("InvalidClobPairParameter", Reaction.BUG, None),
    28: ("ZeroPriceForOracle", Reaction.BUG, None),
    29: (
        "InvalidStatefulOrderCancellation",
        Reaction.RECONCILE,
        "The order's state at dYdX is another than expected; it is being looked up.",
    ),
    30: (
        "OrderReprocessed",
        Reaction.RECONCILE,
        "The order's state at dYdX is another than expected; it is being looked up.",
    ),
    31: ("MissingMidPrice", Reaction.BUG, None),
    32: (
        "StatefulOrderCancellationAlreadyExists",
        Reaction.RECONCILE,
        "The order's state at dYdX is another than expected; it is being looked up.",
    ),
    33: ("ClobPairAlreadyExists", Reaction.BUG, None),
    34: (
        "OrderConflictsWithClobPairStatus",
        Reaction.HALT_MARKET,
        "The market does not take such orders at the moment.",
    ),
    35: ("InvalidClobPairStatusTransition", Reaction.BUG, None),
    36: (
        "OperationConflictsWithClobPairStatus",
        Reaction.HALT_MARKET,
        "The market does not take such orders at the moment.",
    ),
    37: (
        "PerpetualDoesNotExist",
        Reaction.REFRESH_MARKETS,
        "dYdX does not know this market any more.",
    ),
    39: ("InvalidClobPairUpdate", Reaction.BUG, None),
    40: ("InvalidAuthority", Reaction.BUG, None),
    41: ("PerpetualAssociatedWithExistingClobPair", Reaction.BUG, None),
    42: ("UnexpectedTimeInForce", Reaction.BUG, None),
    43: (
        "OrderHasRemainingSize",
        Reaction.RECONCILE,
        "The order's state at dYdX is another than expected; it is being looked up.",
    ),
    44: ("InvalidTimeInForce", Reaction.BUG, None),
    45: (
        "InvalidBatchCancel",
        Reaction.CANCEL_SINGLY,
        "dYdX did not accept the cancellation of several orders at once.",
    ),
    46: ("BatchCancelFailed", Reaction.CANCEL_SINGLY, "Some of the orders could not be canceled."),
    47: (
        "ClobNotInitialized",
        Reaction.OTHER_NODE,
        "The node is just starting and takes no orders yet.",
    ),
    48: (
        "DeprecatedField",
        Reaction.BUG,
        "The order used something that dYdX has abolished; this is a fault of this program.",
    ),
    49: ("InvalidTwapOrderPlacement", Reaction.BUG, None),
    50: ("InvalidBuilderCode", Reaction.BUG, None),
    1000: ("InvalidLiquidationsConfig", Reaction.BUG, None),
    1001: ("NoPerpetualPositionsToLiquidate", Reaction.BUG, None),
    1002: ("SubaccountNotLiquidatable", Reaction.BUG, None),
    1003: ("NoOpenPositionForPerpetual", Reaction.BUG, None),
    1004: ("InvalidLiquidationOrderTotalSize", Reaction.BUG, None),
    1005: ("InvalidLiquidationOrderSide", Reaction.BUG, None),
    1006: ("TotalFillAmountExceedsOrderSize", Reaction.BUG, None),
    1007: ("LiquidationContainsNoFills", Reaction.BUG, None),
    1008: ("SubaccountHasLiquidatedPerpetual", Reaction.BUG, None),
    1009: ("LiquidationOrderSizeSmallerThanMin", Reaction.BUG, None),
    1010: ("LiquidationOrderSizeGreaterThanMax", Reaction.BUG, None),
    1011: ("LiquidationExceedsSubaccountMaxNotionalLiquidated", Reaction.BUG, None),
    1012: ("LiquidationExceedsSubaccountMaxInsuranceLost", Reaction.BUG, None),
    1013: ("InsuranceFundHasInsufficientFunds", Reaction.BUG, None),
    1014: ("InvalidPerpetualPositionSizeDelta", Reaction.BUG, None),
    1015: ("InvalidQuantumsForInsuranceFundDeltaCalculation", Reaction.BUG, None),
    1017: ("DeleveragingAgainstSelf", Reaction.BUG, None),
    1018: ("DuplicateDeleveragingFillSubaccounts", Reaction.BUG, None),
    1019: ("ZeroDeleveragingFillAmount", Reaction.BUG, None),
    1020: ("PositionCannotBeFullyOffset", Reaction.BUG, None),
    1021: ("DeleveragingIsFinalSettlementFlagMismatch", Reaction.BUG, None),
    1022: (
        "LiquidationConflictsWithClobPairStatus",
        Reaction.HALT_MARKET,
        "The market does not take such orders at the moment.",
    ),
    2000: (
        "FokOrderCouldNotBeFullyFilled",
        Reaction.GIVE_UP,
        "The order could not be filled completely and was dropped.",
    ),
    2001: (
        "ReduceOnlyWouldIncreasePositionSize",
        Reaction.RECONCILE,
        "The order may only reduce a position, and there is none on that side any more.",
    ),
    2002: (
        "ReduceOnlyWouldChangePositionSide",
        Reaction.RECONCILE,
        "The order may only reduce a position and was larger than it.",
    ),
    2003: (
        "PostOnlyWouldCrossMakerOrder",
        Reaction.REPRICE,
        "The order was to rest in the book but would have traded at once.",
    ),
    2004: (
        "ImmediateExecutionOrderAlreadyFilled",
        Reaction.RECONCILE,
        "This order has traded already and is over.",
    ),
    2005: (
        "WouldViolateIsolatedSubaccountConstraints",
        Reaction.OTHER_SUBACCOUNT,
        "This is an isolated market and the account holds other positions.",
    ),
    3000: ("InvalidOrderFlag", Reaction.BUG, None),
    3001: ("InvalidStatefulOrderGoodTilBlockTime", Reaction.BUG, None),
    3002: ("LongTermOrdersCannotRequireImmediateExecution", Reaction.BUG, None),
    3003: (
        "TimeExceedsGoodTilBlockTime",
        Reaction.CHECK_CLOCK,
        "The order's end does not fit dYdX's clock.",
    ),
    3004: (
        "GoodTilBlockTimeExceedsStatefulOrderTimeWindow",
        Reaction.CHECK_CLOCK,
        "The order's end does not fit dYdX's clock.",
    ),
    3005: ("StatefulOrderAlreadyExists", Reaction.RECONCILE, "This order is there already."),
    3006: (
        "StatefulOrderDoesNotExist",
        Reaction.RECONCILE,
        "The order to be canceled is not there any more.",
    ),
    3007: (
        "StatefulOrderCollateralizationCheckFailed",
        Reaction.ADD_COLLATERAL,
        "There is not enough free collateral for this order.",
    ),
    3008: (
        "StatefulOrderPreviouslyCancelled",
        Reaction.RECONCILE,
        "The order's state at dYdX is another than expected; it is being looked up.",
    ),
    3009: (
        "StatefulOrderPreviouslyRemoved",
        Reaction.RECONCILE,
        "The order's state at dYdX is another than expected; it is being looked up.",
    ),
    3010: (
        "StatefulOrderCancellationFailedForAlreadyRemovedOrder",
        Reaction.RECONCILE,
        "The order's state at dYdX is another than expected; it is being looked up.",
    ),
    4000: ("InvalidMsgProposedOperations", Reaction.BUG, None),
    4001: ("InvalidMatchOrder", Reaction.BUG, None),
    4002: ("OrderPlacementNotInOperationsQueue", Reaction.BUG, None),
    4003: ("FillAmountIsZero", Reaction.BUG, None),
    4004: ("InvalidDeleveragingFill", Reaction.BUG, None),
    4005: ("InvalidDeleveragedSubaccount", Reaction.BUG, None),
    4006: ("InvalidOrderRemoval", Reaction.BUG, None),
    4007: ("InvalidOrderRemovalReason", Reaction.BUG, None),
    4008: ("ZeroFillDeleveragingForNonNegativeTncSubaccount", Reaction.BUG, None),
    5000: ("InvalidBlockRateLimitConfig", Reaction.BUG, None),
    5001: (
        "BlockRateLimitExceeded",
        Reaction.BACK_OFF,
        "dYdX takes no more orders of this account for a moment: too many came at once.",
    ),
    6000: ("InvalidConditionType", Reaction.BUG, None),
    6001: ("InvalidConditionalOrderTriggerSubticks", Reaction.BUG, None),
    6002: (
        "ConditionalOrderUntriggered",
        Reaction.RECONCILE,
        "The order's state at dYdX is another than expected; it is being looked up.",
    ),
    9000: ("AssetOrdersNotImplemented", Reaction.BUG, None),
    9001: ("AssetUpdateNotImplemented", Reaction.BUG, None),
    9002: ("NotImplemented", Reaction.BUG, None),
    9003: (
        "ReduceOnlyDisabled",
        Reaction.BUG,
        "dYdX takes only immediate orders as reduce-only; this is a fault of this program.",
    ),
    10000: ("InvalidEquityTierLimitConfig", Reaction.BUG, None),
    10001: (
        "OrderWouldExceedMaxOpenOrdersEquityTierLimit",
        Reaction.FREE_ORDERS,
        "The account's equity allows no more open orders.",
    ),
    11000: ("InvalidOrderRouterAddress", Reaction.BUG, None),
    11001: ("InvalidAddress", Reaction.BUG, None),
    11002: ("InvalidLeverage", Reaction.BUG, None),
    11003: ("LeverageExceedsMaximum", Reaction.GIVE_UP, "dYdX does not allow this."),
    11004: (
        "InitialMarginPpmIsZero",
        Reaction.REFRESH_MARKETS,
        "dYdX does not know this market any more.",
    ),
}

# Refusals that depend on nothing but the order itself: what they say of a later copy was true of
# the first one too.
TIMELESS: Final = frozenset(
    {3, 4, 5, 6, 8, 19, 37, 40, 42, 44, 45, 48, 49, 50, 3000, 3001, 3002, 6000, 6001}
    | {9000, 9001, 9002, 9003, 11000, 11001}
)
