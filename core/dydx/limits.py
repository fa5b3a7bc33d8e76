"""How many orders the chain lets an account hold, and how fast it may place them.

All numbers come from the chain (governance changes them). Source: docs/protocol.md, limits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Final

UNLIMITED: Final = 2**32 - 1
RESERVE: Final = 2
SLACK_BLOCKS: Final = 1
TIGHT_BLOCKS: Final = 10


@dataclass(frozen=True)
class EquityTier:
    """From this equity in USD on a subaccount may have `limit` orders in the chain's state."""

    equity: Decimal
    limit: int


@dataclass(frozen=True)
class BlockRateLimits:
    """Limits as (blocks, orders) per account owner; refused attempts count too."""

    short_term: tuple[tuple[int, int], ...]
    stateful: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class EquityTiers:
    """How many long-term, conditional and TWAP orders a subaccount may have at once.

    Dead stops count as well until they are canceled or their time is over.
    """

    tiers: tuple[EquityTier, ...]

    def slots(self, equity: Decimal) -> int:
        """The limit at this equity in USD; UNLIMITED where the chain sets none."""
        if not self.tiers:
            return UNLIMITED
        reached = [tier for tier in self.tiers if tier.equity <= equity]
        return max(reached, key=lambda tier: tier.equity).limit if reached else 0

    def next_above(self, equity: Decimal) -> EquityTier | None:
        """The next tier that allows more; None at the top."""
        slots = self.slots(equity)
        higher = [tier for tier in self.tiers if tier.equity > equity and tier.limit > slots]
        return min(higher, key=lambda tier: tier.equity, default=None)


class Priority(IntEnum):
    """Who goes first when placements are scarce."""

    ENTRY = 0
    PROTECTION = 1
    """Stops, take profits and closes of what is held."""


class PlacementBudget:
    """Placements of one owner into the chain's state, over all subaccounts: 2 per block and 20 per
    100 blocks on mainnet, whatever became of them.

    The node counts by its own height when a transaction arrives, which may be a block later than
    the height known here; therefore every window is taken `slack_blocks` longer than it is. A tenth
    of each limit, at most `reserve`, is kept for PROTECTION, and so is what waits with `expect`
    or is to come with `foresee`.
    `limits` are BlockRateLimits.stateful, `past` the heights of earlier placements.
    Cancels of such orders are not limited and not counted.
    """

    def __init__(
        self,
        limits: tuple[tuple[int, int], ...],
        past: Iterable[int] = (),
        *,
        reserve: int = RESERVE,
        slack_blocks: int = SLACK_BLOCKS,
    ) -> None:
        self._limits = limits
        self._reserve = reserve
        self._slack = slack_blocks
        self._taken = Counter(past)
        self._tight_until = 0
        self._expected: dict[str, int] = {}
        self._foreseen: dict[str, int] = {}

    def configure(self, limits: tuple[tuple[int, int], ...]) -> None:
        """Takes over limits that were read again."""
        self._limits = limits

    def room(self, height: int, priority: Priority = Priority.PROTECTION) -> int:
        """How many placements may be sent after block `height` without one being refused."""
        if priority is Priority.ENTRY and height < self._tight_until:
            return 0
        return min(
            (
                max(0, limit - self._used(height, blocks) - self._kept_back(limit, priority))
                for blocks, limit in self._limits
            ),
            default=UNLIMITED,
        )

    def left(self, height: int) -> int:
        """How many placements of the longest window are neither sent nor expected."""
        if not self._limits:
            return UNLIMITED
        if height < self._tight_until:
            return 0
        blocks, limit = max(self._limits)
        waited_for = sum(self._expected.values()) + sum(self._foreseen.values())
        return limit - self._used(height, blocks) - waited_for

    def take(self, height: int, count: int = 1, priority: Priority = Priority.PROTECTION) -> bool:
        """Counts `count` placements that are about to be sent after block `height`; False, and
        nothing is counted, where there is no room for all of them.
        """
        if count > self.room(height, priority):
            return False
        self._forget(height)
        self._taken[max(height, *self._taken, 0)] += count
        return True

    def exceeded(self, height: int) -> None:
        """The chain refused a placement for its rate: somebody else places for this owner. Each
        further try counts there too, so that for some blocks only PROTECTION goes on.
        """
        self._tight_until = height + TIGHT_BLOCKS

    def expect(self, key: str, count: int) -> None:
        """Protection that waits for room: no ENTRY takes it from now on."""
        self._expected[key] = count

    def foresee(self, key: str, count: int) -> None:
        """Protection that will wait for room in some block to come. Of each window one placement is
        left to ENTRY all the same: two of them would else take all that a block has until then.
        """
        self._foreseen[key] = count

    def expect_no_more(self, key: str) -> None:
        """What waited or was foreseen was sent or is not needed any more."""
        self._expected.pop(key, None)
        self._foreseen.pop(key, None)

    def _used(self, height: int, blocks: int) -> int:
        oldest = height - blocks - self._slack
        return sum(count for taken, count in self._taken.items() if taken > oldest)

    def _kept_back(self, limit: int, priority: Priority) -> int:
        if priority is Priority.PROTECTION:
            return 0
        foreseen = min(sum(self._foreseen.values()), max(limit - 1, 0))
        return min(self._reserve, limit // 10) + sum(self._expected.values()) + foreseen

    def _forget(self, height: int) -> None:
        longest = max((blocks for blocks, _ in self._limits), default=0)
        oldest = height - longest - self._slack
        self._taken = Counter({h: count for h, count in self._taken.items() if h > oldest})
