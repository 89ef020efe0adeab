"""Weekly hours as they are typed and as they are shown."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import groupby
from typing import Any

from appliance.access.schedule import (
    ALL_WEEK,
    CLOSED,
    DAYS,
    Hours,
    Schedule,
    Term,
    parse_days,
    parse_hours,
    text_of,
    weekly,
)
from appliance.commands.actions import UsageError
from appliance.commands.records import iso
from appliance.errors import ScheduleError

HOW = 'write them as "mon-fri 07:00-18:00" "sat 09:00-13:00", or always, or never'


def schedule_of(name: str, words: Sequence[str], special: Sequence[str] = (), term: Term | None = None) -> Schedule:
    """From `mon-fri 08:00-12:00, 13:00-17:30` and such, quoted or not. Raises ScheduleError, UsageError."""
    text = " ".join(words).casefold().strip()
    if text in ("always", "never"):
        week = ALL_WEEK if text == "always" else (CLOSED,) * len(DAYS)
        schedule = Schedule(name, week)
    else:
        schedule = weekly(name, _by_days(name, text))
    return replace(schedule, special=dict(_special(name, each) for each in special), term=term or Term())


def _by_days(name: str, text: str) -> Mapping[str, str]:
    """Hours by the days they stand behind. The same days named twice have both."""
    found: dict[str, list[str]] = {}
    days = ""
    for word in re.sub(r"\s*,\s*", ",", text).split():
        if word[:1].isalpha() and word != "closed":
            days = word
            found.setdefault(days, [])
        elif not days:
            raise UsageError(f"schedule {name!r}: {word!r} is on no day; {HOW}")
        else:
            found[days].append(word)
    if not found:
        raise UsageError(f"schedule {name!r} has no hours; {HOW}")
    for days, hours in found.items():
        if not hours:
            _known_days(name, days)
            raise UsageError(f"schedule {name!r}: {days} has no hours; {HOW}")
    return {days: ",".join(hours) for days, hours in found.items()}


def _known_days(name: str, days: str) -> None:
    try:
        parse_days(days)
    except ScheduleError as error:
        raise ScheduleError(f"schedule {name!r}: {error}") from None


def _special(name: str, text: str) -> tuple[date, Hours]:
    """`2027-12-24=08:00-12:00`, or `2027-12-24=closed`."""
    day, _, hours = text.partition("=")
    try:
        return date.fromisoformat(day.strip()), parse_hours(hours)
    except ScheduleError as error:
        raise ScheduleError(f"schedule {name!r}, {day}: {error}") from None
    except ValueError:
        raise UsageError(f"schedule {name!r}: {text!r} is no special day; write it as 2027-12-24=08:00-12:00") from None


def week_text(week: Iterable[Hours]) -> str:
    """One line: days with the same hours together."""
    days = list(zip(DAYS, week, strict=True))
    if all(hours == ALL_WEEK[0] for _, hours in days):
        return "always"
    said = [
        f"{_range([day for day, _ in several])} {text_of(hours)}"
        for hours, several in ((hours, list(group)) for hours, group in groupby(days, key=lambda entry: entry[1]))
        if hours
    ]
    return "; ".join(said) or "never"


def _range(days: list[str]) -> str:
    return days[0] if len(days) == 1 else f"{days[0]}-{days[-1]}"


def fields(schedule: Schedule) -> dict[str, Any]:
    """JSON values."""
    return {
        "week": {day: [str(span) for span in hours] for day, hours in zip(DAYS, schedule.week, strict=True)},
        "special": {day.isoformat(): [str(span) for span in schedule.special[day]] for day in sorted(schedule.special)},
        "from": iso(schedule.term.begin),
        "until": iso(schedule.term.end),
    }


def lines(schedule: Schedule) -> Iterator[str]:
    """A line a day, then the special ones."""
    for day, hours in zip(DAYS, schedule.week, strict=True):
        yield f"{day:<12} {text_of(hours)}"
    for date_, hours in sorted(schedule.special.items()):
        yield f"{date_.isoformat():<12} {text_of(hours)}"
