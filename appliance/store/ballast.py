"""Space kept back, so that a full disk does not stop the record.

When the disk is full the file is given up, and the door goes on writing what it does until
somebody makes room. Then the file is made again.
"""

import os
from contextlib import suppress
from pathlib import Path

FILE = "ballast"
BYTES = 2 * 1024 * 1024
"""Room for more than 2000 events and their write-ahead log (tests/store/test_ballast.py counts them)."""
ROOM_FACTOR = 4
"""It is made again only when this many times its size is free, so that it does not come and go."""


class Ballast:
    """One file of real, allocated blocks."""

    def __init__(self, path: Path, size: int = BYTES) -> None:
        self._path = path
        self._size = size

    @property
    def held(self) -> bool:
        """True: there is space to give up."""
        with suppress(OSError):
            return self._path.stat().st_size >= self._size
        return False

    def keep(self) -> bool:
        """Make the file if it is not there and there is room. True: it is there now."""
        return self.held or (self._roomy() and self._make())

    def release(self) -> bool:
        """Give the space up. True: there was some."""
        held = self.held
        with suppress(OSError):
            self._path.with_name(f"{self._path.name}.new").unlink()
        with suppress(OSError):
            self._path.unlink()
            return held
        return False

    def _roomy(self) -> bool:
        with suppress(OSError):
            place = os.statvfs(self._path.parent)
            return place.f_bavail * place.f_frsize >= ROOM_FACTOR * self._size
        return False

    def _make(self) -> bool:
        # Always the same name: what a kill leaves here is overwritten, not added to. Only the door makes it.
        scratch = self._path.with_name(f"{self._path.name}.new")
        try:
            handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o660)
            try:
                # Random bytes, since a file system may store zeros without using a block.
                for _ in range(0, self._size, 65536):
                    os.write(handle, os.urandom(65536))
                os.fsync(handle)
            finally:
                os.close(handle)
            scratch.replace(self._path)
        except OSError:
            with suppress(OSError):
                scratch.unlink()
            return False
        return True
