"""The prices that matter to plans, of a whole network, kept so that a price costs what it meets.

Each market has two heaps: the marks that a rising price meets and those that a falling one does.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

MarkKind = Literal["stop", "target", "best", "even"]


@dataclass(frozen=True)
class Mark:
    """A price at which something is to be done for a position: its stop or a target is met, its
    trailing stop moves (`best`), break-even is reached (`even`). `above`: by a price at or above
    it, else at or below. `on_chain`: an order rests for it.
    """

    kind: MarkKind
    price: Decimal
    above: bool
    target_id: int = 0
    on_chain: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Met:
    """A mark that a price has met."""

    position_id: int
    mark: Mark
    price: Decimal


Told = Callable[[Met], None]


@dataclass
class _Watched:
    """A mark in a heap. `dead`: it was taken out or met already."""

    position_id: int
    mark: Mark
    told: Told
    dead: bool = False


@dataclass
class _Position:
    ticker: str
    marks: dict[Mark, _Watched]


@dataclass
class _Heap:
    """Marks of one market and direction, the first to be met on top."""

    above: bool
    rows: list[tuple[Decimal, int, _Watched]] = field(default_factory=list)
    dead: int = 0

    def push(self, number: int, watched: _Watched) -> None:
        price = watched.mark.price
        heapq.heappush(self.rows, (price if self.above else -price, number, watched))

    def pop_met(self, price: Decimal) -> list[_Watched]:
        limit = price if self.above else -price
        found = []
        while self.rows and self.rows[0][0] <= limit:
            watched = heapq.heappop(self.rows)[2]
            if watched.dead:
                self.dead -= 1
                continue
            watched.dead = True
            found.append(watched)
        return found

    def bury(self) -> None:
        """One more of the rows is dead; where most are, they are swept out."""
        self.dead += 1
        if self.dead > 64 and self.dead * 2 > len(self.rows):
            self.rows = [row for row in self.rows if not row[2].dead]
            heapq.heapify(self.rows)
            self.dead = 0


class PriceWatch:
    """The marks of all positions of a network, by the positions' ids."""

    def __init__(self) -> None:
        self._positions: dict[int, _Position] = {}
        self._heaps: dict[tuple[str, bool], _Heap] = {}
        self._markets: dict[str, int] = {}
        self._numbers = 0

    def set(self, position_id: int, ticker: str, marks: Sequence[Mark], told: Told) -> None:
        """The marks of a position from now on. One that was met already is not told again while it
        stays; `again` has it told anew.
        """
        before = self._positions.get(position_id)
        kept = before.marks if before is not None and before.ticker == ticker else {}
        fresh: dict[Mark, _Watched] = {}
        for mark in marks:
            watched = kept.get(mark)
            if watched is None:
                watched = _Watched(position_id, mark, told)
                self._push(ticker, watched)
            watched.mark, watched.told = mark, told
            fresh[mark] = watched
        if before is not None:
            self._bury(before, keep=fresh)
            self._count(before.ticker, -1)
        self._positions[position_id] = _Position(ticker, fresh)
        self._count(ticker, 1)

    def drop(self, position_id: int) -> None:
        """Nothing of a position matters any more."""
        before = self._positions.pop(position_id, None)
        if before is not None:
            self._bury(before, keep={})
            self._count(before.ticker, -1)

    def again(self, position_id: int, mark: Mark) -> None:
        """A mark that was met is to be told once more: what it asked for was not done."""
        held = self._positions.get(position_id)
        watched = held.marks.get(mark) if held is not None else None
        if held is not None and watched is not None and watched.dead:
            anew = _Watched(position_id, watched.mark, watched.told)
            held.marks[mark] = anew
            self._push(held.ticker, anew)

    def watches(self, position_id: int) -> bool:
        """Whether a price of a position is waited for."""
        return position_id in self._positions

    def tickers(self) -> list[str]:
        """The markets whose price matters."""
        return list(self._markets)

    def on_prices(self, prices: Mapping[str, Decimal]) -> int:
        """Tells what these prices meet, each mark once, stops first; how many there were."""
        count = 0
        for ticker, price in prices.items():
            found = [
                watched
                for above in (False, True)
                if (heap := self._heaps.get((ticker, above))) is not None
                for watched in heap.pop_met(price)
            ]
            found.sort(key=lambda watched: watched.mark.kind != "stop")
            for watched in found:
                watched.told(Met(watched.position_id, watched.mark, price))
            count += len(found)
        return count

    def _push(self, ticker: str, watched: _Watched) -> None:
        self._numbers += 1
        key = (ticker, watched.mark.above)
        heap = self._heaps.get(key)
        if heap is None:
            heap = self._heaps[key] = _Heap(watched.mark.above)
        heap.push(self._numbers, watched)

    def _bury(self, position: _Position, keep: Mapping[Mark, _Watched]) -> None:
        for mark, watched in position.marks.items():
            if keep.get(mark) is not watched and not watched.dead:
                watched.dead = True
                self._heaps[(position.ticker, mark.above)].bury()

    def _count(self, ticker: str, change: int) -> None:
        count = self._markets.get(ticker, 0) + change
        if count:
            self._markets[ticker] = count
        else:
            self._markets.pop(ticker, None)
