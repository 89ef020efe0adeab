"""Words to systemd: ready, still alive, stopping (sd_notify(3)). Silent where nobody listens."""

import os
import socket


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
