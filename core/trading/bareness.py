"""Positions whose stop is nowhere: neither in the chain's state nor watched with present prices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from typing import Final

from core.events import ProtectionMissing
from core.trading.plan_book import Held
from core.trading.protection import GuardOrder, rests_for
from core.trading.workbench import Workbench

ALARM_AFTER_S: Final = 15.0


class Bareness:
    """Watches over the protection of one account's positions."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._since: dict[int, float] = {}
        self._told: set[int] = set()

    def positions(
        self,
        held: Sequence[Held],
        orders: Sequence[GuardOrder],
        stop_price: Callable[[Held], Decimal | None],
    ) -> set[int]:
        """The positions with a stop in their plan that nothing holds just now."""
        venue = self._bench.parts.venue
        bare = set()
        for row in held:
            price = stop_price(row)
            if price is None:
                continue
            position = row.position
            if rests_for(position.id, position.size, orders, price, trails=row.plan.trailing):
                continue
            watched = not row.plan.armed or venue.watch.watches(position.id)
            if not (watched and venue.prices_fresh):
                bare.add(position.id)
        return bare

    async def look(self, bare: Collection[int], held: Sequence[Held]) -> None:
        """Alarms, once each time, of what is bare for longer than moments."""
        now = self._bench.parts.clock.monotonic()
        self._since = {row: self._since.get(row, now) for row in bare}
        self._told &= set(bare)
        signals = {row.position.id: row.position.signal_id for row in held}
        late = [
            row
            for row, since in self._since.items()
            if now - since > ALARM_AFTER_S and row not in self._told
        ]
        for position_id in late:
            since = self._bench.parts.clock.now().isoformat()
            async with self._bench.parts.ledger.executing():
                await self._bench.tell(
                    ProtectionMissing(position_id, since),
                    f"bare:{position_id}:{since}",
                    signals.get(position_id),
                )
            self._told.add(position_id)
            self._bench.parts.outbox_bell.ring()
