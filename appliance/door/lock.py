"""The lock: from what the door wants to what the relay's coil does."""

from typing import Protocol

from appliance.facts import DoorCommand

REST = False
"""The coil without current: what a dead process, a cut wire and a power cut all come to."""


class Relay(Protocol):
    """A relay's coil."""

    def energise(self, on: bool) -> None:
        """Send current through the coil, or none. Raises LockError."""


def coil(command: DoorCommand, lock: str) -> bool:
    """Whether the coil needs current for that. The one place that knows fail_secure from fail_safe.

    At rest a fail_secure lock is locked, and a fail_safe one is open.
    """
    return (command is DoorCommand.RELEASE) == (lock == "fail_secure")


class Lock:
    """Drives one relay. The relay is at rest before, and after."""

    def __init__(self, relay: Relay, lock: str) -> None:
        """`lock`: `fail_secure` or `fail_safe`. Moves nothing."""
        self._relay = relay
        self._lock = lock
        self._closed = False

    def drive(self, command: DoorCommand) -> None:
        """Put the lock there, whether or not it is there already. Raises LockError."""
        if not self._closed:
            self._relay.energise(coil(command, self._lock))

    def close(self) -> None:
        """Return to rest and stay there. May be called twice. Raises LockError."""
        if not self._closed:
            self._closed = True
            self._relay.energise(REST)
