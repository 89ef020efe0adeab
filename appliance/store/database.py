"""One SQLite file for three processes: opening it, changing it, and what its errors mean.

Write-ahead log with `synchronous=FULL`: when a transaction has returned it survives a power
cut. Readers never wait for the writer. A connection belongs to the thread that opened it.
"""

import errno
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlite_utils import Database

from appliance.errors import StoreError
from appliance.store.migrations import APPLICATION_ID, MIGRATIONS
from appliance.store.trouble import REMOUNT, broken, code, explain

FILE = "lintel.db"
BUSY_SECONDS = 5.0
"""How long a writer waits for another. Transactions here last milliseconds."""
_PRAGMAS = (
    "synchronous = FULL",
    "foreign_keys = ON",
    "secure_delete = ON",
    "trusted_schema = OFF",
    "temp_store = MEMORY",
    "journal_size_limit = 4194304",
)


def connect(path: Path, busy_seconds: float = BUSY_SECONDS) -> Database:
    """Open the database, made and brought to the newest version where needed.

    The connection is in autocommit: only `transaction` groups statements. Raises StoreError:
    directory missing or not writable, not a database, corrupt, newer than this program, full
    disk, locked for longer than `busy_seconds`.
    """
    _prepare(path)
    with _explained(path, "opened"):
        db = Database(sqlite3.connect(path, timeout=busy_seconds, isolation_level=None))
        try:
            _set_up(db, path, busy_seconds)
        except BaseException:
            db.close()
            raise
    return db


@contextmanager
def transaction(db: Database) -> Iterator[None]:
    """One durable change, all or nothing. Inside another transaction it joins that one.

    Raises StoreError with `errno` ENOSPC on a full disk and EBUSY when locked too long.
    """
    if db.conn.in_transaction:
        yield
        return
    with _explained(db, "written"):
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
            db.execute("COMMIT")
        except BaseException:
            _roll_back(db)
            raise


@contextmanager
def snapshot(db: Database) -> Iterator[None]:
    """Several reads of one moment. Inside a transaction it joins that one. Raises StoreError."""
    if db.conn.in_transaction:
        yield
        return
    with _explained(db, "read"):
        db.execute("BEGIN")
        try:
            yield
        finally:
            _roll_back(db)


def data_version(db: Database) -> int:
    """A number that changes when *another* connection commits anything (PRAGMA data_version)."""
    with _explained(db, "read"):
        return int(db.execute("PRAGMA data_version").fetchone()[0])


@contextmanager
def lenient(db: Database) -> Iterator[None]:
    """Within this, text that is not UTF-8 is read with U+FFFD in it, so that one damaged row is one row's fault."""
    db.conn.text_factory = _any_text
    try:
        yield
    finally:
        db.conn.text_factory = str


def roster_version(db: Database) -> int:
    """A number that grows with every change to people, whichever connection made it. Raises StoreError."""
    version = meta(db, "roster_version")
    if not isinstance(version, int):
        raise missing(db, "roster_version")
    return version


class NoValueError(StoreError, KeyError):
    """The database keeps no such value about itself."""


def meta(db: Database, key: str) -> int | bytes:
    """One value the database keeps about itself. Raises NoValueError, StoreError."""
    with _explained(db, "read"):
        row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    if row is None:
        raise missing(db, key)
    value: int | bytes = row[0]
    return value


def missing(db: Database, key: str) -> NoValueError:
    """What to raise where the database has lost one of its own values."""
    path = _path(db)
    return NoValueError(
        f"{path} cannot be read: its value {key} is missing or damaged; stop lintel, move the file aside and restore "
        f"a backup"
    )


def faults(db: Database) -> list[str]:
    """What SQLite's own check finds wrong; empty when sound. Reads the whole file. Raises StoreError."""
    try:
        found = [str(row[0]) for row in db.execute("PRAGMA integrity_check(20)")]
        found += [f"{row[0]} row {row[1]} points at nothing" for row in db.execute("PRAGMA foreign_key_check")]
    except sqlite3.Error as error:
        if code(error).startswith("SQLITE_CORRUPT"):
            return [str(error)]
        raise explain(error, _path(db), "checked") from error
    return [line for line in found if line != "ok"]


def truncate_log(db: Database, seconds: float = BUSY_SECONDS) -> bool:
    """Move everything from the write-ahead log into the file and cut the log to nothing.

    False if a reader held on for longer than `seconds`; the next checkpoint will do it.
    """
    until = time.monotonic() + seconds
    with _explained(db, "tidied"):
        while db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            if time.monotonic() >= until:
                return False
            time.sleep(0.02)
    return True


def _prepare(path: Path) -> None:
    """Make the file for us and our group before SQLite does: it gives -wal and -shm the same mode."""
    try:
        parent = os.stat(path.parent)
    except OSError as error:
        raise broken(path, "opened", f"{path.parent}: {error.strerror}", "create that directory", error.errno) from None
    if path.exists():
        return
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    except OSError as error:
        remedy = f"let group lintel write {path.parent}, or run as a user of that group"
        remedy = REMOUNT if error.errno == errno.EROFS else remedy
        raise broken(path, "created", error.strerror, remedy, error.errno) from None
    with suppress(PermissionError):
        os.fchmod(handle, 0o660)
        if parent.st_mode & stat.S_ISGID:
            os.fchown(handle, -1, parent.st_gid)
    os.close(handle)


def _set_up(db: Database, path: Path, busy_seconds: float) -> None:
    _recognise(db, path)
    _enter_wal(db, busy_seconds)
    for pragma in _PRAGMAS:
        db.execute(f"PRAGMA {pragma}")
    if _version(db) < len(MIGRATIONS):
        with transaction(db):
            # Read again: another process may have been first.
            for step in MIGRATIONS[_version(db) :]:
                db.executescript(step)
            db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _recognise(db: Database, path: Path) -> None:
    """Refuse, before anything is changed, a file that is not ours or too new for us."""
    with snapshot(db):
        application, version = db.execute("PRAGMA application_id").fetchone()[0], _version(db)
        empty = not db.table_names()
    if application != APPLICATION_ID and not empty:
        raise broken(path, "opened", "it is another program's database", "move it away, or set paths.state")
    if version > len(MIGRATIONS):
        what = f"its version {version} is newer than this program's {len(MIGRATIONS)}"
        raise broken(path, "opened", what, "install the newer lintel again, or restore the backup made before it")


def _enter_wal(db: Database, busy_seconds: float) -> None:
    """Switching to the log needs the file alone, and SQLite does not always wait for that."""
    until = time.monotonic() + busy_seconds
    while True:
        try:
            if db.execute("PRAGMA journal_mode = WAL").fetchone()[0] == "wal":
                return
        except sqlite3.OperationalError as error:
            if code(error) not in ("SQLITE_BUSY", "SQLITE_LOCKED") or time.monotonic() >= until:
                raise
        time.sleep(0.01)


def _any_text(text: bytes) -> str:
    return text.decode(errors="replace")


def _version(db: Database) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _roll_back(db: Database) -> None:
    # A full disk may have rolled back already, and a closed connection cannot.
    with suppress(sqlite3.Error):
        if db.conn.in_transaction:
            db.execute("ROLLBACK")


def _path(db: Database) -> Path:
    return Path(str(db.conn.execute("PRAGMA database_list").fetchone()[2]))


@contextmanager
def _explained(where: Path | Database, doing: str) -> Iterator[None]:
    """Turn SQLite's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, where if isinstance(where, Path) else _path(where), doing) from error
