"""`lintel rules schedule`: weekly hours under a name."""

import argparse
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from appliance.access.schedule import Term
from appliance.commands.actions import UsageError, action, noun, tell, tell_table
from appliance.commands.records import BY, Records, iso, local
from appliance.commands.rules.book import book_of, calendars_by_name, known, use_of
from appliance.commands.rules.hours import HOW, fields, lines, schedule_of, week_text
from appliance.commands.times import beginning, ending, today_at
from appliance.config import Config
from appliance.errors import ScheduleError
from appliance.store.hours import StoredSchedule, whole
from appliance.system.clock import now

if TYPE_CHECKING:
    from appliance.commands.actions import Actions


def add_arguments(nouns: "Actions") -> None:
    """Sub-commands of `lintel rules schedule`."""
    actions = noun(nouns, "schedule", "weekly hours under a name, for groups and for modes of the door")
    add = action(actions, "add", _add, "add a schedule; it does nothing until a group or a mode uses it")
    add.add_argument("name", metavar="NAME", help='what to call it, such as "office hours"')
    add.add_argument("hours", metavar="HOURS", nargs="+", help=f"{HOW}; 22:00-06:00+1 runs over midnight")
    add.add_argument("--from", dest="begin", metavar="WHEN", help="the first day, or time, on which it is on at all")
    add.add_argument("--until", dest="end", metavar="WHEN", help="the last day (its end), or a time")
    add.add_argument("--holidays", action="append", default=[], metavar="NAME", help="observe these; may be repeated")
    add.add_argument("--special", action="append", default=[], metavar="DAY=HOURS", help="as 2027-12-24=08:00-12:00")
    add.add_argument("--replace", action="store_true", help="give a schedule that is there these hours instead")
    action(actions, "list", _list, "show all schedules")
    show = action(actions, "show", _show, "show one schedule, day by day")
    remove = action(actions, "remove", _remove, "remove a schedule that nothing uses any more")
    for one in (show, remove):
        one.add_argument("name", metavar="NAME")


def _add(args: argparse.Namespace, config: Config, records: Records) -> int:
    book, zone = book_of(records), config.site.timezone
    today = today_at(zone, now().utc)
    begin = beginning(args.begin, zone, today) if args.begin else None
    end = ending(args.end, zone, today) if args.end else None
    schedule = schedule_of(args.name, args.hours, args.special, Term(begin, end))
    there = any(stored.name == schedule.name for stored in book.schedules())
    if there and not args.replace:
        raise UsageError(f"schedule {schedule.name!r} is there already; add --replace to give it these hours instead")
    book.set_schedule(schedule, BY, calendars=args.holidays)
    stored = find(book.schedules(), schedule.name)
    text = f"schedule {schedule.name!r}: {week_text(schedule.week)}{_extra(stored, zone)}"
    unused = (
        "" if use_of(book, schedule.name) else "; nothing uses it yet: lintel rules group set, lintel rules mode set"
    )
    return tell(args, _fields(stored, records), text + unused)


def _list(args: argparse.Namespace, config: Config, records: Records) -> int:
    book = book_of(records)
    stored = book.schedules()
    rows = [
        (
            one.name,
            week_text(one.schedule.week) if one.schedule else "cannot be understood: nobody enters by it",
            _extra(one, config.site.timezone).strip(", "),
            ", ".join(use_of(book, one.name)) or "nothing",
        )
        for one in stored
    ]
    told = {"schedules": [_fields(one, records) for one in stored]}
    none = 'no schedules yet; `lintel rules schedule add "office hours" "mon-fri 07:00-18:00"` adds one'
    return tell_table(args, told, ("Name", "Hours", "Besides", "Used by"), rows, none)


def _show(args: argparse.Namespace, config: Config, records: Records) -> int:
    book = book_of(records)
    stored = find(book.schedules(), args.name)
    if stored.schedule is None:
        raise ScheduleError(
            f"schedule {stored.name!r} cannot be understood: {stored.fault}; add it again with --replace"
        )
    schedule = whole(stored, calendars_by_name(book))
    zone, utc = config.site.timezone, now().utc
    change = schedule.next_change(utc, ZoneInfo(zone))
    on = schedule.allows(utc, ZoneInfo(zone))
    told = _fields(stored, records) | {"on": on, "next_change": iso(change)}
    text = [*lines(stored.schedule)]
    text += [f"{'holidays':<12} {', '.join(stored.calendars)}"] if stored.calendars else []
    if schedule.term.bounds:
        span = f"{local(schedule.term.begin, zone, 'always')} until {local(schedule.term.end, zone, 'further notice')}"
        text.append(f"{'valid':<12} {span}")
    text.append(f"{'used by':<12} {', '.join(use_of(book, stored.name)) or 'nothing'}")
    text.append(f"{'now':<12} {'on' if on else 'off'}" + (f" until {local(change, zone)}" if change else ""))
    return tell(args, told, "\n".join(text))


def _remove(args: argparse.Namespace, config: Config, records: Records) -> int:
    book = book_of(records)
    stored = find(book.schedules(), args.name)
    book.remove_schedule(stored.name, BY)
    return tell(args, {"name": stored.name, "removed": True}, f"schedule {stored.name!r} is gone")


def find(schedules: list[StoredSchedule], name: str) -> StoredSchedule:
    """The schedule of that name. Raises UsageError naming those there are."""
    wanted = " ".join(name.split())
    found = next((one for one in schedules if one.name == wanted), None)
    if found is None:
        raise UsageError(f"there is no schedule {name!r}; {known(one.name for one in schedules)}")
    return found


def _extra(stored: StoredSchedule, zone: str) -> str:
    said = [f"holidays {', '.join(stored.calendars)}"] if stored.calendars else []
    if stored.schedule:
        said += [f"{len(stored.schedule.special)} special days"] if stored.schedule.special else []
        term = stored.schedule.term
        said += [f"from {local(term.begin, zone)}"] if term.begin is not None else []
        said += [f"until {local(term.end, zone)}"] if term.end is not None else []
    return "".join(f", {each}" for each in said)


def _fields(stored: StoredSchedule, records: Records) -> dict[str, Any]:
    told: dict[str, Any] = {"name": stored.name, "holidays": list(stored.calendars), "fault": stored.fault or None}
    told |= {"used_by": use_of(book_of(records), stored.name)}
    return told | (fields(stored.schedule) if stored.schedule else {})
