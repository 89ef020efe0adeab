"""Zones, instants and schedules for the property tests."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import strategies as st

from appliance.access.schedule import DAY_MINUTES, Hours, Schedule, Span, Term

NAMES = sorted(name for name in available_timezones() if not name.startswith(("right/", "posix/", "localtime")))
BERLIN, YORK, APIA = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Pacific/Apia")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> float:
    return datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()


@cache
def switches(name: str, year: int) -> tuple[float, ...]:
    """Where the zone changes its offset that year, to within a day, found without the code under test."""
    zone, start = ZoneInfo(name), utc(year, 1, 1)
    noons = [start + 86400 * n for n in range(366)]
    offsets = [datetime.fromtimestamp(t, zone).utcoffset() for t in noons]
    return tuple(t for t, a, b in zip(noons[1:], offsets, offsets[1:], strict=False) if a != b)


zones = st.sampled_from(NAMES).map(ZoneInfo)


@st.composite
def zoned_instants(draw) -> tuple[ZoneInfo, float]:
    """A zone and an instant in 1973 to 2199, half of them within a day of a change of offset."""
    zone, year = draw(zones), draw(st.integers(1973, 2198))
    near = switches(zone.key, year) if draw(st.booleans()) else ()
    if near:
        return zone, draw(st.sampled_from(near)) + draw(st.integers(-86400, 86400))
    return zone, utc(year, 1, 1) + draw(st.integers(0, 365 * 86400))


@st.composite
def day_hours(draw, longest: int = DAY_MINUTES) -> Hours:
    """Up to three spans of one day that do not meet; the last may reach past midnight, to `longest`."""
    cuts = draw(st.lists(st.integers(0, longest), max_size=6, unique=True).map(sorted))
    pairs = zip(cuts[::2], cuts[1::2], strict=False)
    return tuple(Span(a, b) for a, b in pairs if a < DAY_MINUTES and b - a <= DAY_MINUTES)


@st.composite
def schedules(draw, around: date | None = None) -> Schedule:
    """Any week; nights reach at most to the next day's first hours. Special days lie around `around`."""
    week = []
    for _ in range(7):
        hours = draw(day_hours())
        week.append(hours)
    for day, hours in enumerate(week):
        following = week[(day + 1) % 7]
        room = following[0].begin if following else DAY_MINUTES
        if hours and room and draw(st.booleans()):
            last = hours[-1]
            end = min(DAY_MINUTES + draw(st.integers(1, room)), last.begin + DAY_MINUTES)
            week[day] = (*hours[:-1], Span(last.begin, max(end, last.end)))
    special = {}
    if around:
        for offset in draw(st.lists(st.integers(-3, 12), max_size=3)):
            special[around + timedelta(days=offset)] = draw(day_hours(longest=2 * DAY_MINUTES - 1))
    return Schedule("any", tuple(week), special, Term())
