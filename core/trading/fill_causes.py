"""Why a fill happened, and whose it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from core.dydx.indexer_types import IndexerFill
from core.ledger.models import Intent, Order, Position
from core.trading.position_states import Cause
from core.trading.protection import PURPOSES
from core.trading.shares import BY_HAND, Trade

# What the chain did to the account itself. LIQUIDATION is the other side of somebody else's
# liquidation: an ordinary fill of an order. Source: docs/protocol.md, fills.
FORCED: Final[dict[str, Cause]] = {
    "LIQUIDATED": "liquidated",
    "DELEVERAGED": "deleveraged",
    "OFFSETTING": "deleveraged",
}
# Intents that mean the position as a whole, whoever holds a share of it.
_OF_POSITION: Final = frozenset({"button", "watch", "panic"})


@dataclass(frozen=True)
class Told:
    """A fill with the order and the intent that it belongs to, and why it happened."""

    fill: IndexerFill
    order: Order | None
    intent: Intent | None
    cause: Cause

    @property
    def strategy_id(self) -> int | None:
        """The strategy that asked for the order."""
        found = self.intent.payload.get("strategy_id") if self.intent else None
        return None if found is None else int(found)

    @property
    def plan(self) -> dict[str, object] | None:
        """The plan that came with an order that opens."""
        if self.order is None or self.order.reduce_only or self.intent is None:
            return None
        return self.intent.payload.get("plan")

    @property
    def source(self) -> int | None:
        """The intent's id."""
        return self.intent.id if self.intent is not None else None

    @property
    def evidence(self) -> str:
        return f"fill {self.fill.id} at height {self.fill.created_at_height}"


def cause_of(fill: IndexerFill, order: Order | None) -> Cause:
    """Why a fill happened; `order` is the one of ours that it belongs to."""
    if fill.type in FORCED:
        return FORCED[fill.type]
    if order is None:
        return "by_hand"
    return "plan" if order.purpose in PURPOSES else "order"


def trade_of(told: Told, position: Position | None, planner: int) -> Trade:
    """Whose shares a fill changes; the rules stand in `core.trading.shares`. `position`: the open
    one, else the one that the order was made for.
    """
    owner = planner or (position.strategy_id if position is not None else None) or BY_HAND
    order, intent = told.order, told.intent
    if told.cause in ("liquidated", "deleveraged"):
        return Trade("chain")
    if order is None:
        return Trade("hand", owner)
    if not order.reduce_only:
        return Trade("strategy", told.strategy_id or owner)
    whole = intent is None or (intent.source in _OF_POSITION and not intent.payload.get("of_share"))
    return Trade("position", owner if whole else told.strategy_id or owner)


def close_reason(told: Told) -> str:
    """What closed a position, by its last fill."""
    if told.cause in ("liquidated", "deleveraged", "by_hand"):
        return told.cause
    order, intent = told.order, told.intent
    assert order is not None
    if order.purpose in PURPOSES:
        return order.purpose
    return intent.source if intent else "signal"
