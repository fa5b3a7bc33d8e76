"""A stop that is nowhere is an alarm, once, after moments."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from core.clock import SystemClock
from core.events import Event, ProtectionMissing
from core.trading.bareness import Bareness
from core.trading.watch import Mark, PriceWatch
from tests.core.trading.test_trading_protection import order


class Clock(SystemClock):
    """Shows the seconds that it was set to."""

    at = 0.0

    def monotonic(self) -> float:
        return self.at


class Room:
    """One position of 2 with a stop at 90, and what is known of its market."""

    def __init__(self) -> None:
        self.clock, self.watch, self.told = Clock(), PriceWatch(), []  # type: ignore[var-annotated]
        self.venue = SimpleNamespace(watch=self.watch, prices_fresh=True)
        parts = SimpleNamespace(
            clock=self.clock,
            venue=self.venue,
            ledger=SimpleNamespace(executing=self._executing),
            outbox_bell=SimpleNamespace(ring=lambda: None),
        )
        bench: Any = SimpleNamespace(parts=parts, tell=self._tell)
        self.bareness = Bareness(bench)
        self.held: list[Any] = [
            SimpleNamespace(
                position=SimpleNamespace(id=1, size=Decimal(2), signal_id=None),
                plan=SimpleNamespace(armed=True, trailing=None),
            )
        ]
        self.watch.set(1, "BTC-USD", [Mark("stop", Decimal(90), above=False)], lambda met: None)

    @contextlib.asynccontextmanager
    async def _executing(self) -> AsyncIterator[None]:
        yield

    async def _tell(self, event: Event, key: str, signal_id: None) -> None:
        self.told.append(event)

    def bare(self, *orders: Any) -> set[int]:
        return self.bareness.positions(self.held, orders, lambda row: Decimal(90))

    async def look(self, *orders: Any) -> None:
        await self.bareness.look(self.bare(*orders), self.held)


@pytest.mark.parametrize(
    ("fresh", "watched", "rests", "expected"),
    [
        (True, True, False, set()),
        (False, True, False, {1}),
        (True, False, False, {1}),
        (False, False, True, set()),
    ],
)
def test_a_stop_is_bare_where_it_neither_rests_nor_is_watched_with_present_prices(
    fresh: bool, watched: bool, rests: bool, expected: set[int]
) -> None:
    room = Room()
    room.venue.prices_fresh = fresh
    if not watched:
        room.watch.drop(1)
    assert room.bare(*([order(1)] if rests else [])) == expected


async def test_the_alarm_comes_after_fifteen_seconds_and_once_each_time() -> None:
    room = Room()
    room.venue.prices_fresh = False
    for at, told in ((0, 0), (15, 0), (16, 1), (60, 1)):
        room.clock.at = at
        await room.look()
        assert len(room.told) == told
    assert isinstance(room.told[0], ProtectionMissing)
    await room.look(order(1))
    for at, told in ((100, 1), (116, 2)):
        room.clock.at = at
        await room.look()
        assert len(room.told) == told
