"""What all lanes of one address share: its nonces, its placements, the chain's rules for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from core.clock import Clock
from core.dydx.limits import EquityTiers, PlacementBudget
from core.dydx.node import NodePool
from core.dydx.node_types import Tip
from core.dydx.nonces import Nonces

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
        self._read_at = 0.0
        self._reading = asyncio.Lock()

    def restore(self, nonces: Iterable[int]) -> None:
        """Nonces whose transactions are undecided, after a restart."""
        self._nonces.restore(nonces)

    async def rules(
        self, placed_before: Callable[[], Awaitable[Sequence[int]]]
    ) -> tuple[PlacementBudget, EquityTiers]:
        """The budget and the tiers as governance has them now; asked again every hour.

        `placed_before`, asked once, tells behind which blocks, at the latest, placements were sent
        before this process began. Raises NodeUnreachable.
        """
        async with self._reading:
            now = self._clock.monotonic()
            if self._budget is not None and now - self._read_at <= RULES_FOR_S:
                return self._budget, self._tiers
            limits = await self._node.block_rate_limits()
            self._tiers = EquityTiers(await self._node.equity_tiers())
            if self._budget is None:
                self._budget = PlacementBudget(limits.stateful, await placed_before())
            else:
                self._budget.configure(limits.stateful)
            self._read_at = now
            return self._budget, self._tiers

    @property
    def budget(self) -> PlacementBudget | None:
        """The placements as last known; None before the rules were read."""
        return self._budget

    def placements_exceeded(self, height: int | None) -> None:
        """The chain refused a placement for its rate, when `height` was the last block heard of."""
        if self._budget is not None and height is not None:
            self._budget.exceeded(height)

    async def committed_sequence(self) -> int:
        """The sequence that the chain expects next. Raises NodeUnreachable."""
        account = await self._node.account(self._address)
        return account.sequence if account else 0

    def nonce(
        self,
        tip: Tip,
        block_age_s: float,
        *,
        committed_sequence: int | None = None,
        urgent: bool = False,
    ) -> int:
        """The sequence field of the next stateful transaction. Raises NoncesFull, and
        SequenceNeeded where the chain stands and no committed sequence is given.
        """
        return self._nonces.take(
            now=self._clock.now(),
            block_time=tip.time,
            block_age_s=block_age_s,
            committed_sequence=committed_sequence,
            urgent=urgent,
        )

    def decided(self, nonce: int) -> None:
        """A transaction is in a block, or can never come into one."""
        self._nonces.decided(nonce)

    def refused(self, nonce: int, *, rejected: bool) -> None:
        """Every asked node turned a transaction away; `rejected`: because of its nonce."""
        self._nonces.refused(nonce, rejected=rejected)
