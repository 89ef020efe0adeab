"""The record of what happened. The table is also the outbox: a row waits there until a host has it."""

import errno
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from time import time
from typing import Any

from sqlite_utils import Database

from appliance.errors import StoreError
from appliance.facts import Event, EventType, Moment
from appliance.store import retention, rows
from appliance.store.ballast import Ballast
from appliance.store.chain import GENESIS, ChainReport, Gap, StoredEvent, Unreadable, canonical, verify
from appliance.store.database import lenient, roster_version, snapshot, transaction, truncate_log
from appliance.store.rows import INSERT, SELECT, Place

log = logging.getLogger(__name__)

SHORT_LOG_PAGES = 32
"""Length of the write-ahead log, in pages of 4 KB, once the disk was full. SQLite's own default is 1000."""


class EventLog:
    """Appends events to the chain and reads them back. One per connection, so one per thread.

    Reading raises StoreError. A row that is damaged is passed over and named once in the log, for one torn
    page must not hide all that came after; verify_chain and the record's reader see that it is missing.
    """

    def __init__(
        self, db: Database, boot: str | None = None, config: str | None = None, ballast: Ballast | None = None
    ) -> None:
        """`boot` is the kernel's boot id (None: asked for), `config` a digest of the settings in force.

        With `ballast`, an append that finds the disk full gives it up and tries once more.
        """
        self._db = db
        self._boot = boot or Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        self._config = config
        self._ballast = ballast
        self._damaged: set[int] = set()
        self._owed: set[int] = set()
        self._owned_up: set[int] = set()

    def append(self, event: Event) -> StoredEvent:
        """Write one event; it is on the disk when this returns, or when the transaction around it commits.

        `detail["model"]`, if there, becomes the event's `mdl`. Raises StoreError: full disk
        (`errno` ENOSPC), locked (EBUSY); UnwritableEventError: a `detail` that is not JSON or longer than 2048 bytes.
        """
        return self.append_many([event])[0]

    def append_many(self, events: Sequence[Event]) -> list[StoredEvent]:
        """Several events in one transaction, all or none. Raises StoreError."""
        try:
            return self._write(events)
        except StoreError as error:
            if error.errno != errno.ENOSPC or self._ballast is None or self._db.conn.in_transaction:
                raise
            given_up = self._ballast.release()
        self._shorten_log()
        warning = [Event(EventType.SYS, "disk_full", events[-1].at)] if given_up else []
        return self._write([*events, *warning])[: len(events)]

    def after(self, seq: int, limit: int = 200) -> list[StoredEvent]:
        """The next events above `seq`, oldest first."""
        return self._read("WHERE seq > ? ORDER BY seq", seq, limit=limit)

    def latest(self, count: int = 20, types: Iterable[EventType] = ()) -> list[StoredEvent]:
        """The newest `count` events, oldest first; only of `types` if any are given."""
        words = [kind.value for kind in types]
        which = f"WHERE type IN ({', '.join('?' * len(words))})" if words else ""
        return self._read(f"{which} ORDER BY seq DESC", *words, limit=count)[::-1]

    def latest_readable(
        self, kinds: Iterable[tuple[str, str]], count: int
    ) -> tuple[list[StoredEvent], list[StoreError]]:
        """The newest `count` events of each kind, `why` and `by`, oldest first; and what is wrong with damaged ones.

        Fast however long the record is.
        """
        where = 'WHERE why = ? AND "by" = ? ORDER BY seq DESC LIMIT ?'
        events: list[StoredEvent] = []
        faults: list[StoreError] = []
        with snapshot(self._db), lenient(self._db):
            for kind in kinds:
                for row in self._db.execute(f"{SELECT} {where}", (*kind, count)):
                    try:
                        events.append(rows.stored(row))
                    except StoreError as error:
                        faults.append(error)
        return sorted(events, key=lambda event: event.seq), faults

    def unsettled(self, limit: int = 200, after: int = 0) -> list[StoredEvent]:
        """Events above `after` that no host has acknowledged, oldest first. `own_up` tells of those passed over."""
        return self._read("WHERE settled_at IS NULL AND seq > ? ORDER BY seq", after, limit=limit, check=self._sendable)

    def own_up(self, at: Moment) -> list[int]:
        """Record which unsettled rows were found damaged, so that the host learns why their numbers are missing.

        They are settled: nobody can have them any more. Returns their numbers. Raises StoreError.
        """
        owed = sorted(self._owed)
        for seq in owed:
            self.append(Event(EventType.SYS, "event_damaged", at, detail={"seq": seq}))
            self._owed.discard(seq)
            self._owned_up.add(seq)
            with suppress(StoreError):  # a row can be too damaged to be marked
                self.settle([seq])
        return owed

    def count_unsettled(self) -> int:
        """How many no host has acknowledged."""
        with snapshot(self._db):
            return int(self._db.execute("SELECT COUNT(*) FROM events WHERE settled_at IS NULL").fetchone()[0])

    def settle(self, seqs: Iterable[int]) -> None:
        """A host has these. Unknown and settled numbers are passed over. Raises StoreError."""
        now = time()
        with transaction(self._db):
            self._db.conn.executemany(
                "UPDATE events SET settled_at = ? WHERE seq = ? AND settled_at IS NULL", [(now, seq) for seq in seqs]
            )

    def settle_through(self, seq: int) -> None:
        """A host has everything up to and with `seq`. Raises StoreError."""
        with transaction(self._db):
            self._db.execute("UPDATE events SET settled_at = ? WHERE seq <= ? AND settled_at IS NULL", (time(), seq))

    def head(self) -> tuple[int, bytes]:
        """Number and hash of the last event; 0 and zeros before the first."""
        with snapshot(self._db):
            return self._head()

    def verify_chain(self) -> ChainReport:
        """Walk the whole record. Raises StoreError only if it cannot be read."""
        with snapshot(self._db), lenient(self._db):
            return verify(self._links(), self._head()[0])

    def prune(self, at: Moment, days: int, undelivered: bool = False) -> int:
        """Delete what is older than `days` and settled, or all of it if `undelivered` (no host is set up).

        Returns how many. Does nothing while the clock is unknown, and does not follow a clock that leapt ahead
        (`timeline`). Raises StoreError.
        """
        return retention.prune(self._db, at, self._boot, days, undelivered)

    def thin(self, at: Moment, limit_bytes: int) -> int:
        """Keep the undelivered events under a size by dropping the least telling; a `gap` event says what went.

        Returns how many were dropped. Raises StoreError.
        """
        return retention.thin(self._db, self.append, at, limit_bytes)

    def _shorten_log(self) -> None:
        """Reuse the write-ahead log's space, and keep it short from now on: room is for the record itself."""
        self._db.execute(f"PRAGMA wal_autocheckpoint = {SHORT_LOG_PAGES}")
        with suppress(StoreError):
            truncate_log(self._db, seconds=0.5)

    def _write(self, events: Sequence[Event]) -> list[StoredEvent]:
        written: list[StoredEvent] = []
        with transaction(self._db):
            seq, prev = self._head()
            roster = roster_version(self._db)
            for event in events:
                stored = rows.placed(event, Place(seq + 1, prev, self._boot, self._config, roster))
                self._db.execute(INSERT, rows.row(stored))
                written.append(stored)
                seq, prev = stored.seq, stored.hash
        return written

    def _head(self) -> tuple[int, bytes]:
        counter = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
        if counter is None:
            return 0, GENESIS
        row = self._db.execute(
            "SELECT hash FROM events WHERE seq = :seq UNION ALL SELECT hash FROM gaps WHERE last = :seq",
            {"seq": counter[0]},
        ).fetchone()
        # A record cut short by force still goes on; verify_chain names the place.
        return int(counter[0]), row[0] if row else GENESIS

    def _links(self) -> Iterator[StoredEvent | Gap | Unreadable]:
        gaps = [Gap(*row) for row in self._db.execute("SELECT first, last, prev, hash, why FROM gaps ORDER BY first")]
        for row in self._db.execute(f"{SELECT} ORDER BY seq"):
            while gaps and gaps[0].first < row[0]:
                yield gaps.pop(0)
            try:
                yield rows.stored(row)
            except StoreError as error:
                yield Unreadable(row[0], str(error))
        yield from gaps

    def _read(
        self, where: str, *values: Any, limit: int, check: Callable[[StoredEvent], None] | None = None
    ) -> list[StoredEvent]:
        """The first `limit` rows that can be read."""
        found: list[StoredEvent] = []
        with snapshot(self._db), lenient(self._db), closing(self._db.execute(f"{SELECT} {where}", values)) as cursor:
            for row in cursor:
                if len(found) >= limit:
                    break
                try:
                    event = rows.stored(row)
                    if check:
                        check(event)
                    found.append(event)
                except StoreError as error:
                    if check and row[0] not in self._owned_up:
                        self._owed.add(row[0])
                    self._pass_over(row[0], error)
        return found

    def _pass_over(self, seq: int, error: StoreError) -> None:
        if seq not in self._damaged:
            self._damaged.add(seq)
            log.error("%s; it is passed over", error)

    @staticmethod
    def _sendable(event: StoredEvent) -> None:
        """Raises StoreError: it can be read, but is no JSON any more."""
        try:
            canonical(event.chained())
        except (ValueError, TypeError) as error:
            raise StoreError(
                f"event {event.seq} of the record is damaged: {type(error).__name__}; see lintel events --verify"
            ) from None
