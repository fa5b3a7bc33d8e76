"""The tour as a test: whatever it led to is right, and no failpoint was left out."""

from __future__ import annotations

import json
from pathlib import Path

from tests.acceptance.nursery import Nursery
from tests.acceptance.tour import whole
from tests.acceptance.tour_house import a_tour_house
from tests.acceptance.tour_kit import Tour
from tests.acceptance.tour_proof import proved
from tests.failpoint_sites import sites


async def die_everywhere(folder: Path, database_url: str, nursery: Nursery) -> None:
    """Takes the tour; asserts that nothing was lost or doubled, and that the process died at every
    place of the source.
    """
    known = sites()
    async with a_tour_house(folder, database_url, nursery) as house:
        tour = Tour(house)
        await whole(tour, print)
        found = await proved(tour)
        died = [place for place in house.died_at() if not place.startswith("tests.")]
    unknown = [place for place in died if not any(site.is_at(place) for site in known)]
    never = [str(site) for site in known if not any(site.is_at(place) for place in died)]
    figures = {
        "places": len(known),
        "never_hit": len(never),
        "deaths": house.deaths,
        **found.figures,
        "lost": len(found.lost),
        "doubled": len(found.doubled),
    }
    print(json.dumps(figures))
    assert not found.lost, found.lost
    assert not found.doubled, found.doubled
    assert not unknown, f"died where no failpoint is known: {unknown}"
    assert not never, f"never died at {len(never)} failpoints: {never}"
