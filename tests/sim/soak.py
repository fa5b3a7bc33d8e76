"""Seeded days, one after the other, and what came of them."""

from __future__ import annotations

import contextlib
import gc
import logging
import math
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from tests.sim import database, machine, virtual
from tests.sim.day import QUIET, Day, Shape
from tests.sim.world import BEGAN, World

QUIET_EVERY: Final = 5
"""Of so many seeds one has a day without faults."""


@dataclass
class Outcome:
    """What a seed's days brought."""

    seed: int
    days: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0


_errors: list[str] = []
_shown: list[Any] = []
"""The loop whose bot's log is shown, if any."""


def _collect(logger: Any, name: str, event: MutableMapping[str, Any]) -> str:
    if event.get("exc_info"):
        _errors.append(str(structlog.processors.format_exc_info(logger, name, event))[:3000])
    if _shown:
        fields = {k: v for k, v in event.items() if k not in ("event", "exc_info")}
        print(f"{_shown[-1].time():9.3f}  {event['event']} {fields}")
    raise structlog.DropEvent


@contextlib.contextmanager
def workshop(*, shown: bool = False) -> Iterator[Path]:
    """Everything that worlds need around them: the folder with the template of a ledger. `shown`:
    what the bots log is printed.
    """
    before = structlog.get_config()
    structlog.configure(
        processors=[_collect],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.INFO if shown else logging.ERROR
        ),
    )
    try:
        with (
            database.scratch() as folder,
            database.inline(),
            database.without_migrating(),
            machine.assembled(),
        ):
            database.make_template(Path(folder), BEGAN)
            gc.freeze()  # what is here by now stays; no collection looks at it again
            yield Path(folder)
    finally:
        gc.unfreeze()
        structlog.configure(**before)


def is_quiet(seed: int) -> bool:
    """Whether the days of a seed are without faults."""
    return seed % QUIET_EVERY == 0


def live(
    seed: int,
    shop: Path,
    *,
    days: int = 1,
    shape: Shape | None = None,
    shown: bool = False,
    until: float = math.inf,
) -> Outcome:
    """The days of a seed, until the judge finds something. `shown`: what happens is printed;
    `until`: the moment (unix seconds) after which no further day begins.
    """
    outcome = Outcome(seed)
    chosen = shape or (QUIET if is_quiet(seed) else Shape())

    async def work(loop: virtual.VirtualLoop) -> None:
        with tempfile.TemporaryDirectory(dir=shop) as folder:
            world = World(
                loop,
                seed,
                Path(folder),
                shop / "template.db",
                restless=bool(chosen.faults or chosen.crashes),
            )
            world.shown = shown
            _shown[:] = [loop] if shown else []
            try:
                await world.open()
                for number in range(days):
                    await Day(world, number, chosen).live()
                    outcome.days += 1
                    if world.judge.violations or time.time() > until:
                        break
            finally:
                outcome.violations = world.judge.violations
                outcome.counts = world.counts
                outcome.counts["fills"] = len(world.chain.fills)
                if world.judge._reader is not None:
                    outcome.counts["alarms"] = sum(world.judge.alarms().values())
                for kind, count in world.judge.counts.items():
                    outcome.counts[f"judged {kind}"] = count
                outcome.seconds = loop.passed
                with contextlib.suppress(virtual.StandsStill):
                    await world.close()

    _errors.clear()
    collects = gc.isenabled()
    gc.disable()  # a day is short, and its garbage small
    try:
        virtual.run(work)
    except virtual.StandsStill as error:
        outcome.violations.append(f"stuck: {error}")
    finally:
        gc.collect()
        if collects:
            gc.enable()
    outcome.errors = list(_errors)
    if _errors and not outcome.violations:
        outcome.violations.append(f"log: {_errors[0].strip().splitlines()[-1]}")
    return outcome
