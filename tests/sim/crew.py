"""Many seeds on all cores, within a time."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.sim import soak
from tests.sim.defects import DEFECTS, switched_on

DAYS_PER_SEED: Final = 2
TEETH_DAYS: Final = 20

_stack = contextlib.ExitStack()
_shop: list[Path] = []
_lived: list[int] = []
"""The seeds of this worker; it lives at least one day, however short the time."""


def _move_in() -> None:
    _shop.append(_stack.enter_context(soak.workshop()))


def _live(seed: int, until: float) -> soak.Outcome:
    """`until`: the moment (unix seconds) after which no further day begins."""
    if time.time() > until and _lived:
        return soak.Outcome(seed)
    _lived.append(seed)
    return soak.live(seed, _shop[0], days=DAYS_PER_SEED, until=until)


def bite(name: str, first_seed: int, shop: Path) -> tuple[int | None, str]:
    """On which day a defect was found, and by what; None where it was not within twenty days. A day
    counts only if it passes without the defect.
    """
    for day in range(1, TEETH_DAYS + 1):
        seed = first_seed + day
        while soak.is_quiet(seed):
            seed += TEETH_DAYS
        with switched_on(name):
            found = soak.live(seed, shop).violations
        if found and not soak.live(seed, shop).violations:
            return day, found[0]
    return None, ""


def _bite(name: str, first_seed: int) -> tuple[str, int | None, str]:
    return (name, *bite(name, first_seed, _shop[0]))


def crew() -> ProcessPoolExecutor:
    """One worker per core, each with a workshop of its own."""
    return ProcessPoolExecutor(
        max_workers=os.cpu_count() or 1,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_move_in,
    )


@dataclass
class Total:
    """What all seeds together brought."""

    seeds: int = 0
    days: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failed: list[soak.Outcome] = field(default_factory=list)

    def add(self, outcome: soak.Outcome) -> None:
        if not outcome.days and not outcome.violations:
            return
        self.seeds += 1
        self.days += outcome.days
        self.counts.update(outcome.counts)
        if outcome.violations:
            self.failed.append(outcome)

    def line(self) -> dict[str, int]:
        """What the last line says."""
        names = ("alerts", "fills", "faults", "crashes")
        return {
            "seeds": self.seeds,
            "days": self.days,
            **{name: self.counts[name] for name in names},
            "lost": self.counts["judged lost"],
            "doubled": self.counts["judged doubled"],
            "unprotected_over_15s": self.counts["judged unprotected"],
            "alarms": self.counts["alarms"],
        }


def live_through(first_seed: int, minutes: float) -> Iterator[soak.Outcome]:
    """Seeds, one after the other on every core; days that have begun are lived to their end."""
    until = time.time() + minutes * 60
    with crew() as workers:
        waiting: set[Future[soak.Outcome]] = set()
        seed = first_seed
        going = True
        while going or waiting:
            going = time.time() < until
            while going and len(waiting) <= (os.cpu_count() or 1):
                waiting.add(workers.submit(_live, seed, until))
                seed += 1
            done, waiting = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
            if not going:
                for future in list(waiting):
                    if future.cancel():
                        waiting.discard(future)
            for future in done:
                yield future.result()


def teeth(first_seed: int) -> Iterator[tuple[str, int | None, str]]:
    """Each defect, the day on which it was found, and by what."""
    with crew() as workers:
        asked = [workers.submit(_bite, name, first_seed) for name in DEFECTS]
        for future in asked:
            yield future.result()
