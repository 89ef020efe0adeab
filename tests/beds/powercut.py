"""A disk on which the power fails: what was synced is there, the rest may be lost, torn or reordered.

SQLite runs on a file system layer (apsw) that notes every write and every sync in order. The power is
cut at any place in that trace; of what was not synced by then, any sectors may have arrived, of any file.
"""

import random
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

from appliance.store import database

SECTORS = (512, 4096)
"""What a disk writes whole, in bytes."""
SHORT_LOG_PAGES = 25
"""Frequent checkpoints."""

NAMES = {apsw.BusyError: "SQLITE_BUSY", apsw.IOError: "SQLITE_IOERR_WRITE", apsw.CantOpenError: "SQLITE_CANTOPEN"}
"""apsw's errors as the standard library names them."""

Step = tuple[str, str, int, bytes]
"""What, file, offset or size, bytes."""
Disk = dict[str, bytearray]


@dataclass
class Trace:
    """Steps in the order in which they were done; what was acknowledged stands between them."""

    steps: list[Step] = field(default_factory=list)
    acks: list[tuple[int, Any]] = field(default_factory=list)
    """(number of steps before it, what)."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    failing: bool = False
    """While set, the disk answers every write and sync with an input/output error."""

    def answer(self) -> None:
        """Raises IOError while the disk fails."""
        if self.failing:
            raise apsw.IOError("the disk failed")

    def note(self, what: str, file: str, number: int = 0, content: bytes = b"") -> None:
        self.steps.append((what, file, number, content))

    def ack(self, what: Any) -> None:
        with self.lock:
            self.acks.append((len(self.steps), what))

    def without(self, what: str, file_end: str) -> "Trace":
        """The same life on a disk that lies: those steps did nothing."""
        kept: list[Step] = []
        places = [0]
        for step in self.steps:
            if not (step[0] == what and step[1].endswith(file_end)):
                kept.append(step)
            places.append(len(kept))
        return Trace(kept, [(places[at], told) for at, told in self.acks])


class WatchedFile(apsw.VFSFile):
    def __init__(self, name: Any, flags: list[int], trace: Trace) -> None:
        self._name = Path(name.filename() if isinstance(name, apsw.URIFilename) else name or "").name
        self._trace = trace
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        with self._trace.lock:
            self._trace.answer()
            super().xWrite(data, offset)
            self._trace.note("write", self._name, offset, bytes(data))

    def xTruncate(self, size: int) -> None:
        with self._trace.lock:
            self._trace.answer()
            super().xTruncate(size)
            self._trace.note("truncate", self._name, size)

    def xSync(self, flags: int) -> None:
        with self._trace.lock:
            self._trace.answer()
            super().xSync(flags)
            self._trace.note("sync", self._name)


class WatchedDisk(apsw.VFS):
    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        super().__init__("watched", "")

    def xOpen(self, name: Any, flags: list[int]) -> WatchedFile:
        return WatchedFile(name, flags, self._trace)

    def xDelete(self, name: str, sync_directory: bool) -> None:
        with self._trace.lock:
            super().xDelete(name, sync_directory)
            self._trace.note("delete", Path(name).name)


class Bridge:
    """As much of sqlite_utils.Database as the store uses, on apsw."""

    def __init__(self, path: Path, busy_seconds: float = 5.0) -> None:
        self._raw = apsw.Connection(str(path), vfs="watched")
        self._raw.set_busy_timeout(int(busy_seconds * 1000))
        self.conn = self
        self.text_factory: Callable[[bytes], str] = str

    @property
    def in_transaction(self) -> bool:
        return bool(self._raw.in_transaction)

    def execute(self, sql: str, values: Any = ()) -> Any:
        try:
            return self._raw.execute(sql, values)
        except (apsw.BusyError, apsw.IOError, apsw.CantOpenError) as error:
            told = sqlite3.OperationalError(str(error))
            told.sqlite_errorname = NAMES[type(error)]
            raise told from error

    def executemany(self, sql: str, values: Sequence[Any]) -> None:
        self._raw.executemany(sql, values)

    def executescript(self, sql: str) -> None:
        self._raw.execute(sql)

    def table_names(self) -> list[str]:
        return [row[0] for row in self._raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]

    def close(self) -> None:
        self._raw.close()


def connect(path: Path, busy_seconds: float = 5.0, synchronous: str = "FULL") -> Any:
    """As `database.connect`, on the watched disk."""
    db: Any = Bridge(path, busy_seconds)
    database._set_up(db, path, busy_seconds)
    db.execute(f"PRAGMA wal_autocheckpoint = {SHORT_LOG_PAGES}").fetchall()
    if synchronous != "FULL":
        db.execute(f"PRAGMA synchronous = {synchronous}").fetchall()
    return db


@contextmanager
def watched() -> Iterator[Trace]:
    """Until this ends, `connect` is noted in the trace."""
    trace = Trace()
    disk = WatchedDisk(trace)
    try:
        yield trace
    finally:
        disk.unregister()


def cuts(trace: Trace, count: int, dice: random.Random) -> Iterator[tuple[int, Disk, list[Any]]]:
    """`count` power cuts after the first acknowledgement: (step, what is on the disk, what was acknowledged)."""
    at = sorted(dice.randrange(trace.acks[0][0], len(trace.steps) + 1) for _ in range(count))
    disk: Disk = {}
    pending: dict[str, list[Step]] = {}
    done = 0
    for cut in at:
        for step in trace.steps[done:cut]:
            _follow(step, disk, pending)
        done = cut
        left = {name: bytearray(content) for name, content in disk.items()}
        _leave(left, pending, dice)
        yield cut, left, [told for before, told in trace.acks if before <= cut]


def _follow(step: Step, disk: Disk, pending: dict[str, list[Step]]) -> None:
    what, file, _, _ = step
    if what == "delete":
        pending.pop(file, None)
        disk.pop(file, None)
    elif what == "sync":
        for earlier in pending.pop(file, []):
            apply(disk.setdefault(file, bytearray()), earlier)
    else:
        pending.setdefault(file, []).append(step)


def _leave(disk: Disk, pending: dict[str, list[Step]], dice: random.Random) -> None:
    """Of what was not synced, some arrives: by file, by write and by sector."""
    sector = dice.choice(SECTORS)
    for file, steps in pending.items():
        keep = dice.choice([0.0, 0.5, 0.9, 1.0])
        for step in steps:
            if dice.random() < keep:
                for piece in _pieces(step, sector, dice):
                    apply(disk.setdefault(file, bytearray()), piece)


def _pieces(step: Step, sector: int, dice: random.Random) -> Iterator[Step]:
    """Now and then only some sectors of a write arrive, not always the first ones."""
    what, file, offset, data = step
    if what != "write" or dice.random() >= 0.3:
        yield step
        return
    first = offset - offset % sector
    for start in range(first, offset + len(data), sector):
        if dice.random() < 0.5:
            begin, end = max(start, offset), min(start + sector, offset + len(data))
            yield what, file, begin, data[begin - offset : end - offset]


def apply(content: bytearray, step: Step) -> None:
    what, _, number, data = step
    if what == "truncate":
        del content[number:]
        return
    if len(content) < number:
        content.extend(bytes(number - len(content)))
    content[number : number + len(data)] = data


def lay(disk: Disk, place: Path) -> None:
    """Put the disk's files into an empty folder."""
    place.mkdir()
    for name, content in disk.items():
        (place / name).write_bytes(content)
