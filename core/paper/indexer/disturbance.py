"""Loses, doubles and reorders the data messages of one websocket connection, for clients to prove
themselves on. Which ones follows from a seed and the connection's number alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from core.paper.indexer.faults import IndexerFaults


class Disturbance:
    """What happens to the data messages of one connection. Greetings, snapshots and errors pass."""

    def __init__(self, faults: Callable[[], IndexerFaults], number: int) -> None:
        self._faults = faults
        self._number = number
        self._seed: int | None = None
        self._random = random.Random(0)  # noqa: S311
        self._held: str | None = None

    def passed(self, text: str) -> list[str]:
        """What is to be sent now in place of a message: nothing, itself, or more than that. A
        message that is held back comes after the next one.
        """
        faults = self._faults()
        if faults.ws_seed != self._seed:
            self._seed = faults.ws_seed
            self._random = random.Random(f"{faults.ws_seed}/{self._number}")  # noqa: S311
        if self._hits(faults.ws_dropped):
            return []
        told = [text, text] if self._hits(faults.ws_doubled) else [text]
        if self._held is not None:
            return [*told, *self.released()]
        if self._hits(faults.ws_reordered):
            self._held = text
            return told[1:]
        return told

    def released(self) -> list[str]:
        """What was held back, once it has waited for long enough."""
        held, self._held = self._held, None
        return [] if held is None else [held]

    def _hits(self, ppm: int) -> bool:
        return bool(ppm) and self._random.randrange(1_000_000) < ppm
