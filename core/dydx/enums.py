"""Words of the indexer with a closed set of values. Source: docs/protocol.md, indexer objects."""

from __future__ import annotations

from enum import StrEnum


class OrderStatus(StrEnum):
    """Where an order stands. The BEST_EFFORT states are one node's view and prove nothing."""

    BEST_EFFORT_OPENED = "BEST_EFFORT_OPENED"
    OPEN = "OPEN"
    UNTRIGGERED = "UNTRIGGERED"
    FILLED = "FILLED"
    BEST_EFFORT_CANCELED = "BEST_EFFORT_CANCELED"
    CANCELED = "CANCELED"
    ERROR = "ERROR"


class OrderType(StrEnum):
    """Derived from flags and condition; what traders call a market order is shown as LIMIT."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP_LIMIT = "STOP_LIMIT"
    STOP_MARKET = "STOP_MARKET"
    TRAILING_STOP = "TRAILING_STOP"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"
    TWAP = "TWAP"
    TWAP_SUBORDER = "TWAP_SUBORDER"


class OrderTimeInForce(StrEnum):
    """GTT is an order that rests."""

    GTT = "GTT"
    IOC = "IOC"
    FOK = "FOK"


class RemovalReason(StrEnum):
    """Why a node took an order off its book: a hint, never the proof of an end."""

    UNSPECIFIED = "ORDER_REMOVAL_REASON_UNSPECIFIED"
    EXPIRED = "ORDER_REMOVAL_REASON_EXPIRED"
    USER_CANCELED = "ORDER_REMOVAL_REASON_USER_CANCELED"
    UNDERCOLLATERALIZED = "ORDER_REMOVAL_REASON_UNDERCOLLATERALIZED"
    INTERNAL_ERROR = "ORDER_REMOVAL_REASON_INTERNAL_ERROR"
    SELF_TRADE_ERROR = "ORDER_REMOVAL_REASON_SELF_TRADE_ERROR"
    POST_ONLY_WOULD_CROSS = "ORDER_REMOVAL_REASON_POST_ONLY_WOULD_CROSS_MAKER_ORDER"
    IOC_WOULD_REST = "ORDER_REMOVAL_REASON_IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK"
    FOK_NOT_FILLED = "ORDER_REMOVAL_REASON_FOK_ORDER_COULD_NOT_BE_FULLY_FULLED"
    REDUCE_ONLY_RESIZE = "ORDER_REMOVAL_REASON_REDUCE_ONLY_RESIZE"
    INDEXER_EXPIRED = "ORDER_REMOVAL_REASON_INDEXER_EXPIRED"
    REPLACED = "ORDER_REMOVAL_REASON_REPLACED"
    FULLY_FILLED = "ORDER_REMOVAL_REASON_FULLY_FILLED"
    EQUITY_TIER = "ORDER_REMOVAL_REASON_EQUITY_TIER"
    FINAL_SETTLEMENT = "ORDER_REMOVAL_REASON_FINAL_SETTLEMENT"
    ISOLATED_CONSTRAINT = "ORDER_REMOVAL_REASON_VIOLATES_ISOLATED_SUBACCOUNT_CONSTRAINTS"


class FillType(StrEnum):
    """What made a fill. LIQUIDATED and DELEVERAGED were done to the account by the chain."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    LIQUIDATED = "LIQUIDATED"
    LIQUIDATION = "LIQUIDATION"
    DELEVERAGED = "DELEVERAGED"
    OFFSETTING = "OFFSETTING"
    TWAP_SUBORDER = "TWAP_SUBORDER"


class Liquidity(StrEnum):
    TAKER = "TAKER"
    MAKER = "MAKER"


class PositionSide(StrEnum):
    LONG = "LONG"
    SHORT = "SHORT"


class PositionStatus(StrEnum):
    OPEN = "OPEN"
    CLOSED = "CLOSED"
    LIQUIDATED = "LIQUIDATED"


class MarketStatus(StrEnum):
    """Orders are taken as usual in ACTIVE only."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    CANCEL_ONLY = "CANCEL_ONLY"
    POST_ONLY = "POST_ONLY"
    INITIALIZING = "INITIALIZING"
    FINAL_SETTLEMENT = "FINAL_SETTLEMENT"


class MarketType(StrEnum):
    """A subaccount that trades an ISOLATED market may hold nothing else."""

    CROSS = "CROSS"
    ISOLATED = "ISOLATED"


class TransferType(StrEnum):
    TRANSFER_IN = "TRANSFER_IN"
    TRANSFER_OUT = "TRANSFER_OUT"
    DEPOSIT = "DEPOSIT"
    WITHDRAWAL = "WITHDRAWAL"


class Resolution(StrEnum):
    """Length of a candle."""

    ONE_MINUTE = "1MIN"
    FIVE_MINUTES = "5MINS"
    FIFTEEN_MINUTES = "15MINS"
    THIRTY_MINUTES = "30MINS"
    ONE_HOUR = "1HOUR"
    FOUR_HOURS = "4HOURS"
    ONE_DAY = "1DAY"


class ComplianceStatus(StrEnum):
    """What dYdX lets an address do. The CLOSE_ONLY states may still reduce."""

    COMPLIANT = "COMPLIANT"
    FIRST_STRIKE_CLOSE_ONLY = "FIRST_STRIKE_CLOSE_ONLY"
    FIRST_STRIKE = "FIRST_STRIKE"
    CLOSE_ONLY = "CLOSE_ONLY"
    BLOCKED = "BLOCKED"


class ComplianceReason(StrEnum):
    MANUAL = "MANUAL"
    US_GEO = "US_GEO"
    CA_GEO = "CA_GEO"
    GB_GEO = "GB_GEO"
    SANCTIONED_GEO = "SANCTIONED_GEO"
    COMPLIANCE_PROVIDER = "COMPLIANCE_PROVIDER"
