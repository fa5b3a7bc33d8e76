"""What all lanes of one address share: its nonces, its placements, the chain's rules for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from core.clock import Clock
from core.dydx.limits import EquityTiers, PlacementBudget
from core.dydx.node import NodePool
from core.dydx.node_types import Tip
from core.dydx.nonces import Nonces, SequenceNeeded

RULES_FOR_S: Final = 3600.0


class Owner:
    """One address on one network."""

    def __init__(self, address: str, node: NodePool, clock: Clock) -> None:
        self._address = address
        self._node = node
        self._clock = clock
        self._nonces = Nonces()
        self._budget: PlacementBudget | None = None
        self._tiers = EquityTiers(())
        self._read_at: float | None = None
        self._reading = asyncio.Lock()

    def restore(self, nonces: Iterable[int]) -> None:
        """Nonces whose transactions are undecided, after a restart."""
        self._nonces.restore(nonces)

    async def rules(self, height: int, placed_before: int) -> tuple[PlacementBudget, EquityTiers]:
        """The budget and the tiers as governance has them now; asked again every hour.

        `placed_before` counts the placements of the last minutes before this process began; they
        are taken as of `height`. Raises NodeUnreachable while they were never read.
        """
        async with self._reading:
            if self._budget is None:
                limits = await self._node.block_rate_limits()
                self._tiers = EquityTiers(await self._node.equity_tiers())
                past = [(height, placed_before)] if placed_before else []
                self._budget = PlacementBudget(limits.stateful, past)
                self._read_at = self._clock.monotonic()
            elif self._read_at is None or self._clock.monotonic() - self._read_at > RULES_FOR_S:
                self._budget.configure((await self._node.block_rate_limits()).stateful)
                self._tiers = EquityTiers(await self._node.equity_tiers())
                self._read_at = self._clock.monotonic()
            return self._budget, self._tiers

    async def nonce(self, block: Tip, block_age_s: float, *, urgent: bool) -> int:
        """The sequence of the next stateful transaction. Raises NodeUnreachable, NoncesFull."""
        now = self._clock.now()
        try:
            return self._nonces.take(
                now=now, block_time=block.time, block_age_s=block_age_s, urgent=urgent
            )
        except SequenceNeeded:
            account = await self._node.account(self._address)
            return self._nonces.take(
                now=now,
                block_time=block.time,
                block_age_s=block_age_s,
                committed_sequence=account.sequence if account else 0,
                urgent=urgent,
            )

    def decided(self, nonce: int) -> None:
        """A transaction is in a block, or can never come into one."""
        self._nonces.decided(nonce)

    def refused(self, nonce: int, *, rejected: bool) -> None:
        """Every asked node turned a transaction away; `rejected`: because of its nonce."""
        self._nonces.refused(nonce, rejected=rejected)
