"""Python's garbage collector in a process that must not stand still.

What starts with the process stays to its end. Looked through again at each full collection it
stops the loop for tenths of a second, and a burst of alerts brings one collection after the other.
"""

from __future__ import annotations

import gc
from typing import Final

SELDOM: Final = (20_000, 20, 50)
"""Objects made before the youngest are looked through, and how often until the older ones are."""


def collect_seldom() -> None:
    """For the whole life of the process: full collections only after millions of new objects."""
    gc.set_threshold(*SELDOM)


def settle_in() -> None:
    """To be called once the process holds what it will always hold: that is collected a last time
    and never looked at again.
    """
    gc.collect()
    gc.freeze()
