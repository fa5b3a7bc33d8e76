"""The chain's clocks: a tick is the first block at or after its second. They are aligned to the
hour and to the half minute; after a standstill they catch up one tick a block.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from core.paper.state import Epoch, State

FUNDING_SAMPLE: Final = "funding-sample"
FUNDING_TICK: Final = "funding-tick"
STATS: Final = "stats-epoch"

_FIRST: Final = {
    FUNDING_SAMPLE: Epoch(next_tick_s=30, duration_s=60),
    FUNDING_TICK: Epoch(next_tick_s=0, duration_s=3_600),
    STATS: Epoch(next_tick_s=0, duration_s=3_600),
}


def epoch(state: State, name: str) -> Epoch:
    """A clock of the working state."""
    return state.epochs.get(name) or _FIRST[name]


def committed_epochs(state: State) -> dict[str, Epoch]:
    """All clocks of the committed state, by name in the chain's order."""
    return {name: state.epochs.committed.get(name, first) for name, first in _FIRST.items()}


def tick(state: State, height: int, time_s: int) -> None:
    """Move the clocks to a block. The first block's time is not trusted, as on the chain."""
    for name in _FIRST:
        clock = epoch(state, name)
        if not clock.running:
            if height < 2:
                continue
            ahead = (time_s - clock.next_tick_s) // clock.duration_s + 1
            next_tick_s = clock.next_tick_s + ahead * clock.duration_s
            clock = replace(clock, running=True, next_tick_s=next_tick_s)
            state.epochs.put(name, clock)
        if time_s >= clock.next_tick_s:
            state.epochs.put(
                name,
                replace(
                    clock,
                    next_tick_s=clock.next_tick_s + clock.duration_s,
                    number=clock.number + 1,
                    start_height=height,
                ),
            )


def ticked(state: State, name: str, height: int) -> bool:
    """Whether a clock ticked with the block of this height."""
    return epoch(state, name).start_height == height
