"""When a trader's day begins and ends, and which hours lie in it."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.trading.risk.days import (
    Day,
    HoursUnreadable,
    Window,
    Zone,
    ZoneUnknown,
    change_of_zone,
    day_of,
    inside,
    opens_at,
    read_hours,
    settle,
    zone_named,
)

HOUR = dt.timedelta(hours=1)
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Pacific/Auckland",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Africa/Cairo",
    "Australia/Lord_Howe",
)


def moments(first: int, last: int) -> st.SearchStrategy[dt.datetime]:
    """Moments of these years."""
    begin = dt.datetime(first, 1, 1, tzinfo=dt.UTC)
    seconds = int((dt.datetime(last, 1, 1, tzinfo=dt.UTC) - begin).total_seconds())
    return st.integers(min_value=0, max_value=seconds).map(
        lambda second: begin + dt.timedelta(seconds=second)
    )


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("zone", "moment", "begin", "hours"),
    [
        ("UTC", "2026-03-29T12:00", "2026-03-29T00:00", 24),
        ("UTC", "2026-03-29T00:00", "2026-03-29T00:00", 24),
        ("Europe/Berlin", "2026-03-29T12:00", "2026-03-28T23:00", 23),
        ("Europe/Berlin", "2026-10-25T12:00", "2026-10-24T22:00", 25),
        ("Europe/Berlin", "2026-10-25T22:59:59", "2026-10-24T22:00", 25),
        ("Europe/Berlin", "2026-10-25T23:00", "2026-10-25T23:00", 24),
        ("America/New_York", "2026-03-08T12:00", "2026-03-08T05:00", 23),
        ("America/New_York", "2026-11-01T12:00", "2026-11-01T04:00", 25),
        ("Asia/Kolkata", "2026-07-01T18:29:59", "2026-06-30T18:30", 24),
        ("Asia/Kolkata", "2026-07-01T18:30", "2026-07-01T18:30", 24),
        ("Africa/Cairo", "2026-04-24T12:00", "2026-04-23T22:00", 23),
        ("Africa/Cairo", "2026-10-29T20:30", "2026-10-28T21:00", 25),
        ("Australia/Lord_Howe", "2026-10-04T00:00", "2026-10-03T13:30", 23.5),
        ("Nowhere/Gone", "2026-07-01T12:00", "2026-07-01T00:00", 24),
    ],
)
def test_a_day_is_the_calendar_day_of_its_zone(
    zone: str, moment: str, begin: str, hours: float
) -> None:
    day = day_of(utc(moment), Zone(zone))
    assert day == Day(utc(begin), utc(begin) + hours * HOUR)


@given(
    moments(2024, 2028),
    st.sampled_from(ZONES),
)
def test_days_follow_each_other_without_gap_and_hold_their_moment(
    moment: dt.datetime, name: str
) -> None:
    zone = Zone(name)
    day = day_of(moment, zone)
    assert day.begin <= moment < day.end
    assert day_of(day.end, zone).begin == day.end
    assert day_of(day.begin - dt.timedelta(microseconds=1), zone).end == day.begin
    assert 22 * HOUR <= day.end - day.begin <= 26 * HOUR


@pytest.mark.parametrize(
    ("name", "next_from", "first_day_ends"),
    [
        ("Europe/Berlin", "2026-07-02T00:00", "2026-07-02T22:00"),
        ("Asia/Tokyo", "2026-07-02T00:00", "2026-07-02T15:00"),
        ("Europe/London", "2026-07-02T00:00", "2026-07-02T23:00"),
        ("America/New_York", "2026-07-02T04:00", "2026-07-03T04:00"),  # 4 hours are left there
        ("Africa/Abidjan", "2026-07-02T00:00", "2026-07-03T00:00"),
    ],
)
def test_another_zone_takes_effect_when_the_running_day_ends(
    name: str, next_from: str, first_day_ends: str
) -> None:
    zone = change_of_zone(utc("2026-07-01T12:00"), Zone("UTC"), name)
    assert zone == Zone("UTC", name, utc(next_from))
    running = Day(utc("2026-07-01T00:00"), utc(next_from))
    first = Day(utc(next_from), utc(first_day_ends))
    second = dt.timedelta(seconds=1)
    assert day_of(utc("2026-07-01T12:00"), zone) == running
    assert day_of(utc(next_from) - second, zone) == running
    assert day_of(utc(next_from), zone) == first
    assert day_of(utc(first_day_ends) - second, zone) == first
    assert day_of(utc(first_day_ends), zone) == day_of(utc(first_day_ends), Zone(name))
    assert day_of(utc("2026-06-30T12:00"), zone) == day_of(utc("2026-06-30T12:00"), Zone("UTC"))


def test_a_change_is_made_final_once_it_moves_no_day_any_more() -> None:
    zone = Zone("UTC", "Europe/Berlin", utc("2026-07-02T00:00"))
    for moment in ("2026-07-01T23:59", "2026-07-02T00:00", "2026-07-02T21:59"):
        assert settle(utc(moment), zone) == zone
    assert settle(utc("2026-07-02T22:00"), zone) == Zone("Europe/Berlin")


def test_choosing_the_present_zone_takes_a_choice_back() -> None:
    moment = utc("2026-07-01T12:00")
    zone = change_of_zone(moment, Zone("UTC"), "Asia/Tokyo")
    assert change_of_zone(moment, zone, "UTC") == Zone("UTC")


@given(
    moments(2026, 2027),
    st.sampled_from(ZONES),
    st.lists(st.tuples(st.integers(min_value=0, max_value=80), st.sampled_from(ZONES)), max_size=4),
)
def test_no_choice_of_zones_gives_two_fresh_days_within_hours(
    moment: dt.datetime, first: str, choices: list[tuple[int, str]]
) -> None:
    zone = Zone(first)
    latest = day_of(moment, zone).begin
    for hours, name in [*choices, (80, "")]:
        for _ in range(hours * 2):
            moment += HOUR / 2
            zone = settle(moment, zone)
            day = day_of(moment, zone)
            assert day.begin <= moment < day.end
            if day.begin > latest:
                assert day.begin - latest >= 11 * HOUR
                latest = day.begin
        if name:
            zone = change_of_zone(moment, zone, name)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("New York", "America/New_York"),
        ("utc", "UTC"),
    ],
)
def test_a_zone_is_found_by_its_name_or_city(written: str, name: str) -> None:
    assert zone_named(written) == ZoneInfo(name)


def test_an_unknown_zone_is_answered_with_names_like_it() -> None:
    with pytest.raises(ZoneUnknown) as caught:
        zone_named("Europe/Berln")
    assert "Europe/Berlin" in caught.value.nearest


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/localtime", "", "Europe/"])
def test_a_zone_is_no_path(path: str) -> None:
    with pytest.raises(ZoneUnknown):
        zone_named(path)


# hours


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        ("09:00-17:30", ((540, 1050),)),
        ("9-17", ((540, 1020),)),
        ("22:00 – 02:00", ((1320, 120),)),
        ("08:00-12:00, 14:00-24:00", ((480, 720), (840, 1440))),
        ("00:00-06:00", ((0, 360),)),
    ],
)
def test_hours_are_read(text: str, windows: tuple[tuple[int, int], ...]) -> None:
    assert read_hours(text) == tuple(Window(start, end) for start, end in windows)


@pytest.mark.parametrize(
    "text", ["", "morning", "25-26", "09:60-10", "9-9", "0-24", "9-", "1-2,,x"]
)
def test_hours_that_cannot_be_meant_are_refused(text: str) -> None:
    with pytest.raises(HoursUnreadable):
        read_hours(text)


@pytest.mark.parametrize(
    ("moment", "open_"),
    [
        ("2026-07-01T19:59:59", False),
        ("2026-07-01T20:00", True),
        ("2026-07-01T23:59", True),
        ("2026-07-02T00:00", True),
        ("2026-07-01T23:59:59", True),
        ("2026-07-02T00:01", False),
    ],
)
def test_hours_go_over_midnight_by_the_clocks_of_the_zone(moment: str, open_: bool) -> None:
    windows = read_hours("22:00-02:01")  # 20:00 to 00:01 in UTC
    assert inside(utc(moment), windows, Zone("Europe/Berlin")) is open_


@pytest.mark.parametrize(
    ("hours", "moment", "opens"),
    [
        ("09:00-17:00", "2026-07-01T15:00", "2026-07-02T07:00"),
        ("09:00-17:00", "2026-07-01T06:59", "2026-07-01T07:00"),
        ("22:00-02:00", "2026-07-01T00:00", "2026-07-01T20:00"),
        ("09:00-10:00,12:00-13:00", "2026-07-01T08:00", "2026-07-01T10:00"),
        ("02:30-04:00", "2026-03-28T23:30", "2026-03-29T01:30"),  # clocks jump over 02:30
        ("09:00-17:00", "2026-10-24T16:00", "2026-10-25T08:00"),  # the day has 25 hours
    ],
)
def test_the_next_opening_is_named(hours: str, moment: str, opens: str) -> None:
    windows, zone = read_hours(hours), Zone("Europe/Berlin")
    assert not inside(utc(moment), windows, zone)
    assert opens_at(utc(moment), windows, zone) == utc(opens)
