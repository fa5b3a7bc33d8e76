"""Equity tiers: how many stateful orders a subaccount may have by its net collateral.

Only what is in the chain's state counts, dead stops too; what waits for its block does not. Source:
docs/protocol.md, limits.
"""

from __future__ import annotations

from core.paper.gotext import go_id
from core.paper.governance import Governance
from core.paper.happenings import OrderKey
from core.paper.margin import Margin
from core.paper.orders import wire_id
from core.paper.refusals import clob
from core.paper.settlement import current
from core.paper.state import State


def check_tier(key: OrderKey, governance: Governance, state: State, margin: Margin) -> None:
    """Refuse one more stateful order (clob 10001) where the subaccount's tier is full."""
    tiers = governance.stateful_equity_tiers
    if not tiers:
        return
    net = margin.collateral(current(state, key.subaccount).subaccount).net
    limit = 0
    for required, allowed in tiers:
        if net < required:
            break
        limit = allowed
    if not limit:
        owner = f"{{Owner:{key.subaccount.owner} Number:{key.subaccount.number}}}"
        raise clob(
            10001,
            f"Opening order would exceed equity tier limit of 0, for subaccount {owner} with net "
            f"collateral {net:+d}",
        )
    count = state.stateful_counts.get(key.subaccount) or 0
    if count >= limit:
        raise clob(
            10001,
            f"Opening order would exceed equity tier limit of {limit}. Order count: {count}, total "
            f"net collateral: <nil>, order id: {go_id(wire_id(key))}",
        )
