"""Positions without their stop, block by block: how long, and whether that may be."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from core.dydx.protocol import ConditionType
from core.paper.happenings import BlockCommitted, Filled, StatefulChanged, SubaccountKey

if TYPE_CHECKING:
    from tests.sim.judge import Judge

UNPROTECTED_S: Final = 15.0
FAULT_ECHO_S: Final = 5.0
"""How long after a fault what it did may show for the first time."""
RECOVERS_S: Final = 20.0
"""How long it takes after a fault until all is as before: a stream comes back after 16 s."""
WARNED_WITHIN_S: Final = 25.0
BLOCKS_TO_PROTECT: Final = 3

Place = tuple[SubaccountKey, str]


@dataclass
class Bare:
    """A position whose stop does not cover it, since when, and whether that was a violation."""

    since: float
    height: int
    told: bool = False


class BareWatch:
    """`look` is called with every block."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._world = judge.world
        self._bare: dict[Place, Bare] = {}
        self._closing_at: dict[Place, float] = {}
        self._placed_at: dict[Any, int] = {}

    def came_up(self) -> None:
        """What was bare while no machine ran has its time from now on."""
        now, height = self._world.loop.passed, self._world.chain.height
        for bare in self._bare.values():
            bare.since, bare.height = now, height

    def look(self, block: BlockCommitted) -> None:
        opened = self._note(block)
        for person in self._world.people:
            self._look_at(person.key)
        for place in opened:
            self._no_leftover(place, block.height)

    def _note(self, block: BlockCommitted) -> set[Place]:
        """Remembers what the block says of stops and closes; the positions that it opened."""
        now, markets = self._world.loop.passed, self._world.chain.exchange.governance.markets
        opened: set[Place] = set()
        for event in block.events:
            if isinstance(event, StatefulChanged):
                order = event.order
                self._placed_at.setdefault(order.key, block.height)
                if event.triggered and order.condition_type == ConditionType.STOP_LOSS:
                    ticker = markets[order.key.clob_pair_id].ticker
                    self._closing_at[order.key.subaccount, ticker] = now
            elif isinstance(event, Filled) and event.order is not None:
                place = (event.subaccount, markets[event.clob_pair_id].ticker)
                if event.order.reduce_only:
                    self._closing_at[place] = now
                elif not event.quantums_before:
                    opened.add(place)
        return opened

    def _no_leftover(self, place: Place, height: int) -> None:
        """No order of an earlier plan may be there when a position is opened; but a bot to which
        nobody tells that the earlier one was closed adds to it.
        """
        if self._is_excused(self._world.loop.passed):
            return
        key, ticker = place
        held = self._world.chain.positions(key).get(ticker, Decimal(0))
        for row in self._resting(key, ticker):
            order = row.order
            closes = held != 0 and (held > 0) == (order.side == "SELL")
            if order.reduce_only and closes and self._placed_at.get(order.key, height) < height:
                self._judge.blame("leftover", f"{self._name(place)} was opened beside an old order")

    def _resting(self, key: SubaccountKey, ticker: str) -> list[Any]:
        market = self._world.chain.markets[ticker]
        rows = self._world.chain.resting(key)
        return [row for row in rows if row.order.key.clob_pair_id == market.id]

    def _look_at(self, key: SubaccountKey) -> None:
        chain = self._world.chain
        held = chain.positions(key)
        for place in [place for place in self._bare if place[0] == key]:
            if place[1] not in held:
                del self._bare[place]
        for ticker, size in held.items():
            place = (key, ticker)
            if self._covers(ticker, size, self._resting(key, ticker)):
                self._bare.pop(place, None)
                continue
            bare = self._bare.setdefault(place, Bare(self._world.loop.passed, chain.height))
            if self._judge.up and not bare.told:
                self._weigh(place, size, bare)

    def _covers(self, ticker: str, size: Decimal, resting: list[Any]) -> bool:
        market = self._world.chain.markets[ticker]
        side = "SELL" if size > 0 else "BUY"
        return any(
            row.order.condition_type == ConditionType.STOP_LOSS
            and not row.triggered
            and row.order.reduce_only
            and row.order.side == side
            and market.scale.size_of(row.order.quantums) >= abs(size)
            for row in resting
        )

    def _weigh(self, place: Place, size: Decimal, bare: Bare) -> None:
        for_s = self._world.loop.passed - bare.since
        blocks = self._world.chain.height - bare.height
        where = f"{self._name(place)} {size:+f}"
        if not self._judge.restless and blocks > BLOCKS_TO_PROTECT:
            bare.told = True
            self._judge.blame("late_stop", f"{where} without a stop for {blocks} blocks")
        if for_s <= UNPROTECTED_S:
            return
        if not (self._is_excused(bare.since) or self._is_closed_piecewise(place, bare.since)):
            bare.told = True
            self._judge.blame("unprotected", f"{where} for {for_s:.0f} s, no fault was on")
        elif for_s > WARNED_WITHIN_S and not self._warned(place, for_s):
            bare.told = True
            self._judge.blame("unprotected", f"{where} for {for_s:.0f} s, and nobody was told")

    def _is_excused(self, since: float) -> bool:
        """Whether a fault is on that may be the cause, or ended moments ago."""
        judge = self._judge
        if judge.faults_on:
            return True
        ended = judge.fault_until
        return ended >= since - FAULT_ECHO_S and self._world.loop.passed - ended <= RECOVERS_S

    def _is_closed_piecewise(self, place: Place, since: float) -> bool:
        """Whether a stop was met while the book is too thin, and parts of it are closed."""
        now = self._world.loop.passed
        thin = self._judge.thin or now - self._judge.thin_until <= RECOVERS_S
        at = self._closing_at.get(place, float("-inf"))
        return thin and now - at <= UNPROTECTED_S and at >= since - FAULT_ECHO_S

    def _warned(self, place: Place, for_s: float) -> bool:
        since = self._world.time.now() - dt.timedelta(seconds=for_s + WARNED_WITHIN_S)
        return self._judge.telling.warned(*place, since)

    def _name(self, place: Place) -> str:
        return f"{self._judge.name_of(place[0])} {place[1]}"
