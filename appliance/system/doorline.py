"""Doorline: one datagram a fact, from vision and net to the door. No retry, no queue: a stale unlock must die.

The kernel stamps each datagram with its sender's uid (SCM_CREDENTIALS, unix(7)), so a process can
only say what its user may say. The door takes what arrives as evidence and judges it again.
"""

import math
import os
import socket
import struct
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from appliance.errors import DoorlineError
from appliance.facts import AdminUnlock, Alive, Match, Passing, PassShown
from appliance.system.doorwire import LARGEST, Fact, PinDigits, decode, encode, stamp
from appliance.system.status import share_with_group

__all__ = ["Doorline", "DoorlineSender", "Fact", "Fault", "Judge", "PinDigits", "Refused"]

AGE_SECONDS = 2.0
"""A fact older than this opens nothing."""
AHEAD_SECONDS = 0.1
"""A fact from further in the future than this is not one of this machine's clock."""
IDS_KEPT = 4096
"""Ids of unlocks remembered. With two a second let in, they outlast AGE_SECONDS a thousand times."""

ROOT = 0
"""May unlock too: from the command line, where no net runs. Root could drive the relay itself."""

_PEER = struct.Struct("iII")  # struct ucred: pid, uid, gid


class Fault(StrEnum):
    """Why a datagram was thrown away."""

    SENDER = "sender"
    SIZE = "size"
    MALFORMED = "malformed"
    STALE = "stale"
    REPLAYED = "replayed"
    FLOOD = "flood"


@dataclass(frozen=True, slots=True)
class Refused:
    """A datagram that opens nothing, and why. It carries nothing the sender wrote."""

    fault: Fault
    uid: int
    """-1 if the kernel named nobody."""


class Budget:
    """A token bucket: `rate` a second in the long run, `burst` at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._left, self._at = burst, -math.inf

    def take(self, now: float) -> bool:
        """True if one more is within the budget at `now` (monotonic seconds)."""
        self._left = min(self._burst, self._left + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Judge:
    """Whether a decoded fact is in time, new, and not one too many. Knows no socket and no clock."""

    def __init__(self, opened_at: float) -> None:
        self._opened_at = opened_at
        self._last: dict[type, float] = {}
        self._ids: dict[str, None] = {}
        self._budgets = {
            Match: Budget(10, 10),
            Alive: Budget(4, 8),
            AdminUnlock: Budget(2, 4),
            PinDigits: Budget(2, 4),
            PassShown: Budget(2, 4),
            Passing: Budget(4, 8),
        }

    def fault(self, fact: Fact, now: float) -> Fault | None:
        """Why it may not be believed, or None. A fact judged once is remembered, whatever the verdict."""
        if not self._budgets[type(fact)].take(now):
            return Fault.FLOOD
        # Nothing older than this receiver: what it had remembered before a restart cannot come again.
        if not max(now - AGE_SECONDS, self._opened_at) <= stamp(fact) <= now + AHEAD_SECONDS:
            return Fault.STALE
        return Fault.REPLAYED if self._seen(fact) else None

    def remember(self, unlock_id: str) -> None:
        """An unlock with this id has been used: it opens nothing more."""
        self._ids[unlock_id] = None
        while len(self._ids) > IDS_KEPT:
            del self._ids[next(iter(self._ids))]

    def _seen(self, fact: Fact) -> bool:
        if isinstance(fact, Match | PassShown | Passing | PinDigits):
            # One camera, one screen, one clock: each vote ends on a later frame than the vote before it, and so with
            # passes and PINs.
            last = self._last.get(type(fact), -math.inf)
            self._last[type(fact)] = max(stamp(fact), last)
            return stamp(fact) <= last
        if isinstance(fact, AdminUnlock):
            seen = fact.id in self._ids
            self.remember(fact.id)
            return seen
        return False


class Doorline:
    """The door's end: binds the socket, and hands out facts that are well formed, in time and from the right user."""

    def __init__(self, path: Path, vision_uid: int, net_uid: int) -> None:
        """Raises DoorlineError: the socket cannot be bound there."""
        self._path = path
        self._may = {
            Match: {vision_uid},
            Alive: {vision_uid},
            PassShown: {vision_uid},
            Passing: {vision_uid},
            AdminUnlock: {net_uid, ROOT},
            PinDigits: {net_uid},
        }
        self._socket = _bind(path)
        self.judge = Judge(time.monotonic())

    def receive(self, timeout: float | None = None) -> Fact | Refused | None:
        """The next fact, or why a datagram was refused, or None after `timeout` seconds without any.

        Raises OSError once closed.
        """
        self._socket.settimeout(timeout)
        try:
            data, ancillary, flags, _ = self._socket.recvmsg(LARGEST + 1, socket.CMSG_SPACE(_PEER.size))
        except TimeoutError:
            return None
        uid = _uid(ancillary)
        if not any(uid in users for users in self._may.values()):
            return Refused(Fault.SENDER, uid)
        if flags & socket.MSG_TRUNC or len(data) > LARGEST:
            return Refused(Fault.SIZE, uid)
        try:
            fact = decode(data)
        except DoorlineError:
            return Refused(Fault.MALFORMED, uid)
        if uid not in self._may[type(fact)]:
            return Refused(Fault.SENDER, uid)
        fault = self.judge.fault(fact, time.monotonic())
        return Refused(fault, uid) if fault else fact

    def close(self) -> None:
        """Stop listening and remove the socket's file. May be called twice."""
        self._socket.close()
        self._path.unlink(missing_ok=True)


class DoorlineSender:
    """A peer's end. One attempt: what the door does not take now, it never gets."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def send(self, fact: Fact) -> bool:
        """True if the kernel took it; False if the door is away, full or does not let this user in.

        Raises DoorlineError: a fact that no door would take (a value that is not finite, or too long).
        """
        data = encode(fact)
        try:
            self._socket.sendto(data, str(self._path))
        except OSError:
            return False
        return True

    def close(self) -> None:
        """May be called twice."""
        self._socket.close()


def _bind(path: Path) -> socket.socket:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        if path.is_socket():  # left by a door that was killed
            path.unlink()
        # Before bind, so that no datagram is ever queued without its sender's name.
        line.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        before = os.umask(0o117)
        try:
            line.bind(str(path))
        finally:
            os.umask(before)
        share_with_group(path, 0o660)
    except OSError as error:
        line.close()
        reason = error.strerror or error  # "AF_UNIX path too long" has no errno
        raise DoorlineError(
            f"doorline {path} cannot be opened: {reason}; "
            "let the door's user write there, and keep the path under 108 bytes"
        ) from None
    return line


def _uid(ancillary: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS) and len(data) >= _PEER.size:
            _, uid, _ = _PEER.unpack(data[: _PEER.size])
            return int(uid)
    return -1
