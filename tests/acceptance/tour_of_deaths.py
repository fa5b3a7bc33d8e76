"""The tour as a test: whatever it led to is right, and no failpoint was left out."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.nursery import Nursery
from tests.acceptance.tour import whole
from tests.acceptance.tour_house import a_tour_house
from tests.acceptance.tour_kit import Tour
from tests.acceptance.tour_proof import prove
from tests.failpoint_sites import sites


async def die_everywhere(folder: Path, database_url: str, nursery: Nursery) -> None:
    """Takes the tour and asserts that the process died at every place of the source."""
    known = sites()
    async with a_tour_house(folder, database_url, nursery) as house:
        tour = Tour(house)
        await whole(tour, print)
        await prove(tour)
        died = [place for place in house.died_at() if not place.startswith("tests.")]
        print(f"{house.deaths} deaths at {len(died)} places of {len(known)}")
    unknown = [place for place in died if not any(site.is_at(place) for site in known)]
    assert not unknown, f"died where no failpoint is known: {unknown}"
    never = [str(site) for site in known if not any(site.is_at(place) for place in died)]
    assert not never, f"never died at {len(never)} failpoints: {never}"
