"""Holidays from outside: a calendar file (iCalendar, RFC 5545) or a country's public holidays.

Strangers' files, so everything has a limit, and an error names the line. Both end as dates:
access/ knows nothing else. Needs the packages `icalendar` and `holidays`, loaded when first used.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from appliance.access.calendar import Calendar
from appliance.access.schedule import CLOSED, Hours
from appliance.errors import ScheduleError

LARGEST_BYTES = 1 << 20
MOST_EVENTS = 2000
LONGEST_DAYS = 366
"""One event; and so school holidays fit, but not a date typed a century off."""
WIDEST_YEARS = 20
BUDGET_SECONDS = 5.0
"""Processor time for repetitions: a rule that never comes true is searched to the year 9999."""
FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY")
REFUSED_PARTS = frozenset({"BYHOUR", "BYMINUTE", "BYSECOND"})
SLOW_PARTS = frozenset({"BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS"})
"""With WEEKLY and DAILY nothing a holiday needs, but 30 February by the day takes twenty seconds to rule out."""
FILE_REMEDY = "export the calendar again as an .ics file"


def load_calendar(path: Path, first: date, last: date, hours: Hours = CLOSED) -> Calendar:
    """Read a calendar file. Raises ScheduleError naming the file and the line."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise ScheduleError(f"{path} cannot be read: {error.strerror}; check its name, owner and mode") from None
    return read_calendar(path.name, data, first, last, hours)


def read_calendar(name: str, data: bytes, first: date, last: date, hours: Hours = CLOSED) -> Calendar:
    """The days from `first` to `last` that all-day events of an iCalendar text name, repeated ones expanded.

    Raises ScheduleError naming the line and the remedy: too large, not iCalendar, an event with a
    time of day, a rule that cannot be followed.
    """
    _check_range(name, first, last)
    if len(data) > LARGEST_BYTES:
        raise ScheduleError(f"calendar {name!r}: larger than {LARGEST_BYTES >> 20} MB; export only the holidays")
    events = [_event(block) for block in _blocks(name, _unfolded(name, data))]
    moved = {(event.uid, event.replaces) for event in events if event.replaces}
    days: set[date] = set()
    began = time.thread_time()
    for event in events:
        if time.thread_time() - began > BUDGET_SECONDS:
            raise _wrong(event.block, "", "the rules take too long to follow", "simplify the rule of the event before")
        if event.cancelled:
            continue
        gone = event.excluded | {day for uid, day in moved if uid == event.uid and not event.replaces}
        for start in event.starts(first, last) - gone:
            days.update(start + timedelta(days=n) for n in range(event.length))
    return Calendar(name, frozenset(day for day in days if first <= day <= last), hours, (first, last))


def country_calendar(country: str, first: date, last: date, subdivision: str = "", hours: Hours = CLOSED) -> Calendar:
    """Public holidays of a country (ISO 3166-1 alpha-2, such as `DE`), and of a part of it (`BY`).

    Raises ScheduleError: no such country or part.
    """
    name = "-".join(filter(None, (country, subdivision)))
    _check_range(name, first, last)
    library = _library("holidays")
    known: Mapping[str, list[str]] = library.list_supported_countries(include_aliases=False)
    if country not in known:
        raise ScheduleError(f"holidays of {country!r}: unknown; use an ISO 3166 code such as DE, or a calendar file")
    if subdivision and subdivision not in known[country]:
        parts = ", ".join(known[country]) or "none: leave it out"
        raise ScheduleError(f"holidays of {name!r}: {country} has no part {subdivision!r}; known are {parts}")
    found = library.country_holidays(country, subdiv=subdivision or None, years=range(first.year, last.year + 1))
    return Calendar(name, frozenset(day for day in found if first <= day <= last), hours, (first, last))


@dataclass(frozen=True, slots=True)
class _Block:
    """One VEVENT's content lines, with the number of each in the file."""

    calendar: str
    lines: tuple[tuple[int, str], ...]

    def line(self, property_name: str) -> int:
        """Where that property stands; where the event begins if it is not there."""
        for number, text in self.lines:
            if text.upper().startswith((f"{property_name}:", f"{property_name};")):
                return number
        return self.lines[0][0]


