"""Hypothesis chooses what happens in a world; whenever it is calm, the judge looks."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.paper.book import BookShape
from tests.sim import virtual
from tests.sim.day import CALM_WITHIN_S
from tests.sim.faults import FAULTS, Fault
from tests.sim.people import CASTS, Sent
from tests.sim.world import World

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
EXAMPLES = 4
STEPS = 10
PLANS: tuple[dict[str, Any], ...] = (
    {},
    {"stop_loss": "1%"},
    {"stop_loss": "2%", "take_profit": [{"percent": "1", "fraction": "50%"}, {"percent": "2"}]},
    {"stop_loss": "2%", "trailing": "1%", "break_even": True},
)


class WorldMachine(RuleBasedStateMachine):
    """One trader with two strategies; every rule is followed by some seconds of the world."""

    shop: ClassVar[Path]

    @initialize(seed=st.integers(1, 50))
    def begin(self, seed: int) -> None:
        self.loop = virtual.VirtualLoop()
        asyncio.set_event_loop(self.loop)
        self.stack = contextlib.ExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory(dir=self.shop))
        self.world = World(
            self.loop, seed, Path(folder), self.shop / "template.db", casts=CASTS[:1]
        )
        self.running: list[Fault] = []
        self._do(self.world.open())

    @rule(
        place=st.integers(0, 1),
        action=st.sampled_from(("buy", "sell", "close", "long", "short", "reduce", "cancel")),
        size=st.sampled_from(("0.01", "0.02", "0.05")),
        plan=st.sampled_from(PLANS),
    )
    def alert(self, place: int, action: str, size: str, plan: dict[str, Any]) -> None:
        ticker = ("BTC-USD", "ETH-USD")[place]
        fields: dict[str, Any] = {}
        if action not in ("close", "cancel"):
            fields["size"] = size
        if action in ("buy", "sell", "long", "short"):
            fields |= plan
        strategy = self.world.people[0].strategies[place]
        self._now(lambda: self.world.post(strategy, ticker, action, fields))
        self._pass(1.0)

    @precondition(lambda self: bool(self.world.sent))
    @rule(which=st.integers(0, 30), after=st.sampled_from((0.0, 5.0)))
    def resend(self, which: int, after: float) -> None:
        sent: Sent = self.world.sent[which % len(self.world.sent)]
        self._now(lambda: self.world.again(sent, after))
        self._pass(after + 0.5)

    @rule(fraction=st.sampled_from(("1", "0.5")))
    def press_close(self, fraction: str) -> None:
        view = self.world.people[0].view
        key = f"h{self.world.counts['buttons']}"

        async def close(desk: Any) -> None:
            for row in await desk.positions(view):
                await desk.close_position(view, row.id, row.version, Decimal(fraction), key)
                return

        self._now(lambda: self.world.press("close", close))
        self._pass(2.0)

    @rule(
        ticker=st.sampled_from(("BTC-USD", "ETH-USD")),
        percent=st.sampled_from((-6, -2, -1, 1, 2, 6)),
    )
    def move(self, ticker: str, percent: int) -> None:
        self.world.chain.move(ticker, 1 + Decimal(percent) / 100)
        self._pass(3.0)

    @rule(usd=st.sampled_from(("150", "20000")))
    def shape_book(self, usd: str) -> None:
        self.world.chain.exchange.shape_book(BookShape(level_usd=Decimal(usd)))
        self.world.judge.book_is_thin(True)
        self._pass(1.0)

    @rule(fault=st.sampled_from(FAULTS))
    def break_something(self, fault: Fault) -> None:
        if fault not in self.running:
            self.running.append(fault)
            self._now(lambda: fault.begin(self.world, self.world.random))
            self.world.judge.fault(fault.name, True)
        self._pass(4.0)

    @rule(moments=st.integers(1, 60))
    def crash(self, moments: int) -> None:
        machine = self.world.machine
        if machine is not None and machine.alive:
            machine.die_after(moments)
        self._pass(4.0)

    @rule(seconds=st.sampled_from((5.0, 20.0)))
    def wait(self, seconds: float) -> None:
        self._pass(seconds)

    @rule()
    def come_right(self) -> None:
        """All faults end; then everything that was sent has to come to its end."""
        for fault in self.running:
            self._now(partial(fault.end, self.world, self.world.random))
            self.world.judge.fault(fault.name, False)
        self.running = []
        self.world.chain.exchange.shape_book(BookShape())
        self.world.judge.book_is_thin(False)
        if self.world.machine is not None:
            self.world.machine.spare()
        self._do(self.world.come_right(CALM_WITHIN_S))
        assert self.world.judge.violations == []

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.come_right()
        finally:
            self._do(self.world.close())
            self.stack.close()
            virtual.finish(self.loop)

    def _do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def _now(self, act: Callable[[], Any]) -> None:
        """Does something on the loop."""

        async def doing() -> None:
            act()

        self._do(doing())

    def _pass(self, seconds: float) -> None:
        self._do(asyncio.sleep(seconds))
        assert self.world.judge.violations == []


def test_whatever_happens_nothing_is_lost_doubled_or_left_bare(shop: Path) -> None:
    WorldMachine.shop = shop
    run_state_machine_as_test(
        WorldMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
