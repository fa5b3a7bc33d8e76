"""Who gets the chain's places."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.trading.slots import (
    Claim,
    Figures,
    Reservations,
    StopRoom,
    allotted,
    room_for_stop,
)

D = Decimal


def three_of_four(resting: bool = False) -> list[Claim]:
    """Three positions with a stop and four targets each, at 1 to 4 percent."""
    found = []
    for position_id in (1, 2, 3):
        found.append(Claim(position_id, 0, D("0.02"), resting))
        for target in range(1, 5):
            found.append(Claim(position_id, position_id * 10 + target, D(target) / 100, resting))
    return found


@pytest.mark.parametrize(
    ("slots", "stops", "targets"),
    [
        pytest.param(0, 0, 0, id="15 USD: nothing rests"),
        pytest.param(10, 3, 7, id="25 USD: three stops, the seven nearest targets"),
        pytest.param(20, 3, 12, id="120 USD: everything"),
        pytest.param(1, 1, 0, id="one place: a stop"),
        pytest.param(2, 2, 0, id="two places: two stops"),
        pytest.param(None, 3, 12, id="nobody knows: the chain decides"),
    ],
)
def test_stops_come_first_then_the_nearest_targets(
    slots: int | None, stops: int, targets: int
) -> None:
    found = allotted(three_of_four(), slots)
    assert len([key for key in found if key[1] == 0]) == stops
    chosen = sorted(key[1] % 10 for key in found if key[1])
    assert chosen == sorted([n for n in (1, 2, 3, 4) for _ in range(3)])[:targets]


def test_places_of_others_and_reserved_ones_are_not_given_to_targets() -> None:
    found = allotted(three_of_four(), 10, taken=2, reserved=1)
    assert len([key for key in found if key[1] == 0]) == 3
    assert len([key for key in found if key[1]]) == 4


def test_a_stop_may_take_the_place_that_was_reserved_for_it() -> None:
    assert allotted([Claim(1, 0, D("0.02"))], 1, reserved=1) == {(1, 0)}


def test_two_targets_that_are_nearly_as_near_do_not_swap_places() -> None:
    there, other = Claim(1, 11, D("0.020"), resting=True), Claim(2, 21, D("0.018"))
    assert allotted([there, other], 1) == {(1, 11)}
    assert allotted([there, Claim(2, 21, D("0.005"))], 1) == {(2, 21)}


def figures(**values: int | None) -> Figures:
    given_: dict[str, int | None] = {
        "slots": 10,
        "held": 0,
        "owed": 0,
        "reserved": 0,
        "placements": 5,
    }
    return Figures(**(given_ | values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "needs_slot", "expected"),
    [
        ({}, True, StopRoom.FREE),
        ({"held": 10}, True, StopRoom.NONE),
        ({"held": 10}, False, StopRoom.FREE),
        ({"held": 8, "owed": 1, "reserved": 1}, True, StopRoom.NONE),
        ({"held": 8, "owed": 1}, True, StopRoom.FREE),
        ({"placements": 0}, True, StopRoom.NONE),
        ({"placements": 0}, False, StopRoom.NONE),
        ({"slots": None}, True, StopRoom.UNKNOWN),
        ({"slots": None}, False, StopRoom.FREE),
        ({"placements": None}, True, StopRoom.UNKNOWN),
        ({"slots": 0}, True, StopRoom.NONE),
        ({"slots": 0, "placements": None}, True, StopRoom.NONE),
    ],
)
def test_room_for_a_stop_is_free_none_or_unknown(
    values: dict[str, int | None], needs_slot: bool, expected: StopRoom
) -> None:
    assert room_for_stop(figures(**values), needs_slot=needs_slot) is expected


def test_entries_at_once_never_take_the_same_place() -> None:
    foreseen: dict[str, int] = {}

    def expect_no_more(key: str) -> None:
        del foreseen[key]

    kept = Reservations(foreseen.__setitem__, expect_no_more)
    made = []
    for _ in range(5):
        room = room_for_stop(figures(slots=2, reserved=kept.slots), needs_slot=True)
        made.append(kept.make("BTC-USD", room, needs_slot=True))
    assert [one.room for one in made] == [StopRoom.FREE] * 2 + [StopRoom.NONE] * 3
    assert len(foreseen) == 2
    for one in made:
        one.release()
        one.release()
    assert kept.slots == 0
    assert not foreseen

    late = kept.make("BTC-USD", StopRoom.FREE, needs_slot=True)
    kept.close()
    late.release()
    assert kept.slots == 0
    assert not foreseen


@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.integers(0, 4), st.integers(1, 50), st.booleans()),
        unique_by=lambda row: (row[0], row[1]),
        max_size=25,
    ),
    st.integers(0, 30),
    st.integers(0, 10),
    st.integers(0, 5),
)
def test_never_more_places_than_the_tier_and_no_target_before_a_stop(
    rows: list[tuple[int, int, int, bool]], slots: int, taken: int, reserved: int
) -> None:
    claims = [
        Claim(position, target and position * 10 + target, D(away) / 1000, rests)
        for position, target, away, rests in rows
    ]
    found = allotted(claims, slots, taken, reserved)
    assert len(found) <= max(slots - taken, 0)
    stops = {claim.key for claim in claims if claim.is_stop}
    if any(key[1] for key in found):
        assert stops <= found
        assert len(found) <= max(slots - taken - reserved, 0)
