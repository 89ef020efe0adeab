"""The thread that waits for the disk, so that the loop never does.

It writes events in order and answers each ticket once the event is durable, or at once if the
disk has failed. Events it cannot write wait in memory, bounded and counted. In between it looks
for changes to the people and brings them to the loop.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from appliance.access.book import Book
from appliance.access.ledger import Note
from appliance.access.roster import Roster
from appliance.door.inbox import History, Noted, Post, RosterLoaded, StoreState, Written
from appliance.errors import KeyFileError, StoreError
from appliance.facts import Event, EventType, Moment
from appliance.store.chain import StoredEvent

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
"""How often the store is asked for changes: a withdrawn right ends within this, and loading."""
RETRY_SECONDS = 2.0
ROOM = 10_000
"""Events kept in memory while the disk fails; about 10 MB, a day of a busy door."""
BATCH = 100


class Store(Protocol):
    """What the journal needs of the store: `memory.Memory` tells more. All but close() may raise StoreError."""

    def append(self, events: list[Event]) -> list[StoredEvent]:
        """Durable when it returns."""

    def changed_roster(self, now: float) -> Roster | None:
        """The people, if they may have changed. Raises KeyFileError too."""

    @property
    def book(self) -> Book:
        """The rules, of the same moment as the people given last."""

    def note(self, note: Note) -> None:
        """Remembered when it returns."""

    def upkeep(self, now: float) -> None:
        """Called with each look."""

    def history(self, now: Moment) -> History:
        """What happened before this start."""

    def close(self) -> None:
        """May be called twice."""


@dataclass(slots=True)
class Entry:
    """An event on its way to the disk."""

    event: Event
    ticket: int | None = None
    late: bool = False
    """The door did not wait for it."""

    def marked(self) -> Event:
        """The event as it is written."""
        return replace(self.event, detail={**self.event.detail, "late": True}) if self.late else self.event


class Journal(threading.Thread):
    """Owns the store. `put` and `late` are for the loop; they never wait for the disk."""

    def __init__(self, open_store: Callable[[], Store], inbox: Post, now: Callable[[], Moment]) -> None:
        super().__init__(name="journal", daemon=True)
        self._open_store, self._inbox, self._now = open_store, inbox, now
        self._store: Store | None = None
        self._state = ""
        self._key_fault = ""
        self._history_told = False
        self._retry_at = self._look_at = 0.0
        self._entries: deque[Entry] = deque()
        self._notes: deque[Note] = deque(maxlen=ROOM)
        self._people_fault = False
        self._lost = 0
        self._wake = threading.Condition()
        self._ending = False

    def put(self, event: Event, ticket: int | None = None) -> None:
        """Write this. With a ticket, a `Written` will say when, or that it could not be."""
        with self._wake:
            self._entries.append(Entry(event, ticket))
            if len(self._entries) > ROOM:
                self._entries.popleft()
                self._lost += 1
            self._wake.notify()

    def note(self, note: Note) -> None:
        """Remember this for the next start, once every event put so far is written. `Noted` will say so."""
        with self._wake:
            self._notes.append(note)
            self._wake.notify()

    def late(self, ticket: int) -> None:
        """The door has acted without waiting any longer for this one."""
        with self._wake:
            for entry in self._entries:
                if entry.ticket == ticket:
                    entry.late = True

    @property
    def waiting(self) -> int:
        """Events not yet on the disk."""
        return len(self._entries)

    def close(self, seconds: float = 2.0) -> None:
        """Write what can be written within `seconds`, then end. May be called twice."""
        with self._wake:
            self._ending = True
            self._wake.notify()
        self.join(seconds)

    def run(self) -> None:
        """Until close(). Whatever breaks in the store, the thread goes on: a damaged record holds nobody in."""
        while True:
            ending = self._ending
            try:
                if self._turn():
                    return
            except Exception as error:  # noqa: BLE001 - what a damaged file raises cannot be listed
                self._retry_at = time.monotonic() + RETRY_SECONDS
                self._failed(error)
                self._answer_unwritten()
                if ending:
                    return

    def _turn(self) -> bool:
        """One round; true once it is over."""
        with self._wake:
            if not self._ending and not self._has_work():
                self._wake.wait(LOOK_SECONDS)
            ending = self._ending
        now = time.monotonic()
        if self._store is None and (now >= self._retry_at or ending):
            self._open(now)
        self._write(now)
        while ending and self._entries and self._store is not None:
            self._write(now)
        self._write_notes(now)
        if ending:
            self._close_store()
            return True
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self._look(now)
        return False

    def _has_work(self) -> bool:
        """With the store down there is nothing to do for an event but to answer its ticket."""
        if self._store is not None:
            return bool(self._entries or self._notes)
        return any(entry.ticket is not None for entry in self._entries)

    def _open(self, now: float) -> None:
        self._retry_at = now + RETRY_SECONDS
        try:
            self._store = self._open_store()
        except StoreError as error:
            self._failed(error)
            return
        if not self._history_told:
            self._inbox.put(self._history(self._store))
            self._history_told = True
        if not self._entries and not self._notes:  # else it is well only once they are written
            self._tell("ok")

    def _history(self, store: Store) -> History:
        """None is told where it cannot be read: the record can be written all the same."""
        try:
            return store.history(self._now())
        except Exception as error:  # noqa: BLE001 - as in run()
            log.error("the record cannot be read back: %s; lock-outs from before this start are forgotten", error)
            return History(())

    def _write(self, now: float) -> None:
        """Write the oldest entries, in one transaction."""
        with self._wake:
            batch = [self._entries[index] for index in range(min(BATCH, len(self._entries)))]
            events = [entry.marked() for entry in batch]
            lost = self._lost
        if not batch:
            return
        if lost:
            events.append(Event(EventType.SYS, "events_lost", self._now(), detail={"count": lost}))
        try:
            stored = self._store.append(events) if self._store is not None else []
        except StoreError as error:
            self._retry_at = now + RETRY_SECONDS
            self._failed(error)
            stored = []
        if not stored:
            self._answer_unwritten()
            return
        with self._wake:
            for entry in batch:
                if self._entries and self._entries[0] is entry:  # not if it was dropped for want of room
                    self._entries.popleft()
            self._lost -= lost
            tickets = tuple(entry.ticket for entry in batch if entry.ticket is not None)
        self._inbox.put(Written(tickets, durable=True, last=stored[len(batch) - 1]))
        self._tell("ok")

    def _write_notes(self, now: float) -> None:
        """Once no event waits: a note is worth less than the event it follows from."""
        while self._notes and not self._entries and self._store is not None:
            note = self._notes[0]
            try:
                self._store.note(note)
            except StoreError as error:
                self._retry_at = now + RETRY_SECONDS
                self._failed(error)
                return
            with self._wake:
                if self._notes and self._notes[0] is note:  # not if it was dropped for want of room
                    self._notes.popleft()
            self._inbox.put(Noted(note.number))
            self._tell("ok")

    def _answer_unwritten(self) -> None:
        """Answer every open ticket: the event is in memory only. It will be written later, marked."""
        with self._wake:
            asked = [entry for entry in self._entries if entry.ticket is not None]
            tickets = tuple(entry.ticket for entry in asked if entry.ticket is not None)
            for entry in asked:
                entry.late, entry.ticket = True, None
        if tickets:
            self._inbox.put(Written(tickets, durable=False))

    def _look(self, now: float) -> None:
        if self._store is None:
            return
        unread, self._people_fault = self._people_fault, True  # until this has gone well, whatever it raises
        try:
            self._store.upkeep(now)
            roster = self._store.changed_roster(now)
            self._key_fault = ""
            if roster is not None:
                self._inbox.put(RosterLoaded(roster, self._store.book))
        except KeyFileError as error:
            if str(error) != self._key_fault:
                log.error("%s; until then no PIN and no face is known, the way out works", error)
            self._key_fault = str(error)
            self._look_at = now + RETRY_SECONDS
        except StoreError as error:
            self._retry_at = now + RETRY_SECONDS
            self._failed(error)
            return
        self._people_fault = False
        if unread and not self._entries and not self._notes:
            self._tell("ok")

    def _failed(self, error: Exception) -> None:
        """Say so once, and open anew before the next try. The last people loaded stay in force."""
        if self._state != "failed":
            said = error if isinstance(error, StoreError) else f"the store broke: {error!r}"
            log.error("%s; the door goes on without its record", said)
        self._tell("failed")
        self._close_store()

    def _close_store(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            try:
                store.close()
            except Exception as error:  # noqa: BLE001 - as in run()
                log.warning("the store did not close: %s", error)

    def _tell(self, state: str) -> None:
        # A store that opens but whose people cannot be read is not well each time it is opened.
        if state != self._state and not (state == "ok" and self._people_fault):
            self._state = state
            self._inbox.put(StoreState(state))
