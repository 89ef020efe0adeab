"""One person, as the store hands them out, and the line in the record that every change to one leaves."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unicodedata import category, normalize

from sqlite_utils import Database

from appliance.errors import LintelError
from appliance.facts import Event, EventType, Moment
from appliance.store.consent import Consent
from appliance.store.events import EventLog

NAME_LENGTH = 100
UNREADABLE = "(unreadable)"
"""Stands for a name that cannot be read any more."""


class UnknownPersonError(LintelError, LookupError):
    """Nobody, or more than one person, is meant."""


class BadNameError(LintelError, ValueError):
    """A name or a group's name cannot be written down."""


@dataclass(frozen=True, slots=True)
class Person:
    """One person, as an administrator sees them."""

    pid: str
    """Random UUID (version 4)."""
    name: str
    suspended: bool
    extended: bool
    groups: frozenset[str]
    valid_from: float | None
    """UTC epoch seconds; None: no limit."""
    valid_until: float | None
    added_at: float
    consent: Consent | None
    """The one that stands, even if its term is over."""
    has_pin: bool
    templates: int
    """How many, of any model."""
    has_card: bool = False
    passes: int = 0
    """How many could still open the door."""
    has_duress_pin: bool = False
    remark: str = ""
    """What of their record is damaged, and what helps; empty: nothing."""


class Audit:
    """Counts the roster up and writes the audit event, inside the transaction that makes the change."""

    def __init__(self, db: Database, log: EventLog | None, now: Callable[[], Moment]) -> None:
        self._db = db
        self._log = log or EventLog(db)
        self._now = now

    def changed(self, why: str, pid: str | None, by: str, **detail: Any) -> None:
        """`pid`: whom it is about, None: no one person. `detail`: JSON values, never a person's name or a PIN."""
        self._db.execute("UPDATE meta SET value = value + 1 WHERE key = 'roster_version'")
        self._log.append(Event(EventType.AUDIT, why, self._now(), person=pid, by=by, detail=detail))


def unaided_clock() -> Moment:
    """Both clocks, the wall clock not vouched for; daemons and commands pass `system.clock.now` instead."""
    return Moment(time.monotonic(), time.time())


def clean_name(text: str) -> str:
    """Trimmed, single spaces, in one Unicode spelling (NFC). Raises BadNameError."""
    name = " ".join(normalize("NFC", text).split())
    if not 1 <= len(name) <= NAME_LENGTH or any(category(letter)[0] == "C" for letter in name):
        raise BadNameError(f"a name has 1 to {NAME_LENGTH} printable characters; this one has {len(name)}: correct it")
    return name


def nobody(pid: str) -> UnknownPersonError:
    """What to raise for a pid that is not there."""
    return UnknownPersonError(f"nobody has the id {pid}; `lintel people list` shows everybody")
