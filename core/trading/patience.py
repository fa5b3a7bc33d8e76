"""How long what was refused waits for its next try.

The chain counts refused orders as well: tried again every moment they use up what it lets an
address place in a hundred blocks, and nothing is left for the stop. Source: docs/protocol.md.
"""

from __future__ import annotations

from collections.abc import Container, Hashable
from typing import Final

from core.clock import Clock

FIRST_S: Final = 2.0


class Patience:
    """Keeps the next moment for each thing that was refused; each refusal doubles its wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waits: dict[Hashable, tuple[float, float]] = {}

    def is_over(self, key: Hashable) -> bool:
        """Whether a thing may be tried now."""
        _, until = self._waits.get(key, (0.0, 0.0))
        return self._clock.monotonic() >= until

    def note(self, key: Hashable, *, refused: bool, longest_s: float) -> None:
        """What came of a try."""
        if not refused:
            self._waits.pop(key, None)
            return
        waited_s, _ = self._waits.get(key, (FIRST_S / 2, 0.0))
        wait_s = min(waited_s * 2, longest_s)
        self._waits[key] = (wait_s, self._clock.monotonic() + wait_s)

    def keep(self, keys: Container[Hashable]) -> None:
        """Forgets all but these."""
        self._waits = {key: row for key, row in self._waits.items() if key in keys}
