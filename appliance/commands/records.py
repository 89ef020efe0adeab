"""Opening the store for one command, and how its values are written for people and for scripts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlite_utils import Database

from appliance.config import Config
from appliance.errors import LintelError, StoreError
from appliance.facts import Vector
from appliance.store.database import FILE, connect
from appliance.store.enrolments import add_templates, remove_templates
from appliance.store.events import EventLog
from appliance.store.people import People
from appliance.store.person import Person
from appliance.store.sealing import keyed
from appliance.system.clock import boot_id, now
from appliance.system.keys import DeviceKey
from appliance.vision.forecast import Forecast

BY = "cli"
"""Who changes things from the command line, in the record."""


class BadDateError(LintelError, ValueError):
    """A day on the command line cannot be read."""


@dataclass(frozen=True, slots=True)
class Records:
    """The open store."""

    db: Database
    keys: DeviceKey
    log: EventLog
    people: People


@dataclass(frozen=True, slots=True, eq=False)
class Templates:
    """What accepted photos came to."""

    vectors: Vector
    """(n, 160) float32."""
    model: str
    alike: frozenset[str] = frozenset()
    """Pids of others who look like this person."""
    forecast: Forecast | None = None
    """How often this door will miss them, with all the templates they then have."""
    advice: tuple[str, ...] = ()
    """What would make the enrolment better; a sentence each."""
    replace: bool = False
    """Instead of the templates they had."""


@contextmanager
def open_database(config: Config) -> Iterator[Database]:
    """The database alone. Raises StoreError."""
    path = Path(config.paths.state, FILE)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path.parent} cannot be made: {error.strerror}; create it, or set paths.state") from None
    db = connect(path)
    try:
        yield db
    finally:
        db.close()


@contextmanager
def open_records(config: Config) -> Iterator[Records]:
    """Database and device key; both are made on a new device. Raises StoreError, KeyFileError."""
    with open_database(config) as db:
        keys = DeviceKey.load(Path(config.paths.state), create=not keyed(db))
        log = EventLog(db, boot_id())
        yield Records(db, keys, log, People(db, keys, log, now))


def store(records: Records, pid: str, templates: Templates) -> None:
    """Write templates of a person who consented. Inside a transaction where they replace others.

    Raises EnrolmentError (no consent), StoreError.
    """
    if templates.replace:
        remove_templates(records.db, pid, by=BY, log=records.log, now=now)
    vectors, model, alike = templates.vectors, templates.model, templates.alike
    add_templates(records.db, records.keys, pid, vectors, model, by=BY, log=records.log, now=now, alike=alike)


def person_fields(person: Person) -> dict[str, Any]:
    """A person as JSON values. Holds the name: for an administrator's eyes."""
    consent = person.consent
    return {
        "pid": person.pid,
        "name": person.name,
        "suspended": person.suspended,
        "extended": person.extended,
        "groups": sorted(person.groups),
        "valid_from": iso(person.valid_from),
        "valid_until": iso(person.valid_until),
        "added_at": iso(person.added_at),
        "pin": person.has_pin,
        "duress_pin": person.has_duress_pin,
        "templates": person.templates,
        "consent": consent
        and {
            "notice": consent.notice,
            "given_at": iso(consent.given_at),
            "expires_at": iso(consent.expires_at),
            "recorded_by": consent.recorded_by,
        },
    }


def iso(utc: float | None) -> str | None:
    """RFC 3339 in UTC, seconds."""
    if utc is None:
        return None
    return datetime.fromtimestamp(utc, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def local(utc: float | None, zone: str, missing: str = "-") -> str:
    """Day and time at the site."""
    if utc is None:
        return missing
    return datetime.fromtimestamp(utc, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


def day_start(text: str | None, zone: str) -> float | None:
    """First second of a day at the site, as UTC epoch seconds. Raises BadDateError."""
    return None if text is None else _midnight(_day(text), zone)


def day_end(text: str | None, zone: str) -> float | None:
    """First second after a day at the site, as UTC epoch seconds. Raises BadDateError."""
    return None if text is None else _midnight(_day(text) + timedelta(days=1), zone)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadDateError(f"{text!r} is not a day: write it as 2027-01-31") from None


def _midnight(day: date, zone: str) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp()
