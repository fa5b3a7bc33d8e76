"""The steps of work on keys, as a table.

make: sealed (both keys are stored encrypted, nothing is signed) → signed (the transaction that
gives the new key its permission is stored) → included (a block holds it, with success) → proved (an
order signed by the new key was accepted) → erased (the new key is the account's, the owner's is
gone) → done. Where a step needs its trader it is stuck; he has it tried again or abandons it.
remove: signed → done once the chain lists the permission no more, or failed.
leave: cancelling → erased (the key is gone) → done.
"""

from __future__ import annotations

from typing import Final

MAKE: Final = "make"
REMOVE: Final = "remove"
LEAVE: Final = "leave"

ALLOWED: Final[dict[str, dict[str, frozenset[str]]]] = {
    MAKE: {
        "sealed": frozenset({"signed", "included", "stuck", "abandoned"}),
        "signed": frozenset({"sealed", "included", "stuck", "abandoned"}),
        "included": frozenset({"proved", "stuck", "abandoned"}),
        "proved": frozenset({"erased", "stuck", "abandoned"}),
        "erased": frozenset({"done"}),
        "stuck": frozenset({"sealed", "included", "proved", "abandoned"}),
        "done": frozenset(),
        "abandoned": frozenset(),
    },
    REMOVE: {
        "signed": frozenset({"done", "failed"}),
        "done": frozenset(),
        "failed": frozenset(),
    },
    LEAVE: {
        "cancelling": frozenset({"erased"}),
        "erased": frozenset({"done"}),
        "done": frozenset(),
    },
}
WAITS_FOR_TRADER: Final = frozenset({"stuck"})
OVER: Final = frozenset({"done", "abandoned", "failed"})
WORKING: Final = (
    frozenset(state for table in ALLOWED.values() for state in table) - OVER - WAITS_FOR_TRADER
)
OPEN: Final = WORKING | WAITS_FOR_TRADER


class IllegalStep(Exception):
    """A step of the work that the table does not know: a fault of this program."""


def check_step(kind: str, before: str, after: str) -> None:
    """Raises IllegalStep."""
    if after not in ALLOWED[kind].get(before, frozenset()):
        raise IllegalStep(f"{kind}: {before} → {after}")
