"""Constants of the protocol that client and paper network share. Source: docs/protocol.md."""

from __future__ import annotations

import uuid
from enum import IntEnum, IntFlag, StrEnum
from typing import Final

USDC_DENOM: Final = "ibc/8E27BA2D5493AF5636760E354E46004562C46AB7EC0CC4C1CA14E9E20E2545B5"
QUOTE_RESOLUTION: Final = -6
SHORT_BLOCK_WINDOW: Final = 40
STATEFUL_WINDOW_S: Final = 95 * 86_400
INDEXER_NAMESPACE: Final = uuid.UUID("0f9da948-a6fb-4c45-9edc-4685c3f3317d")
CLIENT_ID_LIMIT: Final = 2**32
SUBACCOUNT_NUMBERS: Final = 128_000
"""The highest number of a subaccount."""
BATCH_CANCEL_LIMIT: Final = 100
TWAP_INTERVAL_S: Final = (30, 3_600)
TWAP_DURATION_S: Final = (300, 86_400)


class Side(StrEnum):
    """Which way an order trades; `wire` is the protobuf value."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def wire(self) -> int:
        return 1 if self is Side.BUY else 2

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class TimeInForce(IntEnum):
    """Order.TimeInForce of the chain; FILL_OR_KILL (3) is refused by it."""

    UNSPECIFIED = 0
    IOC = 1
    POST_ONLY = 2
    FILL_OR_KILL = 3


class OrderFlags(IntFlag):
    """Order kinds by the flags of their id."""

    SHORT_TERM = 0
    CONDITIONAL = 32
    LONG_TERM = 64
    TWAP = 128

    @property
    def stateful(self) -> bool:
        """Whether the chain's state holds such orders, and a time ends them instead of a block."""
        return self is not OrderFlags.SHORT_TERM


class ConditionType(IntEnum):
    """Order.ConditionType of the chain: what a conditional order waits for."""

    NONE = 0
    STOP_LOSS = 1
    TAKE_PROFIT = 2


def subaccount_uuid(address: str, number: int) -> uuid.UUID:
    """The indexer's id of a subaccount."""
    return uuid.uuid5(INDEXER_NAMESPACE, f"{address}-{number}")


def order_uuid(
    address: str, number: int, client_id: int, clob_pair_id: int, order_flags: int
) -> uuid.UUID:
    """The indexer's id of an order; can be computed before the order is sent."""
    return uuid.uuid5(
        INDEXER_NAMESPACE,
        f"{subaccount_uuid(address, number)}-{client_id}-{clob_pair_id}-{order_flags}",
    )
