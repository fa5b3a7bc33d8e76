"""kill -9 behind every durable write and every send of the program, on SQLite."""

from __future__ import annotations

from pathlib import Path
import time

import pytest

from tests.acceptance.nursery import Nursery
from tests.acceptance.tour import Tour, whole
from tests.acceptance.tour_house import a_tour_house
from tests.failpoint_sites import sites


@pytest.mark.timeout(1200)
async def test_tour(tmp_path: Path, sqlite_ledger_url: str, nursery: Nursery) -> None:
    async with a_tour_house(tmp_path, sqlite_ledger_url, nursery) as house:
        t0 = time.monotonic()
        import os

        if only := os.environ.get("TOUR_ONLY"):
            from tests.acceptance import tour as tt

            tt.STEPS = (tt.people, *(s for s in tt.STEPS if s.__name__ in only.split(",")))
            pre = Path("/tmp/mine-tour/places")
            if pre.exists():
                house.places.write_text(pre.read_text())
        try:
            await whole(
                Tour(house), lambda l: print(f"{time.monotonic() - t0:.1f} {l}", flush=True)
            )
        finally:
            died = house.died_at()
            print("deaths", flush=True)
            print("deaths", house.deaths, time.monotonic() - t0)
            missing = [str(s) for s in sites() if not any(s.is_at(p) for p in died)]
            extra = [p for p in died if not any(s.is_at(p) for s in sites())]
            print("missing", len(missing), *missing, sep="\n  ")
            print("extra", extra)
            pathlib = Path("/tmp/mine-tour")
            pathlib.mkdir(exist_ok=True)
            (pathlib / "err").write_text(
                "\n".join(f"==== {b._name}\n{b.stderr}" for b in house.bots)
            )
