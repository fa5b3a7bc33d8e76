"""What everybody traded in the last thirty days: kept by the hour, and forgotten by the hour."""

from __future__ import annotations

from typing import Final

from core.paper.clearing import Trade
from core.paper.epochs import STATS, epoch
from core.paper.fees import EVERYBODY
from core.paper.governance import Governance
from core.paper.state import HourVolumes, State, Volume


class Volumes:
    """Counts the trades of each block when it ends, so that a block's own trades never change its
    fees.
    """

    def __init__(self, governance: Governance, state: State) -> None:
        window = governance.answers["/dydxprotocol.stats.Query/Params"]["params"]
        self._window_s: Final = int(window["window_duration"].removesuffix("s"))
        self._state = state

    def end_block(self, trades: list[Trade], time_s: int) -> None:
        """Forget an hour that fell out of the window, then count this block's trades."""
        self._expire(time_s)
        if not trades:
            return
        clock = epoch(self._state, STATS)
        hour = self._state.hours.get(clock.number)
        owners = {owner: (taker, maker) for owner, taker, maker in hour.owners} if hour else {}
        for trade in trades:
            for owner, taker, maker in (
                (trade.taker, trade.quote_quantums, 0),
                (trade.maker, 0, trade.quote_quantums),
            ):
                self._add(owner, taker, maker)
                held = owners.get(owner, (0, 0))
                owners[owner] = (held[0] + taker, held[1] + maker)
            self._add(EVERYBODY, trade.quote_quantums, trade.quote_quantums)
        rows = tuple((owner, *amounts) for owner, amounts in sorted(owners.items()))
        self._state.hours.put(clock.number, HourVolumes(clock.next_tick_s, rows))

    def _expire(self, time_s: int) -> None:
        """At most one hour a block, as on the chain."""
        oldest = min(self._state.hours.working, default=None)
        if oldest is None or oldest == epoch(self._state, STATS).number:
            return
        hour = self._state.hours.working[oldest]
        if hour.ends_s >= time_s - self._window_s:
            return
        for owner, taker, maker in hour.owners:
            self._add(owner, -taker, -maker)
            self._add(EVERYBODY, -taker, -maker)
        self._state.hours.drop(oldest)

    def _add(self, owner: str, taker: int, maker: int) -> None:
        held = self._state.volumes.get(owner) or Volume()
        self._state.volumes.put(owner, Volume(held.taker + taker, held.maker + maker))
