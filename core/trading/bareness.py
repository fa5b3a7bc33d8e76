"""Positions whose stop is not where it should be: in the chain's state, or where the chain has no
place for it, watched with present prices.
"""

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
        self._since: dict[tuple[int, bool], float] = {}
        self._told: set[tuple[int, bool]] = set()

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

    @staticmethod
    def off_chain(
        held: Sequence[Held],
        orders: Sequence[GuardOrder],
        stop_price: Callable[[Held], Decimal | None],
        placeless: Collection[int],
    ) -> set[int]:
        """The positions whose stop is to rest in the chain's state and does not, at whatever level.
        Not those that the chain has no place for (`placeless`: their trader was told), that are
        being closed, or whose trader is asked.
        """
        off = set()
        for row in held:
            price, position = stop_price(row), row.position
            if price is None or not row.plan.armed or row.plan.asks or position.id in placeless:
                continue
            if not rests_for(position.id, position.size, orders, price, trails=True):
                off.add(position.id)
        return off

    async def look(
        self, bare: Collection[int], off_chain: Collection[int], held: Sequence[Held]
    ) -> None:
        """Alarms, once each time, of what is bare or off the chain for longer than moments."""
        now = self._bench.parts.clock.monotonic()
        seen = {(row, False) for row in bare} | {(row, True) for row in off_chain}
        self._since = {key: self._since.get(key, now) for key in seen}
        self._told &= seen
        signals = {row.position.id: row.position.signal_id for row in held}
        late = [
            key
            for key, since in sorted(self._since.items())
            if now - since > ALARM_AFTER_S and key not in self._told
        ]
        for position_id, watched in late:
            if (position_id, watched) in self._told:
                continue  # the graver one has said it
            since = self._bench.parts.clock.now().isoformat()
            async with self._bench.parts.ledger.executing():
                await self._bench.tell(
                    ProtectionMissing(position_id, since, watched),
                    f"bare:{position_id}:{since}",
                    signals.get(position_id),
                )
            self._told |= {(position_id, watched), (position_id, True)}
            self._bench.parts.outbox_bell.ring()
