"""The state machine of an order, as a table.

created → broadcasting → accepted | refused | unknown. A short-term order goes on to
partially_filled → filled | canceled | expired. A stateful one is first proved to be in the chain's
state (open, or untriggered for a conditional one) or to have been refused in its block
(refused_in_block); a triggered one that the chain neither fills nor removes is dead until it is
cancelled. Refused needs a definitive answer of every node that was asked; all that follows
acceptance needs proof from the chain. Anything else is unknown.
"""

from __future__ import annotations

from typing import Final

_ENDS: Final = frozenset({"filled", "canceled", "expired"})
_COMMITTED: Final = frozenset({"open", "untriggered", "triggered", "refused_in_block"})

ALLOWED: Final[dict[str, frozenset[str]]] = {
    "created": frozenset({"broadcasting"}),
    "broadcasting": frozenset({"accepted", "refused", "unknown", "partially_filled"})
    | _COMMITTED
    | _ENDS,
    "accepted": frozenset({"partially_filled"}) | _COMMITTED | _ENDS,
    "unknown": frozenset({"accepted", "refused", "partially_filled"}) | _COMMITTED | _ENDS,
    "open": frozenset({"partially_filled"}) | _ENDS,
    "untriggered": frozenset({"triggered", "partially_filled"}) | _ENDS,
    "triggered": frozenset({"dead", "partially_filled"}) | _ENDS,
    "dead": frozenset({"partially_filled"}) | _ENDS,
    "partially_filled": _ENDS,
    "refused": frozenset(),
    "refused_in_block": frozenset(),
    "filled": frozenset(),
    "canceled": frozenset(),
    "expired": frozenset(),
}

TERMINAL: Final = frozenset(state for state, after in ALLOWED.items() if not after)
WORKING: Final = frozenset(ALLOWED) - TERMINAL
# In the chain's committed state, as the node or the indexer proved it.
RESTING: Final = frozenset({"open", "untriggered", "triggered", "dead", "partially_filled"})


class IllegalTransition(Exception):
    """A step that the table does not allow."""

    def __init__(self, before: str, after: str) -> None:
        super().__init__(f"an order in state {before} was to become {after}")


def check_transition(before: str, after: str) -> None:
    """Raises IllegalTransition unless the table allows the step."""
    if after not in ALLOWED[before]:
        raise IllegalTransition(before, after)
