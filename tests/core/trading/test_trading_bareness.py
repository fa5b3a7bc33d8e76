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
                plan=SimpleNamespace(armed=True, trailing=None, asks=False),
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

    def off_chain(self, *orders: Any, placeless: set[int] | None = None) -> set[int]:
        price = Decimal(90)
        return self.bareness.off_chain(self.held, orders, lambda row: price, placeless or set())

    async def look(self, *orders: Any) -> None:
        await self.bareness.look(self.bare(*orders), self.off_chain(*orders), self.held)


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


async def test_a_stop_that_is_watched_but_has_a_place_on_chain_is_an_alarm_of_its_own() -> None:
    room = Room()
    for at, told in ((0, []), (15, []), (16, [True]), (60, [True])):
        room.clock.at = at
        await room.look()
        assert [event.watched for event in room.told] == told
    room.venue.prices_fresh = False  # nothing watches it any more: that is graver
    for at, told in ((61, [True]), (77, [True, False]), (99, [True, False])):
        room.clock.at = at
        await room.look()
        assert [event.watched for event in room.told] == told


def test_a_stop_is_off_the_chain_only_where_it_is_to_rest_there() -> None:
    room = Room()
    assert room.off_chain() == {1}
    assert room.off_chain(order(1)) == set()
    assert room.off_chain(placeless={1}) == set()
    room.held[0].plan.asks = True
    assert room.off_chain() == set()
    room.held[0].plan.asks, room.held[0].plan.armed = False, False  # it is being closed
    assert room.off_chain() == set()
