"""What a process is doing, in one small JSON file that others may read at any time."""

import json
import logging
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

LARGEST = 64 * 1024
"""Bytes; a larger file is no status of ours."""


class StatusFile:
    """Publishes the latest status and forgets the ones before it. The caller never waits for the file system."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._latest: dict[str, Any] | None = None
        self._failing = False
        self._stop = False
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"status {path.parent.name}", daemon=True)
        self._thread.start()

    def publish(self, status: Mapping[str, Any]) -> None:
        """Make this the status; `at` (monotonic seconds) and `pid` are added. JSON values only."""
        with self._wake:
            self._latest = {"at": time.monotonic(), "pid": os.getpid(), **status}
            self._wake.notify()

    def close(self) -> None:
        """Write what is left and end the thread. May be called twice."""
        with self._wake:
            self._stop = True
            self._wake.notify()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._latest is not None or self._stop)
                status, self._latest = self._latest, None
                stop = self._stop
            if status is not None:
                self._write(status)
            if stop:
                return

    def _write(self, status: Mapping[str, Any]) -> None:
        try:
            write_atomically(self._path, json.dumps(status, allow_nan=False).encode())
            self._failing = False
        except (OSError, ValueError, TypeError) as error:
            if not self._failing:  # once an outage, not once a status
                log.warning("status file %s cannot be written: %s", self._path, error)
            self._failing = True


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the file so that a reader sees the old one or the new one, readable for the directory's group.

    Not made durable: it lives on tmpfs. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        with open(handle, "wb") as file:
            file.write(content)
        share_with_group(fresh, 0o640)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def share_with_group(path: Path, mode: int) -> None:
    """Give a file the mode and the group of its directory, as far as this user may."""
    path.chmod(mode)
    group = path.parent.stat().st_gid
    if path.stat().st_gid != group:
        with suppress(PermissionError):
            os.chown(path, -1, group)


def read_status(path: Path) -> dict[str, Any] | None:
    """The status published last, or None if there is none that can be read. `at` tells its age."""
    try:
        with path.open("rb") as file:
            status = json.loads(file.read(LARGEST + 1)[:LARGEST])
    except (OSError, ValueError, RecursionError):
        return None
    return status if isinstance(status, dict) else None
