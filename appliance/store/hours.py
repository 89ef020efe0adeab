"""Schedules and calendars as rows, and back. What cannot be understood is said, never guessed."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlite_utils import Database

from appliance.access.calendar import Calendar, observing
from appliance.access.schedule import DAYS, Hours, Schedule, Span, Term
from appliance.errors import ScheduleError

NEVER = Schedule("never", ((),) * len(DAYS))
"""Stands for a schedule that cannot be understood."""
DAMAGED = (ValueError, TypeError, KeyError, OverflowError)
"""What rows raise that no longer mean anything; ScheduleError is one."""
LOST = "\N{REPLACEMENT CHARACTER}"
"""Where `database.lenient` found bytes that are no text."""


@dataclass(frozen=True, slots=True)
class StoredCalendar:
    """One calendar with where it came from."""

    name: str
    calendar: Calendar | None
    """None: its rows cannot be understood, see `fault`."""
    source: str = ""
    loaded_at: float = 0.0
    """UTC epoch seconds."""
    fault: str = ""


@dataclass(frozen=True, slots=True)
class StoredSchedule:
    """One schedule as it was set, without its calendars' days."""

    name: str
    schedule: Schedule | None
    """None: its rows cannot be understood, see `fault`."""
    calendars: tuple[str, ...] = ()
    fault: str = ""


def whole(stored: StoredSchedule, calendars: Mapping[str, StoredCalendar]) -> Schedule:
    """The schedule with its calendars' days. Raises ScheduleError: it or one of them cannot be understood."""
    if stored.schedule is None:
        raise ScheduleError(f"schedule {stored.name!r} cannot be understood: {stored.fault}")
    found = []
    for name in stored.calendars:
        calendar = calendars.get(name)
        if calendar is None or calendar.calendar is None:
            fault = calendar.fault if calendar else "it is gone"
            raise ScheduleError(f"calendar {name!r} cannot be understood: {fault}")
        found.append(calendar.calendar)
    return observing(stored.schedule, found) if found else stored.schedule


def meant(text: str, known: Collection[str]) -> list[str]:
    """Whom a key may be about: itself, or each of `known` that fits what is left of a damaged one."""
    if LOST not in text:
        return [text]
    fits = re.compile(".*".join(re.escape(part) for part in re.split(f"{LOST}+", text)), re.DOTALL)
    return [name for name in known if fits.fullmatch(name) or name == text]


def load_schedules(db: Database) -> dict[str, StoredSchedule]:
    """All of them, by name. Inside a snapshot, and lenient."""
    terms = {name: (begins, ends) for name, begins, ends in db.execute("SELECT name, begins, ends FROM schedules")}
    faults: dict[str, str] = {}
    hours, days, day_hours, calendars = (
        _children(db, sql, terms, faults)
        for sql in (
            "SELECT schedule, day, begins, ends FROM schedule_hours",
            "SELECT schedule, day FROM special_days",
            "SELECT schedule, day, begins, ends FROM special_hours",
            "SELECT schedule, calendar FROM schedule_calendars ORDER BY calendar",
        )
    )
    found = {}
    for name, term in terms.items():
        observed = tuple(str(row[0]) for row in calendars.get(name, ()))
        try:
            if name in faults:
                raise ScheduleError(faults[name])
            parts = (hours.get(name, []), days.get(name, []), day_hours.get(name, []))
            found[name] = StoredSchedule(name, _schedule(name, term, *parts), observed)
        except DAMAGED as error:
            found[name] = StoredSchedule(name, None, observed, str(error))
    return found


