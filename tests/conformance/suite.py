"""A run of the whole suite."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

from tests.conformance.chapters import CHAPTERS
from tests.conformance.checks import Chapter, Noted, Report
from tests.conformance.target import Target
from tests.conformance.world import Room, Spec, World

CHAPTER_S = 240.0
AT_ONCE = 8


async def run(target: Target, report: Report, only: Collection[str] = ()) -> None:
    """Carries out all chapters, or those named; chapters run beside each other.

    Raises Mismatch where the network is not the one that is meant, or gives no money.
    """
    started = time.monotonic()
    specs = [spec for spec in CHAPTERS if not only or spec.name in only]
    world = World(target)
    try:
        await world.open(max(sum(spec.people for spec in specs), 1))
        people = iter(await world.bank.people(sum(spec.people for spec in specs)))
        rooms = [
            (
                spec,
                Room(world, Chapter(report, spec.name), [next(people) for _ in range(spec.people)]),
            )
            for spec in specs
        ]
        gate = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(_guarded(spec, room, gate) for spec, room in rooms if not spec.last))
        for spec, room in rooms:
            if spec.last:
                await _guarded(spec, room, gate)
        _shapes(world, report)
        await world.bank.collect()
    finally:
        await world.close()
        report.end(target.name, time.monotonic() - started)


async def _guarded(spec: Spec, room: Room, gate: asyncio.Semaphore) -> None:
    async with gate, room.check(f"the chapter {spec.name} was carried out", CHAPTER_S):
        if spec.market:
            room.leased = await room.world.markets.lease()
        await spec.act(room)


def _shapes(world: World, report: Report) -> None:
    """One check over every websocket message of the run."""
    faults = sorted({fault for socket in world.sockets for fault in socket.faults})
    count = sum(len(socket.frames) for socket in world.sockets)
    for fault in faults[1:]:
        print(f"      {fault}", file=report.out)
    report.note(
        Noted(
            "websocket",
            f"each of {count} messages had exactly the known fields",
            "FAIL" if faults else "PASS",
            faults[0] if faults else "",
            0.0,
        )
    )
