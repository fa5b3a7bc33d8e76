"""A seeded day: hours with something going on, and quiet ones between them that pass at once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from core.paper.book import BookShape
from core.signals.alert import BreakEven, Level, Trailing
from core.trading.plan_change import EvenAt, StopTo, TargetTo, ToEntry, TrailBy
from tests.failpoint_sites import sites
from tests.sim.faults import ALL_SILENT, FAULTS, Fault
from tests.sim.people import Person, Strategy
from tests.sim.world import World

ENTRIES: Final = ("buy", "sell", "long", "short")
ACTIONS: Final = (
    *("buy",) * 4,
    *("sell",) * 4,
    *("close",) * 4,
    *("long", "short", "reverse", "add", "reduce", "cancel", "sync", "sync"),
)
EPISODES: Final = 12
ALERTS: Final = 52
FAULTS_A_DAY: Final = 24
KINDS: Final = 8
CRASHES: Final = 3
LEAST_ALERTS: Final = 50
LEAST_FAULTS: Final = 20
CALM_WITHIN_S: Final = 240.0
PANICS: Final = 0.12
"""In how many episodes somebody wants to be flat at once."""
STEP: Final = Decimal("0.0001")


@dataclass(frozen=True)
class Shape:
    """How a day is: `faults` and `crashes` of 0 make it one on which nothing may go wrong."""

    episodes: int = EPISODES
    alerts: int = ALERTS
    faults: int = FAULTS_A_DAY
    crashes: int = CRASHES
    wild: bool = True


QUIET: Final = Shape(faults=0, crashes=0, wild=False)


class Day:
    """Lives through one day in a world."""

    def __init__(self, world: World, number: int, shape: Shape) -> None:
        self.world = world
        self.shape = shape
        self.rand = random.Random(f"day {world.seed} {number}")
        self.kinds: Counter[str] = Counter()
        self._lives = 0
        self._before = Counter(world.counts)

    async def live(self) -> None:
        """Ends early where the judge has found something."""
        shape, rand = self.shape, self.rand
        faults = self._faults()
        crashes = set(rand.sample(range(shape.episodes), shape.crashes))
        for number in range(shape.episodes):
            share = shape.alerts * (number + 1) // shape.episodes
            alerts = share - shape.alerts * number // shape.episodes
            mine = faults[number :: shape.episodes]
            await self._episode(alerts, mine, crash=number in crashes)
            if self.world.judge.violations:
                return
            await self.world.skip(rand.uniform(900, 7200))
        self._check_measure()

    def _check_measure(self) -> None:
        """A day that holds less than it should proves less than is said of it."""
        world, shape = self.world, self.shape
        if shape != Shape():
            return
        told = world.counts - self._before
        if (
            told["alerts"] < LEAST_ALERTS
            or told["faults"] < LEAST_FAULTS
            or told["crashes"] < CRASHES
            or len(self.kinds) < KINDS
        ):
            world.judge.blame("thin_day", f"{dict(told)} with {len(self.kinds)} kinds of faults")

    def _faults(self) -> list[Fault]:
        """At least eight kinds; always one at which nobody knows what became of an order."""
        rand, count = self.rand, self.shape.faults
        if not count:
            return []
        chosen = rand.sample(FAULTS, min(max(KINDS, count // 2), len(FAULTS)))
        chosen += [rand.choice(FAULTS) for _ in range(count - len(chosen))]
        if ALL_SILENT not in chosen:
            chosen[0] = ALL_SILENT
        rand.shuffle(chosen)
        return chosen

    async def _episode(self, alerts: int, faults: list[Fault], *, crash: bool) -> None:
        """Everything at its time, then all faults end and everything must come right."""
        rand = self.rand
        self.world.say("episode")
        self._lives = self.world.lives
        todo: list[tuple[float, Callable[[], Any]]] = []
        length = rand.uniform(15, 45)
        for _ in range(alerts):
            todo.append((rand.uniform(0, length), self._alert))
        for _ in range(rand.randrange(0, 3)):
            todo.append((rand.uniform(5, length), self._button))
        for _ in range(rand.randrange(1, 4)):
            todo.append((rand.uniform(3, length), self._move))
        if self.shape.wild and rand.random() < PANICS:
            todo.append((rand.uniform(5, length), self._panic))
        if self.shape.wild and rand.random() < 0.4:
            todo.append((rand.uniform(0, length), self._thin))
        running: list[Fault] = []
        for fault in faults:
            begins = rand.uniform(0, length)
            todo.append((begins, lambda f=fault: self._begin(f, running)))  # type: ignore[misc]
            ends = begins + rand.uniform(*fault.lasts_s)
            todo.append((ends, lambda f=fault: self._end(f, running)))  # type: ignore[misc]
        if crash:
            todo.append((rand.uniform(0, length), self._crash))
        passed = 0.0
        for at, act in sorted(todo, key=lambda row: row[0]):
            await asyncio.sleep(max(at - passed, 0.0))
            passed = max(at, passed)
            act()
        if crash and self.world.lives == self._lives:
            self.world.say("no moment came to die at")
            await self.world.crash()
        for fault in list(running):
            self._end(fault, running)
        self.world.dies_on_answer = False
        if self.world.machine is not None:
            self.world.machine.spare()
        self.world.chain.exchange.shape_book(BookShape())
        self.world.judge.book_is_thin(False)
        await self.world.come_right(CALM_WITHIN_S)
        await self.world.resume()

    # faults

    def _begin(self, fault: Fault, running: list[Fault]) -> None:
        if fault in running:
            return
        running.append(fault)
        self.kinds[fault.name] += 1
        self.world.counts["faults"] += 1
        fault.begin(self.world, self.rand)
        self.world.judge.fault(fault.name, True)
        if fault is ALL_SILENT:
            self._alert(ENTRIES)

    def _end(self, fault: Fault, running: list[Fault]) -> None:
        if fault in running:
            running.remove(fault)
            fault.end(self.world, self.rand)
            self.world.judge.fault(fault.name, False)

    def _crash(self) -> None:
        machine = self.world.machine
        if machine is None or not machine.alive:
            return
        roll = self.rand.random()
        if roll < 0.2:  # right after it said that it has an alert
            self.world.dies_on_answer = True
            self._alert(ENTRIES)
        elif roll < 0.4:  # with an alert in its hands
            self._alert()
            machine.die_after(self.rand.randrange(1, 40))
        elif roll < 0.7:
            machine.die_at(self.rand.choice(_FAILPOINTS))
            self.world._spawn(self._crash_anyway(machine))
        else:
            machine.die_after(self.rand.randrange(1, 250))

    async def _crash_anyway(self, machine: Any) -> None:
        await asyncio.sleep(self.rand.uniform(2, 10))
        if machine.alive:
            machine.die_after(self.rand.randrange(1, 60))

    # people

    def _somebody(self) -> tuple[Person, Strategy, str]:
        person = self.rand.choice(self.world.people)
        strategy = self.rand.choice(person.strategies)
        tickers = sorted(person.cast.sizes)
        ticker = self.rand.choice(tickers)
        if len(person.strategies) > 1 and not person.cast.shares:  # each keeps to its own markets
            place = person.strategies.index(strategy)
            ticker = tickers[place % len(tickers)]
        return person, strategy, ticker

    def _alert(self, actions: tuple[str, ...] = ACTIONS) -> None:
        rand = self.rand
        person, strategy, ticker = self._somebody()
        action = rand.choice(actions)
        size = rand.choice(person.cast.sizes[ticker])
        fields: dict[str, Any] = {}
        if action == "close":
            if rand.random() < 0.2:
                fields["size"] = size
        elif action == "sync":
            target = rand.choice(("long", "short", "flat"))
            action = {"long": "buy", "short": "sell", "flat": rand.choice(("buy", "sell"))}[target]
            fields |= {"sync": True, "market_position": target}
            if target != "flat":
                fields["market_position_size"] = size
                fields |= self._plan()
        elif action != "cancel":
            fields["size"] = size
        if action in ("buy", "sell") and "sync" not in fields:
            if rand.random() < 0.1:
                fields["market_position"] = "flat"
            else:
                fields |= self._plan()
                fields |= self._kind(ticker, action)
        elif action in ("long", "short", "reverse", "add"):
            fields |= self._plan()
        self.world.post(strategy, ticker, action, fields)

    def _plan(self) -> dict[str, Any]:
        """A plan of its own; without one the strategy's counts."""
        rand = self.rand
        if rand.random() < 0.45:
            return {}
        plan: dict[str, Any] = {"stop_loss": rand.choice(("1%", "2%", "4%"))}
        roll = rand.random()
        if roll < 0.3:
            plan["take_profit"] = rand.choice(("1%", "3%"))
        elif roll < 0.6:
            shares = rand.choice((("50%", "50%"), ("40%", "30%", "30%"), ("25%",) * 4))
            plan["take_profit"] = [
                {"percent": format(0.5 * (place + 1), "g"), "fraction": share}
                for place, share in enumerate(shares)
            ]
        if rand.random() < 0.2:
            plan["trailing"] = rand.choice(("1%", {"activation": "0.5%", "distance": "0.5%"}))
        if rand.random() < 0.2:
            plan["break_even"] = rand.choice((True, {"at": "0.5%", "beyond": "0.1%"}))
        return plan

    def _kind(self, ticker: str, action: str) -> dict[str, Any]:
        rand = self.rand
        if rand.random() > 0.15:
            return {}
        away = Decimal(rand.choice(("0.003", "0.01", "-0.01")))
        sign = 1 if action == "buy" else -1
        price = self.world.chain.price(ticker)
        kind = rand.choice(("limit", "stop"))
        distance = away * sign if kind == "stop" else -away * sign
        return {
            "type": kind,
            "price": format((price * (1 + distance)).quantize(Decimal(1)), "f"),
            "expires": rand.choice(("60", "20m", "2h")),
        }

    def _button(self) -> None:
        person = self.rand.choice(self.world.people)
        what = self.rand.choice(("close", "half", "adjust", "adjust", "cancel"))
        key = f"b{self.world.counts['buttons']}"
        roll = self.rand.random()
        self.world.press(what, lambda desk: self._press(desk, person, what, key, roll))

    def _panic(self) -> None:
        person = self.rand.choice(self.world.people)
        self.world.panic(person, f"p{self.world.counts['buttons']}")

    async def _press(self, desk: Any, person: Person, what: str, key: str, roll: float) -> None:
        if what == "cancel":
            waiting = [row for row in await desk.open_orders(person.view) if not row.protects]
            if waiting:
                order_id = waiting[int(roll * len(waiting))].order.id
                await desk.cancel_order(person.view, order_id)
                self.world.cancelled.add(order_id)
            return
        held = await desk.positions(person.view)
        if not held:
            return
        row = held[int(roll * len(held))]
        if what in ("close", "half"):
            fraction = Decimal(1) if what == "close" else Decimal("0.5")
            await desk.close_position(person.view, row.id, row.version, fraction, key)
            return
        change = self._change(roll, row)
        await desk.adjust_plan(person.view, row.id, row.version, change)

    @staticmethod
    def _change(roll: float, row: Any) -> Any:
        """One thing of a position's plan, by chance."""
        mark, tick = row.mark_price or row.entry_price, row.tick_size
        sign = 1 if row.side == "LONG" else -1
        if roll < 0.4:
            return StopTo(Level(price=_to_tick(mark * (1 - sign * Decimal("0.015")), tick)))
        if roll < 0.6:
            target = row.targets[0].id if row.targets and roll < 0.5 else None
            price = _to_tick(mark * (1 + sign * Decimal("0.02")), tick)
            return TargetTo(target, Level(price=price), Decimal("0.5"))
        if roll < 0.75:
            return TrailBy(Trailing(Level(percent=Decimal(1))))
        if roll < 0.9:
            return EvenAt(BreakEven(Level(percent=Decimal("0.5"))))
        return ToEntry()

    # the market

    def _move(self) -> None:
        rand = self.rand
        ticker = rand.choice(sorted(self.world.chain.markets))
        size = rand.choice((0.002, 0.006, 0.012, 0.022))
        if self.shape.wild and rand.random() < 0.15:
            size = rand.choice((0.05, 0.09))
        factor = Decimal(str(1 + rand.choice((-1, 1)) * size))
        self.world.say("price of", ticker, "times", factor)
        self.world.chain.move(ticker, factor)

    def _thin(self) -> None:
        usd = self.rand.choice(("150", "600", "2500"))
        shape = BookShape(levels=self.rand.choice((1, 2, 4)), level_usd=Decimal(usd))
        self.world.judge.book_is_thin(True)
        self.world.chain.exchange.shape_book(shape)


def _to_tick(price: Decimal, tick: Decimal) -> Decimal:
    return (price / tick).quantize(Decimal(1)) * tick


# Rooms on the way of an order and its plan.
_ROOMS: Final = (
    "bookkeeper",
    "executor",
    "guard",
    "intake",
    "resting",
    "risk.panic",
    "risk.panic_desk",
    "risk.panic_keeper",
    "sending",
    "sentry",
    "work",
)
_FAILPOINTS: Final = sorted(
    {
        site.function
        for site in sites()
        if site.function.startswith(tuple(f"core.trading.{room}." for room in _ROOMS))
    }
)


def shapes() -> tuple[Shape, Shape]:
    """A day of faults, and one without."""
    return Shape(), replace(QUIET)