@dataclass(frozen=True, slots=True)
class _Event:
    """One event, as days."""

    block: _Block
    uid: str
    start: date
    length: int
    rule: Any
    extra: frozenset[date]
    excluded: frozenset[date]
    replaces: date | None
    cancelled: bool

    def starts(self, first: date, last: date) -> set[date]:
        """The days on which it begins and still touches `first` to `last`."""
        begin = first - timedelta(days=self.length)
        found = {day for day in {self.start} | self.extra if begin <= day <= last}
        if self.rule is not None:
            moments = self.rule.xafter(_midnight(begin), inc=True)
            for moment in moments:
                if moment.date() > last:
                    break
                found.add(moment.date())
        return found


def _unfolded(name: str, data: bytes) -> list[tuple[int, str]]:
    """Content lines with folded ones joined, each with the number of its first line."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data[: error.start].count(b"\n") + 1
        raise ScheduleError(f"calendar {name!r}, line {number}: is not UTF-8 text; {FILE_REMEDY}") from None
    lines: list[tuple[int, str]] = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.removesuffix("\r")
        if line[:1] in (" ", "\t") and lines:
            lines[-1] = (lines[-1][0], lines[-1][1] + line[1:])
        elif line.strip():
            lines.append((number, line))
    return lines


def _blocks(name: str, lines: list[tuple[int, str]]) -> Iterator[_Block]:
    """The events, without what is nested in them (alarms)."""
    open_parts: list[tuple[int, str]] = []
    block: list[tuple[int, str]] = []
    count = 0
    if not lines or lines[0][1].upper() != "BEGIN:VCALENDAR":
        raise ScheduleError(f"calendar {name!r}, line 1: does not begin with BEGIN:VCALENDAR; {FILE_REMEDY}")
    for number, line in lines:
        word, _, part = line.upper().partition(":")
        if word == "BEGIN":
            open_parts.append((number, part))
        if [opened for _, opened in open_parts] == ["VCALENDAR", "VEVENT"]:
            block.append((number, line))
        if word == "END":
            if not open_parts or open_parts.pop()[1] != part:
                raise ScheduleError(f"calendar {name!r}, line {number}: {line} ends what did not begin; {FILE_REMEDY}")
            if part == "VEVENT" and block:
                count += 1
                if count > MOST_EVENTS:
                    raise ScheduleError(
                        f"calendar {name!r}, line {number}: more than {MOST_EVENTS} events; export only the holidays"
                    )
                yield _Block(name, tuple(block))
                block = []
    if open_parts:
        number, part = open_parts[-1]
        raise ScheduleError(f"calendar {name!r}, line {number}: {part} does not end, the file is cut; {FILE_REMEDY}")


def _event(block: _Block) -> _Event:
    text = "\r\n".join(line for _, line in block.lines)
    try:
        found = _library("icalendar").Event.from_ical(text)
    except ValueError as error:
        raise _wrong(block, "", str(error), "correct or remove the event") from None
    for property_name, problem in found.errors:
        raise _wrong(block, property_name or "", problem, "correct or remove the event")
    start = _day(block, "DTSTART", found.get("DTSTART"))
    if start is None:
        raise _wrong(block, "", "an event without DTSTART", "add its day or remove it")
    return _Event(
        block,
        str(found.get("UID", "")),
        start,
        _length(block, found, start),
        _rule(block, found.get("RRULE"), start),
        _days(block, "RDATE", found.get("RDATE")),
        _days(block, "EXDATE", found.get("EXDATE")),
        _day(block, "RECURRENCE-ID", found.get("RECURRENCE-ID")),
        str(found.get("STATUS", "")).upper() == "CANCELLED",
    )


def _length(block: _Block, found: Any, start: date) -> int:
    """Days it lasts. DTEND is the day after the last; one equal to DTSTART, as some programs write, is one day."""
    end = _day(block, "DTEND", found.get("DTEND"))
    days = 1
    if end is not None:
        days = max(1, (end - start).days) if end >= start else 0
    elif "DURATION" in found:
        # Several of them are a list, which lasts no whole days.
        duration = getattr(found["DURATION"], "dt", None)
        days = duration.days if isinstance(duration, timedelta) and duration == timedelta(days=duration.days) else 0
    if not 1 <= days <= LONGEST_DAYS:
        name = "DTEND" if end is not None else "DURATION"
        raise _wrong(block, name, f"lasts no whole days, or more than {LONGEST_DAYS}", "correct its end")
    return days


def _rule(block: _Block, recur: Any, start: date) -> Any:
    """dateutil's rule, or None if the event does not repeat."""
    if recur is None:
        return None
    if isinstance(recur, list):
        raise _wrong(block, "RRULE", "more than one RRULE", "write one event for each")
    parts = {key.upper(): values for key, values in recur.items()}
    if fault := _fault(parts):
        raise _wrong(block, "RRULE", fault, "correct the rule")
    if until := parts.get("UNTIL"):
        # Only its day counts; dateutil refuses a zoned end for a day without zone.
        recur["UNTIL"] = [datetime.combine(until[0], datetime.min.time())]
    try:
        return import_module("dateutil.rrule").rrulestr(recur.to_ical().decode(), dtstart=_midnight(start))
    except (ValueError, TypeError) as error:
        raise _wrong(block, "RRULE", str(error), "correct the rule") from None


