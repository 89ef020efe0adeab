"""Days and times as they are typed: meant as the clock on the site's wall shows them."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from appliance.access.walltime import EARLIEST, LATEST, instants
from appliance.commands.records import BadDateError, day_end, day_start

HOW = "write it as 2027-01-31, 2027-01-31T14:00, or 14:00 for today"


def beginning(text: str, zone: str, today: date) -> float:
    """UTC epoch seconds of a time, or of the first second of a day. Raises BadDateError."""
    return _read(text, zone, today, day_start)


def ending(text: str, zone: str, today: date) -> float:
    """UTC epoch seconds of a time, or of the first second after a day. Raises BadDateError."""
    return _read(text, zone, today, day_end)


def today_at(zone: str, utc: float) -> date:
    """Which day it is at the site."""
    return datetime.fromtimestamp(utc, ZoneInfo(zone)).date()


def _read(text: str, zone: str, today: date, of_day: Callable[[str, str], float | None]) -> float:
    text = text.strip()
    try:
        day: date | None = date.fromisoformat(text)
    except ValueError:
        day = None
    try:
        utc = of_day(day.isoformat(), zone) if day else _instant(text, zone, today)
    except OverflowError:
        utc = None
    if utc is None or not EARLIEST <= utc <= LATEST:
        raise BadDateError(f"{text!r} is out of bounds: use a time between 1970 and 2200")
    return utc


def _instant(text: str, zone: str, today: date) -> float:
    try:
        shown = datetime.fromisoformat(f"{today}T{text}" if text[2:3] == ":" else text)
    except ValueError:
        raise BadDateError(f"{text!r} is not a time: {HOW}") from None
    if shown.tzinfo is not None:
        return shown.timestamp()
    site = ZoneInfo(zone)
    found = instants(shown, site)
    if len(found) == 1:
        return found[0]
    if not found:
        offset = shown.replace(tzinfo=site, fold=0).utcoffset() or timedelta()
        after = datetime.fromtimestamp((shown - offset).replace(tzinfo=UTC).timestamp(), site)
        raise BadDateError(
            f"{text!r} does not exist in {zone}: the clock is put forward past it; the same moment is called "
            f"{after:%Y-%m-%dT%H:%M}"
        )
    first, second = (datetime.fromtimestamp(utc, site).isoformat() for utc in found)
    raise BadDateError(f"{text!r} comes twice in {zone}, as the clock is put back: write {first} or {second}")
