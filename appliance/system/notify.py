"""Words to systemd: ready, still alive, stopping (sd_notify(3)). Silent where nobody listens.

`Manager` is the other end, for `lintel run`, which stands in for systemd in a terminal.
"""

import os
import socket
import struct
import tempfile
from collections.abc import Iterator

LONGEST = 4096
"""Bytes of one word to the service manager."""
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


def notify(*words: str) -> bool:
    """Send lines such as `READY=1`. True if the service manager took them; never raises, never waits."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    # "@" stands for the zero byte of an abstract address.
    address = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.setblocking(False)
            line.sendto("\n".join(words).encode(), address)
    except OSError:
        return False
    return True


def ready(status: str = "") -> bool:
    """The service does its duty from now on. `status` is the line that `systemctl status` shows."""
    return notify("READY=1", *([f"STATUS={status}"] if status else []))


def watchdog() -> bool:
    """Still alive. To be called by the thread that does the duty, not by one beside it."""
    return notify("WATCHDOG=1")


def status(line: str) -> bool:
    """Replace the line that `systemctl status` shows."""
    return notify(f"STATUS={line}")


def stopping() -> bool:
    """The service ends on purpose."""
    return notify("STOPPING=1")


def watchdog_seconds() -> float | None:
    """Seconds of silence after which systemd kills this process, or None (sd_watchdog_enabled(3))."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    usec = os.environ.get("WATCHDOG_USEC", "")
    return int(usec) / 1e6 if usec.isdecimal() and int(usec) > 0 else None


class Manager:
    """Hears what daemons say of themselves. The kernel names the sender's process, so nobody speaks for another."""

    def __init__(self) -> None:
        """Raises OSError."""
        # Only this user reaches into it: nobody else can fill the line, so that a child's words are lost.
        self._folder = tempfile.TemporaryDirectory(prefix="lintel-")
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self._line.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.address = f"{self._folder.name}/notify"
        """For the daemons' NOTIFY_SOCKET."""
        self._line.bind(self.address)

    def heard(self) -> Iterator[tuple[int, frozenset[str]]]:
        """(process id, its words) of everything that this user's processes said since the last call; never waits."""
        while True:
            try:
                data, extra, _, _ = self._line.recvmsg(LONGEST, socket.CMSG_SPACE(_CREDENTIALS.size))
            except BlockingIOError:
                return
            senders = [
                _CREDENTIALS.unpack(content)
                for level, kind, content in extra
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS)
            ]
            if senders and senders[0][1] == os.geteuid():
                yield senders[0][0], frozenset(data.decode("utf-8", "replace").splitlines())

    def close(self) -> None:
        """May be called twice."""
        self._line.close()
        self._folder.cleanup()
