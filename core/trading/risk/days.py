"""When a day begins and ends, and the hours in it. Pure.

A trader's day is the calendar day of his zone, of 23 or 25 hours where its clocks change; the
bot's is the day of UTC. Another zone takes effect when the running day ends: then the calendar of
the new zone counts. Where its own day is nearly over at that moment (less than half a day is left)
the running day goes on until then, so that nobody gets two fresh days within a few hours.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

DAY: Final = dt.timedelta(days=1)
SHORTEST: Final = dt.timedelta(hours=12)
MAX_WINDOWS: Final = 6
_WINDOW = re.compile(r"(\d{1,2})(?::(\d{2}))?\s*[-–—]\s*(\d{1,2})(?::(\d{2}))?")


class ZoneUnknown(Exception):
    """There is no such zone; `nearest` are names like it."""

    def __init__(self, name: str, nearest: Sequence[str]) -> None:
        super().__init__(name)
        self.name = name
        self.nearest = tuple(nearest)


class HoursUnreadable(Exception):
    """Hours were written in a way that cannot be read; the text is a sentence."""


def zone_named(name: str) -> ZoneInfo:
    """The IANA zone of this name, whatever its capitals. Raises ZoneUnknown."""
    known = {zone.lower(): zone for zone in available_timezones()}
    wanted = "_".join(name.strip().split()).lower()
    by_city = {zone.rsplit("/", 1)[-1].lower(): zone for zone in sorted(known.values())}
    found = known.get(wanted) or by_city.get(wanted)
    if found is None:
        near = get_close_matches(wanted, [*known, *by_city], n=3, cutoff=0.6)
        names = dict.fromkeys(known.get(one) or by_city[one] for one in near)
        raise ZoneUnknown(name, tuple(names))
    return ZoneInfo(found)


@dataclass(frozen=True)
class Zone:
    """Where a trader's days begin; `next_name` takes the place of `name` at `next_from`."""

    name: str = "UTC"
    next_name: str | None = None
    next_from: dt.datetime | None = None

    def at(self, moment: dt.datetime) -> str:
        """The zone whose calendar counts at a moment."""
        if self.next_name is not None and self.next_from is not None and moment >= self.next_from:
            return self.next_name
        return self.name


UTC: Final = Zone()


@dataclass(frozen=True)
class Day:
    """From `begin` until `end`, which is the next day's begin; both in UTC."""

    begin: dt.datetime
    end: dt.datetime


def day_of(moment: dt.datetime, zone: Zone) -> Day:
    """The day in which a moment lies."""
    name = zone.at(moment)
    day = _calendar_day(moment, _info(name))
    if zone.next_name is None or zone.next_from is None:
        return day
    if name == zone.next_name:
        return Day(max(day.begin, zone.next_from), day.end)
    last = _last_day(zone.next_from, _info(zone.name))
    return Day(last.begin, zone.next_from) if moment >= last.begin else day


def change_of_zone(moment: dt.datetime, zone: Zone, name: str) -> Zone:
    """The zone after its trader chose another one. Choosing the present one takes a choice back."""
    present = zone.at(moment)
    if name == present:
        return Zone(present)
    ends = _calendar_day(moment, _info(present)).end
    first = _calendar_day(ends, _info(name))
    short = first.begin != ends and first.end - ends < SHORTEST
    return Zone(present, name, first.end if short else ends)


def settle(moment: dt.datetime, zone: Zone) -> Zone:
    """The same zone with a change made final, once it moves no day any more."""
    if zone.next_name is None or zone.next_from is None or moment < zone.next_from:
        return zone
    begins = _calendar_day(moment, _info(zone.next_name)).begin
    return Zone(zone.next_name) if begins >= zone.next_from else zone


def _info(name: str) -> ZoneInfo:
    """A zone of the ledger; one that this machine does not know any more counts as UTC."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _calendar_day(moment: dt.datetime, info: ZoneInfo) -> Day:
    date = moment.astimezone(info).date()
    return Day(_midnight(date, info), _midnight(date + DAY, info))


def _midnight(date: dt.date, info: ZoneInfo) -> dt.datetime:
    """The first moment of a date. Where clocks jump over midnight, the moment of the jump."""
    return dt.datetime.combine(date, dt.time(), info).astimezone(dt.UTC)


def _last_day(next_from: dt.datetime, info: ZoneInfo) -> Day:
    """The last calendar day of a zone that is given up at `next_from`; it may go on until then."""
    running = _calendar_day(next_from, info)
    return _calendar_day(running.begin - dt.timedelta(seconds=1), info)


# hours


@dataclass(frozen=True)
class Window:
    """Part of each day, from minute `start` until minute `end` of it; over midnight where `end` is
    not after `start`.
    """

    start: int
    end: int

    def holds(self, minute: int) -> bool:
        """Whether a minute of the day lies in it."""
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end

    def __str__(self) -> str:
        return f"{_clock(self.start)}–{_clock(self.end)}"


def read_hours(text: str) -> tuple[Window, ...]:
    """Windows as a person writes them: 09:00-17:30, 22-2. Raises HoursUnreadable."""
    parts = [part.strip() for part in re.split(r"[,;]", text) if part.strip()]
    if not parts or len(parts) > MAX_WINDOWS:
        raise HoursUnreadable("Write hours like 09:00-17:30, or 22:00-02:00 over midnight.")
    return tuple(_window(part) for part in parts)


def _window(text: str) -> Window:
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise HoursUnreadable("Write hours like 09:00-17:30, or 22:00-02:00 over midnight.")
    start, end = (
        int(found.group(place)) * 60 + int(found.group(place + 1) or 0) for place in (1, 3)
    )
    for place in (2, 4):
        if int(found.group(place) or 0) > 59:
            raise HoursUnreadable("An hour has 60 minutes, from :00 to :59.")
    if start > 24 * 60 or end > 24 * 60:
        raise HoursUnreadable("A day has 24 hours, from 00:00 to 24:00.")
    if start % (24 * 60) == end % (24 * 60):
        raise HoursUnreadable("From and until are the same; send none for all day.")
    return Window(start % (24 * 60), end % (24 * 60) or 24 * 60)


def inside(moment: dt.datetime, windows: Sequence[Window], zone: Zone) -> bool:
    """Whether a moment lies in one of the windows, by the clocks of the zone."""
    local = moment.astimezone(_info(zone.at(moment)))
    return any(window.holds(local.hour * 60 + local.minute) for window in windows)


def opens_at(moment: dt.datetime, windows: Sequence[Window], zone: Zone) -> dt.datetime:
    """When the next window opens, for a moment outside of all. Where clocks jump over an opening,
    with the jump.
    """
    info = _info(zone.at(moment))
    today = moment.astimezone(info).date()
    openings = [
        _wall(today + days * DAY, window.start, info) for days in range(3) for window in windows
    ]
    return min(opening for opening in openings if opening > moment)


def _wall(date: dt.date, minute: int, info: ZoneInfo) -> dt.datetime:
    wall = dt.datetime.combine(date, dt.time(minute // 60, minute % 60), info)
    return wall.astimezone(dt.UTC)


def local(moment: dt.datetime, zone: Zone) -> dt.datetime:
    """A moment by the clocks of the zone, for people."""
    return moment.astimezone(_info(zone.at(moment)))


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
