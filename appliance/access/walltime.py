"""What the clock on the wall shows, and at which instants it shows something else.

Rules are written in wall time, and a wall clock is no line: in spring it skips an hour, in
autumn it shows one twice, and in 2011 Samoa had no 30 December. So a rule is asked "what do you
say at this instant?", never "how long from now?", and changes are found by asking it at every
instant at which its answer could turn.
"""

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta, tzinfo

EARLIEST, LATEST = 86_400.0 * 2, 7_258_118_400.0
"""UTC epoch seconds: 3 January 1970 and 1 January 2200. A clock outside was never set."""

_DAY = 86_400
_STEP = _DAY // 4
_CHUNK_DAYS = (2, 8, 32, 160, 400)
HORIZON_DAYS = _CHUNK_DAYS[-1]
"""How far ahead a change is looked for: a year, and the holidays around its turn."""


def believable(utc: float) -> bool:
    """Whether a wall clock can show this instant at all; nan and infinity are not."""
    return EARLIEST <= utc <= LATEST


def wall(utc: float, zone: tzinfo) -> datetime:
    """What a clock on the wall of `zone` shows at `utc` (epoch seconds, believable). Naive, without fold."""
    return datetime.fromtimestamp(utc, zone).replace(tzinfo=None, fold=0)


def instants(shown: datetime, zone: tzinfo) -> tuple[float, ...]:
    """When the wall clock shows this (naive): once as a rule, never in a skipped hour, twice in a repeated one."""
    moments = {shown.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1)}
    return tuple(sorted(utc for utc in moments if wall(utc, zone) == shown))


def jumps(begin: float, end: float, zone: tzinfo) -> list[float]:
    """The instants in (begin, end] from which the zone has another offset, to the second, as its rules are."""
    found: list[float] = []
    low = int(begin)
    while low < end:
        high = low + _STEP
        if _offset(low, zone) != _offset(high, zone):
            found.append(float(_bisect(low, high, zone)))
        low = high
    return [utc for utc in found if begin < utc <= end]


def days(begin: float, end: float, zone: tzinfo) -> list[date]:
    """Every local day that touches [begin, end], and the day before, whose night may reach into it."""
    first, last = wall(begin, zone).date() - timedelta(days=1), wall(end, zone).date()
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def first_change(
    says: Callable[[float], object], edges: Callable[[float, float], Iterable[float]], after: float
) -> float | None:
    """The first instant past `after` at which `says` answers otherwise than at `after`.

    `edges(begin, end)` gives every instant in between at which it might; None: no change within
    HORIZON_DAYS.
    """
    before, begin = says(after), after
    for reach in _CHUNK_DAYS:
        end = min(after + reach * _DAY, LATEST)
        for utc in sorted(edges(begin, end)):
            if after < utc <= end and says(utc) != before:
                return utc
        begin = end
    return None


def _offset(utc: float, zone: tzinfo) -> timedelta | None:
    return datetime.fromtimestamp(utc, zone).utcoffset()


def _bisect(low: int, high: int, zone: tzinfo) -> int:
    """The first second in (low, high] with the offset of `high`."""
    there = _offset(high, zone)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(middle, zone) == there:
            high = middle
        else:
            low = middle
    return high