def _fault(parts: Mapping[str, Any]) -> str | None:
    """What in a rule no holiday needs, or what would never end."""
    frequency = parts.get("FREQ", [""])[0]
    if frequency not in FREQUENCIES:
        return f"a holiday repeats {', '.join(FREQUENCIES)}"
    if parts.get("INTERVAL", [1])[0] < 1 or {"COUNT", "UNTIL"} <= set(parts):
        return "INTERVAL must be 1 or more, and only one of COUNT and UNTIL may be given"
    refused = REFUSED_PARTS | (SLOW_PARTS if frequency in FREQUENCIES[2:] else frozenset())
    if unwanted := set(parts) & refused:
        return f"{', '.join(sorted(unwanted))} with {frequency} is not followed"
    if not all(1 <= int(month) <= 12 for month in parts.get("BYMONTH", [])):
        return "BYMONTH must be 1 to 12"
    return None


def _days(block: _Block, name: str, value: Any) -> frozenset[date]:
    """The days of RDATE or EXDATE, which may be given in several lines of several days."""
    lists = value if isinstance(value, list) else [] if value is None else [value]
    days = [_day(block, name, entry) for several in lists for entry in several.dts]
    return frozenset(day for day in days if day is not None)


def _day(block: _Block, name: str, value: Any) -> date | None:
    """A date, or local midnight, which some programs write for a whole day."""
    if value is None:
        return None
    if isinstance(value, list):
        raise _wrong(block, name, f"more than one {name}", "leave one")
    moment = value.dt
    if isinstance(moment, datetime):
        utc = str(moment.tzinfo) == "UTC"
        if moment.time() != datetime.min.time() or utc:
            raise _wrong(block, name, f"{name} is a time of day; only whole days are holidays", "make it all-day")
        return moment.date()
    if not isinstance(moment, date):
        raise _wrong(block, name, f"{name} is no day", "write it as YYYYMMDD")
    return moment


def _check_range(name: str, first: date, last: date) -> None:
    if last < first or last.year - first.year > WIDEST_YEARS:
        raise ScheduleError(
            f"calendar {name!r}: {first} to {last} is no range of {WIDEST_YEARS} years at most; swap it"
        )


def _wrong(block: _Block, property_name: str, problem: str, remedy: str) -> ScheduleError:
    return ScheduleError(f"calendar {block.calendar!r}, line {block.line(property_name)}: {problem[:200]}; {remedy}")


def _midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time())


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise ScheduleError(f"calendars need the Python package {name!r}; install it (README.md, Set up)") from None
