"""The store as the door uses it: its record, its people, its key. Belongs to the journal's thread."""

import errno
import logging
from collections.abc import Sequence
from pathlib import Path

from sqlite_utils import Database

from appliance.access.book import Book
from appliance.access.ledger import Note
from appliance.access.lockout import Outcome
from appliance.access.roster import Roster
from appliance.door.inbox import History
from appliance.door.pinhash import PinHash
from appliance.errors import KeyFileError, ScheduleError, StoreError
from appliance.facts import ClockQuality, Credential, Event, EventType, Moment, Reason
from appliance.store.ballast import FILE as BALLAST_FILE
from appliance.store.ballast import Ballast
from appliance.store.chain import StoredEvent
from appliance.store.database import FILE, connect, data_version, roster_version, snapshot, transaction
from appliance.store.events import EventLog
from appliance.store.people import People
from appliance.store.rows import writable
from appliance.store.rulebook import Rulebook
from appliance.store.rulebook import read as read_book
from appliance.store.sealing import keyed
from appliance.system import clock
from appliance.system.keys import DeviceKey

BUSY_SECONDS = 1.0
"""The journal waits this long for another writer, then tries again: its queue must keep moving."""
ROSTER_SECONDS = 300.0
"""Consents run out by the clock alone, so people are read again this often even if nothing changed."""
BALLAST_SECONDS = 60.0
HISTORY_EVENTS = 200
"""Of each kind below."""
CREDIBLE_SECONDS = 400 * 86400.0
"""A time further back than this tells of a clock that leapt, not of a door that stood still."""
COUNTING = (
    (Reason.UNKNOWN_PIN, Credential.PIN),
    (Reason.UNKNOWN_CARD, Credential.CARD),
    (Reason.SPOOF, Credential.FACE),
    (Reason.GRANTED, Credential.FACE),
    (Reason.GRANTED, Credential.ADMIN),
)
"""What `Lockouts.after` counts, and unlocks used. Not the rest: refusals of a keypad that is locked out come by
the hundred and would push out why it is."""

log = logging.getLogger(__name__)


class Memory:
    """One connection. Any method may raise StoreError; then it is closed, and opened anew."""

    def __init__(self, state: Path, pins: PinHash, config: str | None = None, *, door: str = "") -> None:
        """`config`: digest of the settings in force. `door`: whose modes hold here. Raises StoreError."""
        self._state, self._pins = state, pins
        self._ballast = Ballast(state / BALLAST_FILE)
        self._db, full = self._connect()
        self._log = EventLog(self._db, clock.boot_id() or "unknown", config, self._ballast)
        self._rules, self._door = Rulebook(self._db, log=self._log, now=clock.now), door
        self._damaged: set[str] = set()
        self.book = Book()
        """The rules, of the same moment as the people that `changed_roster` gave last."""
        self._people: People | None = None
        self._seen: int | None = None
        self._roster_version: int | None = None
        self._roster_due = self._ballast_due = 0.0
        if full:
            self._log.append(Event(EventType.SYS, "disk_full", clock.now()))

    def append(self, events: Sequence[Event]) -> list[StoredEvent]:
        """Durable when it returns. What no store could take is replaced by an event that names it."""
        checked = [writable(event, clock.now()) for event in events]
        for _, fault in checked:
            if fault:
                log.error("%s", fault)
        return self._log.append_many([event for event, _ in checked])

    def changed_roster(self, now: float) -> Roster | None:
        """The people, if they changed since the last call or may have. Raises KeyFileError: no key, or another's."""
        seen = data_version(self._db)
        if seen == self._seen and now < self._roster_due:
            return None
        version = roster_version(self._db)
        if version == self._roster_version and now < self._roster_due:
            self._seen = seen
            return None
        people = self._open_people()
        with snapshot(self._db):
            roster = people.roster()
            self.book = read_book(self._db, clock.now().utc, door=self._door, damaged=self._damaged)
        self._seen, self._roster_version, self._roster_due = seen, version, now + ROSTER_SECONDS
        return roster

    def note(self, note: Note) -> None:
        """Durable when it returns. What no store could take is said, and left out."""
        try:
            with transaction(self._db):
                if note.used:
                    self._rules.note_used(note.person)
                if note.seen is not None:
                    self._rules.note_sighting(note.person, *note.seen)
        except ScheduleError as error:
            log.error("where %s went is not remembered: %s", note.person, error)

    def upkeep(self, now: float) -> None:
        """Keep the ballast in place."""
        if now >= self._ballast_due:
            self._ballast.keep()
            self._ballast_due = now + BALLAST_SECONDS

    def history(self, now: Moment) -> History:
        """Failures and grants that still count, and unlocks that were used, as far as the record goes back."""
        rows, faults = self._log.latest_readable(COUNTING, HISTORY_EVENTS)
        if faults:
            log.error("%d events are passed over for the lock-outs; the first: %s", len(faults), faults[0])
        boot = clock.boot_id()
        told = [(outcome(row), happened(row, now, boot)) for row in rows]
        ids = [row.detail.get("id") for row in rows]
        return History(
            tuple((what, at) for what, at in told if what is not None),
            frozenset(unlock_id for unlock_id in ids if isinstance(unlock_id, str)),
        )

    def close(self) -> None:
        """May be called twice."""
        self._db.close()

    def _connect(self) -> tuple[Database, bool]:
        """The database, and whether the ballast had to go for it: a full disk has no room for its log either."""
        try:
            return connect(self._state / FILE, BUSY_SECONDS), False
        except StoreError as error:
            if error.errno != errno.ENOSPC or not self._ballast.release():
                raise
            return connect(self._state / FILE, BUSY_SECONDS), True

    def _open_people(self) -> People:
        if self._people is None:
            try:
                key = DeviceKey.load(self._state, create=not keyed(self._db))
            except OSError as error:
                raise KeyFileError(str(error)) from error
            self._people = People(self._db, key, now=clock.now)
            self._pins.give(key, self._people.pin_salt)
        return self._people


def outcome(row: StoredEvent) -> Outcome | None:
    """What a stored event means to the lock-outs; None if it is of a kind this release does not know."""
    try:
        keypad = row.detail.get("keypad")
        return Outcome(
            Reason(row.why), Credential(row.by or ""), row.person, keypad if isinstance(keypad, str) else None
        )
    except ValueError:
        return None


def happened(row: StoredEvent, now: Moment, boot: str) -> float:
    """Monotonic seconds of this boot at which it counts as having happened.

    Where the clock cannot tell how long ago it was, it counts as now: pulling the plug shortens no lock-out.
    Within one boot no step of the wall clock matters.
    """
    if boot and row.boot == boot:
        return min(row.mono_ms / 1000, now.mono)
    ago = now.utc - row.t_ms / 1000
    if ClockQuality.UNKNOWN in (row.quality, now.quality) or not 0.0 <= ago <= CREDIBLE_SECONDS:
        return now.mono
    return now.mono - ago
