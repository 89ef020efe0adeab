"""Power cuts: whatever was not synced may be lost, torn or reordered; what was acknowledged may not.

The record runs on a file system layer that notes every write and every sync. Then the power is
cut at random places in that trace, and each disk that could have come of it is opened.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import StoreError
from appliance.facts import EventType
from appliance.store import retention
from appliance.store.database import _PRAGMAS, connect, faults, transaction
from appliance.store.events import EventLog
from appliance.store.migrations import MIGRATIONS

from .conftest import DAY, START, event, moment

apsw = pytest.importorskip("apsw", reason="needs apsw, to watch SQLite's writes and syncs")

SECTOR = 512
CUTS = 80


@dataclass
class Trace:
    """(what, file, offset or size, bytes) in the order in which SQLite did it; `ack` notes an event's number."""

    steps: list[tuple[str, str, int, bytes]] = field(default_factory=list)

    def note(self, what: str, file: str, number: int = 0, content: bytes = b"") -> None:
        self.steps.append((what, file, number, content))


class WatchedFile(apsw.VFSFile):
    def __init__(self, name: Any, flags: list[int], trace: Trace) -> None:
        self._name = Path(name.filename() if isinstance(name, apsw.URIFilename) else name).name
        self._trace = trace
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self._trace.note("write", self._name, offset, bytes(data))

    def xTruncate(self, size: int) -> None:
        super().xTruncate(size)
        self._trace.note("truncate", self._name, size)

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._trace.note("sync", self._name)


class WatchedDisk(apsw.VFS):
    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        super().__init__("watched", "")

    def xOpen(self, name: Any, flags: list[int]) -> WatchedFile:
        return WatchedFile(name, flags, self._trace)

    def xDelete(self, name: str, sync_directory: bool) -> None:
        super().xDelete(name, sync_directory)
        self._trace.note("delete", Path(name).name)


class Bridge:
    """As much of sqlite_utils.Database as the record uses, on apsw."""

    def __init__(self, path: Path) -> None:
        self._raw = apsw.Connection(str(path), vfs="watched")
        self.conn = self

    @property
    def in_transaction(self) -> bool:
        return bool(self._raw.in_transaction)

    def execute(self, sql: str, values: Any = ()) -> Any:
        return self._raw.execute(sql, values)

    def executemany(self, sql: str, values: Sequence[Any]) -> None:
        self._raw.executemany(sql, values)

    def close(self) -> None:
        self._raw.close()


def record(path: Path) -> Trace:
    """A life in short: events, settling, pruning, thinning, with frequent checkpoints."""
    trace = Trace()
    disk = WatchedDisk(trace)
    db: Any = Bridge(path)
    db.execute("PRAGMA journal_mode = WAL").fetchall()
    for pragma in (*_PRAGMAS, "wal_autocheckpoint = 25"):
        db.execute(f"PRAGMA {pragma}").fetchall()
    with transaction(db):
        for step in MIGRATIONS:
            db.execute(step)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    trace.note("ack", "", 0)
    log = EventLog(db, "boot")
    for n in range(220):
        kind, why = [(EventType.ACCESS, "granted"), (EventType.ACCESS, "unknown_face"), (EventType.SYS, "metrics")][
            n % 3
        ]
        trace.note("ack", "", log.append(event(kind, why, moment(START + n * DAY), detail={"n": "x" * (n % 60)})).seq)
        if n % 20 == 19:
            log.settle(range(n - 15, n))
        if n % 50 == 49:
            retention.prune(db, moment(START + n * DAY), days=60, undelivered=False)
        if n == 150:
            log.thin(moment(START), 5000)
            trace.note("ack", "", log.head()[0])
    db.close()
    disk.unregister()
    return trace


def apply(content: bytearray, step: tuple[str, str, int, bytes]) -> None:
    what, _, number, data = step
    if what == "truncate":
        del content[number:]
        return
    if len(content) < number:
        content.extend(bytes(number - len(content)))
    content[number : number + len(data)] = data


def after_cut(trace: Trace, cut: int, dice: random.Random) -> tuple[dict[str, bytearray], int]:
    """A disk that the power cut may have left, and the last acknowledged number."""
    disk: dict[str, bytearray] = {}
    pending: dict[str, list[tuple[str, str, int, bytes]]] = {}
    acknowledged = -1
    for step in trace.steps[:cut]:
        what, file, number, _ = step
        if what == "ack":
            acknowledged = number
        elif what == "delete":
            pending.pop(file, None)
            disk.pop(file, None)
        elif what == "sync":
            for done in pending.pop(file, []):
                apply(disk.setdefault(file, bytearray()), done)
        else:
            pending.setdefault(file, []).append(step)
    for file, steps in pending.items():
        keep = dice.choice([0.0, 0.5, 0.9, 1.0])
        for step in steps:
            if dice.random() < keep:
                apply(disk.setdefault(file, bytearray()), torn(step, dice))
    return disk, acknowledged


def torn(step: tuple[str, str, int, bytes], dice: random.Random) -> tuple[str, str, int, bytes]:
    """Now and then only the first sectors of a write arrive."""
    what, file, number, data = step
    if what == "write" and len(data) > SECTOR and dice.random() < 0.2:
        data = data[: SECTOR * dice.randrange(1, len(data) // SECTOR)] if len(data) >= 2 * SECTOR else data[:SECTOR]
    return what, file, number, data


def test_a_power_cut_at_any_moment_loses_nothing_acknowledged(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    trace = record(tmp_path / "real" / "lintel.db")
    ready = next(i for i, step in enumerate(trace.steps) if step[0] == "ack")
    assert sum(step[0] == "sync" and step[1] == "lintel.db" for step in trace.steps) > 10, "checkpoints took place"
    dice = random.Random(3)
    for number in range(CUTS):
        cut = dice.randrange(ready + 1, len(trace.steps) + 1)
        disk, acknowledged = after_cut(trace, cut, dice)
        place = tmp_path / str(number)
        place.mkdir()
        for name, content in disk.items():
            (place / name).write_bytes(content)
        with connect(place / "lintel.db") as db:
            log = EventLog(db)
            assert log.head()[0] >= acknowledged, f"cut {number} at step {cut}"
            assert log.verify_chain().holds, f"cut {number} at step {cut}"
            assert faults(db) == [], f"cut {number} at step {cut}"
            assert log.append(event()).seq > acknowledged


def test_without_syncs_events_would_be_lost(tmp_path: Path) -> None:
    """The test above can fail: with the same cuts and no sync of the log, acknowledged events are gone."""
    trace = record(tmp_path / "lintel.db")
    trace.steps = [step for step in trace.steps if step[:2] != ("sync", "lintel.db-wal")]
    dice, lost = random.Random(3), 0
    for number in range(20):
        disk, acknowledged = after_cut(trace, dice.randrange(len(trace.steps) // 2, len(trace.steps)), dice)
        place = tmp_path / str(number)
        place.mkdir()
        for name, content in disk.items():
            (place / name).write_bytes(content)
        try:
            with connect(place / "lintel.db") as db:
                lost += EventLog(db).head()[0] < acknowledged
        except StoreError:
            lost += 1
    assert lost > 5
