"""The thread that reads visitors' passes and writes their uses, so that the door's loop waits for neither."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from appliance.access.passes import PassEntry, Standing, Verify, read, refused
from appliance.door.inbox import Post, Spent
from appliance.errors import StoreError
from appliance.facts import PassShown, Reason

log = logging.getLogger(__name__)

ROOM = 8
RETRY_SECONDS = 2.0


class Book(Protocol):
    """What the desk needs of the record (`store.passes.Passbook`). Both may raise StoreError."""

    def standing(self, number: str) -> Standing | None:
        """None: not in the record."""

    def spend(self, number: str) -> Reason | None:
        """Durable when it returns None."""


@dataclass(frozen=True, slots=True)
class Papers:
    """The open record, and the site's key."""

    book: Book
    verify: Verify
    close: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Spend:
    ticket: int
    number: str


class PassDesk(threading.Thread):
    """`show` and `spend` never wait. What it finds goes to the inbox as `PassEntry` and `Spent`."""

    def __init__(self, open_papers: Callable[[], Papers], site: str, door: str, inbox: Post) -> None:
        """`open_papers` runs in this thread; it may raise StoreError and KeyFileError."""
        super().__init__(name="passes", daemon=True)
        self._open_papers, self._site, self._door, self._inbox = open_papers, site, door, inbox
        self._work: queue.Queue[PassShown | _Spend | None] = queue.Queue(ROOM)
        self._papers: Papers | None = None
        self._retry_at = 0.0

    def show(self, shown: PassShown) -> None:
        """A pass was held up. Dropped if too many wait: it can be shown again."""
        self._put(shown)

    def spend(self, ticket: int, number: str) -> None:
        """Write a use; `Spent` answers with the ticket, at once if too much waits."""
        if not self._put(_Spend(ticket, number)):
            self._inbox.put(Spent(ticket, Reason.UNRECORDED))

    def close(self) -> None:
        """End once what waits is done. May be called twice."""
        self._put(None)
        self.join(2.0)

    def run(self) -> None:
        """Until close()."""
        while (work := self._work.get()) is not None:
            if isinstance(work, _Spend):
                self._inbox.put(Spent(work.ticket, self._spent(work.number)))
            else:
                self._inbox.put(self._read(work))
        self._shut()

    def _put(self, work: PassShown | _Spend | None) -> bool:
        try:
            self._work.put_nowait(work)
        except queue.Full:
            return False
        return True

    def _read(self, shown: PassShown) -> PassEntry:
        papers = self._open()
        if papers is None:
            return PassEntry(shown.taken_at, None, Reason.UNRECORDED)
        found = read(shown.token, self._site, self._door, papers.verify)
        if isinstance(found, Reason):
            return PassEntry(shown.taken_at, None, found)
        try:
            return PassEntry(shown.taken_at, found, refused(found, papers.book.standing(found.id)))
        except StoreError as error:
            return PassEntry(shown.taken_at, found, self._failed(error))

    def _spent(self, number: str) -> Reason | None:
        papers = self._open()
        if papers is None:
            return Reason.UNRECORDED
        try:
            return papers.book.spend(number)
        except StoreError as error:
            return self._failed(error)

    def _open(self) -> Papers | None:
        if self._papers is None and time.monotonic() >= self._retry_at:
            self._retry_at = time.monotonic() + RETRY_SECONDS
            try:
                self._papers = self._open_papers()
            except OSError as error:  # StoreError and KeyFileError are such
                self._failed(error)
        return self._papers

    def _failed(self, error: OSError) -> Reason:
        log.error("%s; until then no visitor's pass opens", error)
        self._shut()
        return Reason.UNRECORDED

    def _shut(self) -> None:
        if self._papers is not None:
            self._papers.close()
            self._papers = None
