"""The tour as a test: whatever it led to is right, and no failpoint was left out."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Final

from tests.acceptance.nursery import Nursery
from tests.acceptance.tour import whole
from tests.acceptance.tour_house import a_tour_house
from tests.acceptance.tour_kit import Tour
from tests.acceptance.tour_proof import proved
from tests.failpoint_sites import Site, sites
from tests.ledgers import Ledgers

# A write may be committed in the instant in which the process dies over another one. Most are
# repeated on the way; for one that is not, the tour is taken again, sparing all that was hit.
TOURS: Final = 3


async def die_everywhere(folder: Path, ledgers: Ledgers, nursery: Nursery) -> None:
    """Takes the tour; asserts that nothing was lost or doubled, and that the process died at every
    place of the source.
    """
    known, died = sites(), list[str]()
    figures: Counter[str] = Counter(places=len(known))
    for number in range(TOURS):
        place = folder / f"tour{number}"
        place.mkdir()
        with ledgers(place) as url:
            async with a_tour_house(place, url, nursery, died) as house:
                tour = Tour(house)
                await whole(tour, print)
                found = await proved(tour)
                died = house.died_at()
        never = [str(site) for site in known if not hit(site, died)]
        figures.update(found.figures, deaths=house.deaths)
        figures.update(lost=len(found.lost), doubled=len(found.doubled), tours=1)
        print(json.dumps(figures | {"never_hit": len(never)}))
        assert not found.lost, found.lost
        assert not found.doubled, found.doubled
        if not never:
            break
    unknown = [
        one
        for one in died
        if not one.startswith("tests.") and not any(site.is_at(one) for site in known)
    ]
    assert not unknown, f"died where no failpoint is known: {unknown}"
    assert not never, f"never died at {len(never)} failpoints: {never}"


def hit(site: Site, died: list[str]) -> bool:
    """Whether the process died at a place."""
    return any(site.is_at(place) for place in died)
