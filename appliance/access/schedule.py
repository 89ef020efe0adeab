"""Weekly hours, days that are otherwise, and a term. Judged by what the wall clock shows.

- Hours run from their first minute up to, not including, their last: 08:00-12:00 ends as the
  clock turns to 12:00.
- `22:00-06:00+1` runs over midnight into the next day. Without `+1` it is refused: it is more
  often a slip than a night.
- A special day (a holiday) rules from midnight to midnight: the night before it ends there, and
  its own hours are the only ones that begin on it.
- In a skipped hour nothing begins or ends: hours up to 02:30 end when the clock jumps from 02:00
  to 03:00. A repeated hour is judged twice alike: hours up to 02:30 open again when the clock
  falls back from 03:00 to 02:00, because it shows 02:00.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from types import MappingProxyType

from appliance.access.walltime import believable, days, first_change, instants, jumps, wall
from appliance.errors import ScheduleError

DAY_MINUTES = 1440
WEEK_MINUTES = 7 * DAY_MINUTES
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_SPAN = re.compile(r"([0-9]{1,2}):([0-9]{2})-([0-9]{1,2}):([0-9]{2})(\+1)?", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """One stretch of hours, in minutes from midnight of the day it begins on."""

    begin: int
    """0 to 1439."""
    end: int
    """Past `begin`, by a day at most: above 1440 it lies on the next day. Not included."""

    def __post_init__(self) -> None:
        if not 0 <= self.begin < DAY_MINUTES:
            raise ScheduleError(f"hours {self}: must begin between 00:00 and 23:59")
        if self.end <= self.begin:
            raise ScheduleError(f"hours {self}: end before they begin; write {self}+1 if they end on the next day")
        if self.end - self.begin > DAY_MINUTES:
            raise ScheduleError(f"hours {self}: last more than a day; split them by days")

    def __str__(self) -> str:
        next_day = self.end > DAY_MINUTES
        return f"{_clock(self.begin)}-{_clock(self.end - DAY_MINUTES * next_day)}{'+1' * next_day}"

    @classmethod
    def parse(cls, text: str) -> "Span":
        """`08:00-12:30`, `18:00-24:00`, `22:00-06:00+1`. Raises ScheduleError."""
        found = _SPAN.fullmatch(text.strip())
        if not found:
            raise ScheduleError(f"hours {text!r}: write them as 08:00-17:30, or 22:00-06:00+1 over midnight")
        begin, end = (_minutes(text, *found.group(n, n + 1)) for n in (1, 3))
        return cls(begin, end + DAY_MINUTES if found.group(5) else end)


Hours = tuple[Span, ...]
WHOLE_DAY: Hours = (Span(0, DAY_MINUTES),)
CLOSED: Hours = ()
ALL_WEEK: tuple[Hours, ...] = (WHOLE_DAY,) * 7


@dataclass(frozen=True, slots=True)
class Term:
    """From when until when something holds, in UTC epoch seconds; None: no such bound."""

    begin: float | None = None
    end: float | None = None
    """Not included."""

    def __post_init__(self) -> None:
        for bound in (self.begin, self.end):
            if bound is not None and not believable(bound):
                raise ScheduleError(f"a term bound of {bound}: must be UTC seconds between 1970 and 2200")
        if self.begin is not None and self.end is not None and self.end <= self.begin:
            raise ScheduleError(f"a term from {_day(self.begin)} to {_day(self.end)} ends before it begins; swap them")

    def __contains__(self, utc: float) -> bool:
        begun = self.begin is None or utc >= self.begin
        return begun and (self.end is None or utc < self.end)

    @property
    def bounds(self) -> tuple[float, ...]:
        """Both bounds, as far as there are any."""
        return tuple(bound for bound in (self.begin, self.end) if bound is not None)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When. Raises ScheduleError at once if it contradicts itself."""

    name: str
    """What operators call it, for reasons and errors."""
    week: tuple[Hours, ...] = ALL_WEEK
    """Monday first. Sorted on the way in."""
    special: Mapping[date, Hours] = field(default_factory=lambda: MappingProxyType({}))
    """Days with hours of their own; CLOSED: none."""
    term: Term = field(default_factory=Term)

    def __post_init__(self) -> None:
        if len(self.week) != len(DAYS):
            raise ScheduleError(f"schedule {self.name!r}: has {len(self.week)} days; give seven, Monday first")
        week = tuple(tuple(sorted(hours)) for hours in self.week)
        special = {day: tuple(sorted(hours)) for day, hours in self.special.items()}
        _refuse_overlap(self.name, _laid_out(week))
        for day, hours in special.items():
            _refuse_overlap(f"{self.name}, {day}", [(span.begin, span.end, str(span)) for span in hours])
        object.__setattr__(self, "week", week)
        object.__setattr__(self, "special", MappingProxyType(special))

    @property
    def always(self) -> bool:
        """24/7 without any exception: the only schedule that needs no clock."""
        full = sum(span.end - span.begin for hours in self.week for span in hours) == WEEK_MINUTES
        return full and not self.special and not self.term.bounds

    def open_at(self, shown: datetime) -> bool:
        """Whether the hours (not the term) are on while the wall clock shows this (naive)."""
        today, minute = shown.date(), shown.hour * 60 + shown.minute
        if any(span.begin <= minute < span.end for span in self.hours(today)):
            return True
        if today in self.special:
            return False
        last_night = self.hours(today - timedelta(days=1))
        return any(minute + DAY_MINUTES < span.end for span in last_night)

    def allows(self, utc: float, zone: tzinfo) -> bool:
        """Whether it is on at `utc` (epoch seconds) in `zone`. Off if no clock can show that."""
        return believable(utc) and utc in self.term and self.open_at(wall(utc, zone))

    def hours(self, day: date) -> Hours:
        """What begins on that day."""
        return self.special.get(day, self.week[day.weekday()])

    def edges(self, begin: float, end: float, zone: tzinfo) -> list[float]:
        """Every instant in [begin, end] at which `allows` may turn, unsorted, and perhaps some more."""
        found = [*self.term.bounds, *jumps(begin, end, zone)]
        for day in days(begin, end, zone):
            midnight = datetime.combine(day, time.min)
            minutes = {0} if day in self.special else set()
            minutes.update(minute for span in self.hours(day) for minute in (span.begin, span.end))
            for minute in minutes:
                found += instants(midnight + timedelta(minutes=minute), zone)
        return [utc for utc in found if begin <= utc <= end]

    def next_change(self, utc: float, zone: tzinfo) -> float | None:
        """The first instant past `utc` at which `allows` turns; None: not within walltime.HORIZON_DAYS."""
        if not believable(utc):
            return None
        if self.term.begin is not None and utc < self.term.begin:
            if self.allows(self.term.begin, zone):
                return self.term.begin
            utc = self.term.begin
        return first_change(lambda t: self.allows(t, zone), lambda a, b: self.edges(a, b, zone), utc)


