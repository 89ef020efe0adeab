"""The record of what happened. The table is also the outbox: a row waits there until a host has it."""

import errno
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import time
from typing import Any

from sqlite_utils import Database

from appliance.errors import StoreError
from appliance.facts import ClockQuality, Event, EventType, Moment
from appliance.store import retention
from appliance.store.ballast import Ballast
from appliance.store.chain import (
    DETAIL_BYTES,
    GENESIS,
    ChainReport,
    Gap,
    StoredEvent,
    Unreadable,
    canonical,
    uuid7,
    verify,
)
from appliance.store.database import lenient, roster_version, snapshot, transaction, truncate_log

SHORT_LOG_PAGES = 32
"""Length of the write-ahead log, in pages of 4 KB, once the disk was full. SQLite's own default is 1000."""

_COLUMNS = (
    'seq, id, boot, t_ms, tq, mono_ms, type, why, pid, "by", score, thr, live, detail, '
    "cfg, roster, mdl, prev, hash, settled_at"
)
_INSERT = f"INSERT INTO events ({_COLUMNS}) VALUES ({', '.join('?' * 19)}, NULL)"  # noqa: S608 - constants
_SELECT = f"SELECT {_COLUMNS} FROM events"  # noqa: S608 - constants


class EventLog:
    """Appends events to the chain and reads them back. One per connection, so one per thread.

    Reading raises StoreError, also for a row that is damaged.
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

    def append(self, event: Event) -> StoredEvent:
        """Write one event; it is on the disk when this returns, or when the transaction around it commits.

        `detail["model"]`, if there, becomes the event's `mdl`. Raises StoreError: full disk
        (`errno` ENOSPC), locked (EBUSY), a `detail` that is not JSON or longer than 2048 bytes.
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
        return self._read("WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit)

    def latest(self, count: int = 20, types: Iterable[EventType] = ()) -> list[StoredEvent]:
        """The newest `count` events, oldest first; only of `types` if any are given."""
        words = [kind.value for kind in types]
        which = f"WHERE type IN ({', '.join('?' * len(words))})" if words else ""
        return self._read(f"{which} ORDER BY seq DESC LIMIT ?", *words, count)[::-1]

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
                for row in self._db.execute(f"{_SELECT} {where}", (*kind, count)):
                    try:
                        events.append(_stored(row))
                    except StoreError as error:
                        faults.append(error)
        return sorted(events, key=lambda event: event.seq), faults

    def unsettled(self, limit: int = 200, after: int = 0) -> list[StoredEvent]:
        """Events above `after` that no host has acknowledged, oldest first."""
        return self._read("WHERE settled_at IS NULL AND seq > ? ORDER BY seq LIMIT ?", after, limit)

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

        Returns how many. Does nothing while the clock is unknown. Raises StoreError.
        """
        return retention.prune(self._db, at, days, undelivered)

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
                stored = self._place(event, seq + 1, prev, roster)
                self._db.execute(_INSERT, _row(stored))
                written.append(stored)
                seq, prev = stored.seq, stored.hash
        return written

    def _place(self, event: Event, seq: int, prev: bytes, roster: int) -> StoredEvent:
        detail = _json(event)
        model = detail.pop("model", None)
        unhashed = StoredEvent(
            seq=seq,
            id=uuid7(event.at.utc),
            boot=self._boot,
            t_ms=int(event.at.utc * 1000),
            quality=event.at.quality,
            mono_ms=int(event.at.mono * 1000),
            type=event.type,
            why=str(event.why),
            person=event.person,
            by=event.by,
            score=_number(event.score),
            threshold=_number(event.threshold),
            live=event.live,
            detail=detail,
            config=self._config,
            roster=roster,
            model=None if model is None else str(model),
            prev=prev,
            hash=b"",
        )
        return replace(unhashed, hash=unhashed.digest())

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
        for row in self._db.execute(f"{_SELECT} ORDER BY seq"):
            while gaps and gaps[0].first < row[0]:
                yield gaps.pop(0)
            try:
                yield _stored(row)
            except StoreError as error:
                yield Unreadable(row[0], str(error))
        yield from gaps

    def _read(self, where: str, *values: Any) -> list[StoredEvent]:
        with snapshot(self._db), lenient(self._db):
            return [_stored(row) for row in self._db.execute(f"{_SELECT} {where}", values)]


def _json(event: Event) -> dict[str, Any]:
    """`detail` as it will be read back. Raises StoreError."""
    try:
        text = canonical(event.detail)
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"event {event.type}/{event.why} cannot be written: detail is not JSON ({error}); use plain JSON values"
        ) from None
    if len(text) > DETAIL_BYTES:
        raise StoreError(
            f"event {event.type}/{event.why} cannot be written: detail has {len(text)} bytes; keep it to {DETAIL_BYTES}"
        )
    detail: dict[str, Any] = json.loads(text)
    return detail


def _number(value: float | None) -> float | None:
    """Four decimals say all a score can; nan is not JSON."""
    return round(float(value), 4) if value is not None and math.isfinite(value) else None


def _row(event: StoredEvent) -> tuple[Any, ...]:
    return (
        event.seq,
        event.id,
        event.boot,
        event.t_ms,
        event.quality.value,
        event.mono_ms,
        event.type.value,
        event.why,
        event.person,
        event.by,
        event.score,
        event.threshold,
        event.live,
        canonical(event.detail).decode(),
        event.config,
        event.roster,
        event.model,
        event.prev,
        event.hash,
    )


def _stored(row: Sequence[Any]) -> StoredEvent:
    """Raises StoreError: the row is damaged."""
    try:
        event = _unchecked(row)
        if not isinstance(event.detail, dict):
            raise TypeError("detail is not an object")
        _ = event.at, event.time  # both raise for numbers that are no time
    except (ValueError, TypeError, OverflowError, OSError, RecursionError) as error:
        raise StoreError(
            f"event {row[0]} of the record is damaged: {type(error).__name__}; "
            "see lintel events --verify, and restore a backup to have it again"
        ) from None
    return event


def _unchecked(row: Sequence[Any]) -> StoredEvent:
    seq, id_, boot, t_ms, quality, mono_ms, kind, why, person, by, score, threshold, live, detail, *rest = row
    config, roster, model, prev, digest, settled_at = rest
    return StoredEvent(
        seq=seq,
        id=id_,
        boot=boot,
        t_ms=t_ms,
        quality=ClockQuality(quality),
        mono_ms=mono_ms,
        type=EventType(kind),
        why=why,
        person=person,
        by=by,
        score=score,
        threshold=threshold,
        live=None if live is None else bool(live),
        detail=json.loads(detail),
        config=config,
        roster=roster,
        model=model,
        prev=prev,
        hash=digest,
        settled=settled_at is not None,
    )
