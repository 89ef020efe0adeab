"""Holidays: days on which other hours hold, from one calendar or several.

Where the dates come from (a country, a calendar file) is store/calendars.py's matter; here
are only dates.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from appliance.access.schedule import CLOSED, Hours, Schedule, common
from appliance.errors import ScheduleError


@dataclass(frozen=True, slots=True)
class Calendar:
    """Some days, and the hours that hold on them."""

    name: str
    """What operators call it."""
    days: frozenset[date]
    hours: Hours = CLOSED
    covers: tuple[date, date] | None = None
    """First and last day for which `days` is complete; None: it does not matter."""

    def __post_init__(self) -> None:
        if self.covers is None:
            return
        first, last = self.covers
        if last < first:
            raise ScheduleError(f"calendar {self.name!r}: covers {first} to {last}, which is no stretch; swap them")
        if stray := sorted(day for day in self.days if not first <= day <= last):
            raise ScheduleError(f"calendar {self.name!r}: {stray[0]} is outside what it covers, {first} to {last}")

    def covered(self, day: date) -> bool:
        """Whether this calendar can tell if that day is one of its days."""
        return self.covers is None or self.covers[0] <= day <= self.covers[1]


def special_days(calendars: Iterable[Calendar]) -> dict[date, Hours]:
    """The hours of every day that a calendar names. Where several do, only hours that all of them give are left."""
    special: dict[date, Hours] = {}
    for calendar in calendars:
        for day in calendar.days:
            special[day] = common(special[day], calendar.hours) if day in special else calendar.hours
    return special


def observing(schedule: Schedule, calendars: Iterable[Calendar], own: Mapping[date, Hours] | None = None) -> Schedule:
    """The schedule with these holidays. Its own special days stand above them, and `own` above all."""
    special = {**special_days(calendars), **schedule.special, **(own or {})}
    return replace(schedule, special=special)


def uncovered(calendars: Iterable[Calendar], day: date) -> list[str]:
    """Names of the calendars that cannot tell about that day: they want loading again."""
    return [calendar.name for calendar in calendars if not calendar.covered(day)]