def load_calendars(db: Database) -> dict[str, StoredCalendar]:
    """All of them, by name. Inside a snapshot, and lenient."""
    rows = {row[0]: row[1:] for row in db.execute("SELECT name, source, first, last, loaded_at FROM calendars")}
    faults: dict[str, str] = {}
    days = _children(db, "SELECT calendar, day FROM calendar_days", rows, faults)
    hours = _children(db, "SELECT calendar, begins, ends FROM calendar_hours", rows, faults)
    found = {}
    for name, (source, first, last, loaded_at) in rows.items():
        try:
            if name in faults:
                raise ScheduleError(faults[name])
            covers = None if first is None else (date.fromisoformat(first), date.fromisoformat(last))
            on = frozenset(date.fromisoformat(row[0]) for row in days.get(name, ()))
            calendar = Calendar(name, on, tuple(sorted(Span(*row) for row in hours.get(name, ()))), covers)
            found[name] = StoredCalendar(name, calendar, source, loaded_at)
        except DAMAGED as error:
            found[name] = StoredCalendar(name, None, source, loaded_at, str(error))
    return found


def save_schedule(db: Database, name: str, schedule: Schedule, calendars: Iterable[str]) -> None:
    """Replace what the schedule says; who uses it stays. Inside a transaction."""
    db.execute(
        "INSERT INTO schedules VALUES (?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET begins = excluded.begins, ends = excluded.ends",
        (name, schedule.term.begin, schedule.term.end),
    )
    for table in ("schedule_hours", "special_days", "schedule_calendars"):
        db.execute(f"DELETE FROM {table} WHERE schedule = ?", (name,))  # noqa: S608 - constants
    week = [(name, day, span.begin, span.end) for day, hours in enumerate(schedule.week) for span in hours]
    special = [
        (name, day.isoformat(), span.begin, span.end) for day, hours in schedule.special.items() for span in hours
    ]
    db.conn.executemany("INSERT INTO schedule_hours VALUES (?, ?, ?, ?)", week)
    db.conn.executemany("INSERT INTO special_days VALUES (?, ?)", [(name, day.isoformat()) for day in schedule.special])
    db.conn.executemany("INSERT INTO special_hours VALUES (?, ?, ?, ?)", special)
    db.conn.executemany("INSERT INTO schedule_calendars VALUES (?, ?)", [(name, calendar) for calendar in calendars])


def save_calendar(db: Database, name: str, calendar: Calendar, source: str, utc: float) -> None:
    """Replace what the calendar says; which schedules observe it stays. Inside a transaction."""
    first, last = (day.isoformat() for day in calendar.covers) if calendar.covers else (None, None)
    db.execute(
        "INSERT INTO calendars VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET source = excluded.source, "
        "first = excluded.first, last = excluded.last, loaded_at = excluded.loaded_at",
        (name, source, first, last, utc),
    )
    for table in ("calendar_days", "calendar_hours"):
        db.execute(f"DELETE FROM {table} WHERE calendar = ?", (name,))  # noqa: S608 - constants
    db.conn.executemany("INSERT INTO calendar_days VALUES (?, ?)", [(name, day.isoformat()) for day in calendar.days])
    hours = [(name, span.begin, span.end) for span in calendar.hours]
    db.conn.executemany("INSERT INTO calendar_hours VALUES (?, ?, ?)", hours)


def _schedule(
    name: str, term: tuple[float | None, float | None], hours: list[Any], days: list[Any], day_hours: list[Any]
) -> Schedule:
    week: list[list[Span]] = [[] for _ in DAYS]
    for day, begin, end in hours:
        if not 0 <= day < len(DAYS):
            raise ScheduleError(f"hours on day {day}: must be 0 to 6")
        week[day].append(Span(begin, end))
    special: dict[date, Hours] = {date.fromisoformat(row[0]): () for row in days}
    for day, begin, end in day_hours:
        special[date.fromisoformat(day)] += (Span(begin, end),)
    return Schedule(name, tuple(tuple(spans) for spans in week), special, Term(*term))


def _children(db: Database, sql: str, known: Collection[str], faults: dict[str, str]) -> dict[str, list[Any]]:
    """Rows by the name they belong to. One whose name is damaged spoils every one it may belong to."""
    found: dict[str, list[Any]] = {}
    for owner, *row in db.execute(sql):
        for name in meant(owner, known):
            if LOST in owner or LOST in str(row):
                faults[name] = "a row of it is damaged"
            found.setdefault(name, []).append(row)
    return found
