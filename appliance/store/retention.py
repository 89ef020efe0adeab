"""What leaves the record: what is old, and, when no host comes for it, what tells least.

Rows are taken out in small transactions, so that the door never waits long to write. Each
hole stays in the chain as a gap with the hashes at its two ends.
"""

import logging
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any, NamedTuple

from sqlite_utils import Database

from appliance.facts import ClockQuality, Event, EventType, Moment
from appliance.store import timeline
from appliance.store.chain import StoredEvent
from appliance.store.database import snapshot, transaction

log = logging.getLogger(__name__)

BATCH = 250
"""Rows a transaction takes out: a few milliseconds."""
AHEAD_SECONDS = 86400.0
"""An event that claims to be from further ahead was written under a wrong clock."""
ROW_BYTES = 450
"""About what an event weighs besides its detail, here and on the wire."""
THIN_TO = 0.9
"""Thinning goes this far below the limit, so that it does not run at every event."""

_STAGES = (
    "type = 'sys' AND why IN ('metrics', 'health')",
    "type = 'access' AND why IN ('unknown_face', 'low_score', 'ambiguous')",
    "type = 'sys' AND why NOT IN ('gap', 'disk_full') OR type = 'door' AND why NOT IN ('FORCED', 'forced')",
    "type IN ('access', 'spoof', 'pin') AND why <> 'granted'",
)
"""In this order, oldest first. Audit, tamper, grants, forced doors and gaps are never dropped."""


class _Taken(NamedTuple):
    """A row that went."""

    seq: int
    kind: str
    t_ms: int


def prune(db: Database, at: Moment, boot: str, days: int, undelivered: bool) -> int:
    """See EventLog.prune."""
    if at.quality is ClockQuality.UNKNOWN:
        return 0
    utc = timeline.trusted(db, at, boot)
    if at.utc - utc > timeline.LEAP_SECONDS:
        log.warning(
            "the clock leapt ahead by %.0f days; old events are kept until the device has run with it for %.0f days",
            (at.utc - utc) / 86400,
            timeline.PROOF_SECONDS / 86400,
        )
    last = _last_old(db, utc, days)
    if last is None:
        return 0
    which = "seq <= ?" if undelivered else "seq <= ? AND settled_at IS NOT NULL"
    pruned = 0
    while True:
        with transaction(db):
            taken = _take(db, which, (last,), "retention")
        pruned += len(taken)
        if len(taken) < BATCH:
            return pruned


def _last_old(db: Database, utc: float, days: int) -> int | None:
    """Number of the newest event that is too old; None: there is none.

    An event written under a wrong clock is as old as its place in the record says: one from an unknown time or
    from the future does not count, and behind the first fresh one nothing is old.
    """
    limit_ms, now_ms = int((utc - days * 86400) * 1000), int((utc + AHEAD_SECONDS) * 1000)
    with snapshot(db):
        found = db.execute(
            """
            SELECT MAX(seq) FROM events WHERE tq <> 'unknown' AND t_ms < :limit AND seq < COALESCE(
                (SELECT MIN(seq) FROM events WHERE tq <> 'unknown' AND t_ms BETWEEN :limit AND :now), 9e18)
            """,
            {"limit": limit_ms, "now": now_ms},
        ).fetchone()
    last: int | None = found[0]
    return last


def thin(db: Database, append: Callable[[Event], StoredEvent], at: Moment, limit_bytes: int) -> int:
    """See EventLog.thin."""
    if unsettled_bytes(db) <= limit_bytes:
        return 0
    dropped = 0
    for stage in _STAGES:
        while unsettled_bytes(db) > THIN_TO * limit_bytes:
            with transaction(db):
                taken = _take(db, f"settled_at IS NULL AND ({stage})", (), "thinned")
                if taken:
                    append(Event(EventType.SYS, "gap", at, detail=_told(taken)))
            dropped += len(taken)
            if len(taken) < BATCH:
                break
    return dropped


def unsettled_bytes(db: Database) -> int:
    """About how much the undelivered events weigh."""
    with snapshot(db):
        count, detail = db.execute(
            "SELECT COUNT(*), TOTAL(LENGTH(detail)) FROM events WHERE settled_at IS NULL"
        ).fetchone()
    return int(count * ROW_BYTES + detail)


def _told(taken: list[_Taken]) -> dict[str, Any]:
    """What a `gap` event says of the rows it stands for."""
    counts = {kind: len(list(rows)) for kind, rows in groupby(sorted(taken, key=_kind), key=_kind)}
    return {
        "count": len(taken),
        "first": taken[0].seq,
        "last": taken[-1].seq,
        "since_ms": taken[0].t_ms,
        "until_ms": taken[-1].t_ms,
        "dropped": counts,
    }


def _kind(taken: _Taken) -> str:
    return taken.kind


def _take(db: Database, which: str, values: tuple[Any, ...], why: str) -> list[_Taken]:
    """Take out the oldest rows that match, at most BATCH, inside a transaction."""
    rows = [
        _Taken(*row)
        for row in db.execute(
            f"SELECT seq, type || '/' || why, t_ms FROM events WHERE {which} ORDER BY seq LIMIT {BATCH}",  # noqa: S608
            values,
        )
    ]
    for first, last in _runs(row.seq for row in rows):
        _bridge(db, first, last, why)
        db.execute("DELETE FROM events WHERE seq BETWEEN ? AND ?", (first, last))
    return rows


def _runs(seqs: Iterable[int]) -> list[tuple[int, int]]:
    """Rising numbers as runs without holes: 1 2 3 7 8 -> (1, 3) (7, 8)."""
    runs: list[tuple[int, int]] = []
    for seq in seqs:
        if runs and runs[-1][1] == seq - 1:
            runs[-1] = (runs[-1][0], seq)
        else:
            runs.append((seq, seq))
    return runs


def _bridge(db: Database, first: int, last: int, why: str) -> None:
    """Note the hashes at both ends of a run, joined with gaps of the same kind beside it."""
    prev = db.execute("SELECT prev FROM events WHERE seq = ?", (first,)).fetchone()[0]
    digest = db.execute("SELECT hash FROM events WHERE seq = ?", (last,)).fetchone()[0]
    before = db.execute("SELECT first, prev FROM gaps WHERE last = ? AND why = ?", (first - 1, why)).fetchone()
    if before:
        db.execute("DELETE FROM gaps WHERE first = ?", (before[0],))
        first, prev = before
    behind = db.execute("SELECT first, last, hash FROM gaps WHERE first = ? AND why = ?", (last + 1, why)).fetchone()
    if behind:
        db.execute("DELETE FROM gaps WHERE first = ?", (behind[0],))
        last, digest = behind[1:]
    db.execute("INSERT INTO gaps VALUES (?, ?, ?, ?, ?)", (first, last, prev, digest, why))
