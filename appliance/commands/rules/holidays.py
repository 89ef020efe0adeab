"""`lintel rules holidays`: days on which schedules that observe them have other hours."""

import argparse
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.access.schedule import parse_hours, text_of
from appliance.commands.actions import UsageError, action, noun, tell, tell_table
from appliance.commands.records import BY, Records, iso, local
from appliance.commands.rules.book import book_of, known
from appliance.commands.times import today_at
from appliance.config import Config
from appliance.errors import ScheduleError
from appliance.store.calendars import country_calendar, load_calendar
from appliance.store.hours import StoredCalendar
from appliance.system.clock import now

if TYPE_CHECKING:
    from appliance.commands.actions import Actions

YEARS_AHEAD = 2


def add_arguments(nouns: "Actions") -> None:
    """Sub-commands of `lintel rules holidays`."""
    actions = noun(nouns, "holidays", "days on which the schedules that observe them are closed, or have other hours")
    add = action(actions, "add", _add, "load the public holidays of a country, or a calendar file")
    add.add_argument("name", metavar="NAME", help="what to call them")
    source = add.add_mutually_exclusive_group(required=True)
    source.add_argument("--country", metavar="CODE", help="ISO 3166 code, such as DE")
    source.add_argument("--file", type=Path, metavar="FILE", help="an iCalendar file (.ics) of whole days")
    add.add_argument("--part", default="", metavar="CODE", help="a part of the country, such as BY")
    add.add_argument("--years", metavar="Y-Y", help="as 2026-2028; this year and two more if left out")
    add.add_argument("--hours", default="closed", metavar="HOURS", help="the hours on such a day (closed)")
    add.add_argument("--replace", action="store_true", help="load them anew under a name that is there")
    action(actions, "list", _list, "show all that were loaded")
    show = action(actions, "show", _show, "show the days of one")
    remove = action(actions, "remove", _remove, "remove holidays that no schedule observes any more")
    for one in (show, remove):
        one.add_argument("name", metavar="NAME")


def _add(args: argparse.Namespace, config: Config, records: Records) -> int:
    book, today = book_of(records), today_at(config.site.timezone, now().utc)
    name = " ".join(args.name.split())
    if args.part and not args.country:
        raise UsageError("--part names a part of a country: give --country too, or leave it out")
    if not args.replace and any(stored.name == name for stored in book.calendars()):
        raise UsageError(f"holidays {name!r} are there already; add --replace to load them anew")
    first, last = _years(args.years, today)
    hours = parse_hours(args.hours)
    if args.file:
        calendar, source = load_calendar(args.file, first, last, hours), args.file.name
    else:
        country = args.country.upper()
        calendar = country_calendar(country, first, last, args.part, hours)
        source = calendar.name
    if not calendar.days:
        raise ScheduleError(f"holidays {name!r}: {source} names no day from {first} to {last}; give other --years")
    book.set_calendar(replace(calendar, name=name), BY, source=source)
    stored = find(book.calendars(), name)
    users = _observers(records, name)
    unused = "" if users else f"; no schedule observes them yet: lintel rules schedule add … --holidays {name!r}"
    return tell(args, _fields(stored, records), f"holidays {name!r}: {_told(stored)}{unused}")


def _list(args: argparse.Namespace, config: Config, records: Records) -> int:
    stored = book_of(records).calendars()
    rows = [
        (one.name, _told(one), local(one.loaded_at, config.site.timezone), ", ".join(_observers(records, one.name)))
        for one in stored
    ]
    none = "no holidays yet; `lintel rules holidays add NAME --country DE` loads some"
    told = {"holidays": [_fields(one, records) for one in stored]}
    return tell_table(args, told, ("Name", "Days", "Loaded", "Observed by"), rows, none)


def _show(args: argparse.Namespace, config: Config, records: Records) -> int:
    stored = find(book_of(records).calendars(), args.name)
    if stored.calendar is None:
        raise ScheduleError(f"holidays {stored.name!r} cannot be understood: {stored.fault}; load them with --replace")
    days = [f"{day.isoformat()} {day:%a}" for day in sorted(stored.calendar.days)]
    return tell(args, _fields(stored, records), "\n".join([_told(stored), *days]))


def _remove(args: argparse.Namespace, config: Config, records: Records) -> int:
    book = book_of(records)
    stored = find(book.calendars(), args.name)
    book.remove_calendar(stored.name, BY)
    return tell(args, {"name": stored.name, "removed": True}, f"holidays {stored.name!r} are gone")


def find(calendars: list[StoredCalendar], name: str) -> StoredCalendar:
    """The holidays of that name. Raises UsageError naming those there are."""
    wanted = " ".join(name.split())
    found = next((one for one in calendars if one.name == wanted), None)
    if found is None:
        raise UsageError(f"there are no holidays {name!r}; {known(one.name for one in calendars)}")
    return found


def _years(text: str | None, today: date) -> tuple[date, date]:
    if text is None:
        return date(today.year, 1, 1), date(today.year + YEARS_AHEAD, 12, 31)
    found = re.fullmatch(r"(\d{4})(?:-(\d{4}))?", text.strip(), re.ASCII)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1970 <= first <= last <= 2199:
        raise UsageError(f"--years {text}: write them as 2026-2028, the earlier first")
    return date(first, 1, 1), date(last, 12, 31)


def _observers(records: Records, name: str) -> list[str]:
    return [stored.name for stored in book_of(records).schedules() if name in stored.calendars]


def _told(stored: StoredCalendar) -> str:
    if stored.calendar is None:
        return "cannot be understood: schedules that observe them are closed"
    covers = stored.calendar.covers
    span = f", {covers[0]} to {covers[1]}" if covers else ""
    return f"{len(stored.calendar.days)} days of {stored.source}{span}, {text_of(stored.calendar.hours)}"


def _fields(stored: StoredCalendar, records: Records) -> dict[str, Any]:
    told: dict[str, Any] = {"name": stored.name, "source": stored.source, "loaded_at": iso(stored.loaded_at)}
    told |= {"fault": stored.fault or None, "observed_by": _observers(records, stored.name)}
    if stored.calendar is None:
        return told
    covers = stored.calendar.covers
    return told | {
        "days": [day.isoformat() for day in sorted(stored.calendar.days)],
        "hours": [str(span) for span in stored.calendar.hours],
        "first": covers[0].isoformat() if covers else None,
        "last": covers[1].isoformat() if covers else None,
    }
