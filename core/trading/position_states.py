"""The state machine of a position, as a table.

A position is opened by a fill, or found where it was there before the bot. Fills enlarge it, reduce
it and close it; its trader may have a strategy adopt what was made by hand, or by a change of
shares it passes to another holder. Each step is an appended row with its cause and, where a fill
proves it, the fill's id. A closed position stays closed: a reversal closes one and opens another.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal

Step = Literal["opened", "found", "enlarged", "reduced", "adopted", "passed", "closed"]
Cause = Literal["order", "plan", "by_hand", "liquidated", "deleveraged", "found", "trader"]

# step: the state before (none: there is no position yet) and the one after it
STEPS: Final[dict[Step, tuple[str, str]]] = {
    "opened": ("none", "open"),
    "found": ("none", "open"),
    "enlarged": ("open", "open"),
    "reduced": ("open", "open"),
    "adopted": ("open", "open"),
    "passed": ("open", "open"),
    "closed": ("open", "closed"),
}


class IllegalStep(Exception):
    """A step that the table does not allow."""

    def __init__(self, state: str, step: str) -> None:
        super().__init__(f"a position in state {state} was to be {step}")


def after(state: str, step: Step) -> str:
    """The state that a step leads to. Raises IllegalStep unless the table allows it."""
    before, result = STEPS[step]
    if state != before:
        raise IllegalStep(state, step)
    return result


def step_of(before: Decimal, now: Decimal) -> Step:
    """What a fill did to a position, by its signed sizes before and after it."""
    if not before:
        return "opened"
    if not now:
        return "closed"
    return "enlarged" if abs(now) > abs(before) else "reduced"
