"""The steps of a panic in one account, as a table.

working (what could open something is being cancelled, and every position closed, side by side) →
sweeping (flat; every order that is left is being cancelled, stops last) → empty (a node's committed
state shows no position, and every order is proved gone). While sweeping a position may turn up that
an order in flight made: back to working. `left`: the account cannot be emptied by this bot, and its
trader is told why.
"""

from __future__ import annotations

from typing import Final

ALLOWED: Final[dict[str, frozenset[str]]] = {
    "working": frozenset({"sweeping", "empty", "left"}),
    "sweeping": frozenset({"working", "empty", "left"}),
    "empty": frozenset(),
    "left": frozenset(),
}
OVER: Final = frozenset({"empty", "left"})


class IllegalStep(Exception):
    """A step that the table does not know: a fault of this program."""


def check_step(before: str, after: str) -> None:
    """Raises IllegalStep."""
    if after not in ALLOWED[before]:
        raise IllegalStep(f"{before} → {after}")
