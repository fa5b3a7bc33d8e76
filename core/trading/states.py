"""The state machine of an order, as a table.

created → broadcasting → accepted | refused | unknown → partially_filled →
filled | canceled | expired.
Refused needs a definitive answer of every node that was asked; filled, canceled and expired need
proof from the chain. Anything else is unknown.
"""

from __future__ import annotations

from typing import Final

ALLOWED: Final[dict[str, frozenset[str]]] = {
    "created": frozenset({"broadcasting"}),
    "broadcasting": frozenset(
        {"accepted", "refused", "unknown", "partially_filled", "filled", "expired"}
    ),
    "accepted": frozenset({"partially_filled", "filled", "canceled", "expired"}),
    "unknown": frozenset(
        {"accepted", "refused", "partially_filled", "filled", "canceled", "expired"}
    ),
    "partially_filled": frozenset({"filled", "canceled", "expired"}),
    "refused": frozenset(),
    "filled": frozenset(),
    "canceled": frozenset(),
    "expired": frozenset(),
}

TERMINAL: Final = frozenset(state for state, after in ALLOWED.items() if not after)
WORKING: Final = frozenset(ALLOWED) - TERMINAL


class IllegalTransition(Exception):
    """A step that the table does not allow."""

    def __init__(self, before: str, after: str) -> None:
        super().__init__(f"an order in state {before} was to become {after}")


def check_transition(before: str, after: str) -> None:
    """Raises IllegalTransition unless the table allows the step."""
    if after not in ALLOWED[before]:
        raise IllegalTransition(before, after)
