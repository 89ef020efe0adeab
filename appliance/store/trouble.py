"""What SQLite's errors mean to whoever runs the door, and what to do about each."""

import errno
import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from appliance.errors import StoreError

SCARCE_BYTES = 256 * 1024
"""Less free space than this, and an input/output error is taken for a full disk."""

REMOUNT = "a worn card often ends so: see journalctl -k, replace it, or try: mount -o remount,rw"

_CAUSES = (
    (("SQLITE_BUSY", "SQLITE_LOCKED"), "another process keeps it locked", "find it with: fuser {0}", errno.EBUSY),
    (
        ("SQLITE_CORRUPT", "SQLITE_NOTADB"),
        "it is damaged: {0}",
        "stop lintel, move the file aside and restore a backup, or try: sqlite3 {0} .recover",
        errno.EUCLEAN,
    ),
    (
        ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM"),
        "{0}",
        "run as a user of group lintel; the file's mode is 0660",
        errno.EACCES,
    ),
    (("SQLITE_CONSTRAINT",), "a rule of the record forbids it: {0}", "nothing was changed", errno.EINVAL),
)
"""First letters of SQLite's error name, what it means, the remedy, errno."""


def explain(error: sqlite3.Error, path: Path, doing: str) -> StoreError:
    """Our error for one of SQLite's. `doing`: opened, read, written …"""
    word = code(error)
    free = _free_bytes(path)
    if word == "SQLITE_FULL" or (word.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN")) and free < SCARCE_BYTES):
        what = f"the disk is full ({free // 1024} KB free)"
        return broken(path, doing, what, "free some space there", errno.ENOSPC)
    if word.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR")) and _read_only(path):
        return broken(path, doing, "the disk is mounted read-only", REMOUNT, errno.EROFS)
    for prefixes, what, remedy, number in _CAUSES:
        if word.startswith(prefixes):
            return broken(path, doing, what.format(error), remedy.format(path), number)
    return broken(path, doing, f"{error} ({word})", "check the disk, see: journalctl -k", errno.EIO)


def broken(path: Path, doing: str, what: str | None, remedy: str, number: int | None = None) -> StoreError:
    """What, where, the remedy, and the errno where there is one."""
    error = StoreError(f"{path} cannot be {doing}: {what}; {remedy}")
    error.errno = number
    return error


def code(error: sqlite3.Error) -> str:
    """SQLite's name for it, such as SQLITE_FULL."""
    return str(getattr(error, "sqlite_errorname", "SQLITE_ERROR"))


def _read_only(path: Path) -> bool:
    with suppress(OSError):
        return bool(os.statvfs(path.parent).f_flag & os.ST_RDONLY)
    return False


def _free_bytes(path: Path) -> int:
    with suppress(OSError):
        place = os.statvfs(path.parent)
        return place.f_bavail * place.f_frsize
    return SCARCE_BYTES