def weekly(name: str, hours: Mapping[str, str], *, special: Mapping[date, Hours] | None = None) -> Schedule:
    """From words: `{"mon-fri": "08:00-12:00, 13:00-17:30", "sat": "09:00-24:00", "sun": "closed"}`.

    A day that several keys name has the hours of all of them; `daily` is every day. Raises
    ScheduleError naming the schedule, the day and the remedy.
    """
    week: list[list[Span]] = [[] for _ in DAYS]
    for key, text in hours.items():
        try:
            spans = parse_hours(text)
            for day in parse_days(key):
                week[day] += spans
        except ScheduleError as error:
            raise ScheduleError(f"schedule {name!r}, {key}: {error}") from None
    return Schedule(name, tuple(tuple(spans) for spans in week), special or {})


def parse_hours(text: str) -> Hours:
    """Spans with commas between, or `closed`. Raises ScheduleError."""
    if text.strip().casefold() == "closed":
        return CLOSED
    return tuple(Span.parse(part) for part in text.split(","))


def parse_days(text: str) -> list[int]:
    """`mon`, `mon-fri`, `sat-mon`, `daily`, with commas between, to 0 (Monday) to 6. Raises ScheduleError."""
    found: list[int] = []
    for part in text.casefold().split(","):
        names = ["mon", "sun"] if part.strip() == "daily" else [name.strip() for name in part.split("-")]
        if len(names) > 2 or not set(names) <= set(DAYS):
            raise ScheduleError(f"{part.strip()!r} is no day; use {', '.join(DAYS)}, a range such as mon-fri, or daily")
        first, last = DAYS.index(names[0]), DAYS.index(names[-1])
        found += [(first + n) % 7 for n in range((last - first) % 7 + 1)]
    return found


def text_of(hours: Iterable[Span]) -> str:
    """What `parse_hours` reads back."""
    return ", ".join(str(span) for span in hours) or "closed"


def common(one: Hours, other: Hours) -> Hours:
    """The hours that are in both."""
    both = [(max(a.begin, b.begin), min(a.end, b.end)) for a in one for b in other]
    return tuple(sorted(Span(begin, end) for begin, end in both if begin < end))


def _laid_out(week: tuple[Hours, ...]) -> list[tuple[int, int, str]]:
    """The spans on one line of minutes, with the week's first one again behind its end."""
    line = [
        (day * DAY_MINUTES + span.begin, day * DAY_MINUTES + span.end, f"{DAYS[day]} {span}")
        for day, hours in enumerate(week)
        for span in hours
    ]
    return line + [(begin + WEEK_MINUTES, end + WEEK_MINUTES, words) for begin, end, words in line[:1]]


def _refuse_overlap(name: str, line: list[tuple[int, int, str]]) -> None:
    for (_, end, one), (begin, _, other) in pairwise(line):
        if begin < end:
            raise ScheduleError(f"schedule {name!r}: {one} and {other} overlap; join them or move one")


def _minutes(text: str, hour: str, minute: str) -> int:
    if int(minute) > 59 or int(hour) * 60 + int(minute) > DAY_MINUTES:
        raise ScheduleError(f"hours {text!r}: {hour}:{minute} is no time of day; use 00:00 to 24:00")
    return int(hour) * 60 + int(minute)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _day(utc: float) -> str:
    return wall(utc, UTC).date().isoformat()
