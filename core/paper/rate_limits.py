"""How many orders and cancels an owner may send within so many blocks. Source: docs/protocol.md,
limits.
"""

from __future__ import annotations

from collections import defaultdict

from core.paper.governance import Limit
from core.paper.refusals import clob


class RateLimit:
    """Weights per owner over the last blocks; refused attempts count too. Each node counts for
    itself what comes to it: the same bytes at two of them count once.
    """

    def __init__(self, name: str, limits: tuple[Limit, ...]) -> None:
        self._name = name
        self._limits = limits
        self._used: dict[int, dict[str, int]] = {}
        self._counted: dict[tuple[str, int], int] = {}

    def count(self, owner: str, height: int, attempt: tuple[str, int], weight: int = 1) -> None:
        """Count an attempt: the hash of a transaction and which of its messages it is. Raises
        Refused (clob 5001) once a limit is exceeded.
        """
        block = self._used.setdefault(height, defaultdict(int))
        if attempt not in self._counted:
            self._counted[attempt] = height
            block[owner] += weight
        for limit in self._limits:
            used = sum(
                counts.get(owner, 0)
                for past, counts in self._used.items()
                if past > height - limit.blocks
            )
            if used > limit.limit:
                raise clob(
                    5001,
                    f"Rate of {used} exceeds configured block rate limit of "
                    f"{{NumBlocks:{limit.blocks} Limit:{limit.limit}}} for {self._name} and "
                    f"{owner}",
                )

    def forget(self, height: int) -> None:
        """Drop what no limit looks back to any more."""
        oldest = height - max((limit.blocks for limit in self._limits), default=0)
        self._used = {past: counts for past, counts in self._used.items() if past > oldest}
        self._counted = {one: past for one, past in self._counted.items() if past > oldest}
