"""The budget of requests: kept, shared fairly, urgent first, slower after a refusal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from core.dydx.budget import Budget, Urgency
from tests.core.dydx.dydx_kit import StillClock

WINDOW_S = 10.0


class Desk:
    """Asks for turns and notes who got one, and when."""

    def __init__(self, limit: int) -> None:
        self.clock = StillClock()
        self.budget = Budget(self.clock, limit, WINDOW_S)
        self.served: list[tuple[float, str]] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def take(self, account: str, urgency: Urgency = Urgency.NORMAL) -> None:
        await self.budget.take(account, urgency)
        self.served.append((self.clock.seconds, account))

    def ask(self, account: str, count: int, urgency: Urgency = Urgency.NORMAL) -> None:
        """Asks many times at once."""
        self._tasks += [asyncio.create_task(self.take(account, urgency)) for _ in range(count)]

    async def all_served(self) -> None:
        await asyncio.gather(*self._tasks)

    def order(self) -> list[str]:
        return [account for _, account in self.served]

    def times(self) -> list[float]:
        return [at for at, _ in self.served]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.budget.close()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk(limit=20)
    yield made
    await made.close()


@pytest.mark.parametrize("urgency", Urgency)
async def test_no_window_holds_more_than_the_limit(desk: Desk, urgency: Urgency) -> None:
    for account in "abc":
        desk.ask(account, 30, urgency)
    await desk.all_served()

    times = desk.times()
    assert all(times[n + 20] - times[n] >= WINDOW_S for n in range(len(times) - 20))
    # And it is used: 90 requests need four and a half windows, bulk ones five.
    assert times[-1] <= 60


async def test_accounts_are_served_in_turn_however_much_one_of_them_asks(desk: Desk) -> None:
    desk.ask("greedy", 100)
    await asyncio.sleep(0)
    desk.ask("modest", 3)
    desk.ask("small", 1)
    await desk.all_served()

    order = desk.order()
    assert order.index("small") < 24
    assert max(n for n, who in enumerate(order) if who == "modest") < 28


async def test_urgent_requests_overtake_and_the_lower_classes_still_move(desk: Desk) -> None:
    desk.ask("bulk", 30, Urgency.BULK)
    desk.ask("normal", 30)
    desk.ask("urgent", 60, Urgency.URGENT)
    await desk.all_served()

    order = desk.order()
    until_urgent_done = order[: len(order) - order[::-1].index("urgent")]
    assert until_urgent_done.count("normal") <= 28
    assert until_urgent_done.count("normal") + until_urgent_done.count("bulk") >= 6


async def test_bulk_requests_leave_room_and_are_spread_over_the_window(desk: Desk) -> None:
    desk.ask("bulk", 40, Urgency.BULK)
    for _ in range(200):
        await asyncio.sleep(0)
        if desk.clock.seconds >= 9:
            break
    before = desk.clock.seconds
    await desk.take("urgent", Urgency.URGENT)

    assert desk.clock.seconds == before
    bulk = [at for at, who in desk.served if who == "bulk"]
    assert all(bulk[n + 18] - bulk[n] >= WINDOW_S for n in range(len(bulk) - 18))
    # At most a tenth of the window at once.
    assert all(bulk[n + 2] - bulk[n] >= WINDOW_S / 10 for n in range(len(bulk) - 2))


async def test_a_refusal_pauses_everybody_halves_the_pace_and_is_forgotten_again(
    desk: Desk,
) -> None:
    await desk.take("a")
    desk.budget.slow_down(2.5)
    desk.budget.slow_down(1.0)  # another answer to requests of the same burst
    assert desk.budget.limit == 10
    for urgency in Urgency:
        desk.ask(urgency.name, 40, urgency)
    await desk.all_served()

    times = desk.times()[1:]
    assert times[0] >= 2.5
    assert sum(at < 10 for at in times) == 9  # with the first one half of the usual
    assert desk.budget.limit == 20


async def test_repeated_refusals_never_stop_it_altogether(desk: Desk) -> None:
    for _ in range(10):
        desk.budget.slow_down(0.5)
        desk.clock.seconds += 2
    assert desk.budget.limit == 10


async def test_who_gives_up_waiting_takes_no_turn(desk: Desk) -> None:
    desk.ask("first", 20)
    await desk.all_served()
    patient = asyncio.create_task(desk.take("patient"))
    hasty = [asyncio.create_task(desk.take("hasty")) for _ in range(50)]
    await asyncio.sleep(0)
    for task in hasty:
        task.cancel()
    await asyncio.gather(*hasty, return_exceptions=True)
    await patient
    desk.ask("next", 19)
    await desk.all_served()

    assert "hasty" not in desk.order()
    assert desk.clock.seconds < 11
    assert desk.budget.waiting == 0


async def test_closing_ends_the_waiting() -> None:
    desk = Desk(limit=1)
    await desk.take("a")
    never = asyncio.Event()

    async def stand(seconds: float) -> None:
        await never.wait()

    desk.clock.sleep = stand  # type: ignore[method-assign]
    waiting = asyncio.create_task(desk.take("b"))
    await asyncio.sleep(0)
    await desk.budget.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
